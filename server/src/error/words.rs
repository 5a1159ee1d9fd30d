//! DataFusion's words as Postgres's. Many of its errors are a kind and a sentence; here the
//! sentences users meet become SQLSTATEs. In: a sentence. Out: an error, or none for a sentence
//! that says nothing a user could act on.

use super::sentences;
use crate::error::{PgError, SqlState};

/// The first line of a text, without the part that asks to report a bug.
pub fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
}

/// Between two words of a text.
pub(super) fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    Some(&rest[..rest.find(after)?])
}

/// What DataFusion does not do; a type it does not know is one that does not exist.
pub fn from_unsupported(text: &str) -> PgError {
    let line = first_line(text);
    match line.split_once("Unsupported SQL type ") {
        Some((_, name)) => {
            let name = name.trim().to_lowercase();
            PgError::new(SqlState::UndefinedObject, format!("type \"{name}\" does not exist"))
        }
        None => PgError::unsupported(line),
    }
}

/// Words that say what is wrong whatever error carries them.
pub fn from_any(text: &str) -> Option<PgError> {
    let reason = || text.rsplit("error: ").next().map(first_line).unwrap_or_default();
    text.contains("regex parse error").then(|| {
        let message = format!("invalid regular expression: {}", reason());
        PgError::new(SqlState::InvalidRegularExpression, message)
    })
}

/// Functions that are none without OVER.
const WINDOW_FUNCTIONS: [&str; 8] =
    ["row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead"];

/// Of an operator that is not there for its operands.
const OPERATORS: [&str; 9] = [
    "Cannot infer common argument type",
    "Cannot infer common string type",
    "Cannot infer common type for bitwise operation",
    "Cannot coerce arithmetic expression",
    "Cannot get result type for temporal operation",
    "Can not find compatible types to compare",
    "Unary operator '-' only supports",
    "in LIKE expression",
    "operator does not exist: ",
];

/// What DataFusion takes for its own error and is one of the statement.
pub fn from_internal(text: &str) -> Option<PgError> {
    if text.contains("in BETWEEN expression") {
        return Some(operator(text));
    }
    text.contains("Unexpected empty work table").then(|| {
        let message = "a recursive reference must stand once in FROM, and in no subquery";
        PgError::new(SqlState::InvalidRecursion, message)
    })
}

/// Errors of planning: names, types, grouping.
pub fn from_plan(text: &str) -> Option<PgError> {
    let line = first_line(text);
    if let Some(known) = sentences::planning(&line) {
        return Some(known);
    }
    if let Some(name) = between(text, "Invalid function '", "'") {
        if WINDOW_FUNCTIONS.contains(&name) {
            let message = format!("window function {name} requires an OVER clause");
            return Some(PgError::new(SqlState::WrongObjectType, message));
        }
        let error = function(&format!("{name}()"));
        return Some(match between(text, "Did you mean '", "'") {
            Some(near) => error.hint(format!("Perhaps you meant \"{near}\".")),
            None => error,
        });
    }
    if let Some(name) = between(text, "table '", "' not found") {
        let name = name.rsplit('.').next().unwrap_or(name);
        let message = format!("relation \"{name}\" does not exist");
        return Some(PgError::new(SqlState::UndefinedTable, message));
    }
    if line.contains("No function matches the given name and argument types") {
        let call = between(text, "argument types '", "'").unwrap_or("");
        return Some(function(call));
    }
    if line.contains("failed to match any signature") {
        return between(text, "Function '", "'").map(function);
    }
    if line.contains("Failed to coerce arguments")
        || line.contains("function") && line.contains("expect")
    {
        let name = between(text, "'", "'").unwrap_or("function");
        return Some(function(name).detail(format!("{line}.")));
    }
    let state = if line.contains("must appear in the GROUP BY")
        || line.contains("must be part of group by")
        || line.contains("could not be resolved from available columns")
        || line.contains("could not be resolved without being in GROUP BY")
    {
        return Some(grouping(text));
    } else if line.contains("Aggregate functions are not allowed in") {
        SqlState::GroupingError
    } else if OPERATORS.iter().any(|words| line.contains(words)) {
        return Some(operator(text));
    } else if line.contains("Unsupported CAST") || line.contains("Cannot automatically convert") {
        SqlState::CannotCoerce
    } else if line.contains("have the same name") || line.contains("expression names") {
        SqlState::DuplicateAlias
    } else if line.contains("ambiguous") {
        SqlState::AmbiguousColumn
    } else if line.contains("placeholder") || line.contains("Placeholder") {
        SqlState::UndefinedParameter
    } else if line.contains("UNION")
        || line.contains("number of columns")
        || line.contains("columns,")
    {
        SqlState::SyntaxError
    } else if line.contains("LIMIT") || line.contains("OFFSET") {
        SqlState::InvalidRowCountInLimit
    } else if line.contains("ORDER BY") || line.contains("position") {
        SqlState::InvalidColumnReference
    } else if line.contains("not supported") || line.contains("nsupported") {
        SqlState::FeatureNotSupported
    } else if line.contains("ype") {
        SqlState::DatatypeMismatch
    } else {
        SqlState::SyntaxError
    };
    Some(PgError::new(state, line))
}

fn function(call: &str) -> PgError {
    let message = format!("function {} does not exist", call.to_lowercase());
    PgError::new(SqlState::UndefinedFunction, message).hint(
        "No function matches the given name and argument types. You might need to add explicit \
         type casts.",
    )
}

