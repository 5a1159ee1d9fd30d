//! Casts as PostgreSQL has them, on the logical plan before DataFusion settles types. In: an
//! expression and the types it stands on. Out: the same expression with
//! - text read and printed by PostgreSQL's rules where Arrow has others ([`TextForms`]),
//! - moments and local times turned into each other in the session's zone,
//! - fractions rounded, not cut, when they become integers.
//!
//! How a value looks in text it does not know: that is the server's.

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::functions::{datetime, unicode};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, Operator, ScalarUDF};

use crate::functions;
use crate::types::{PG_TYPE_KEY, is_unsized_numeric};

/// Values as PostgreSQL reads and prints them.
pub trait TextForms: Debug + Send + Sync {
    /// A value from its text. `zone` is the session's.
    ///
    /// # Errors
    /// A text that the type does not have.
    fn read(&self, text: &str, target: &Field, zone: &str) -> Result<ScalarValue>;

    /// The function from a text and a NULL of the wanted type to a value.
    fn text_input(&self) -> Arc<ScalarUDF>;

    /// The function from a value to its text.
    fn to_text(&self) -> Arc<ScalarUDF>;

    /// Other functions that print values.
    fn printers(&self) -> Vec<Arc<ScalarUDF>>;
}

/// What casts depend on besides their operand.
#[derive(Debug, Clone)]
pub(crate) struct Casts {
    pub(crate) forms: Arc<dyn TextForms>,
    /// The session's time zone, as SHOW prints it.
    pub(crate) zone: String,
}

impl Casts {
    /// Rewrites one expression whose parts are rewritten.
    pub(crate) fn rewrite(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        match expr {
            Expr::Cast(cast) => self.cast(cast, schema),
            Expr::BinaryExpr(binary) if binary.op == Operator::StringConcat => {
                Ok(self.joined(binary, schema))
            }
            Expr::ScalarFunction(call) if matches!(call.name(), "concat" | "concat_ws") => {
                let ScalarFunction { func, args } = call;
                let args = args.into_iter().map(|arg| self.shown(arg, schema)).collect();
                Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })))
            }
            other => Ok(Transformed::no(other)),
        }
    }

    fn cast(&self, cast: Cast, schema: &DFSchema) -> Result<Transformed<Expr>> {
        let Ok((_, source)) = cast.expr.to_field(schema) else {
            return Ok(Transformed::no(Expr::Cast(cast)));
        };
        let Cast { expr, field } = cast;
        let (from, to) = (source.data_type(), field.data_type());
        if is_text(from) && reads(to, &source, &field) {
            return self.read(*expr, &field).map(Transformed::yes);
        }
        if let (Some(text), true) = (literal_text(&expr), reads_literal(to)) {
            let value = self.forms.read(text, &field, &self.zone)?;
            return Ok(Transformed::yes(Expr::Literal(value, None)));
        }
        if let (true, Some(held)) = (is_unsized_numeric(&field), unsized_numeric(from)) {
            return Ok(Transformed::yes(match held == *from {
                true => *expr,
                false => Expr::Cast(Cast::new(expr, held)),
            }));
        }
        if mark(&field).is_none() && is_text(to) && prints(from) {
            let text = self.text_of(*expr);
            return Ok(Transformed::yes(match to {
                DataType::Utf8View => text,
                other => Expr::Cast(Cast::new(Box::new(text), other.clone())),
            }));
        }
        if let Some(between) = self.between(from, to) {
            let zoned = Expr::Cast(Cast::new(expr, between));
            let expr = match (from, to) {
                // Arrow would keep the moment's number and drop the zone.
                (DataType::Timestamp(_, Some(_)), DataType::Timestamp(_, None)) => {
                    let local = ScalarFunction::new_udf(datetime::to_local_time(), vec![zoned]);
                    Expr::ScalarFunction(local)
                }
                _ => zoned,
            };
            let cast = Cast::new_from_field(Box::new(expr), field);
            return Ok(Transformed::yes(Expr::Cast(cast)));
        }
        let expr = if to.is_integer() && from.is_floating() {
            Box::new(Expr::ScalarFunction(ScalarFunction::new_udf(functions::rint(), vec![*expr])))
        } else {
            expr
        };
        // Without metadata on either side it is DataFusion's plain cast, which it optimizes most.
        if source.metadata().is_empty() && field.metadata().is_empty() {
            return Ok(Transformed::yes(Expr::Cast(Cast::new(expr, to.clone()))));
        }
        Ok(Transformed::yes(Expr::Cast(Cast::new_from_field(expr, field))))
    }

    /// A text as a value of a type Arrow reads otherwise or not at all.
    fn read(&self, expr: Expr, field: &Field) -> Result<Expr> {
        let metadata = (!field.metadata().is_empty()).then(|| FieldMetadata::from(field));
        if let Some(text) = literal_text(&expr) {
            return Ok(Expr::Literal(self.forms.read(text, field, &self.zone)?, metadata));
        }
        let target = Expr::Literal(ScalarValue::try_from(field.data_type())?, metadata);
        let call = ScalarFunction::new_udf(self.forms.text_input(), vec![expr, target]);
        Ok(Expr::ScalarFunction(call))
    }

    fn text_of(&self, expr: Expr) -> Expr {
        Expr::ScalarFunction(ScalarFunction::new_udf(self.forms.to_text(), vec![expr]))
    }

    /// The type to cast to on the way: local times are those of the session's zone.
    fn between(&self, from: &DataType, to: &DataType) -> Option<DataType> {
        use DataType::{Date32, Decimal128, Time64, Timestamp};
        let micros = TimeUnit::Microsecond;
        match (from, to) {
            (Timestamp(_, Some(_)), Timestamp(_, None) | Date32 | Time64(_))
            | (Timestamp(_, None) | Date32, Timestamp(_, Some(_))) => {
                Some(Timestamp(micros, Some(arrow_zone(&self.zone)?.into())))
            }
            (Decimal128(precision, scale), to) if *scale > 0 && to.is_integer() => {
                Some(Decimal128(*precision, 0))
            }
            _ => None,
        }
    }

    /// `||` with a text on one side takes any value on the other.
    fn joined(&self, binary: BinaryExpr, schema: &DFSchema) -> Transformed<Expr> {
        let BinaryExpr { left, op, right } = binary;
        let textual = |e: &Expr| e.get_type(schema).is_ok_and(|t| is_text(&t));
        let printed = |e: &Expr| {
            e.get_type(schema).is_ok_and(|t| prints(&t) && !matches!(t, DataType::List(_)))
        };
        let (left, right) = match (textual(&left), textual(&right)) {
            (true, false) if printed(&right) => (left, Box::new(self.text_of(*right))),
            (false, true) if printed(&left) => (Box::new(self.text_of(*left)), right),
            _ => return Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
        };
        Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right }))
    }

    /// An argument of `concat` as its type prints it, which for a boolean is a letter.
    fn shown(&self, expr: Expr, schema: &DFSchema) -> Expr {
        match expr.get_type(schema) {
            Ok(DataType::Boolean) => {
                let text = Expr::Cast(Cast::new(Box::new(expr), DataType::Utf8));
                let one = Expr::Literal(ScalarValue::Int64(Some(1)), None);
                Expr::ScalarFunction(ScalarFunction::new_udf(unicode::left(), vec![text, one]))
            }
            Ok(data_type) if prints(&data_type) => self.text_of(expr),
            _ => expr,
        }
    }
}

