//! Functions over arrays of any type, and over anything.
//!
//! `mobula_only` and `mobula_first` take the one value of a scalar subquery that was made an
//! `array_agg` to be plannable; `mobula_array` is `ARRAY(SELECT ...)`, which is empty and not
//! NULL without rows; `mobula_expandarray` and `mobula_subscripts` give `unnest` what
//! PostgreSQL's set-returning functions return, and `mobula_ordinals` the numbers of those rows;
//! `mobula_text` is an array or a boolean as text, to
//! be compared with `'{...}'` or `'t'`.
//! Refuses to know where the arrays came from.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, ListArray, StringArray, StructArray,
    UInt32Array, new_null_array,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Int64Type};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::{Result, exec_err, plan_err};

use super::by_type::TypeFunction;
use crate::pg_catalog::layout::typed_field;
use crate::types::{self, PG_TYPE_KEY, list_element};

macro_rules! function {
    ($name:literal $least:literal $most:literal $returns:expr, $call:expr) => {
        TypeFunction {
            name: $name,
            least_arguments: $least,
            most_arguments: $most,
            returns: $returns,
            call: $call,
        }
    };
}

pub(super) const FUNCTIONS: &[TypeFunction] = &[
    function!("pg_typeof" 1 1 regtype, type_of),
    function!("array_to_string" 2 3 text, to_string),
    function!("array_upper" 2 2 int4, |args, fields, _| bound(args, fields, upper)),
    function!("array_lower" 2 2 int4, |args, fields, _| bound(args, fields, lower)),
    function!("mobula_only" 1 1 element, only),
    function!("mobula_first" 1 1 element, first),
    function!("mobula_array" 1 1 same_list, or_empty),
    function!("mobula_text" 1 1 text_or_same, as_text),
    function!("mobula_expandarray" 1 1 pairs, expand),
    function!("mobula_ordinals" 1 100 list_of_int8, ordinals),
    function!("mobula_subscripts" 2 3 list_of_int4, subscripts),
];

fn text(_: &[FieldRef]) -> Result<Field> {
    Ok(Field::new("", DataType::Utf8, true))
}

fn int4(_: &[FieldRef]) -> Result<Field> {
    Ok(Field::new("", DataType::Int32, true))
}

fn regtype(_: &[FieldRef]) -> Result<Field> {
    Ok(typed_field("", "regtype", true))
}

fn list_of_int8(_: &[FieldRef]) -> Result<Field> {
    Ok(Field::new_list("", Field::new_list_field(DataType::Int64, true), true))
}

fn list_of_int4(_: &[FieldRef]) -> Result<Field> {
    Ok(Field::new_list("", Field::new_list_field(DataType::Int32, true), true))
}

/// The element's field, with its PostgreSQL type if it carries one.
fn element(fields: &[FieldRef]) -> Result<Field> {
    match list_element(fields[0].data_type()) {
        Some(element) => Ok(element.as_ref().clone()),
        None if fields[0].data_type().is_null() => Ok(fields[0].as_ref().clone()),
        None => plan_err!("{} is no array", fields[0].data_type()),
    }
}

fn same_list(fields: &[FieldRef]) -> Result<Field> {
    let item = Field::new_list_field(element(fields)?.data_type().clone(), true);
    let list = Field::new_list("", item, true);
    Ok(list.with_metadata(fields[0].metadata().clone()))
}

/// True for the types that `mobula_text` changes.
fn becomes_text(data_type: &DataType) -> bool {
    list_element(data_type).is_some() || *data_type == DataType::Boolean
}

fn text_or_same(fields: &[FieldRef]) -> Result<Field> {
    match becomes_text(fields[0].data_type()) {
        true => text(fields),
        false => Ok(fields[0].as_ref().clone()),
    }
}

/// The composite that `_pg_expandarray` returns.
fn pair_fields(fields: &[FieldRef]) -> Result<Fields> {
    let value = element(fields)?.with_name("x").with_nullable(true);
    Ok(Fields::from(vec![value, Field::new("n", DataType::Int32, true)]))
}

fn pairs(fields: &[FieldRef]) -> Result<Field> {
    let pair = Field::new_list_field(DataType::Struct(pair_fields(fields)?), true);
    Ok(Field::new_list("", pair, true))
}

/// Any kind of list as the plain one; of NULLs, an empty list of NULLs for each.
pub(super) fn lists(array: &ArrayRef) -> Result<ListArray> {
    let item = match list_element(array.data_type()) {
        Some(element) => element.data_type().clone(),
        None if array.data_type().is_null() => DataType::Null,
        None => return exec_err!("{} is no array", array.data_type()),
    };
    let plain = DataType::List(Arc::new(Field::new_list_field(item, true)));
    Ok(match array.data_type() {
        DataType::Null => new_null_array(&plain, array.len()).as_list().clone(),
        _ => cast(array, &plain)?.as_list().clone(),
    })
}

