//! Values against what PostgreSQL 15 prints and sends for them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::HashMap;
use std::sync::Arc;

use chrono::FixedOffset;
use datafusion::arrow::array::*;
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::*;

use super::*;
use crate::types::PG_TYPE_KEY;

mod nested;

/// The value of the first row as the type `name` ("" for the Arrow type's own).
fn value(array: &dyn Array, name: &str, format: Format, options: &FormatOptions) -> Vec<u8> {
    let mut field = Field::new("c", array.data_type().clone(), true);
    if !name.is_empty() {
        field = field.with_metadata(HashMap::from([(PG_TYPE_KEY.into(), name.into())]));
    }
    let mut out = BytesMut::new();
    let writer = ColumnWriter::bind(&field, array, format, options).unwrap();
    assert!(!writer.is_null(0));
    writer.write(0, &mut out).unwrap();
    out.to_vec()
}

fn text(array: &dyn Array) -> String {
    String::from_utf8(value(array, "", Format::Text, &FormatOptions::default())).unwrap()
}

fn text_with(array: &dyn Array, options: &FormatOptions) -> String {
    String::from_utf8(value(array, "", Format::Text, options)).unwrap()
}

fn hex(array: &dyn Array, name: &str) -> String {
    let bytes = value(array, name, Format::Binary, &FormatOptions::default());
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn numbers() {
    assert_eq!(text(&BooleanArray::from(vec![true])), "t");
    assert_eq!(text(&Int64Array::from(vec![i64::MIN])), "-9223372036854775808");
    assert_eq!(text(&UInt64Array::from(vec![u64::MAX])), "18446744073709551615");
    assert_eq!(hex(&Int8Array::from(vec![-2]), ""), "fffe");
    assert_eq!(hex(&UInt32Array::from(vec![u32::MAX]), "oid"), "ffffffff");
    assert_eq!(hex(&Int64Array::from(vec![10_000]), "numeric"), "00010001000000000001");
    assert_eq!(hex(&UInt64Array::from(vec![100_000_000]), ""), "00010002000000000001");
}

#[test]
fn shortest_floats() {
    let cases = [
        (1.0, "1"),
        (1.5, "1.5"),
        (-0.0, "-0"),
        (1e20, "1e+20"),
        (1e-7, "1e-07"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1e15, "1e+15"),
        (1e14, "100000000000000"),
        (123_456_789_012_345.0, "123456789012345"),
        (123_456_789_012_345.6, "123456789012345.6"),
        (1_234_567_890_123_456.0, "1.234567890123456e+15"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        (0.1 + 0.2, "0.30000000000000004"),
        // The decimal 1e23 lies between two numbers: PostgreSQL does not take it for either.
        (1e23, "9.999999999999999e+22"),
        (18_014_398_509_481_986.0, "1.8014398509481984e+16"),
        (f64::NAN, "NaN"),
        (f64::NEG_INFINITY, "-Infinity"),
        (-1.234e-5, "-1.234e-05"),
    ];
    for (number, expected) in cases {
        assert_eq!(text(&Float64Array::from(vec![number])), expected);
    }
    let cases = [
        (1e6, "1e+06"),
        (100_000.0, "100000"),
        (1_234_567.0, "1.234567e+06"),
        (0.1, "0.1"),
        (8.589_935e9, "8.589935e+09"),
        (33_554_432.0, "3.3554432e+07"),
        (f32::MIN_POSITIVE, "1.1754944e-38"),
        (123_456.7, "123456.7"),
        (1e-4, "0.0001"),
        (1.5e-5, "1.5e-05"),
    ];
    for (number, expected) in cases {
        assert_eq!(text(&Float32Array::from(vec![number])), expected);
    }
}

#[test]
fn rounded_floats() {
    let cases = [
        (0, 0.1 + 0.2, "0.3"),
        (0, 1e23, "1e+23"),
        (0, 1e14, "100000000000000"),
        (0, -0.0, "-0"),
        (-15, 0.123, "0.1"),
        (-15, 1234.5, "1e+03"),
        (0, 1e15, "1e+15"),
        (-12, 0.000_123_45, "0.000123"),
        (-10, 12345.678, "12346"),
        (-12, 100.0, "100"),
    ];
    for (extra_float_digits, number, expected) in cases {
        let options = FormatOptions { extra_float_digits, ..FormatOptions::default() };
        assert_eq!(text_with(&Float64Array::from(vec![number]), &options), expected);
    }
}

fn decimal(unscaled: i128, scale: i8) -> Decimal128Array {
    Decimal128Array::from(vec![unscaled]).with_precision_and_scale(38, scale).unwrap()
}

#[test]
fn decimals() {
    let cases = [
        (10, 2, "0.10"),
        (-123_400_000_000, 10, "-12.3400000000"),
        (0, 0, "0"),
        (0, 3, "0.000"),
        (5, -2, "500"),
        (0, -2, "0"),
        (-1, 3, "-0.001"),
        (123, 3, "0.123"),
        (
            99_999_999_999_999_999_999_999_999_999_999_999_999,
            0,
            "99999999999999999999999999999999999999",
        ),
    ];
    for (unscaled, scale, expected) in cases {
        assert_eq!(text(&decimal(unscaled, scale)), expected);
    }
    let wide = |digits: &str, scale| {
        let it = i256::from_string(digits).unwrap();
        text(&Decimal256Array::from(vec![it]).with_precision_and_scale(76, scale).unwrap())
    };
    let nines = "9".repeat(76);
    assert_eq!(wide(&nines, 0), nines);
    assert_eq!(wide(&format!("-{nines}"), 76), format!("-0.{nines}"));
    let holes = "1".to_owned() + &"0".repeat(75);
    assert_eq!(wide(&holes, 0), holes);
}

#[test]
fn binary_decimals() {
    let cases = [
        (10, 2, "0001ffff0000000203e8"),
        (-12_345_678, 3, "0003000140000003000109291a7c"),
        (0, 0, "0000000000000000"),
        (0, 2, "0000000000000002"),
        (1234, 8, "0001fffe0000000804d2"),
        (1_000_000_005, 1, "00040002000000010001000000001388"),
        (1, -4, "00010001000000000001"),
        (
            99_999_999_999_999_999_999_999_999_999_999_999_999,
            0,
            "000a0009000000000063270f270f270f270f270f270f270f270f270f",
        ),
    ];
    for (unscaled, scale, expected) in cases {
        assert_eq!(hex(&decimal(unscaled, scale), ""), expected);
    }
}

#[test]
fn dates_and_times() {
    let date = |days| text(&Date32Array::from(vec![days]));
    assert_eq!(date(0), "1970-01-01");
    assert_eq!(date(-719_163), "0001-12-31 BC");
    assert_eq!(date(-719_162), "0001-01-01");
    assert_eq!(date(2_145_042_905), "5874897-12-31");
    assert_eq!((date(i32::MAX), date(i32::MIN)), ("infinity".into(), "-infinity".into()));
    assert_eq!(text(&Date64Array::from(vec![-1])), "1969-12-31");
    assert_eq!(hex(&Date32Array::from(vec![10_956]), ""), "ffffffff");
    let time = |micros| text(&Time64MicrosecondArray::from(vec![micros]));
    assert_eq!(time(45_296_500_000), "12:34:56.5");
    assert_eq!(time(86_400_000_000), "24:00:00");
    assert_eq!(text(&Time32SecondArray::from(vec![3661])), "01:01:01");
    assert_eq!(hex(&Time32MillisecondArray::from(vec![45_296_500]), ""), "0000000a8be1bd20");
}

#[test]
fn timestamps() {
    let at = |micros| text(&TimestampMicrosecondArray::from(vec![micros]));
    assert_eq!(at(1_577_836_800_000_000), "2020-01-01 00:00:00");
    assert_eq!(at(1_577_836_800_500_000), "2020-01-01 00:00:00.5");
    assert_eq!(at(-1), "1969-12-31 23:59:59.999999");
    assert_eq!(at(-62_198_755_200_000_000), "0002-01-01 00:00:00 BC");
    assert_eq!(at(i64::MAX), "infinity");
    assert_eq!(text(&TimestampNanosecondArray::from(vec![-1])), "1969-12-31 23:59:59.999999");
    let last_second = TimestampMicrosecondArray::from(vec![946_684_799_999_999]);
    assert_eq!(hex(&last_second, ""), "ffffffffffffffff");
    assert_eq!(hex(&TimestampMicrosecondArray::from(vec![i64::MAX]), ""), "7fffffffffffffff");
    let unwritable = TimestampSecondArray::from(vec![i64::MAX - 1]);
    let field = Field::new("c", unwritable.data_type().clone(), true);
    let options = FormatOptions::default();
    let it = ColumnWriter::bind(&field, &unwritable, Format::Text, &options).unwrap();
    assert_eq!(it.write(0, &mut BytesMut::new()).unwrap_err().state.code(), "22008");
}

#[test]
fn styles_and_zones() {
    let array = TimestampMicrosecondArray::from(vec![1_580_428_800_500_000]).with_timezone("UTC");
    let old = TimestampSecondArray::from(vec![-5_364_662_400]).with_timezone("UTC");
    let new_york = SessionZone::Named(chrono_tz::America::New_York);
    let india = SessionZone::Fixed(FixedOffset::east_opt(19_800).unwrap());
    let shown = |array: &dyn Array, date_style, date_order, time_zone| {
        let options = FormatOptions { date_style, date_order, time_zone, ..Default::default() };
        text_with(array, &options)
    };
    use DateOrder::{Dmy, Mdy};
    use DateStyle::{German, Iso, Postgres, Sql};
    assert_eq!(text(&array), "2020-01-31 00:00:00.5+00");
    assert_eq!(shown(&array, Iso, Mdy, new_york), "2020-01-30 19:00:00.5-05");
    assert_eq!(shown(&array, Iso, Mdy, india), "2020-01-31 05:30:00.5+05:30");
    assert_eq!(shown(&old, Iso, Mdy, new_york), "1799-12-31 19:03:58-04:56:02");
    assert_eq!(shown(&array, Sql, Dmy, new_york), "30/01/2020 19:00:00.5 EST");
    assert_eq!(shown(&array, Postgres, Dmy, new_york), "Thu 30 Jan 19:00:00.5 2020 EST");
    assert_eq!(shown(&array, Postgres, Mdy, new_york), "Thu Jan 30 19:00:00.5 2020 EST");
    assert_eq!(shown(&array, German, Mdy, new_york), "30.01.2020 19:00:00.5 EST");
    let date = Date32Array::from(vec![18_292]);
    assert_eq!(shown(&date, Postgres, Mdy, new_york), "01-31-2020");
    assert_eq!(shown(&date, Sql, Dmy, new_york), "31/01/2020");
}

#[test]
fn intervals() {
    let shown = |months, days, micros: i64, interval_style| {
        let it = IntervalMonthDayNano::new(months, days, micros * 1000);
        let options = FormatOptions { interval_style, ..Default::default() };
        text_with(&IntervalMonthDayNanoArray::from(vec![it]), &options)
    };
    use IntervalStyle::{Iso8601, Postgres, PostgresVerbose, SqlStandard};
    let long = (14, 3, 14_706_789_000);
    assert_eq!(shown(long.0, long.1, long.2, Postgres), "1 year 2 mons 3 days 04:05:06.789");
    assert_eq!(shown(0, 0, 0, Postgres), "00:00:00");
    assert_eq!(shown(-1, 3, -1_500_000, Postgres), "-1 mons +3 days -00:00:01.5");
    assert_eq!(shown(0, -1, 3_600_000_000, Postgres), "-1 days +01:00:00");
    assert_eq!(shown(long.0, long.1, long.2, Iso8601), "P1Y2M3DT4H5M6.789S");
    assert_eq!(shown(0, 0, 0, Iso8601), "PT0S");
    assert_eq!(
        shown(long.0, long.1, long.2, PostgresVerbose),
        "@ 1 year 2 mons 3 days 4 hours 5 mins 6.789 secs"
    );
    assert_eq!(shown(0, -1, 1_000_000, PostgresVerbose), "@ 1 day -1 sec ago");
    assert_eq!(shown(long.0, long.1, long.2, SqlStandard), "+1-2 +3 +4:05:06.789");
    assert_eq!(shown(0, -1, -7_384_000_000, SqlStandard), "-1 2:03:04");
    assert_eq!(text(&DurationSecondArray::from(vec![90_000])), "25:00:00");
    let it = IntervalMonthDayNano::new(14, -3, 14_706_789_000_000);
    let array = IntervalMonthDayNanoArray::from(vec![it]);
    assert_eq!(hex(&array, ""), "000000036c97ca88fffffffd0000000e");
}

#[test]
fn texts_and_bytes() {
    let one = |it: &str| StringArray::from(vec![it]);
    assert_eq!(
        text(&StringViewArray::from(vec!["a long text that is not inline"])),
        "a long text that is not inline"
    );
    assert_eq!(text(&BinaryArray::from(vec![&b"\x01\xff\\a"[..]])), "\\x01ff5c61");
    let escape = FormatOptions { bytea_hex: false, ..Default::default() };
    assert_eq!(
        text_with(&BinaryArray::from(vec![&b"\x01\xff\\a"[..]]), &escape),
        "\\001\\377\\\\a"
    );
    let uuid = "00112233-4455-6677-8899-aabbccddeeff";
    let bytes = FixedSizeBinaryArray::try_from_iter([parse_uuid(uuid).unwrap()].iter()).unwrap();
    let options = FormatOptions::default();
    assert_eq!(value(&bytes, "uuid", Format::Text, &options), uuid.as_bytes());
    assert_eq!(hex(&bytes, "uuid"), uuid.replace('-', ""));
    assert_eq!(hex(&one(uuid), "uuid"), uuid.replace('-', ""));
    assert_eq!(hex(&one("{}"), "jsonb"), "017b7d");
    assert_eq!((hex(&one("a"), "char"), hex(&one(""), "char")), ("61".into(), "00".into()));
    assert_eq!(hex(&one("2615"), "regclass"), "00000a37");
    let keys = Int8Array::from(vec![Some(1), None]);
    let dictionary = DictionaryArray::new(keys, Arc::new(StringArray::from(vec!["x", "y"])));
    assert_eq!(text(&dictionary), "y");
    let runs = RunArray::try_new(&Int32Array::from(vec![2, 5]), &one_two()).unwrap();
    assert_eq!(text(&runs.slice(3, 1)), "two");
}

fn one_two() -> StringArray {
    StringArray::from(vec!["one", "two"])
}

#[test]
fn rows() {
    let nulls = NullBuffer::from(vec![true, false, true]);
    let numbers = Int32Array::new(vec![1, 2, 3].into(), Some(nulls));
    let batch = RecordBatch::try_from_iter([
        ("n", Arc::new(numbers) as ArrayRef),
        ("t", Arc::new(StringArray::from(vec!["a", "b", "c"]))),
    ])
    .unwrap();
    let formats = [Format::Binary, Format::Text];
    let mut encoder =
        RowEncoder::new(batch.schema().as_ref(), &formats, &FormatOptions::default()).unwrap();
    let mut out = BytesMut::new();
    encoder.encode(&batch, 1..3, &mut out).unwrap();
    let expected = b"D\0\0\0\x0f\0\x02\xff\xff\xff\xff\0\0\0\x01b\
        D\0\0\0\x13\0\x02\0\0\0\x04\0\0\0\x03\0\0\0\x01c";
    assert_eq!(&out[..], &expected[..]);
    let three = [Format::Text; 3];
    let error = RowEncoder::new(batch.schema().as_ref(), &three, &FormatOptions::default());
    assert_eq!(error.err().unwrap().state.code(), "08P01");
}

#[test]
fn a_refused_value_leaves_the_rows_before_it() {
    let field = Field::new("c", DataType::Int64, false)
        .with_metadata(HashMap::from([(PG_TYPE_KEY.into(), "int2".into())]));
    let schema = Arc::new(Schema::new(vec![field]));
    let numbers = Arc::new(Int64Array::from(vec![1, 40_000]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![numbers]).unwrap();
    let options = FormatOptions::default();
    let mut encoder = RowEncoder::new(schema.as_ref(), &[Format::Binary], &options).unwrap();
    let mut out = BytesMut::new();
    let error = encoder.encode(&batch, 0..2, &mut out).unwrap_err();
    assert_eq!((error.state.code(), out.len()), ("22003", 13));
    let aclitem = Field::new("c", DataType::Utf8, true)
        .with_metadata(HashMap::from([(PG_TYPE_KEY.into(), "aclitem".into())]));
    let array = StringArray::from(vec!["=r/x"]);
    let refused = ColumnWriter::bind(&aclitem, &array, Format::Binary, &options);
    assert_eq!(refused.err().unwrap().state.code(), "42883");
}
