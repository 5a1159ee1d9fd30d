//! Parameters against PostgreSQL 15, and the round trip through `encode` in both formats.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use chrono_tz::Tz;

use super::*;
use crate::encode::{DateOrder, SessionZone};

mod round_trip;

fn read(type_oid: u32, text: &str) -> PgResult<ScalarValue> {
    decode_param(type_oid, Format::Text, Some(text.as_bytes()), &FormatOptions::default())
}

/// What PostgreSQL's text form of a value read from this text is.
fn shown(type_oid: u32, text: &str) -> String {
    shown_with(type_oid, text, &FormatOptions::default())
}

fn shown_with(type_oid: u32, text: &str, options: &FormatOptions) -> String {
    let value = decode_param(type_oid, Format::Text, Some(text.as_bytes()), options);
    let array = value.unwrap_or_else(|e| panic!("{text}: {e}")).to_array().unwrap();
    let mut out = bytes::BytesMut::new();
    let it = &FormatOptions::default();
    crate::encode::encode_value_text(array.as_ref(), 0, it, &mut out).unwrap();
    String::from_utf8(out.to_vec()).unwrap()
}

/// SQLSTATE and message of a refused text.
fn refused(type_oid: u32, text: &str) -> (&'static str, String) {
    match read(type_oid, text) {
        Ok(value) => panic!("{text} was read as {value}"),
        Err(error) => (error.state.code(), error.message),
    }
}

fn check(type_oid: u32, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(shown(type_oid, text), *expected, "{text}");
    }
}

fn check_refused(cases: &[(u32, &str, &str, &str)]) {
    for (type_oid, text, code, message) in cases {
        assert_eq!(refused(*type_oid, text), (*code, (*message).to_owned()));
    }
}

#[test]
fn scalars() {
    check(oid::BOOL, &[("tr", "t"), (" OFF ", "f"), ("1", "t"), ("N", "f")]);
    check(oid::INT4, &[(" 12 ", "12"), ("+7", "7"), ("-2147483648", "-2147483648")]);
    check(oid::OID, &[("-1", "4294967295"), ("4294967295", "4294967295")]);
    check(oid::FLOAT8, &[("inf", "Infinity"), (".5", "0.5"), ("0e-500", "0"), ("nan", "NaN")]);
    check(
        oid::NUMERIC,
        &[("1.50", "1.50"), ("-.5e1", "-5"), ("1e3", "1000"), ("1.5e-3", "0.0015"), ("000", "0")],
    );
    let digits = "9".repeat(76);
    check(oid::NUMERIC, &[(&digits, &digits), ("-0.00", "0.00")]);
    check(oid::BYTEA, &[("\\x01 fF", "\\x01ff"), ("\\\\a\\001", "\\x5c6101"), ("", "\\x")]);
    let uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    check(oid::UUID, &[("{A0EEBC999C0B4EF8BB6D6BB9BD380A11}", uuid), (uuid, uuid)]);
    check(oid::JSON, &[(" {\"a\": 1}", " {\"a\": 1}")]);
    check(oid::UNKNOWN, &[("x", "x")]);
    assert_eq!(read(oid::REGCLASS, "1259").unwrap(), ScalarValue::UInt32(Some(1259)));
    assert_eq!(
        read(oid::REGCLASS, "pg_class").unwrap(),
        ScalarValue::Utf8(Some("pg_class".into()))
    );
    assert_eq!(shown(oid::NAME, &"é".repeat(40)).len(), 62);
}

