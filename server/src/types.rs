//! The one table of PostgreSQL types, read by both directions of the wire and by the catalog.
//! In: an Arrow field, an oid or a name. Out: oid, length, modifier, Arrow type, printed name.
//! It knows nothing of values: how they look is the business of `encode` and `params`.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

/// Field metadata: the PostgreSQL type name ("oid", "json", "_oid") that overrides the Arrow type.
pub const PG_TYPE_KEY: &str = "mobula.pg_type";
/// Field metadata: the type modifier, in decimal, that overrides the one of the Arrow type.
pub const PG_TYPMOD_KEY: &str = "mobula.pg_typmod";

/// A row of `pg_type`, as far as the wire needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PgType {
    /// Its oid in every PostgreSQL.
    pub oid: u32,
    /// `typname`.
    pub name: &'static str,
    /// `typlen`: bytes, -1 variable, -2 zero-terminated.
    pub len: i16,
    /// The oid of the array over it, 0 if there is none.
    pub array_oid: u32,
    /// The oid of its elements, 0 if it has none.
    pub elem_oid: u32,
    /// `typcategory`.
    pub category: char,
    /// The name SQL has for it, without modifier ("double precision").
    pub sql_name: &'static str,
}

impl PgType {
    /// True for `_int4` and the like; false for `oidvector`, which only looks like an array.
    pub const fn is_array(&self) -> bool {
        self.elem_oid != 0 && self.array_oid == 0
    }
}

/// Lists every type once as `CONST oid "name" len array_oid elem_oid category "sql name"`, and
/// derives the array types from those whose `array_oid` is not 0.
macro_rules! pg_types {
    ($($const:ident $oid:literal $name:literal $len:literal $array:literal $elem:literal
       $category:literal $sql:literal;)+) => {
        /// The oids of the types in the table.
        pub mod oid {
            $(#[doc = $sql] pub const $const: u32 = $oid;)+
        }
        const SCALARS: &[PgType] = &[$(PgType {
            oid: $oid, name: $name, len: $len, array_oid: $array, elem_oid: $elem,
            category: $category, sql_name: $sql,
        }),+];
        /// Beside each scalar, with oid 0 where it has no array.
        const ARRAYS: &[PgType] = &[$(PgType {
            oid: $array, name: concat!("_", $name), len: -1, array_oid: 0, elem_oid: $oid,
            category: 'A', sql_name: concat!($sql, "[]"),
        }),+];
    };
}

pg_types! {
    BOOL 16 "bool" 1 1000 0 'B' "boolean";
    BYTEA 17 "bytea" -1 1001 0 'U' "bytea";
    CHAR 18 "char" 1 1002 0 'Z' "\"char\"";
    NAME 19 "name" 64 1003 18 'S' "name";
    INT8 20 "int8" 8 1016 0 'N' "bigint";
    INT2 21 "int2" 2 1005 0 'N' "smallint";
    INT2VECTOR 22 "int2vector" -1 1006 21 'A' "int2vector";
    INT4 23 "int4" 4 1007 0 'N' "integer";
    REGPROC 24 "regproc" 4 1008 0 'N' "regproc";
    TEXT 25 "text" -1 1009 0 'S' "text";
    OID 26 "oid" 4 1028 0 'N' "oid";
    XID 28 "xid" 4 1011 0 'U' "xid";
    CID 29 "cid" 4 1012 0 'U' "cid";
    OIDVECTOR 30 "oidvector" -1 1013 26 'A' "oidvector";
    JSON 114 "json" -1 199 0 'U' "json";
    PG_NODE_TREE 194 "pg_node_tree" -1 0 0 'Z' "pg_node_tree";
    FLOAT4 700 "float4" 4 1021 0 'N' "real";
    FLOAT8 701 "float8" 8 1022 0 'N' "double precision";
    UNKNOWN 705 "unknown" -2 0 0 'X' "unknown";
    INET 869 "inet" -1 1041 0 'I' "inet";
    ACLITEM 1033 "aclitem" 12 1034 0 'U' "aclitem";
    BPCHAR 1042 "bpchar" -1 1014 0 'S' "character";
    VARCHAR 1043 "varchar" -1 1015 0 'S' "character varying";
    DATE 1082 "date" 4 1182 0 'D' "date";
    TIME 1083 "time" 8 1183 0 'D' "time without time zone";
    TIMESTAMP 1114 "timestamp" 8 1115 0 'D' "timestamp without time zone";
    TIMESTAMPTZ 1184 "timestamptz" 8 1185 0 'D' "timestamp with time zone";
    INTERVAL 1186 "interval" 16 1187 0 'T' "interval";
    NUMERIC 1700 "numeric" -1 1231 0 'N' "numeric";
    REGPROCEDURE 2202 "regprocedure" 4 2207 0 'N' "regprocedure";
    REGOPER 2203 "regoper" 4 2208 0 'N' "regoper";
    REGOPERATOR 2204 "regoperator" 4 2209 0 'N' "regoperator";
    REGCLASS 2205 "regclass" 4 2210 0 'N' "regclass";
    REGTYPE 2206 "regtype" 4 2211 0 'N' "regtype";
    RECORD 2249 "record" -1 2287 0 'P' "record";
    CSTRING 2275 "cstring" -2 1263 0 'P' "cstring";
    VOID 2278 "void" 4 0 0 'P' "void";
    UUID 2950 "uuid" 16 2951 0 'U' "uuid";
    JSONB 3802 "jsonb" -1 3807 0 'U' "jsonb";
    REGNAMESPACE 4089 "regnamespace" 4 4090 0 'N' "regnamespace";
    REGROLE 4096 "regrole" 4 4097 0 'N' "regrole";
}

/// Every type of the table: the scalars, then the arrays.
pub fn all_types() -> impl Iterator<Item = &'static PgType> {
    SCALARS.iter().chain(ARRAYS.iter().filter(|t| t.oid != 0))
}

