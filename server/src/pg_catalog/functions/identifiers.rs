//! Identifiers as SQL writes them.
//!
//! In: names, or texts with names in them. Out: quoted names, the parts of a qualified one.
//! Refuses to know what the names mean.

use datafusion::common::{DataFusionError, Result};

use super::refusal;
use super::rows::Kind::{Bool, Text};
use super::rows::{Arg, Function, strict};
use crate::error::{PgError, SqlState};
use crate::pg_catalog::cells::Cell;
use crate::pg_catalog::lookup::quote_ident;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("quote_ident", &[Text], "text", |_, args| Ok(quote_ident(args[0].text()).into())),
    strict("parse_ident", &[Text, Bool], "_text", |_, args| parse_ident(args)).optional(1),
];

/// The parts of `"A".b.c`; what follows them is ignored when the second argument is false.
fn parse_ident(args: &[Arg<'_>]) -> Result<Cell> {
    let text = args[0].text();
    let strict = args.get(1).is_none_or(Arg::is_true);
    let mut rest = text.trim_start();
    let mut parts = vec![];
    loop {
        let before = if parts.is_empty() { None } else { Some("after") };
        let (part, after) = identifier(text, rest, before)?;
        parts.push(Cell::Text(part));
        rest = after.trim_start();
        match rest.strip_prefix('.') {
            Some(next) => rest = next.trim_start(),
            None if rest.is_empty() || !strict => return Ok(Cell::List(parts)),
            None => return Err(invalid(text, None)),
        }
    }
}

/// The identifier that a text begins with, and what follows it.
fn identifier<'a>(whole: &str, text: &'a str, place: Option<&str>) -> Result<(String, &'a str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        return quoted_identifier(whole, quoted);
    }
    let is_start = |c: char| c.is_alphabetic() || c == '_' || !c.is_ascii();
    let is_part = |c: char| is_start(c) || c.is_ascii_digit() || c == '$';
    if !text.starts_with(is_start) {
        let detail = match (place, text.starts_with('.')) {
            (_, true) => Some("No valid identifier before \".\"."),
            (Some(_), _) => Some("No valid identifier after \".\"."),
            (None, _) => None,
        };
        return Err(invalid(whole, detail));
    }
    let end = text.find(|c: char| !is_part(c)).unwrap_or(text.len());
    Ok((text[..end].to_lowercase(), &text[end..]))
}

fn quoted_identifier<'a>(whole: &str, text: &'a str) -> Result<(String, &'a str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let Some((part, after)) = rest.split_once('"') else {
            return Err(invalid(whole, Some("String has unclosed double quotes.")));
        };
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None if name.is_empty() => {
                return Err(invalid(whole, Some("Quoted identifier must not be empty.")));
            }
            None => return Ok((name, after)),
        }
    }
}

fn invalid(text: &str, detail: Option<&str>) -> DataFusionError {
    let message = format!("string is not a valid identifier: \"{text}\"");
    match detail {
        None => refusal(SqlState::InvalidParameterValue, message),
        Some(detail) => {
            let error = PgError::new(SqlState::InvalidParameterValue, message).detail(detail);
            DataFusionError::External(Box::new(error))
        }
    }
}