fn mark(field: &Field) -> Option<&str> {
    field.metadata().get(PG_TYPE_KEY).map(String::as_str)
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Types that only PostgreSQL's rules read from a text, whatever column it comes from.
fn reads(to: &DataType, source: &Field, target: &Field) -> bool {
    match to {
        DataType::Interval(_) | DataType::Binary | DataType::List(_) => true,
        DataType::Timestamp(_, zone) => zone.is_some(),
        DataType::Utf8 => {
            let checked = matches!(mark(target), Some("uuid" | "json" | "jsonb"));
            checked && mark(source) != mark(target)
        }
        _ => false,
    }
}

/// The type of a `numeric` without a size that holds all digits of the source.
fn unsized_numeric(from: &DataType) -> Option<DataType> {
    Some(match from {
        DataType::Decimal128(..) => from.clone(),
        DataType::Int8 | DataType::Int16 => DataType::Decimal128(5, 0),
        DataType::Int32 | DataType::UInt32 => DataType::Decimal128(10, 0),
        DataType::Int64 => DataType::Decimal128(19, 0),
        _ => return None,
    })
}

/// Types whose texts Arrow reads too, but fewer of them. A literal is read once, so exactness is
/// free; columns keep Arrow's kernels.
fn reads_literal(to: &DataType) -> bool {
    use DataType::{Boolean, Date32, Decimal128, Time64, Timestamp};
    matches!(to, Boolean | Date32 | Decimal128(..) | Time64(_) | Timestamp(..))
}

/// Types that Arrow prints otherwise than PostgreSQL.
fn prints(from: &DataType) -> bool {
    use DataType::*;
    matches!(
        from,
        Timestamp(..)
            | Time32(_)
            | Time64(_)
            | Float16
            | Float32
            | Float64
            | Interval(_)
            | Duration(_)
            | Binary
            | LargeBinary
            | BinaryView
            | FixedSizeBinary(_)
            | List(_)
            | LargeList(_)
            | FixedSizeList(..)
            | Struct(_)
    )
}

fn literal_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(
            ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text),
            _,
        ) => text.as_deref(),
        _ => None,
    }
}

/// The zone as Arrow names it; none where local time is UTC.
fn arrow_zone(zone: &str) -> Option<String> {
    if matches!(zone, "" | "UTC" | "Etc/UTC" | "GMT") {
        return None;
    }
    let (sign, digits) = match zone.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', zone.strip_prefix('+').unwrap_or(zone)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return Some(zone.to_owned());
    }
    let minutes = match digits.split_once(':') {
        Some((hours, minutes)) => hours.parse::<u32>().ok()? * 60 + minutes.parse::<u32>().ok()?,
        None => (digits.parse::<f64>().ok()? * 60.0) as u32,
    };
    Some(format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60))
}

#[cfg(test)]
mod tests {
    use super::arrow_zone;

    #[test]
    fn names_zones_for_arrow() {
        let cases = [
            ("UTC", None),
            ("Europe/Berlin", Some("Europe/Berlin")),
            ("-8", Some("-08:00")),
            ("5.5", Some("+05:30")),
            ("+05:30", Some("+05:30")),
        ];
        for (zone, want) in cases {
            assert_eq!(arrow_zone(zone).as_deref(), want, "{zone}");
        }
    }
}
