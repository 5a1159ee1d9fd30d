//! DataFusion's sentences, each with its SQLSTATE. In: a sentence. Out: the condition, and for
//! errors of planning PostgreSQL's words; none for a sentence that is not in these lists.

use super::words::between;
use crate::error::{PgError, SqlState};

/// Of planning: what it says, the condition, PostgreSQL's words where they are not the same.
const PLANNING: &[(&str, SqlState, Option<&str>)] = &[
    (
        "Cannot create filter with non-boolean predicate",
        SqlState::DatatypeMismatch,
        Some("argument of WHERE must be type boolean"),
    ),
    (
        "Join condition must be boolean",
        SqlState::DatatypeMismatch,
        Some("argument of JOIN/ON must be type boolean"),
    ),
    (
        "Unary operator 'NOT' requires",
        SqlState::DatatypeMismatch,
        Some("argument of NOT must be type boolean"),
    ),
    ("for logical boolean operation", SqlState::DatatypeMismatch, None),
    ("Aggregate function calls cannot", SqlState::GroupingError, None),
    ("Window function calls cannot be nested", SqlState::WindowingError, None),
    ("to grouping function is not in grouping columns", SqlState::GroupingError, None),
    ("is defined multiple times", SqlState::WindowingError, None),
    ("Invalid window frame: start bound", SqlState::WindowingError, None),
    ("Invalid window frame: end bound", SqlState::WindowingError, None),
    ("RANGE requires exactly one ORDER BY", SqlState::WindowingError, None),
    ("GROUPS requires an ORDER BY", SqlState::WindowingError, None),
    ("names given as column alias", SqlState::InvalidColumnReference, None),
    ("WITH query name", SqlState::DuplicateAlias, None),
    ("should satisfy `0 < precision", SqlState::InvalidParameterValue, None),
    ("There is no built-in encoding", SqlState::InvalidParameterValue, None),
    ("Step cannot be zero", SqlState::InvalidParameterValue, Some("step size cannot equal zero")),
    ("OFFSET must be >=0", SqlState::InvalidRowCountInOffset, Some("OFFSET must not be negative")),
    (
        "LIMIT to be an integer or null, but got Boolean",
        SqlState::DatatypeMismatch,
        Some("argument of LIMIT must be type bigint, not type boolean"),
    ),
    (
        "to be an integer or null, but got Utf8",
        SqlState::InvalidTextRepresentation,
        Some("invalid input syntax for type bigint"),
    ),
    (
        "to be an integer or null, but got Decimal",
        SqlState::NumericOutOfRange,
        Some("bigint out of range"),
    ),
];

/// Of a value while a query runs, in small letters.
const RUNNING: &[(&str, SqlState)] = &[
    ("cannot take square root of a negative", SqlState::InvalidPowerArgument),
    ("zero raised to a negative power", SqlState::InvalidPowerArgument),
    ("factorial of a negative number", SqlState::NumericOutOfRange),
    ("field position must not be zero", SqlState::InvalidParameterValue),
    ("negative count not allowed", SqlState::SubstringError),
    ("format: unrecognized format specifier", SqlState::InvalidParameterValue),
    ("format: too few arguments", SqlState::InvalidParameterValue),
    ("width_bucket requires", SqlState::InvalidWidthBucketArgument),
    ("ntile requires a positive", SqlState::InvalidNtileArgument),
    ("step can't be 0 for function", SqlState::InvalidParameterValue),
    ("unable to parse date from", SqlState::DatetimeOverflow),
    ("timestamp out of range", SqlState::DatetimeOverflow),
    ("invalid unicode scalar value", SqlState::InvalidParameterValue),
    ("failed to decode value using hex", SqlState::InvalidParameterValue),
    ("was not provided a value for execution", SqlState::UndefinedParameter),
];

/// What a type of object is called where a name of it means nothing, and the condition.
const NOT_THERE: &[(&str, SqlState)] = &[
    ("relation \"", SqlState::UndefinedTable),
    ("role \"", SqlState::UndefinedObject),
    ("type \"", SqlState::UndefinedObject),
    ("function \"", SqlState::UndefinedFunction),
    ("schema \"", SqlState::InvalidSchemaName),
];

/// An error of planning.
pub(super) fn planning(line: &str) -> Option<PgError> {
    if line.ends_with("\" does not exist")
        && let Some((_, state)) = NOT_THERE.iter().find(|(noun, _)| line.starts_with(noun))
    {
        return Some(PgError::new(*state, line));
    }
    if let Some((_, name)) = line.split_once("Invalid qualifier ") {
        let message = format!("missing FROM-clause entry for table \"{name}\"");
        return Some(PgError::new(SqlState::UndefinedTable, message));
    }
    if let Some(name) = between(line, "The window ", " is not defined") {
        let message = format!("window \"{name}\" does not exist");
        return Some(PgError::new(SqlState::UndefinedObject, message));
    }
    if line.contains("Projections require unique expression names") {
        let name = between(line, " AS ", "\"").unwrap_or_default();
        let message = format!("column \"{name}\" specified more than once");
        return Some(PgError::new(SqlState::DuplicateColumn, message));
    }
    if let Some((kind, _)) = line.split_once(" queries have different number of columns") {
        let kind = kind.rsplit(' ').next().unwrap_or(kind);
        let message = format!("each {kind} query must have the same number of columns");
        return Some(PgError::new(SqlState::SyntaxError, message));
    }
    if let Some(ordinal) = ordinal(line) {
        return Some(PgError::new(SqlState::InvalidColumnReference, ordinal));
    }
    let known = PLANNING.iter().find(|(words, ..)| line.contains(words));
    known.map(|(_, state, message)| PgError::new(*state, message.unwrap_or(line)))
}

/// A number in GROUP BY or ORDER BY that no column has.
fn ordinal(line: &str) -> Option<String> {
    let (clause, number) = if line.contains("Order by index starts at 1") {
        ("ORDER BY", "0")
    } else if let Some(number) = between(line, "Order by column out of bounds, specified: ", ",") {
        ("ORDER BY", number)
    } else {
        ("GROUP BY", between(line, "Cannot find column with position ", " in SELECT")?)
    };
    Some(format!("{clause} position {number} is not in select list"))
}

/// An error of a value, in small letters.
pub(super) fn running(lower: &str) -> Option<SqlState> {
    RUNNING.iter().find(|(words, _)| lower.contains(words)).map(|(_, state)| *state)
}
