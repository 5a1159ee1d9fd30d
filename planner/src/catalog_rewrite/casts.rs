//! Types and casts of the catalogs.
//!
//! In: a cast. Out: for `reg*` and `oid`, a call of the server's function for it; for the other
//! types that only catalogs use, a cast to the type their values travel as; for an array written
//! as text, the array.
//! Refuses to know types that clients use for data: those are planned elsewhere.

use datafusion::sql::sqlparser::ast::{
    Array, ArrayElemTypeDef, CastKind, DataType, ExactNumberInfo, Expr, Ident, ObjectName,
    TimezoneInfo, Value,
};

use super::build::{self, call, cast, replace};
use super::operators;
use crate::reg_values::REG;

/// Rewrites a cast to such a type.
pub(super) fn rewrite(expr: &mut Expr) {
    let Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, data_type, .. } = expr else {
        return;
    };
    let name = catalog_name(data_type);
    if let Some(reg) = name.as_deref().and_then(reg_name) {
        replace(expr, |old| convert(old, &format!("mobula_{reg}"), DataType::Text));
    } else if name.as_deref() == Some("oid") {
        replace(expr, |old| convert(old, "mobula_oid", oid_type()));
    } else {
        reg_array_literal(expr);
        if let Expr::Cast { data_type, .. } = expr
            && let Some(plain) = plain_type(data_type)
        {
            *data_type = plain;
        }
        array_literal(expr);
    }
}

/// True for the types that this file is about.
pub(super) fn is_catalog_type(data_type: &DataType) -> bool {
    let by_name = catalog_name(data_type);
    by_name.as_deref().is_some_and(|name| reg_name(name).is_some() || name == "oid")
        || plain_type(data_type).is_some()
}

fn reg_name(name: &str) -> Option<&'static str> {
    REG.iter().find(|reg| **reg == name).copied()
}

/// `function(expr)` for a cast. A parameter alone gets a type, which a function would not give.
fn convert(cast_expr: Expr, function: &str, parameter: DataType) -> Expr {
    let Expr::Cast { expr, .. } = cast_expr else {
        return cast_expr;
    };
    let argument = match build::bare(&expr) {
        Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => {
            cast(*expr, parameter)
        }
        _ => *expr,
    };
    call(function, vec![argument])
}

/// `'{a,b}'::text[]` as `CAST(ARRAY['a', 'b'] AS text[])`: Arrow casts no text to a list.
fn array_literal(expr: &mut Expr) {
    if let Expr::Cast { expr: inner, data_type: DataType::Array(_), .. } = expr
        && let Some(items) = build::string_of(inner).and_then(operators::array_items)
    {
        **inner = operators::array_of(items);
    }
}

/// `'{int,text}'::regtype[]` as an array of calls, since each item is a name to look up.
fn reg_array_literal(expr: &mut Expr) {
    let Expr::Cast { expr: inner, data_type, .. } = &*expr else {
        return;
    };
    let DataType::Array(ArrayElemTypeDef::SquareBracket(item, _)) = data_type else {
        return;
    };
    let items = build::string_of(inner).and_then(operators::array_items);
    let reg = catalog_name(item).as_deref().and_then(reg_name);
    if let (Some(items), Some(reg)) = (items, reg) {
        let one = |item: Option<String>| {
            call(
                &format!("mobula_{reg}"),
                vec![item.map_or_else(build::null, |t| build::string(&t))],
            )
        };
        let elem = items.into_iter().map(one).collect();
        *expr = Expr::Array(Array { elem, named: true });
    }
}

/// The type that oids travel as.
fn oid_type() -> DataType {
    bare_type("oid")
}

/// A type that the planner's types know by this name.
fn bare_type(name: &str) -> DataType {
    DataType::Custom(ObjectName::from(vec![Ident::new(name)]), vec![])
}

/// True for that type, which transactions' numbers travel as too.
pub(super) fn is_oid(data_type: &DataType) -> bool {
    catalog_name(data_type).as_deref() == Some("oid")
}

/// The bare name of a type that sqlparser does not know, or that is written with `pg_catalog.`.
fn catalog_name(data_type: &DataType) -> Option<String> {
    match data_type {
        DataType::Regclass => Some("regclass".to_owned()),
        DataType::Custom(name, modifiers) if modifiers.is_empty() => custom_name(name),
        _ => None,
    }
}

fn custom_name(name: &ObjectName) -> Option<String> {
    match build::parts(name).as_slice() {
        [name] => Some(name.clone()),
        [schema, name] if build::is_system_schema(schema) => Some(name.clone()),
        _ => None,
    }
}

/// The type that values of a catalog's type travel as, if it is another one.
fn plain_type(data_type: &DataType) -> Option<DataType> {
    if let DataType::Array(ArrayElemTypeDef::SquareBracket(item, size)) = data_type {
        let item = match catalog_name(item).as_deref() {
            Some("oid") => oid_type(),
            Some(name) if reg_name(name).is_some() => bare_type(name),
            _ => plain_type(item)?,
        };
        return Some(DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(item), *size)));
    }
    let DataType::Custom(written, _) = data_type else {
        return None;
    };
    let name = catalog_name(data_type)?;
    Some(match name.as_str() {
        "char" | "aclitem" | "pg_node_tree" | "sql_identifier" | "character_data" | "yes_or_no"
        | "cstring" => DataType::Text,
        "cardinal_number" => DataType::Integer(None),
        "time_stamp" => DataType::Timestamp(None, TimezoneInfo::WithTimeZone),
        "xid" | "cid" => oid_type(),
        "int2vector" => array(DataType::SmallInt(None)),
        "oidvector" => array(oid_type()),
        _ => match name.strip_prefix('_') {
            Some(item) => array(item_type(item)),
            None if written.0.len() > 1 => builtin(&name)?,
            None => return None,
        },
    })
}

fn array(item: DataType) -> DataType {
    DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(item), None))
}

/// The type of the items of `_text`, `_oid` ...
fn item_type(name: &str) -> DataType {
    match name {
        "oid" | "xid" | "cid" => oid_type(),
        reg if reg_name(reg).is_some() => bare_type(reg),
        other => builtin(other).unwrap_or(DataType::Text),
    }
}

/// A type that SQL has a word for, by the catalog's name.
fn builtin(name: &str) -> Option<DataType> {
    Some(match name {
        "bool" => DataType::Boolean,
        "int2" => DataType::SmallInt(None),
        "int4" => DataType::Integer(None),
        "int8" => DataType::BigInt(None),
        "float4" => DataType::Real,
        "float8" => DataType::DoublePrecision,
        "numeric" => DataType::Numeric(ExactNumberInfo::None),
        "text" => DataType::Text,
        "varchar" => DataType::Varchar(None),
        "bpchar" => DataType::Text,
        "bytea" => DataType::Bytea,
        "date" => DataType::Date,
        "timestamp" => DataType::Timestamp(None, TimezoneInfo::None),
        "timestamptz" => DataType::Timestamp(None, TimezoneInfo::WithTimeZone),
        "json" => DataType::JSON,
        "jsonb" => DataType::JSONB,
        "uuid" => DataType::Uuid,
        "name" | "char" => DataType::Text,
        _ => return None,
    })
}