#[test]
fn refused_scalars() {
    check_refused(&[
        (oid::INT4, "abc", "22P02", "invalid input syntax for type integer: \"abc\""),
        (oid::INT4, "", "22P02", "invalid input syntax for type integer: \"\""),
        (oid::INT4, "1.5", "22P02", "invalid input syntax for type integer: \"1.5\""),
        (
            oid::INT4,
            "99999999999",
            "22003",
            "value \"99999999999\" is out of range for type integer",
        ),
        (oid::INT2, "32768", "22003", "value \"32768\" is out of range for type smallint"),
        (oid::OID, "4294967296", "22003", "value \"4294967296\" is out of range for type oid"),
        (oid::BOOL, "o", "22P02", "invalid input syntax for type boolean: \"o\""),
        (oid::FLOAT8, "1e400", "22003", "\"1e400\" is out of range for type double precision"),
        (oid::FLOAT8, "1e-400", "22003", "\"1e-400\" is out of range for type double precision"),
        (oid::FLOAT4, "1e50", "22003", "\"1e50\" is out of range for type real"),
        (oid::NUMERIC, "x", "22P02", "invalid input syntax for type numeric: \"x\""),
        (oid::NUMERIC, "1e", "22P02", "invalid input syntax for type numeric: \"1e\""),
        (oid::NUMERIC, "NaN", "0A000", "NaN or infinity of type numeric is not supported"),
        (oid::NUMERIC, "1e99", "22003", "value \"1e99\" is out of range for type numeric"),
        (oid::BYTEA, "\\xg1", "22023", "invalid hexadecimal digit: \"g\""),
        (oid::BYTEA, "\\x123", "22023", "invalid hexadecimal data: odd number of digits"),
        (oid::BYTEA, "\\0", "22P02", "invalid input syntax for type bytea"),
        (oid::UUID, "x", "22P02", "invalid input syntax for type uuid: \"x\""),
        (oid::JSON, "{", "22P02", "invalid input syntax for type json"),
    ]);
    let bytes = |bytes: &[u8]| {
        let it = decode_param(oid::TEXT, Format::Text, Some(bytes), &FormatOptions::default());
        it.unwrap_err().message
    };
    assert_eq!(bytes(b"a\xff"), "invalid byte sequence for encoding \"UTF8\": 0xff");
    assert_eq!(bytes(b"\xc3("), "invalid byte sequence for encoding \"UTF8\": 0xc3 0x28");
    assert_eq!(bytes(b"a\0"), "invalid byte sequence for encoding \"UTF8\": 0x00");
}

#[test]
fn dates() {
    let same = "1999-01-08";
    let forms = [
        "1999-01-08",
        "January 8, 1999",
        "1/8/1999",
        "1999-Jan-08",
        "Jan-08-1999",
        "08-Jan-99",
        "19990108",
        "990108",
        "8 Jan 1999 10:00",
        "1999-01-08T04:05:06Z",
        "Friday 1999/01/08",
    ];
    for form in forms {
        assert_eq!(shown(oid::DATE, form), same, "{form}");
    }
    check(
        oid::DATE,
        &[("January 8, 99 BC", "0099-01-08 BC"), ("infinity", "infinity"), ("epoch", "1970-01-01")],
    );
    let dmy = FormatOptions { date_order: DateOrder::Dmy, ..FormatOptions::default() };
    assert_eq!(shown_with(oid::DATE, "8/1/1999", &dmy), same);
    let ymd = FormatOptions { date_order: DateOrder::Ymd, ..FormatOptions::default() };
    assert_eq!(shown_with(oid::DATE, "99-01-08", &ymd), same);
    let range = |text: &str| format!("date/time field value out of range: \"{text}\"");
    check_refused(&[
        (oid::DATE, "2020-13-01", "22008", &range("2020-13-01")),
        (oid::DATE, "2020-02-30", "22008", &range("2020-02-30")),
        (oid::DATE, "abc", "22007", "invalid input syntax for type date: \"abc\""),
        (oid::DATE, "", "22007", "invalid input syntax for type date: \"\""),
        (oid::DATE, "6000000-01-01", "22008", "date out of range: \"6000000-01-01\""),
        (oid::DATE, "4714-11-23 BC", "22008", "date out of range: \"4714-11-23 BC\""),
    ]);
    assert!(read(oid::DATE, "2020-13-01").unwrap_err().hint.is_some());
    assert!(read(oid::DATE, "2020-02-30").unwrap_err().hint.is_none());
}

#[test]
fn times() {
    check(
        oid::TIME,
        &[
            ("04:05", "04:05:00"),
            ("040506", "04:05:06"),
            ("04:05 PM", "16:05:00"),
            ("04:05:06.789-8", "04:05:06.789"),
            ("040506.789", "04:05:06.789"),
            ("allballs", "00:00:00"),
            ("12:00 am", "00:00:00"),
            ("12:30 pm", "12:30:00"),
            ("23:59:60", "24:00:00"),
            ("2020-01-01 10:00", "10:00:00"),
            ("24:00", "24:00:00"),
            ("10:00:00.1234567", "10:00:00.123457"),
        ],
    );
    check_refused(&[
        (oid::TIME, "25:00", "22008", "date/time field value out of range: \"25:00\""),
        (oid::TIME, "24:00:01", "22008", "date/time field value out of range: \"24:00:01\""),
        (oid::TIME, "10:60", "22008", "date/time field value out of range: \"10:60\""),
        (oid::TIME, "abc", "22007", "invalid input syntax for type time: \"abc\""),
    ]);
}