/// The type with this oid.
pub fn type_by_oid(oid: u32) -> Option<&'static PgType> {
    all_types().find(|t| t.oid == oid)
}

/// The type with this `typname`, as in "int4" or "_int4".
pub fn type_by_name(name: &str) -> Option<&'static PgType> {
    all_types().find(|t| t.name == name)
}

/// True for the types whose value is an oid that prints as a name.
pub const fn is_reg(type_oid: u32) -> bool {
    matches!(
        type_oid,
        oid::REGPROC
            | oid::REGPROCEDURE
            | oid::REGOPER
            | oid::REGOPERATOR
            | oid::REGCLASS
            | oid::REGTYPE
            | oid::REGNAMESPACE
            | oid::REGROLE
    )
}

/// What RowDescription says of a column's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnType {
    /// The type's oid.
    pub oid: u32,
    /// Its `typlen`.
    pub typlen: i16,
    /// Its modifier, -1 for none.
    pub typmod: i32,
}

/// The PostgreSQL type of a column: the one its metadata names, else the one of its Arrow type.
pub fn pg_type_of(field: &Field) -> ColumnType {
    let (natural_oid, natural_typmod) = natural_type(field.data_type());
    let metadata = |key| field.metadata().get(key).map(String::as_str);
    let declared = metadata(PG_TYPE_KEY).and_then(type_by_name);
    let oid = declared.map_or(natural_oid, |t| t.oid);
    // A declared type has the modifier of the Arrow type only where they are the same type.
    let inherited = if oid == natural_oid { natural_typmod } else { -1 };
    let typmod = metadata(PG_TYPMOD_KEY).and_then(|m| m.parse().ok()).unwrap_or(inherited);
    ColumnType { oid, typlen: type_by_oid(oid).map_or(-1, |t| t.len), typmod }
}

/// Oid and modifier of an Arrow type without metadata.
fn natural_type(data_type: &DataType) -> (u32, i32) {
    let oid = match data_type {
        DataType::Boolean => oid::BOOL,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => oid::INT2,
        DataType::Int32 | DataType::UInt16 => oid::INT4,
        DataType::Int64 | DataType::UInt32 => oid::INT8,
        DataType::UInt64 => oid::NUMERIC,
        DataType::Float16 | DataType::Float32 => oid::FLOAT4,
        DataType::Float64 => oid::FLOAT8,
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => return (oid::NUMERIC, numeric_typmod(*p, *s)),
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => oid::TEXT,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => oid::BYTEA,
        // Arrow defines Date64 as whole days in milliseconds, so nothing is lost by a date.
        DataType::Date32 | DataType::Date64 => oid::DATE,
        DataType::Time32(_) | DataType::Time64(_) => oid::TIME,
        DataType::Timestamp(_, None) => oid::TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => oid::TIMESTAMPTZ,
        DataType::Interval(_) | DataType::Duration(_) => oid::INTERVAL,
        DataType::Dictionary(_, value) => return natural_type(value),
        DataType::RunEndEncoded(_, value) => return natural_type(value.data_type()),
        _ => return list_element(data_type).map_or((oid::JSON, -1), list_type),
    };
    (oid, -1)
}

