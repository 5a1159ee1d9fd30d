//! Rows that are the same on every server.
//!
//! In: the files of `data/`. Out: one shared record batch a catalog, decoded at first use.
//! Refuses to know the view.

use std::sync::OnceLock;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;

use super::cells;
use super::layout::SystemRelation;

/// A catalog with rows that never change.
struct Source {
    name: &'static str,
    text: &'static str,
    batch: OnceLock<RecordBatch>,
}

macro_rules! sources {
    ($($name:literal)+) => {
        static SOURCES: [Source; [$($name),+].len()] = [$(Source {
            name: $name,
            text: include_str!(concat!("data/", $name, ".tsv")),
            batch: OnceLock::new(),
        }),+];
    };
}

sources! {
    "mobula_arguments" "mobula_keywords" "pg_aggregate" "pg_am" "pg_amop" "pg_amproc"
    "pg_cast" "pg_collation"
    "pg_conversion" "pg_language" "pg_opclass" "pg_operator" "pg_opfamily" "pg_proc" "pg_range"
    "pg_tablespace" "pg_timezone_abbrevs" "pg_ts_config" "pg_ts_dict" "pg_ts_parser"
    "pg_ts_template" "pg_type"
}

/// The rows of that relation, or `None` if it has none that never change.
pub(super) fn batch(relation: &SystemRelation) -> Result<Option<RecordBatch>> {
    let is_it = |source: &&Source| source.name == relation.name;
    let Some(source) = SOURCES.iter().find(is_it) else {
        return Ok(None);
    };
    if let Some(batch) = source.batch.get() {
        return Ok(Some(batch.clone()));
    }
    let batch = decode(source, &relation.arrow)?;
    Ok(Some(source.batch.get_or_init(|| batch).clone()))
}

/// The file of that catalog, line by line and field by field, still as text.
pub(super) fn lines(name: &str) -> impl Iterator<Item = Vec<&'static str>> + use<> {
    let source = SOURCES.iter().find(|source| source.name == name);
    source.map_or("", |source| source.text).lines().map(|line| line.split('\t').collect())
}

fn decode(source: &Source, schema: &SchemaRef) -> Result<RecordBatch> {
    let row = |line: &str| {
        let fields = line.split('\t').zip(schema.fields());
        fields.map(|(text, field)| cells::parse(field.data_type(), text)).collect()
    };
    cells::batch(schema, source.text.lines().map(row).collect::<Result<Vec<_>>>()?)
}