#[test]
fn timestamps() {
    check(
        oid::TIMESTAMP,
        &[
            ("2020-01-01 10:00 BC", "2020-01-01 10:00:00 BC"),
            ("epoch", "1970-01-01 00:00:00"),
            ("2020-01-01 24:00", "2020-01-02 00:00:00"),
            ("20200101 1010", "2020-01-01 10:10:00"),
            ("2020-01-01T10:10:10+05", "2020-01-01 10:10:10"),
            ("-infinity", "-infinity"),
            ("20000-02-29 00:00:00.5", "20000-02-29 00:00:00.5"),
        ],
    );
    check(
        oid::TIMESTAMPTZ,
        &[
            ("1999-01-08 04:05:06 -8:00", "1999-01-08 12:05:06+00"),
            ("Thu Jan 01 10:00:00.5 2020 PST", "2020-01-01 18:00:00.5+00"),
            ("20200101T101010Z", "2020-01-01 10:10:10+00"),
            ("2020-01-01T10:10:10.1234567+05:30", "2020-01-01 04:40:10.123457+00"),
            ("2020-07-01 10:00 America/New_York", "2020-07-01 14:00:00+00"),
            ("2020-07-01 10:00", "2020-07-01 10:00:00+00"),
            ("infinity", "infinity"),
        ],
    );
    let time_zone = SessionZone::Named(Tz::America__New_York);
    let new_york = FormatOptions { time_zone, ..FormatOptions::default() };
    let cases = [
        ("2020-07-01 10:00", "2020-07-01 14:00:00+00"),
        // A skipped hour, and a repeated one.
        ("2021-03-14 02:30", "2021-03-14 07:30:00+00"),
        ("2021-11-07 01:30", "2021-11-07 06:30:00+00"),
    ];
    for (text, expected) in cases {
        assert_eq!(shown_with(oid::TIMESTAMPTZ, text, &new_york), expected);
    }
    let displaced = "time zone displacement out of range: \"2020-01-01 10:00 +20\"";
    check_refused(&[
        (
            oid::TIMESTAMPTZ,
            "2020-01-01 10:00 foo/bar",
            "22023",
            "time zone \"foo/bar\" not recognized",
        ),
        (oid::TIMESTAMPTZ, "2020-01-01 10:00 +20", "22008", displaced),
        (
            oid::TIMESTAMPTZ,
            "abc",
            "22007",
            "invalid input syntax for type timestamp with time zone: \"abc\"",
        ),
        (oid::TIMESTAMP, "300000-01-01", "22008", "timestamp out of range: \"300000-01-01\""),
        (oid::TIMESTAMP, "4714-01-01 BC", "22008", "timestamp out of range: \"4714-01-01 BC\""),
    ]);
}

#[test]
fn intervals() {
    check(
        oid::INTERVAL,
        &[
            ("1 year 2 mons", "1 year 2 mons"),
            ("1-2", "1 year 2 mons"),
            ("5", "00:00:05"),
            ("-1-2", "-1 years -2 mons"),
            ("1 2:03:04", "1 day 02:03:04"),
            ("-1 2:03:04", "-1 days +02:03:04"),
            ("1.5 years", "1 year 6 mons"),
            ("1.5 mons", "1 mon 15 days"),
            ("1.5 days", "1 day 12:00:00"),
            ("1.5 weeks", "10 days 12:00:00"),
            ("1d 2h", "1 day 02:00:00"),
            ("@ 1 hour ago", "-01:00:00"),
            ("P1Y2M3DT4H5M6.5S", "1 year 2 mons 3 days 04:05:06.5"),
            ("P1W", "7 days"),
            ("PT-1.5S", "-00:00:01.5"),
            ("2:03.5", "00:02:03.5"),
            ("1-2 3 4:05:06", "1 year 2 mons 3 days 04:05:06"),
            ("-1.5 days", "-1 days -12:00:00"),
            ("1 day 1.5 hours 2.5 sec", "1 day 01:30:02.5"),
            ("1.5 h 1.5 m", "01:31:30"),
        ],
    );
    let standard = FormatOptions {
        interval_style: crate::encode::IntervalStyle::SqlStandard,
        ..Default::default()
    };
    assert_eq!(shown_with(oid::INTERVAL, "-1 2:03:04", &standard), "-1 days -02:03:04");
    for text in ["x", "", "1 foo", "1 day 1 day", "2 hours 1:00", "1e3 s", "day"] {
        let message = format!("invalid input syntax for type interval: \"{text}\"");
        assert_eq!(refused(oid::INTERVAL, text), ("22007", message));
    }
    let far = "interval field value out of range: \"99999999999 years\"";
    check_refused(&[(oid::INTERVAL, "99999999999 years", "22008", far)]);
}

