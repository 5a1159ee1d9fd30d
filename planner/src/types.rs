//! SQL type names as PostgreSQL means them. In: a type as written. Out: the Arrow type that holds
//! its values, marked where Arrow's name says less. The way back to the wire is the server's.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef, IntervalUnit, TimeUnit,
};
use datafusion::common::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast;

use crate::reg_values::REG;

/// Field metadata: the PostgreSQL type of a column whose Arrow type does not say it.
pub const PG_TYPE_KEY: &str = "mobula.pg_type";

/// What holds a `numeric` without a declared size when nothing tells its digits.
const UNSIZED_NUMERIC: DataType = DataType::Decimal128(DECIMAL128_MAX_PRECISION, 10);

/// Whether a type may stand for `numeric` without a size.
pub(crate) fn holds_unsized_numeric(data_type: &DataType) -> bool {
    *data_type == UNSIZED_NUMERIC
}

/// The name of a field that is only a type.
const PLAIN: &str = "type";

/// The name of the field of a `numeric` without a declared size.
const UNSIZED: &str = "numeric";

/// Whether a planned type is `numeric` without a size, which keeps all digits a value has.
pub fn is_unsized_numeric(field: &Field) -> bool {
    field.name() == UNSIZED && matches!(field.data_type(), DataType::Decimal128(..))
}

/// Plans PostgreSQL's types; what it does not know is left to DataFusion.
#[derive(Debug)]
pub(crate) struct PgTypes;

impl TypePlanner for PgTypes {
    fn plan_type_field(&self, sql_type: &ast::DataType) -> Result<Option<FieldRef>> {
        Ok(planned(sql_type))
    }
}

