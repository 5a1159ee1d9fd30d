//! How large things are.
//!
//! In: a relation or the database. Out: bytes of the files, as far as they lie in a file system
//! we can look at; words for a number of bytes.
//! Refuses to ask an object store: a catalog query must not wait for one.

use std::path::{Path, PathBuf};

use datafusion::common::{DataFusionError, Result};

use datafusion::datasource::listing::ListingTableUrl;
use object_store::path::Path as StorePath;

use super::reg::{self, CLASS};
use super::rows::Kind::{Int, Object, Text};
use super::rows::{Arg, Function, strict};
use crate::error::{PgError, SqlState};
use crate::pg_catalog::CatalogView;
use crate::pg_catalog::cells::Cell;
use crate::pg_catalog::lookup::AnyRelation;

/// Folders below folders are counted down to here, against links that make a circle.
const DEEPEST_FOLDER: usize = 16;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("pg_relation_size", &[Object, Text], "int8", relation_size).optional(1),
    strict("pg_table_size", &[Object], "int8", relation_size),
    strict("pg_total_relation_size", &[Object], "int8", relation_size),
    strict("pg_indexes_size", &[Object], "int8", |_, _| Ok(0.into())),
    strict("pg_database_size", &[Object], "int8", database_size),
    strict("pg_tablespace_size", &[Object], "int8", database_size),
    strict("pg_size_bytes", &[Text], "int8", |_, args| bytes(args[0].text())),
    strict("pg_size_pretty", &[Int], "text", |_, args| Ok(pretty(args[0].int()).into())),
];

fn relation_size(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let oid = reg::resolve(view, &CLASS, &args[0])?;
    Ok(match view.relation(oid) {
        Some(AnyRelation::User(row)) => Cell::Int(row.location.as_deref().map_or(0, size_of)),
        Some(AnyRelation::System(_)) => Cell::Int(0),
        None => Cell::Null,
    })
}

fn database_size(view: &CatalogView, _: &[Arg<'_>]) -> Result<Cell> {
    let places = view.relations.iter().filter_map(|row| row.location.as_deref());
    Ok(Cell::Int(places.map(size_of).sum()))
}

fn size_of(location: &str) -> i64 {
    let Ok(url) = ListingTableUrl::parse(location) else { return 0 };
    let root = PathBuf::from(format!("/{}", url.prefix()));
    i64::try_from(bytes_under(&url, &root, DEEPEST_FOLDER)).unwrap_or(i64::MAX)
}

/// Bytes of the files that a location means. What cannot be read counts nothing: a size is
/// information, not a check.
fn bytes_under(url: &ListingTableUrl, path: &Path, levels: usize) -> u64 {
    let Ok(metadata) = path.metadata() else {
        return 0;
    };
    if !metadata.is_dir() {
        let is_meant = StorePath::from_absolute_path(path).is_ok_and(|it| url.contains(&it, false));
        return if is_meant { metadata.len() } else { 0 };
    }
    if levels == 0 {
        return 0;
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| bytes_under(url, &entry.path(), levels - 1)).sum()
}

/// `1.5 GB` as a number of bytes.
fn bytes(text: &str) -> Result<Cell> {
    let trimmed = text.trim();
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-');
    let end = trimmed.find(|c| !is_number(c)).unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(end);
    let invalid = |detail: String| {
        let message = format!("invalid size: \"{text}\"");
        let error = PgError::new(SqlState::InvalidParameterValue, message).detail(detail);
        DataFusionError::External(Box::new(error))
    };
    let number: f64 = number.parse().map_err(|_| invalid("Not a number.".to_owned()))?;
    let names = ["bytes", "kb", "mb", "gb", "tb", "pb"];
    let wanted = unit.trim().to_lowercase();
    let power = match wanted.as_str() {
        "" | "b" => Some(0),
        name => names.iter().position(|known| *known == name),
    };
    let power = power.ok_or_else(|| invalid(format!("Invalid size unit: \"{}\".", unit.trim())))?;
    Ok(Cell::Int((number * 1024_f64.powi(power as i32)).round() as i64))
}

/// PostgreSQL's rounding: a unit is left only above ten times 1024, halves go away from zero.
fn pretty(bytes: i64) -> String {
    const UNITS: [&str; 6] = ["bytes", "kB", "MB", "GB", "TB", "PB"];
    let limit = 10 * 1024;
    let mut size = i128::from(bytes);
    let mut unit = 0;
    // From kB on, sizes are kept doubled, so that one shift more rounds by half.
    while unit + 1 < UNITS.len() {
        let bound = if unit == 0 { limit } else { limit * 2 - 1 };
        if size.abs() < bound {
            break;
        }
        size /= if unit == 0 { 512 } else { 1024 };
        unit += 1;
    }
    if unit > 0 {
        size = (size + size.signum()) / 2;
    }
    format!("{size} {}", UNITS[unit])
}