#[test]
fn arrays() {
    check(1007, &[("{}", "{}"), (" { 1 , NULL } ", "{1,NULL}"), ("[0:1]={1,2}", "{1,2}")]);
    check(1007, &[("{{1,2},{3,NULL}}", "{{1,2},{3,NULL}}"), ("{{{1}}}", "{{{1}}}")]);
    check(
        1009,
        &[(
            "{a b,\"a\\\"b\",\"NULL\",null, x\\ ,\"\"}",
            "{\"a b\",\"a\\\"b\",\"NULL\",NULL,\"x \",\"\"}",
        )],
    );
    check(1231, &[("{1.5,10,NULL}", "{1.5,10.0,NULL}"), ("{}", "{}"), ("{NULL}", "{NULL}")]);
    check(1185, &[("{2020-01-01}", "{\"2020-01-01 00:00:00+00\"}")]);
    check(oid::OIDVECTOR, &[("1 2", "{1,2}")]);
    let details = [
        ("{1,2", "Unexpected end of input."),
        ("1,2", "Array value must start with \"{\" or dimension information."),
        ("{{1,2},{3}}", "Multidimensional arrays must have sub-arrays with matching dimensions."),
        ("{1,{2}}", "Multidimensional arrays must have sub-arrays with matching dimensions."),
        ("{1,}", "Unexpected \"}\" character."),
        ("{1}x", "Junk after closing right brace."),
        ("{\"1\" 2}", "Unexpected array element."),
    ];
    for (text, detail) in details {
        let error = read(1007, text).unwrap_err();
        assert_eq!(error.message, format!("malformed array literal: \"{text}\""));
        assert_eq!(error.detail.as_deref(), Some(detail), "{text}");
    }
}

#[test]
fn malformed_binary() {
    let code = |type_oid: u32, bytes: &[u8]| {
        let it = decode_param(type_oid, Format::Binary, Some(bytes), &FormatOptions::default());
        it.unwrap_err().state.code()
    };
    assert_eq!(code(oid::INT4, &[0; 3]), "22P03");
    assert_eq!(code(oid::UUID, &[0; 17]), "22P03");
    assert_eq!(code(oid::NUMERIC, &[0, 1, 0, 0, 0, 0, 0, 0, 0xff, 0xff]), "22P03");
    assert_eq!(code(oid::NUMERIC, &[0, 0, 0, 0, 0xc0, 0, 0, 0]), "0A000");
    assert_eq!(code(oid::TIME, &i64::MAX.to_be_bytes()), "22008");
    assert_eq!(code(oid::DATE, &(i32::MAX - 1).to_be_bytes()), "22008");
    assert_eq!(code(oid::ACLITEM, b"x"), "42883");
    // A count that the bytes cannot have must not be believed.
    let mut array = Vec::new();
    for word in [6, 0, 23, i32::MAX, 1, i32::MAX, 1, i32::MAX, 1, 1, 1, 1, 1, 1, 1] {
        array.extend_from_slice(&i32::to_be_bytes(word));
    }
    assert_eq!(code(1007, &array), "22P03");
    assert_eq!(code(1007, &array[..7]), "22P03");
}

#[test]
fn null_has_the_type_of_its_parameter() {
    for type_oid in [oid::INT4, oid::TIMESTAMPTZ, oid::NUMERIC, 1007, oid::UNKNOWN] {
        let null = decode_param(type_oid, Format::Text, None, &FormatOptions::default()).unwrap();
        assert!(null.is_null() && Some(null.data_type()) == arrow_type_of(type_oid));
    }
}