/// A type's field. It has a name even where it has no metadata: to DataFusion a field without
/// either is a cast that keeps the source's metadata, and `oid::text` is no oid.
fn planned(sql_type: &ast::DataType) -> Option<FieldRef> {
    use ast::DataType as Sql;
    Some(match sql_type {
        Sql::Timestamp(_, ast::TimezoneInfo::WithTimeZone | ast::TimezoneInfo::Tz) => {
            plain(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
        }
        Sql::TimestampNtz(_) | Sql::Timestamp(..) => {
            plain(DataType::Timestamp(TimeUnit::Microsecond, None))
        }
        Sql::Time(_, ast::TimezoneInfo::WithoutTimeZone | ast::TimezoneInfo::None) => {
            plain(DataType::Time64(TimeUnit::Microsecond))
        }
        Sql::Interval { .. } => plain(DataType::Interval(IntervalUnit::MonthDayNano)),
        Sql::Numeric(size) | Sql::Decimal(size) | Sql::Dec(size) => numeric(size)?,
        Sql::JSON => marked(DataType::Utf8, "json"),
        Sql::JSONB => marked(DataType::Utf8, "jsonb"),
        Sql::Uuid => marked(DataType::Utf8, "uuid"),
        Sql::Regclass => marked(DataType::UInt32, "regclass"),
        Sql::Custom(name, _) => return custom(&name.to_string()),
        Sql::Array(
            ast::ArrayElemTypeDef::SquareBracket(element, _)
            | ast::ArrayElemTypeDef::AngleBracket(element),
        ) => list(element)?,
        other => plain(simple(other)?),
    })
}

fn simple(sql_type: &ast::DataType) -> Option<DataType> {
    use ast::DataType as Sql;
    Some(match sql_type {
        Sql::Boolean | Sql::Bool => DataType::Boolean,
        Sql::SmallInt(_) | Sql::Int2(_) => DataType::Int16,
        Sql::Int(_) | Sql::Integer(_) | Sql::Int4(_) => DataType::Int32,
        Sql::BigInt(_) | Sql::Int8(_) => DataType::Int64,
        Sql::Real | Sql::Float4 => DataType::Float32,
        Sql::Float(ast::ExactNumberInfo::Precision(bits)) if *bits <= 24 => DataType::Float32,
        Sql::Float(_) | Sql::DoublePrecision | Sql::Float8 => DataType::Float64,
        Sql::Double(ast::ExactNumberInfo::None) => DataType::Float64,
        Sql::Date => DataType::Date32,
        Sql::Bytea => DataType::Binary,
        Sql::Text
        | Sql::Varchar(_)
        | Sql::CharacterVarying(_)
        | Sql::CharVarying(_)
        | Sql::Char(_)
        | Sql::Character(_) => DataType::Utf8View,
        _ => return None,
    })
}

/// Sizes DataFusion refuses are left to it.
fn numeric(size: &ast::ExactNumberInfo) -> Option<FieldRef> {
    let (precision, scale) = match *size {
        ast::ExactNumberInfo::None => {
            return Some(Arc::new(Field::new(UNSIZED, UNSIZED_NUMERIC, true)));
        }
        ast::ExactNumberInfo::Precision(precision) => (u8::try_from(precision).ok()?, 0),
        ast::ExactNumberInfo::PrecisionAndScale(precision, scale) => {
            (u8::try_from(precision).ok()?, i8::try_from(scale).ok()?)
        }
    };
    let fits = (1..=DECIMAL128_MAX_PRECISION).contains(&precision)
        && (0..=precision.cast_signed()).contains(&scale);
    fits.then(|| plain(DataType::Decimal128(precision, scale)))
}

/// PostgreSQL's arrays have no length, whatever their type says.
fn list(element: &ast::DataType) -> Option<FieldRef> {
    let element = planned(element)?.as_ref().clone().with_name(Field::LIST_FIELD_DEFAULT_NAME);
    // Dimensions are no part of a type either.
    if let DataType::List(_) = element.data_type() {
        return Some(plain(element.data_type().clone()));
    }
    Some(plain(DataType::List(Arc::new(element))))
}

fn custom(name: &str) -> Option<FieldRef> {
    let lower = name.trim_matches('"').to_lowercase();
    Some(match lower.strip_prefix("pg_catalog.").unwrap_or(&lower) {
        "name" => marked(DataType::Utf8, "name"),
        "oid" => marked(DataType::UInt32, "oid"),
        "bpchar" => plain(DataType::Utf8View),
        "uuid" => marked(DataType::Utf8, "uuid"),
        "timestamptz" => plain(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        reg if REG.contains(&reg) => marked(DataType::UInt32, reg),
        "serial" => plain(DataType::Int32),
        "bigserial" => plain(DataType::Int64),
        _ => return None,
    })
}

fn plain(data_type: DataType) -> FieldRef {
    Arc::new(Field::new(PLAIN, data_type, true))
}

fn marked(data_type: DataType, name: &str) -> FieldRef {
    let metadata = HashMap::from([(PG_TYPE_KEY.to_owned(), name.to_owned())]);
    Arc::new(Field::new(PLAIN, data_type, true).with_metadata(metadata))
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn field(sql: &str) -> Option<FieldRef> {
        let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(sql).expect("tokens");
        planned(&parser.parse_data_type().expect("a type"))
    }

    #[test]
    fn every_type_has_a_name() {
        let types = "int int2 bigint text varchar(3) char(2) bool uuid json numeric numeric(5,2) \
                     float float(10) date bytea timestamptz interval int[] text[] uuid[] oid name";
        for sql in types.split(' ') {
            assert!(field(sql).is_some_and(|f| !f.name().is_empty()), "{sql}");
        }
    }

    #[test]
    fn marks_what_arrow_does_not_say() {
        let mark = |sql: &str| field(sql).and_then(|f| f.metadata().get(PG_TYPE_KEY).cloned());
        assert_eq!(mark("uuid").as_deref(), Some("uuid"));
        assert_eq!(mark("text"), None);
        let list = field("int[][]").map(|f| f.data_type().clone());
        assert_eq!(list, field("int[]").map(|f| f.data_type().clone()));
    }
}
