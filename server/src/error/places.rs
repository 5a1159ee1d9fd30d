//! Where in a statement an engine error stands that does not say it, or says another place than
//! PostgreSQL does. In: the error, the engine's words, the statement. Out: a place, and none where
//! it could be several.

use datafusion::sql::sqlparser::keywords::Keyword;
use planner::places::Places;

use super::words::between;
use crate::error::{PgError, SqlState};

const OPERATORS: [&str; 17] =
    ["=", "!=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "||", "&", "|", "<<", ">>"];

/// The place of an error in a statement.
pub(super) fn of(error: &PgError, words: &str, sql: &str) -> Option<usize> {
    let message = error.message.as_str();
    let quoted = || between(message, "\"", "\"");
    let places = Places::of(sql);
    match error.state {
        SqlState::UndefinedFunction if message.starts_with("operator ") => {
            places.operator(operator(words)?, error.position)
        }
        SqlState::SyntaxError if message.starts_with("each UNION") => {
            places.second_query(Keyword::UNION)
        }
        SqlState::SyntaxError if message.starts_with("each INTERSECT") => {
            places.second_query(Keyword::INTERSECT)
        }
        SqlState::SyntaxError if message.starts_with("each EXCEPT") => {
            places.second_query(Keyword::EXCEPT)
        }
        _ if error.position.is_some() => None,
        SqlState::UndefinedFunction => {
            let call = message.strip_prefix("function ")?;
            let constant = || places.constant(quoted()?);
            places.call(call.split(['(', ' ']).next()?).or_else(constant)
        }
        SqlState::UndefinedTable if message.starts_with("missing FROM") => {
            places.qualifier(quoted()?)
        }
        SqlState::UndefinedTable | SqlState::InvalidSchemaName => places.constant(quoted()?),
        SqlState::UndefinedObject => {
            let name = quoted()?;
            places.constant(name).or_else(|| places.name(last(name.trim_end_matches("[]"))))
        }
        SqlState::UndefinedColumn => {
            let column = between(message, "column ", " does not exist")?;
            places.name(last(column.trim_matches('"')))
        }
        SqlState::UndefinedParameter => places.parameter(),
        SqlState::InvalidTextRepresentation
        | SqlState::InvalidDatetimeFormat
        | SqlState::DatetimeOverflow
        | SqlState::NumericOutOfRange => constant(&places, message),
        SqlState::DatatypeMismatch => {
            let clause = between(message, "argument of ", " must be")?;
            places.behind(match clause {
                "WHERE" => Keyword::WHERE,
                "JOIN/ON" => Keyword::ON,
                "NOT" => Keyword::NOT,
                "LIMIT" => Keyword::LIMIT,
                _ => return None,
            })
        }
        SqlState::InvalidColumnReference => match between(message, " position ", " is not in") {
            Some(number) => places.number(number),
            None => places.name(last(between(message, "ORDER BY expressions ", " must")?)),
        },
        _ => None,
    }
}

/// The constant that is no value of its type.
fn constant(places: &Places, message: &str) -> Option<usize> {
    let is_input = message.starts_with("invalid input syntax") || message.starts_with("malformed");
    let value = match message.split_once(": \"") {
        Some((_, value)) => value.strip_suffix('"')?,
        None => match between(message, "value \"", "\" is out of range for type") {
            Some(value) => value,
            None if is_input => "",
            None => return None,
        },
    };
    places.constant(value).or_else(|| is_input.then(|| places.constant_around(value)).flatten())
}

/// The last part of a name.
fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// The operator in the engine's words about it.
fn operator(words: &str) -> Option<&str> {
    words.lines().find_map(|line| {
        if line.contains("in LIKE expression") {
            return Some("like");
        }
        if line.contains("in BETWEEN expression") {
            return Some("between");
        }
        if line.contains("Can not find compatible types to compare") {
            return Some("in");
        }
        if line.contains("Unary operator '-'") {
            return Some("-");
        }
        let (_, operation) = [" operation ", " arithmetic expression ", "does not exist: "]
            .iter()
            .find_map(|start| line.split_once(start))?;
        operation.split(' ').find(|word| OPERATORS.contains(word) || *word == "~")
    })
}