fn grouping(text: &str) -> PgError {
    let column = between(text, "expression \"", "\"").or_else(|| between(text, "Column '", "'"));
    let column = column.or_else(|| between(text, "column \"", "\""));
    let column = column.unwrap_or("in the select list").trim_matches('"');
    PgError::new(
        SqlState::GroupingError,
        format!(
            "column \"{column}\" must appear in the GROUP BY clause or be used in an aggregate \
             function"
        ),
    )
}

fn operator(text: &str) -> PgError {
    let what = first_line(text);
    PgError::new(SqlState::UndefinedFunction, "operator does not exist for these types")
        .detail(format!("{what}."))
        .hint(
            "No operator matches the given argument types. You might need to add explicit type \
             casts.",
        )
}

/// Errors of values while a query runs.
pub fn from_execution(text: &str) -> Option<PgError> {
    let lower = text.to_lowercase();
    if let Some(known) = sentences::running(&lower) {
        return Some(PgError::new(known, first_line(text)));
    }
    if lower.contains("divide by zero") || lower.contains("division by zero") {
        return Some(PgError::new(SqlState::DivisionByZero, "division by zero"));
    }
    if lower.contains("overflow") || lower.contains("too large to store in a decimal") {
        return Some(overflow(text));
    }
    if lower.contains("cannot cast") || lower.contains("can't cast") || lower.contains("parsing") {
        return Some(from_cast(text));
    }
    if lower.contains("regular expression") || lower.contains("regex") {
        let message = format!("invalid regular expression: {}", first_line(text));
        return Some(PgError::new(SqlState::InvalidRegularExpression, message));
    }
    if lower.contains("more than one row") || lower.contains("returned more than") {
        let message = "more than one row returned by a subquery used as an expression";
        return Some(PgError::new(SqlState::CardinalityViolation, message));
    }
    if lower.contains("timezone") || lower.contains("time zone") {
        return Some(PgError::new(SqlState::InvalidParameterValue, first_line(text)));
    }
    if lower.contains("not supported") || lower.contains("unsupported") {
        return Some(PgError::new(SqlState::FeatureNotSupported, first_line(text)));
    }
    if lower.contains("internal error") {
        return None;
    }
    Some(PgError::new(SqlState::DataException, first_line(text)))
}

/// Out of range, in the words for the type.
pub fn overflow(text: &str) -> PgError {
    let kind = if text.contains("numeric") || text.contains("ecimal") {
        "numeric field overflow"
    } else if text.contains("i16") || text.contains("Int16") {
        "smallint out of range"
    } else if text.contains("Int32") || text.contains("i32") {
        "integer out of range"
    } else {
        "bigint out of range"
    };
    PgError::new(SqlState::NumericOutOfRange, kind)
}

/// A value that is not of the type it should be.
pub fn from_cast(text: &str) -> PgError {
    let type_name = cast_target(text);
    if let Some(zone) = between(text, "Invalid timezone \"", "\"") {
        let message = format!("time zone \"{zone}\" not recognized");
        return PgError::new(SqlState::InvalidParameterValue, message);
    }
    if let Some(value) = between(text, "Cannot cast string '", "' to value of")
        .or_else(|| between(text, "Error parsing timestamp from '", "'"))
        .or_else(|| between(text, "Cannot cast string '", "'"))
    {
        let out_of_range =
            value.trim().trim_start_matches(['-', '+']).chars().all(|c| c.is_ascii_digit())
                && !value.trim().is_empty();
        if out_of_range && ["integer", "bigint", "smallint"].contains(&type_name) {
            let message = format!("value \"{value}\" is out of range for type {type_name}");
            return PgError::new(SqlState::NumericOutOfRange, message);
        }
        if ["date", "timestamp", "time"].contains(&type_name) && is_a_date(value) {
            let message = format!("date/time field value out of range: \"{value}\"");
            return PgError::new(SqlState::DatetimeOverflow, message);
        }
        let state = match type_name {
            "date" | "timestamp" | "time" | "interval" => SqlState::InvalidDatetimeFormat,
            _ => SqlState::InvalidTextRepresentation,
        };
        return PgError::new(
            state,
            format!("invalid input syntax for type {type_name}: \"{value}\""),
        );
    }
    if text.contains("Can't cast value")
        || text.contains("too large")
        || text.contains("out of range")
    {
        let message = format!("{type_name} out of range");
        return PgError::new(SqlState::NumericOutOfRange, message);
    }
    if text.contains("recision") || text.contains("overflow") {
        return PgError::new(SqlState::NumericOutOfRange, "numeric field overflow");
    }
    PgError::new(SqlState::InvalidTextRepresentation, first_line(text))
}

/// Digits and separators alone: a date that the calendar does not have.
fn is_a_date(value: &str) -> bool {
    let value = value.trim();
    value.matches(['-', ':', '/']).count() >= 2
        && value.chars().all(|c| c.is_ascii_digit() || "-:/. T+".contains(c))
}

fn cast_target(text: &str) -> &'static str {
    let names = [
        ("Int16", "smallint"),
        ("Int32", "integer"),
        ("Int64", "bigint"),
        ("UInt", "bigint"),
        ("Float32", "real"),
        ("Float64", "double precision"),
        ("Decimal", "numeric"),
        ("decimal", "numeric"),
        ("Date", "date"),
        ("imestamp", "timestamp"),
        ("Time", "time"),
        ("Interval", "interval"),
        ("Boolean", "boolean"),
        ("Bool", "boolean"),
    ];
    let target = text.rsplit(" to ").next().unwrap_or(text);
    let find =
        |text: &str| names.iter().find(|(word, _)| text.contains(word)).map(|(_, name)| *name);
    find(target).or_else(|| find(text)).unwrap_or("text")
}
