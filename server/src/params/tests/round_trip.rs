//! Whatever the server sends for a value, in text or binary, it reads back as the same value.

use std::collections::HashMap;

use bytes::BytesMut;
use datafusion::arrow::datatypes::{Field, IntervalMonthDayNano, i256};
use datafusion::common::ScalarValue;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::encode::{ColumnWriter, DateStyle, IntervalStyle, SessionZone};
use crate::types::{PG_TYPE_KEY, type_by_oid};

const SEED: u64 = 0x6d6f_6275_6c61;
const ROUNDS: usize = 400;

/// A random value of every type that is read as itself.
fn values(rng: &mut StdRng) -> Vec<(u32, ScalarValue)> {
    let text: String = (0..rng.random_range(0..12)).map(|_| character(rng)).collect();
    let bytes: Vec<u8> = (0..rng.random_range(0..12)).map(|_| rng.random()).collect();
    let interval = IntervalMonthDayNano::new(
        rng.random_range(-5000..5000),
        rng.random_range(-5000..5000),
        spread(rng) / 1000 * 1000,
    );
    let micros = spread(rng) % 60_000_000_000_000_000;
    let uuid: u128 = rng.random();
    let stamp =
        |zone: Option<&str>| ScalarValue::TimestampMicrosecond(Some(micros), zone.map(Into::into));
    vec![
        (oid::BOOL, ScalarValue::Boolean(Some(rng.random()))),
        (oid::INT2, ScalarValue::Int16(Some(spread(rng) as i16))),
        (oid::INT4, ScalarValue::Int32(Some(spread(rng) as i32))),
        (oid::INT8, ScalarValue::Int64(Some(spread(rng)))),
        (oid::OID, ScalarValue::UInt32(Some(rng.random()))),
        (oid::REGTYPE, ScalarValue::UInt32(Some(rng.random()))),
        (oid::FLOAT4, ScalarValue::Float32(Some(finite_32(rng)))),
        (oid::FLOAT8, ScalarValue::Float64(Some(finite_64(rng)))),
        (oid::NUMERIC, numeric(rng)),
        (oid::TEXT, ScalarValue::Utf8(Some(text.clone()))),
        (oid::VARCHAR, ScalarValue::Utf8(Some(text.clone()))),
        (oid::NAME, ScalarValue::Utf8(Some(text.clone()))),
        (oid::CHAR, ScalarValue::Utf8(Some("x".into()))),
        (oid::JSON, ScalarValue::Utf8(Some(serde_json::json!({ "k": text.clone() }).to_string()))),
        (oid::JSONB, ScalarValue::Utf8(Some(serde_json::json!([text]).to_string()))),
        (oid::BYTEA, ScalarValue::Binary(Some(bytes))),
        (oid::DATE, ScalarValue::Date32(Some(rng.random_range(-2_440_588..2_145_042_000)))),
        (oid::TIME, ScalarValue::Time64Microsecond(Some(spread(rng).rem_euclid(86_400_000_000)))),
        (oid::TIMESTAMP, stamp(None)),
        (oid::TIMESTAMPTZ, stamp(Some("UTC"))),
        (oid::INTERVAL, ScalarValue::IntervalMonthDayNano(Some(interval))),
        (oid::UUID, ScalarValue::Utf8(Some(text::uuid_text(uuid.to_be_bytes())))),
    ]
}

/// Numbers of all sizes, not only large ones.
fn spread(rng: &mut StdRng) -> i64 {
    rng.random::<i64>() >> rng.random_range(0..63)
}

fn character(rng: &mut StdRng) -> char {
    const ODD: [char; 12] = ['"', '\\', '{', '}', ',', ' ', '\n', '\t', 'é', '漢', '🦀', 'N'];
    match rng.random_range(0..3) {
        0 => ODD[rng.random_range(0..ODD.len())],
        _ => rng.random_range('!'..='~'),
    }
}

fn finite_64(rng: &mut StdRng) -> f64 {
    let any = f64::from_bits(rng.random());
    if any.is_finite() && rng.random() { any } else { spread(rng) as f64 / 100.0 }
}

fn finite_32(rng: &mut StdRng) -> f32 {
    let any = f32::from_bits(rng.random());
    if any.is_finite() && rng.random() { any } else { spread(rng) as f32 / 100.0 }
}

