//! Casts, interval literals and the words for the clock on the syntax tree. In: an expression whose
//! output name is already fixed. Out: the same value in casts that DataFusion plans: lengths of
//! character types become calls, interval literals casts of their text, clock words `now()`.

use datafusion::sql::sqlparser::ast::{
    CastKind, CharacterLength, DataType, DateTimeField, Expr, Function, FunctionArguments,
    Interval, TimezoneInfo, TypedString, Value,
};

use crate::dialect::call;

/// Rewrites one expression, after its parts.
pub(crate) fn rewrite(expr: Expr) -> Expr {
    match expr {
        Expr::Cast { expr, data_type, kind: CastKind::Cast | CastKind::DoubleColon, .. } => {
            sized(*expr, data_type)
        }
        Expr::TypedString(TypedString { data_type, value, .. }) => {
            sized(Expr::Value(value), data_type)
        }
        Expr::Interval(interval) => interval_literal(interval),
        // `extract` is exact, and this, the same to DataFusion, a float.
        Expr::Function(function) if is_named(&function, "date_part") => {
            cast(Expr::Function(function), DataType::DoublePrecision)
        }
        Expr::Function(function) => clock(function),
        other => other,
    }
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    let (kind, expr) = (CastKind::DoubleColon, Box::new(expr));
    Expr::Cast { kind, expr, data_type, array: false, format: None }
}

fn is_named(function: &Function, name: &str) -> bool {
    function.name.to_string().eq_ignore_ascii_case(name)
}

fn number(value: impl ToString) -> Expr {
    Expr::value(Value::Number(value.to_string(), false))
}

/// A cast to a character type with a length cuts, and `char` fills with spaces.
fn sized(expr: Expr, data_type: DataType) -> Expr {
    let (length, fills) = match &data_type {
        DataType::Varchar(length)
        | DataType::CharacterVarying(length)
        | DataType::CharVarying(length) => (*length, false),
        DataType::Char(None) | DataType::Character(None) => {
            (Some(CharacterLength::IntegerLength { length: 1, unit: None }), true)
        }
        DataType::Char(length) | DataType::Character(length) => (*length, true),
        DataType::DoublePrecision | DataType::Real | DataType::Float8 | DataType::Float4 => {
            return cast(digits_as_text(expr), data_type);
        }
        _ => (None, false),
    };
    let Some(CharacterLength::IntegerLength { length, .. }) = length else {
        return cast(expr, data_type);
    };
    let text = cast(expr, DataType::Text);
    match fills {
        // `rpad` cuts what is longer, too.
        true => call("rpad", vec![text, number(length)]),
        false => call("left", vec![text, number(length)]),
    }
}

/// A number's digits, to be read by the type they are cast to: as a number of its own `1e300` has
/// more digits than DataFusion's decimals.
fn digits_as_text(expr: Expr) -> Expr {
    match expr {
        Expr::Value(value) => match value.value {
            Value::Number(digits, _) => Expr::value(Value::SingleQuotedString(digits.to_string())),
            other => Expr::value(other),
        },
        other => other,
    }
}

/// `interval '1' day` is `'1 day'::interval`; where the text has units, the fields add nothing.
fn interval_literal(interval: Interval) -> Expr {
    let text = match interval.value.as_ref() {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => text.clone(),
            Value::Number(digits, _) => digits.to_string(),
            _ => return Expr::Interval(interval),
        },
        _ => return Expr::Interval(interval),
    };
    let bare = text.trim().parse::<f64>().is_ok();
    let text = match interval.last_field.as_ref().or(interval.leading_field.as_ref()) {
        Some(field) if bare => format!("{text} {}", unit(field)),
        _ => text,
    };
    let data_type = DataType::Interval { fields: None, precision: None };
    cast(Expr::value(Value::SingleQuotedString(text)), data_type)
}

fn unit(field: &DateTimeField) -> String {
    field.to_string().to_lowercase()
}

/// The clock's words are `now()`, local ones cast to their types. A precision is not kept.
fn clock(function: Function) -> Expr {
    let is_call = matches!(&function.args, FunctionArguments::List(list) if list.args.is_empty());
    let word = !is_call && matches!(function.args, FunctionArguments::None);
    let data_type = match function.name.to_string().to_lowercase().as_str() {
        "current_timestamp" if word => return call("now", vec![]),
        "current_date" => DataType::Date,
        "current_time" | "localtime" => DataType::Time(None, TimezoneInfo::None),
        "localtimestamp" => DataType::Timestamp(None, TimezoneInfo::None),
        _ => return Expr::Function(function),
    };
    cast(call("now", vec![]), data_type)
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::rewrite;

    fn rewritten(sql: &str) -> String {
        let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(sql).expect("tokens");
        rewrite(parser.parse_expr().expect("an expression")).to_string()
    }

    #[test]
    fn lengths_are_kept() {
        assert_eq!(rewritten("'ab'::char(4)"), "rpad('ab'::TEXT, 4)");
        assert_eq!(rewritten("cast(x as varchar(3))"), "left(x::TEXT, 3)");
        assert_eq!(rewritten("x::varchar"), "x::VARCHAR");
        assert_eq!(rewritten("1e300::float8"), "'1e300'::FLOAT8");
    }

    #[test]
    fn intervals_are_casts() {
        assert_eq!(rewritten("interval '1' day"), "'1 day'::INTERVAL");
        assert_eq!(rewritten("interval '1 day 02:03'"), "'1 day 02:03'::INTERVAL");
        assert_eq!(rewritten("interval '1-2' year to month"), "'1-2'::INTERVAL");
    }

    #[test]
    fn clocks_are_one() {
        assert_eq!(rewritten("current_timestamp"), "now()");
        assert_eq!(rewritten("current_date"), "now()::DATE");
    }
}
