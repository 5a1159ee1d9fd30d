//! Arrays and json against PostgreSQL 15.

use super::*;

fn int_lists(rows: Vec<Option<Vec<Option<i32>>>>) -> ListArray {
    ListArray::from_iter_primitive::<Int32Type, _, _>(rows)
}

fn list_of(values: ArrayRef, lengths: Vec<usize>) -> ListArray {
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    ListArray::new(
        field,
        datafusion::arrow::buffer::OffsetBuffer::from_lengths(lengths),
        values,
        None,
    )
}

#[test]
fn arrays() {
    let words = vec![
        Some(""),
        Some("null"),
        Some("a b"),
        Some("a\"b"),
        Some("a\\b"),
        Some("{"),
        Some(","),
        Some("x"),
        Some("\t"),
        Some("é"),
        None,
    ];
    let count = words.len();
    let quoted = list_of(Arc::new(StringArray::from(words)), vec![count]);
    assert_eq!(
        text(&quoted),
        "{\"\",\"null\",\"a b\",\"a\\\"b\",\"a\\\\b\",\"{\",\",\",x,\"\t\",é,NULL}"
    );
    let ints = int_lists(vec![Some(vec![Some(1), None, Some(3)]), Some(vec![])]);
    assert_eq!(text(&ints), "{1,NULL,3}");
    assert_eq!(
        hex(&ints, ""),
        "00000001000000010000001700000003000000010000000400000001ffffffff0000000400000003"
    );
    assert_eq!(text(&ints.slice(1, 1)), "{}");
    assert_eq!(hex(&ints.slice(1, 1), ""), "000000000000000000000017");
    let box_of = |lengths: Vec<usize>| {
        let inner = list_of(Arc::new(Int16Array::from(vec![1, 2, 3, 4])), lengths);
        let outer = vec![inner.len()];
        list_of(Arc::new(inner), outer)
    };
    assert_eq!(text(&box_of(vec![2, 2])), "{{1,2},{3,4}}");
    assert_eq!(
        hex(&box_of(vec![2, 2]), ""),
        "00000002000000000000001500000002000000010000000200000001\
         000000020001000000020002000000020003000000020004"
    );
    let ragged = box_of(vec![3, 1]);
    assert_eq!(text(&ragged), "{{1,2,3},{4}}");
    let field = Field::new("c", ragged.data_type().clone(), true);
    let options = FormatOptions::default();
    let it = ColumnWriter::bind(&field, &ragged, Format::Binary, &options).unwrap();
    assert_eq!(it.write(0, &mut BytesMut::new()).unwrap_err().state.code(), "2202E");
    let oids = list_of(Arc::new(UInt32Array::from(vec![1, 2])), vec![2]);
    assert_eq!(value(&oids, "oidvector", Format::Text, &options), b"1 2");
    assert_eq!(
        hex(&oids, "oidvector"),
        "00000001000000000000001a000000020000000000000004000000010000000400000002"
    );
    let none = list_of(Arc::new(Int16Array::from(Vec::<i16>::new())), vec![0]);
    assert_eq!(hex(&none, "int2vector"), "0000000100000000000000150000000000000000");
}

#[test]
fn json() {
    let interval = IntervalMonthDayNano::new(0, 1, 7_200_000_000_000);
    let instant = TimestampSecondArray::from(vec![1_577_836_800]).with_timezone("UTC");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("f\"1", Arc::new(Int32Array::from(vec![1]))),
        ("f2", Arc::new(StringArray::from(vec!["a\"b\n\u{1}é/"]))),
        ("f3", Arc::new(decimal(150, 2))),
        ("f4", Arc::new(BooleanArray::from(vec![true]))),
        ("f5", Arc::new(NullArray::new(1))),
        ("f6", Arc::new(Float64Array::from(vec![f64::NAN]))),
        ("f7", Arc::new(BinaryArray::from(vec![&b"\x01\xff"[..]]))),
        ("f8", Arc::new(IntervalMonthDayNanoArray::from(vec![interval]))),
        ("f9", Arc::new(Date32Array::from(vec![18_262]))),
        ("f10", Arc::new(instant)),
        ("f11", Arc::new(int_lists(vec![Some(vec![Some(1), None])]))),
    ];
    let fields = columns
        .into_iter()
        .map(|(name, array)| (Arc::new(Field::new(name, array.data_type().clone(), true)), array));
    let row = StructArray::from(fields.collect::<Vec<_>>());
    let sql = FormatOptions { date_style: DateStyle::Sql, ..Default::default() };
    let expected = "{\"f\\\"1\":1,\"f2\":\"a\\\"b\\n\\u0001é/\",\"f3\":1.50,\"f4\":true,\
        \"f5\":null,\"f6\":\"NaN\",\"f7\":\"\\\\x01ff\",\"f8\":\"1 day 02:00:00\",\
        \"f9\":\"2020-01-01\",\
        \"f10\":\"2020-01-01T00:00:00+00:00\",\"f11\":[1,null]}";
    assert_eq!(text_with(&row, &sql), expected);
    assert_eq!(text(&list_of(Arc::new(row), vec![1])), format!("[{expected}]"));
    let mut map = MapBuilder::new(None, Int32Builder::new(), StringBuilder::new());
    map.keys().append_value(7);
    map.values().append_null();
    map.append(true).unwrap();
    assert_eq!(text(&map.finish()), "{\"7\":null}");
}