/// The values of all lists one after the other, and how many each list has; NULLs have none.
pub(super) fn flat(lists: &ListArray) -> Result<(ArrayRef, Vec<usize>)> {
    let offsets = lists.value_offsets();
    let range = |row: usize| match lists.is_valid(row) {
        true => offsets[row]..offsets[row + 1],
        false => 0..0,
    };
    let lengths = (0..lists.len()).map(|row| range(row).len()).collect();
    let indices: Int32Array = (0..lists.len()).flat_map(range).map(Some).collect();
    Ok((take(lists.values(), &indices, None)?, lengths))
}

fn type_of(args: &[ArrayRef], fields: &[FieldRef], _: &DataType) -> Result<ArrayRef> {
    let of_type = match fields[0].data_type() {
        DataType::Null => types::oid::UNKNOWN,
        _ => types::pg_type_of(&fields[0]).oid,
    };
    Ok(Arc::new(UInt32Array::from_value(of_type, args[0].len())))
}

/// The items of a list as PostgreSQL prints them; `None` for a NULL.
fn printed(items: &ArrayRef) -> Result<Vec<Option<String>>> {
    if items.data_type().is_null() {
        return Ok(vec![None; items.len()]);
    }
    if let Some(bools) = items.as_boolean_opt() {
        let bools: &BooleanArray = bools;
        let letter = |value| if value { "t".to_owned() } else { "f".to_owned() };
        return Ok(bools.iter().map(|value| value.map(letter)).collect());
    }
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(items.as_ref(), &options)?;
    let item = |at| items.is_valid(at).then(|| formatter.value(at).to_string());
    Ok((0..items.len()).map(item).collect())
}

fn to_string(args: &[ArrayRef], _: &[FieldRef], _: &DataType) -> Result<ArrayRef> {
    let lists = lists(&args[0])?;
    let separators = cast(&args[1], &DataType::Utf8)?;
    let separators = separators.as_string::<i32>();
    let nulls = args.get(2).map(|array| cast(array, &DataType::Utf8)).transpose()?;
    let joined = (0..lists.len()).map(|row| {
        if lists.is_null(row) || separators.is_null(row) {
            return Ok(None);
        }
        let null = nulls.as_ref().map(|array| array.as_string::<i32>());
        let null = null.filter(|array| array.is_valid(row)).map(|array| array.value(row));
        let items = printed(&lists.value(row))?.into_iter();
        let items = items.filter_map(|item| item.or_else(|| null.map(str::to_owned)));
        Ok(Some(items.collect::<Vec<_>>().join(separators.value(row))))
    });
    Ok(Arc::new(joined.collect::<Result<StringArray>>()?))
}

/// The two vector types of the catalogs count from 0, all other arrays from 1.
fn first_index(field: &FieldRef) -> i32 {
    let name = field.metadata().get(PG_TYPE_KEY).map(String::as_str);
    if matches!(name, Some("int2vector" | "oidvector")) { 0 } else { 1 }
}

fn upper(length: i32, first: i32) -> i32 {
    length + first - 1
}

fn lower(_: i32, first: i32) -> i32 {
    first
}

fn bound(args: &[ArrayRef], fields: &[FieldRef], of: fn(i32, i32) -> i32) -> Result<ArrayRef> {
    let lists = lists(&args[0])?;
    let dimensions = cast(&args[1], &DataType::Int64)?;
    let dimensions = dimensions.as_primitive::<Int64Type>();
    let first = first_index(&fields[0]);
    let bounds = (0..lists.len()).map(|row| {
        let asked = dimensions.is_valid(row) && dimensions.value(row) == 1;
        let length = if lists.is_valid(row) { lists.value_length(row) } else { 0 };
        (asked && length > 0).then(|| of(length, first))
    });
    Ok(Arc::new(bounds.collect::<Int32Array>()))
}

fn only(args: &[ArrayRef], _: &[FieldRef], of_type: &DataType) -> Result<ArrayRef> {
    let (values, lengths) = flat(&lists(&args[0])?)?;
    if lengths.iter().any(|&length| length > 1) {
        return exec_err!("more than one row returned by a subquery used as an expression");
    }
    first_of(&values, &lengths, of_type)
}

fn first(args: &[ArrayRef], _: &[FieldRef], of_type: &DataType) -> Result<ArrayRef> {
    let (values, lengths) = flat(&lists(&args[0])?)?;
    first_of(&values, &lengths, of_type)
}

