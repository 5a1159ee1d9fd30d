//! `json_build_object`, which clients gather a catalog's columns with, and `mobula_row_to_json`,
//! which the planner's rewrite puts in the place of `row_to_json`.
//!
//! In: names and values in turn. Out: a JSON object as text.
//! Refuses to know any other function of JSON.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::{Result, exec_err, plan_err};

use super::by_type::TypeFunction;
use crate::pg_catalog::layout::typed_field;

pub(super) const FUNCTIONS: &[TypeFunction] = &[
    function("json_build_object", |args, _, _| object(args, " : ", ", ")),
    function("mobula_row_to_json", |args, _, _| object(args, ":", ",")),
];

const fn function(
    name: &'static str,
    call: fn(&[ArrayRef], &[FieldRef], &DataType) -> Result<ArrayRef>,
) -> TypeFunction {
    // As many arguments as PostgreSQL passes to any function, or columns a row may have.
    TypeFunction { name, least_arguments: 2, most_arguments: 3_328, returns: json, call }
}

fn json(fields: &[FieldRef]) -> Result<Field> {
    match fields.len() % 2 {
        0 => Ok(typed_field("", "json", true)),
        _ => plan_err!("argument list must have even number of elements"),
    }
}

/// Objects written with these marks after a name and between members.
fn object(args: &[ArrayRef], colon: &str, comma: &str) -> Result<ArrayRef> {
    let rows = args[0].len();
    let mut objects: Vec<Vec<String>> = vec![vec![]; rows];
    for pair in args.chunks_exact(2) {
        let (names, values) = (texts(&pair[0])?, values(&pair[1])?);
        for ((object, name), value) in objects.iter_mut().zip(names).zip(values) {
            let Some(name) = name else {
                return exec_err!("null value not allowed for object key");
            };
            object.push(format!("{}{colon}{value}", quoted(&name)));
        }
    }
    let whole = objects.into_iter().map(|members| format!("{{{}}}", members.join(comma)));
    Ok(Arc::new(StringArray::from_iter_values(whole)))
}

/// Each value as JSON.
fn values(array: &ArrayRef) -> Result<Vec<String>> {
    let bare = array.data_type().is_numeric() || *array.data_type() == DataType::Boolean;
    let value = |text: Option<String>| match text {
        None => "null".to_owned(),
        Some(text) if bare => text,
        Some(text) => quoted(&text),
    };
    Ok(texts(array)?.into_iter().map(value).collect())
}

fn texts(array: &ArrayRef) -> Result<Vec<Option<String>>> {
    if array.data_type().is_null() {
        return Ok(vec![None; array.len()]);
    }
    // Text of a kind that the formatter need not know.
    let array = match array.data_type() {
        DataType::Utf8View | DataType::LargeUtf8 => cast(array, &DataType::Utf8)?,
        _ => Arc::clone(array),
    };
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
    let text = |row| array.is_valid(row).then(|| formatter.value(row).to_string());
    Ok((0..array.len()).map(text).collect())
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
