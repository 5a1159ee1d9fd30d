//! Types against PostgreSQL 15's `pg_type` and `format_type`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::{HashMap, HashSet};

use datafusion::arrow::datatypes::Fields;

use super::*;

fn field(data_type: DataType) -> Field {
    Field::new("c", data_type, true)
}

fn declared(data_type: DataType, name: &str) -> Field {
    field(data_type).with_metadata(HashMap::from([(PG_TYPE_KEY.to_owned(), name.to_owned())]))
}

fn list(element: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(element, true)))
}

#[test]
fn oids_and_names_are_unique_and_arrays_point_back() {
    let (mut oids, mut names) = (HashSet::new(), HashSet::new());
    for t in all_types() {
        assert!(oids.insert(t.oid) && names.insert(t.name), "{t:?} twice");
        assert_eq!(type_by_oid(t.oid), type_by_name(t.name));
        if t.array_oid != 0 {
            let array = type_by_oid(t.array_oid).unwrap();
            assert!(array.is_array() && array.elem_oid == t.oid && array.name[1..] == *t.name);
        }
    }
}

#[test]
fn arrow_types_have_postgres_types() {
    let cases = [
        (DataType::Boolean, "boolean"),
        (DataType::UInt8, "smallint"),
        (DataType::UInt16, "integer"),
        (DataType::UInt32, "bigint"),
        (DataType::UInt64, "numeric"),
        (DataType::Float16, "real"),
        (DataType::Decimal128(10, 2), "numeric(10,2)"),
        (DataType::Decimal256(76, 0), "numeric(76,0)"),
        (DataType::Decimal128(10, -2), "numeric(10,-2)"),
        (DataType::Null, "text"),
        (DataType::Utf8View, "text"),
        (DataType::FixedSizeBinary(16), "bytea"),
        (DataType::Date64, "date"),
        (DataType::Timestamp(TimeUnit::Nanosecond, None), "timestamp without time zone"),
        (DataType::Timestamp(TimeUnit::Second, Some("+00:00".into())), "timestamp with time zone"),
        (DataType::Duration(TimeUnit::Second), "interval"),
        (list(DataType::Int32), "integer[]"),
        (list(list(DataType::Int32)), "integer[]"),
        (list(DataType::Decimal128(5, 1)), "numeric(5,1)[]"),
        (DataType::Struct(Fields::empty()), "json"),
        (list(DataType::Struct(Fields::empty())), "json"),
        (list(list(DataType::Struct(Fields::empty()))), "json"),
        (DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)), "text"),
        (list(DataType::Null), "text[]"),
    ];
    for (data_type, expected) in cases {
        let it = pg_type_of(&field(data_type.clone()));
        assert_eq!(format_type(it.oid, Some(it.typmod)), expected, "{data_type}");
    }
}

#[test]
fn metadata_overrides_the_arrow_type() {
    let oid = pg_type_of(&declared(DataType::UInt32, "oid"));
    assert_eq!(oid, ColumnType { oid: 26, typlen: 4, typmod: -1 });
    assert_eq!(pg_type_of(&declared(DataType::Utf8, "name")).typlen, 64);
    assert_eq!(pg_type_of(&declared(list(DataType::UInt32), "_oid")).oid, 1028);
    assert_eq!(pg_type_of(&declared(list(DataType::UInt32), "oidvector")).oid, 30);
    // An unknown name is no reason to fail.
    assert_eq!(pg_type_of(&declared(DataType::Int32, "nonsense")).oid, 23);
    let element = Arc::new(declared(DataType::Utf8, "json"));
    assert_eq!(pg_type_of(&field(DataType::List(element))).oid, 199);
    let mut varchar = declared(DataType::Utf8, "varchar");
    varchar.metadata_mut().insert(PG_TYPMOD_KEY.to_owned(), "24".to_owned());
    assert_eq!(pg_type_of(&varchar), ColumnType { oid: 1043, typlen: -1, typmod: 24 });
}

#[test]
fn format_type_is_postgres_own() {
    let cases = [
        (1043, Some(24), "character varying(20)"),
        (1015, Some(14), "character varying(10)[]"),
        (1042, Some(-1), "bpchar"),
        (1042, None, "character"),
        (1042, Some(5), "character(1)"),
        (1083, Some(3), "time(3) without time zone"),
        (1184, Some(0), "timestamp(0) with time zone"),
        (1185, Some(3), "timestamp(3) with time zone[]"),
        (1186, Some((32767 << 16) | 3), "interval(3)"),
        (1186, Some((32767 << 16) | 65535), "interval"),
        (1700, Some(657_410), "numeric(10,-2)"),
        (1700, None, "numeric"),
        (18, None, "\"char\""),
        (1002, None, "\"char\"[]"),
        (22, None, "int2vector"),
        (0, None, "-"),
        (99_999, None, "???"),
    ];
    for (oid, typmod, expected) in cases {
        assert_eq!(format_type(oid, typmod), expected);
    }
}

#[test]
fn parameters_have_arrow_types() {
    assert_eq!(arrow_type_of(oid::NAME), Some(DataType::Utf8));
    assert_eq!(arrow_type_of(oid::REGCLASS), Some(DataType::UInt32));
    assert_eq!(arrow_type_of(1007), Some(list(DataType::Int32)));
    assert_eq!(arrow_type_of(oid::OIDVECTOR), Some(list(DataType::UInt32)));
    assert_eq!(arrow_type_of(oid::RECORD), None);
    assert_eq!(arrow_type_of(424_242), None);
}