fn first_of(values: &ArrayRef, lengths: &[usize], of_type: &DataType) -> Result<ArrayRef> {
    let mut start = 0;
    let indices = lengths.iter().map(|&length| {
        let index = (length > 0).then_some(start);
        start += length as u32;
        index
    });
    Ok(cast(&take(values, &indices.collect::<UInt32Array>(), None)?, of_type)?)
}

fn or_empty(args: &[ArrayRef], _: &[FieldRef], of_type: &DataType) -> Result<ArrayRef> {
    let (values, lengths) = flat(&lists(&args[0])?)?;
    list_array(values, lengths, of_type)
}

fn as_text(args: &[ArrayRef], _: &[FieldRef], _: &DataType) -> Result<ArrayRef> {
    if !becomes_text(args[0].data_type()) {
        return Ok(Arc::clone(&args[0]));
    }
    if *args[0].data_type() == DataType::Boolean {
        return Ok(Arc::new(StringArray::from_iter(printed(&args[0])?)));
    }
    let lists = lists(&args[0])?;
    let texts = (0..lists.len()).map(|row| {
        if lists.is_null(row) {
            return Ok(None);
        }
        let items = printed(&lists.value(row))?.into_iter();
        let items = items.map(|item| item.map_or_else(|| "NULL".to_owned(), quoted));
        Ok(Some(format!("{{{}}}", items.collect::<Vec<_>>().join(","))))
    });
    Ok(Arc::new(texts.collect::<Result<StringArray>>()?))
}

/// An item as array text must write it.
fn quoted(item: String) -> String {
    let special = |c: char| matches!(c, '{' | '}' | ',' | '"' | '\\') || c.is_whitespace();
    if !item.is_empty() && !item.eq_ignore_ascii_case("null") && !item.contains(special) {
        return item;
    }
    format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\""))
}

/// 1, 2, ... for each list, after adding `first - 1`.
fn counted(lengths: &[usize], first: i32) -> Int32Array {
    lengths.iter().flat_map(|&length| (0..length as i32).map(move |at| at + first)).collect()
}

fn expand(args: &[ArrayRef], fields: &[FieldRef], of_type: &DataType) -> Result<ArrayRef> {
    let (values, lengths) = flat(&lists(&args[0])?)?;
    let numbers: ArrayRef = Arc::new(counted(&lengths, 1));
    let pairs = StructArray::try_new(pair_fields(fields)?, vec![values, numbers], None)?;
    list_array(Arc::new(pairs), lengths, of_type)
}

/// The places of a list's items, or none for a second dimension; backwards if that is asked for.
fn subscripts(args: &[ArrayRef], fields: &[FieldRef], of_type: &DataType) -> Result<ArrayRef> {
    let lists = lists(&args[0])?;
    let dimensions = cast(&args[1], &DataType::Int64)?;
    let dimensions = dimensions.as_primitive::<Int64Type>();
    let backwards = args.get(2).map(|array| cast(array, &DataType::Boolean)).transpose()?;
    let backwards = backwards.as_ref().map(|array| array.as_boolean());
    let first = first_index(&fields[0]);
    let (mut numbers, mut lengths) = (vec![], vec![]);
    for row in 0..lists.len() {
        let asked = dimensions.is_valid(row) && dimensions.value(row) == 1;
        let known = backwards.is_none_or(|array| array.is_valid(row));
        let length =
            if asked && known && lists.is_valid(row) { lists.value_length(row) } else { 0 };
        let places = first..first + length;
        match backwards.is_some_and(|array| array.value(row)) {
            true => numbers.extend(places.rev()),
            false => numbers.extend(places),
        }
        lengths.push(usize::try_from(length).unwrap_or(0));
    }
    list_array(Arc::new(Int32Array::from(numbers)), lengths, of_type)
}

/// 1, 2, ... up to the length of the longest list of a row.
fn ordinals(args: &[ArrayRef], _: &[FieldRef], of_type: &DataType) -> Result<ArrayRef> {
    let mut longest = vec![0_usize; args[0].len()];
    for array in args {
        for (length, longest) in flat(&lists(array)?)?.1.into_iter().zip(&mut longest) {
            *longest = length.max(*longest);
        }
    }
    let numbers: ArrayRef = Arc::new(counted(&longest, 1));
    list_array(cast(&numbers, &DataType::Int64)?, longest, of_type)
}

/// A list for each length, of these values.
pub(super) fn list_array(
    values: ArrayRef,
    lengths: Vec<usize>,
    of_type: &DataType,
) -> Result<ArrayRef> {
    let DataType::List(item) = of_type else {
        return exec_err!("{of_type} is no list");
    };
    let values = cast(&values, item.data_type())?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, values, None)?))
}