/// The field of a list's elements; `None` for everything that is not a list.
pub(crate) fn list_element(data_type: &DataType) -> Option<&Arc<Field>> {
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => Some(field),
        _ => None,
    }
}

/// The array over the elements of a list. A list of lists is PostgreSQL's array of two dimensions,
/// which has the same oid as that of one; anything deeper than lists and scalars is json.
fn list_type(element: &Arc<Field>) -> (u32, i32) {
    let inner = pg_type_of(element);
    match type_by_oid(inner.oid) {
        Some(t) if t.is_array() => (inner.oid, inner.typmod),
        Some(t) if t.array_oid != 0 && !element.data_type().is_nested() => {
            (t.array_oid, inner.typmod)
        }
        _ => (oid::JSON, -1),
    }
}

/// The modifier of `numeric(precision, scale)`: 11 bits of signed scale under the precision.
fn numeric_typmod(precision: u8, scale: i8) -> i32 {
    ((i32::from(precision) << 16) | (i32::from(scale) & 0x7ff)) + 4
}

/// The Arrow type a parameter of this type is planned with; `None` for types without values of
/// their own. A decoded numeric has the scale its text had, so its type may differ from this one.
pub fn arrow_type_of(type_oid: u32) -> Option<DataType> {
    let t = type_by_oid(type_oid)?;
    if t.elem_oid != 0 && t.oid != oid::NAME {
        let element = Field::new_list_field(arrow_type_of(t.elem_oid)?, true);
        return Some(DataType::List(Arc::new(element)));
    }
    Some(match type_oid {
        oid::BOOL => DataType::Boolean,
        oid::INT2 => DataType::Int16,
        oid::INT4 => DataType::Int32,
        oid::INT8 => DataType::Int64,
        oid::OID | oid::XID | oid::CID => DataType::UInt32,
        oid::FLOAT4 => DataType::Float32,
        oid::FLOAT8 => DataType::Float64,
        oid::NUMERIC => DataType::Decimal128(38, 10),
        oid::BYTEA => DataType::Binary,
        oid::DATE => DataType::Date32,
        oid::TIME => DataType::Time64(TimeUnit::Microsecond),
        oid::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        oid::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        oid::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        oid::RECORD | oid::VOID => return None,
        reg if is_reg(reg) => DataType::UInt32,
        _ => DataType::Utf8,
    })
}

/// PostgreSQL's `format_type`. `None` is a call without a modifier (a NULL), which differs from -1
/// for "character" alone.
pub fn format_type(type_oid: u32, typmod: Option<i32>) -> String {
    let Some(t) = type_by_oid(type_oid) else {
        return if type_oid == 0 { "-".into() } else { "???".into() };
    };
    if t.is_array() {
        return format_type(t.elem_oid, typmod) + "[]";
    }
    let modifier = typmod.filter(|m| *m >= 0);
    match (type_oid, modifier) {
        (oid::NUMERIC, Some(m)) if m >= 4 => {
            let (precision, scale) = (((m - 4) >> 16) & 0xffff, (m - 4) & 0x7ff);
            format!("numeric({precision},{})", (scale ^ 1024) - 1024)
        }
        (oid::VARCHAR | oid::BPCHAR, Some(m)) if m >= 4 => format!("{}({})", t.sql_name, m - 4),
        (oid::BPCHAR, None) if typmod.is_some() => "bpchar".into(),
        (oid::TIME | oid::TIMESTAMP | oid::TIMESTAMPTZ, Some(m)) => {
            let (word, zone) = t.sql_name.split_once(' ').unwrap_or((t.sql_name, ""));
            format!("{word}({m}) {zone}")
        }
        (oid::INTERVAL, Some(m)) if m & 0xffff != 0xffff => format!("interval({})", m & 0xffff),
        _ => t.sql_name.into(),
    }
}

#[cfg(test)]
mod tests;