/// With the precision its digits have, as a parameter's.
fn numeric(rng: &mut StdRng) -> ScalarValue {
    let wide = rng.random_bool(0.3);
    let digits: String = (0..rng.random_range(1..if wide { 76 } else { 38 }))
        .map(|_| if rng.random_bool(0.3) { '0' } else { rng.random_range('0'..='9') })
        .collect();
    let digits = digits.trim_start_matches('0');
    let scale = rng.random_range(0..30);
    let precision = digits.len().max(scale).max(1) as u8;
    let sign = if rng.random() && !digits.is_empty() { "-" } else { "" };
    let unscaled = i256::from_string(&format!("{sign}0{digits}")).unwrap();
    match unscaled.to_i128().filter(|_| precision <= 38) {
        Some(small) => ScalarValue::Decimal128(Some(small), precision, scale as i8),
        None => ScalarValue::Decimal256(Some(unscaled), precision, scale as i8),
    }
}

fn encoded(
    type_oid: u32,
    value: &ScalarValue,
    format: Format,
    options: &FormatOptions,
) -> BytesMut {
    let name = type_by_oid(type_oid).unwrap().name;
    let array = value.to_array().unwrap();
    let field = Field::new("c", value.data_type(), true)
        .with_metadata(HashMap::from([(PG_TYPE_KEY.into(), name.into())]));
    let mut out = BytesMut::new();
    let writer = ColumnWriter::bind(&field, array.as_ref(), format, options).unwrap();
    writer.write(0, &mut out).unwrap_or_else(|e| panic!("{name} {value}: {e}"));
    out
}

fn check(type_oid: u32, value: &ScalarValue, options: &FormatOptions) {
    for format in [Format::Text, Format::Binary] {
        let bytes = encoded(type_oid, value, format, options);
        let back = decode_param(type_oid, format, Some(&bytes), options);
        let back = back.unwrap_or_else(|e| panic!("{type_oid} {value:?} {bytes:?}: {e}"));
        assert_eq!(&back, value, "oid {type_oid}, {format:?}, {bytes:?}");
    }
}

fn options(rng: &mut StdRng) -> FormatOptions {
    use IntervalStyle::{Iso8601, Postgres, PostgresVerbose, SqlStandard};
    let zones = [chrono_tz::Tz::UTC, chrono_tz::Tz::Asia__Kolkata, chrono_tz::Tz::Asia__Kathmandu];
    FormatOptions {
        date_style: [DateStyle::Iso, DateStyle::Iso, DateStyle::Sql][rng.random_range(0..3)],
        interval_style: [Postgres, Iso8601, PostgresVerbose, SqlStandard][rng.random_range(0..4)],
        time_zone: SessionZone::Named(zones[rng.random_range(0..3)]),
        bytea_hex: rng.random(),
        ..FormatOptions::default()
    }
}

#[test]
fn scalars_and_arrays_come_back() {
    println!("seed {SEED:#x}");
    let mut rng = StdRng::seed_from_u64(SEED);
    for _ in 0..ROUNDS {
        let mut options = options(&mut rng);
        for (type_oid, value) in values(&mut rng) {
            let zoned = type_oid == oid::TIMESTAMPTZ;
            // Abbreviations of zones are not read back: SQL style is for the other types.
            if zoned {
                options.date_style = DateStyle::Iso;
            }
            check(type_oid, &value, &options);
            let array_oid = type_by_oid(type_oid).unwrap().array_oid;
            let element = value.data_type();
            let null = ScalarValue::try_from(&element).unwrap();
            let items = [value.clone(), null, value];
            let count = rng.random_range(0..=3);
            if type_oid == oid::NUMERIC && count == 0 {
                continue; // an empty array has no digits to take its type from
            }
            let list = ScalarValue::new_list_nullable(&items[..count], &element);
            let list = ScalarValue::List(list);
            check(array_oid, &list, &options);
            if count > 0 && type_oid != oid::NUMERIC {
                let rows = [list.clone(), list];
                let square = ScalarValue::new_list_nullable(&rows, &rows[0].data_type());
                check(array_oid, &ScalarValue::List(square), &options);
            }
        }
    }
}
