//! SQL type names as PostgreSQL means them. In: a type as written. Out: the Arrow type that holds
//! its values, marked where Arrow's name says less. The way back, Arrow to the wire, is the server's.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef, IntervalUnit, TimeUnit,
};
use datafusion::common::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast;

/// Field metadata: the PostgreSQL type of a column whose Arrow type does not say it.
pub const PG_TYPE_KEY: &str = "mobula.pg_type";

/// Digits after the point of a `numeric` without a declared scale.
const UNSIZED_NUMERIC_SCALE: i8 = 10;

/// Plans PostgreSQL's types; what it does not know is left to DataFusion.
#[derive(Debug)]
pub(crate) struct PgTypes;

impl TypePlanner for PgTypes {
    fn plan_type_field(&self, sql_type: &ast::DataType) -> Result<Option<FieldRef>> {
        use ast::DataType as Sql;
        let planned = match sql_type {
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
            Sql::Numeric(ast::ExactNumberInfo::None)
            | Sql::Decimal(ast::ExactNumberInfo::None)
            | Sql::Dec(ast::ExactNumberInfo::None) => {
                plain(DataType::Decimal128(DECIMAL128_MAX_PRECISION, UNSIZED_NUMERIC_SCALE))
            }
            Sql::JSON => marked(DataType::Utf8, "json"),
            Sql::JSONB => marked(DataType::Utf8, "jsonb"),
            Sql::Regclass => marked(DataType::UInt32, "regclass"),
            Sql::Custom(name, _) => return Ok(custom(&name.to_string())),
            _ => return Ok(None),
        };
        Ok(Some(planned))
    }
}

fn custom(name: &str) -> Option<FieldRef> {
    let lower = name.trim_matches('"').to_lowercase();
    Some(match lower.strip_prefix("pg_catalog.").unwrap_or(&lower) {
        "name" => marked(DataType::Utf8, "name"),
        "oid" => marked(DataType::UInt32, "oid"),
        "bpchar" => plain(DataType::Utf8),
        "timestamptz" => plain(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        "serial" => plain(DataType::Int32),
        "bigserial" => plain(DataType::Int64),
        _ => return None,
    })
}

fn plain(data_type: DataType) -> FieldRef {
    Arc::new(Field::new("", data_type, true))
}

fn marked(data_type: DataType, name: &str) -> FieldRef {
    let metadata = HashMap::from([(PG_TYPE_KEY.to_owned(), name.to_owned())]);
    Arc::new(Field::new("", data_type, true).with_metadata(metadata))
}
