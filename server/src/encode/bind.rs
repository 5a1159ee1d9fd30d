//! Which writer a column gets. In: an array, the oid it is sent as, the session's options.
//! Out: a bound cell, or a refusal. The only place that looks at both type systems at once; it
//! writes nothing itself.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{
    ArrowDictionaryKeyType, ArrowNativeType, DataType, Decimal32Type, Decimal64Type,
    Decimal128Type, Decimal256Type, Field, Int8Type, Int16Type, Int32Type, Int64Type,
    RunEndIndexType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use super::array::{ArrayBinary, ArrayRows, ArrayText, DIMENSIONS_MAX, ListRows, VectorCell};
use super::cell::{AllNull, BoxCell, Pointing};
use super::datetime::DateForm;
use super::json::{Versioned, bind_json};
use super::options::{Format, FormatOptions, IntervalStyle};
use super::scalar;
use super::temporal::Temporal;
use crate::error::{PgError, PgResult, SqlState};
use crate::types::{list_element, oid, pg_type_of, type_by_oid};

/// How a column is written.
#[derive(Clone, Copy)]
pub(super) struct Binding<'a> {
    /// Text or binary.
    pub(super) format: Format,
    /// The layout of dates, which in json is not the session's.
    pub(super) form: DateForm,
    /// The session's settings.
    pub(super) options: &'a FormatOptions,
}

impl<'a> Binding<'a> {
    /// As the session wants it.
    pub(super) fn new(format: Format, options: &'a FormatOptions) -> Self {
        Self { format, form: DateForm::of(options), options }
    }

    fn temporal(&self) -> Temporal {
        let json = self.form == DateForm::Xsd;
        Temporal {
            format: self.format,
            form: self.form,
            interval: if json { IntervalStyle::Postgres } else { self.options.interval_style },
            zone: self.options.time_zone,
        }
    }
}

/// Binds an array to be sent as the type with this oid.
pub(super) fn bind(array: &dyn Array, type_oid: u32, how: &Binding) -> PgResult<BoxCell> {
    match array.data_type() {
        DataType::Null => return Ok(Box::new(AllNull(array.len()))),
        DataType::Dictionary(key, _) => return bind_dictionary(array, key, type_oid, how),
        DataType::RunEndEncoded(ends, _) => {
            return match ends.data_type() {
                DataType::Int16 => bind_runs::<Int16Type>(array, type_oid, how),
                DataType::Int32 => bind_runs::<Int32Type>(array, type_oid, how),
                _ => bind_runs::<Int64Type>(array, type_oid, how),
            };
        }
        data_type if data_type.is_nested() => return bind_nested(array, type_oid, how),
        _ => {}
    }
    bind_scalar(array, type_oid, how).ok_or_else(|| no_binary_form(array, type_oid))
}

/// The declared type has no binary form, or not for values of this Arrow type.
fn no_binary_form(array: &dyn Array, type_oid: u32) -> PgError {
    let name = type_by_oid(type_oid).map_or("unknown", |t| t.sql_name);
    let message = match type_oid {
        oid::ACLITEM => "no binary output function available for type aclitem".to_owned(),
        _ => format!("a column of {} has no binary form as type {name}", array.data_type()),
    };
    PgError::new(SqlState::UndefinedFunction, message)
}

/// True if the fixed layout of a boolean or temporal array is that of the type it is sent as.
fn same_layout(data_type: &DataType, type_oid: u32) -> bool {
    let natural = pg_type_of(&Field::new("", data_type.clone(), true)).oid;
    let stamps = [oid::TIMESTAMP, oid::TIMESTAMPTZ];
    natural == type_oid || (stamps.contains(&natural) && stamps.contains(&type_oid))
}

fn bind_scalar(array: &dyn Array, type_oid: u32, how: &Binding) -> Option<BoxCell> {
    let (format, oid) = (how.format, type_oid);
    let bytes_how = (format, how.options.bytea_hex);
    let data_type = array.data_type();
    let fixed = data_type.is_temporal() || *data_type == DataType::Boolean;
    if format == Format::Binary && fixed && !same_layout(data_type, oid) {
        return None;
    }
    match data_type {
        DataType::Boolean => Some(scalar::boolean(array.as_boolean(), format)),
        DataType::Int8 => scalar::integer::<Int8Type>(array, oid, format),
        DataType::Int16 => scalar::integer::<Int16Type>(array, oid, format),
        DataType::Int32 => scalar::integer::<Int32Type>(array, oid, format),
        DataType::Int64 => scalar::integer::<Int64Type>(array, oid, format),
        DataType::UInt8 => scalar::integer::<UInt8Type>(array, oid, format),
        DataType::UInt16 => scalar::integer::<UInt16Type>(array, oid, format),
        DataType::UInt32 => scalar::integer::<UInt32Type>(array, oid, format),
        DataType::UInt64 => scalar::integer::<UInt64Type>(array, oid, format),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            scalar::float(array, oid, format, how.options)
        }
        DataType::Decimal32(_, s) => scalar::decimal::<Decimal32Type>(array, *s, oid, format),
        DataType::Decimal64(_, s) => scalar::decimal::<Decimal64Type>(array, *s, oid, format),
        DataType::Decimal128(_, s) => scalar::decimal::<Decimal128Type>(array, *s, oid, format),
        DataType::Decimal256(_, s) => scalar::decimal::<Decimal256Type>(array, *s, oid, format),
        DataType::Utf8 => {
            let a = array.as_string::<i32>();
            scalar::text(a.clone(), span(a.value_offsets()), oid, format)
        }
        DataType::LargeUtf8 => {
            let a = array.as_string::<i64>();
            scalar::text(a.clone(), span(a.value_offsets()), oid, format)
        }
        DataType::Utf8View => {
            let a = array.as_string_view();
            scalar::text(a.clone(), a.lengths().map(|l| l as usize).sum(), oid, format)
        }
        DataType::Binary => {
            let a = array.as_binary::<i32>();
            scalar::bytes(a.clone(), span(a.value_offsets()), oid, bytes_how)
        }
        DataType::LargeBinary => {
            let a = array.as_binary::<i64>();
            scalar::bytes(a.clone(), span(a.value_offsets()), oid, bytes_how)
        }
        DataType::BinaryView => {
            let a = array.as_binary_view();
            scalar::bytes(a.clone(), a.lengths().map(|l| l as usize).sum(), oid, bytes_how)
        }
        DataType::FixedSizeBinary(width) => {
            let a = array.as_fixed_size_binary();
            let hint = a.len() * usize::try_from(*width).unwrap_or(0);
            scalar::bytes(a.clone(), hint, oid, bytes_how)
        }
        DataType::Timestamp(_, zone) => {
            let zoned = oid == oid::TIMESTAMPTZ || (zone.is_some() && oid != oid::TIMESTAMP);
            how.temporal().bind(array, zoned)
        }
        _ => how.temporal().bind(array, false),
    }
}

/// How many bytes the values between these offsets have.
fn span<O: Copy + TryInto<usize>>(offsets: &[O]) -> usize {
    let at = |o: Option<&O>| o.and_then(|o| (*o).try_into().ok()).unwrap_or(0);
    at(offsets.last()) - at(offsets.first())
}

/// Lists of scalars as arrays; every other nesting as json.
fn bind_nested(array: &dyn Array, type_oid: u32, how: &Binding) -> PgResult<BoxCell> {
    let declared = type_by_oid(type_oid).filter(|t| t.elem_oid != 0 && t.oid != oid::NAME);
    let Some(declared) = declared.filter(|_| list_element(array.data_type()).is_some()) else {
        let texts = [oid::JSON, oid::JSONB, oid::TEXT, oid::VARCHAR, oid::UNKNOWN];
        if how.format == Format::Binary && !texts.contains(&type_oid) {
            return Err(no_binary_form(array, type_oid));
        }
        let xsd = Binding { format: Format::Text, form: DateForm::Xsd, options: how.options };
        let json = bind_json(&Field::new("", array.data_type().clone(), true), array, &xsd)?;
        let versioned = type_oid == oid::JSONB && how.format == Format::Binary;
        return Ok(if versioned { Box::new(Versioned(json)) } else { json });
    };
    let mut levels = Vec::new();
    let mut values: ArrayRef = array.slice(0, array.len());
    while let Some((rows, inner)) = ListRows::of(values.as_ref()) {
        levels.push(rows);
        values = inner;
    }
    if levels.len() > DIMENSIONS_MAX {
        return Err(PgError::new(
            SqlState::ProgramLimitExceeded,
            format!("number of array dimensions ({}) exceeds the maximum", levels.len()),
        ));
    }
    let element_oid = declared.elem_oid;
    let elements = bind(values.as_ref(), element_oid, how)?;
    let rows = ArrayRows { levels, elements, element_oid };
    Ok(match (declared.is_array(), how.format) {
        (false, format) => Box::new(VectorCell { rows, binary: format == Format::Binary }),
        (true, Format::Text) => Box::new(ArrayText::new(rows)),
        (true, Format::Binary) => Box::new(ArrayBinary(rows)),
    })
}

fn bind_dictionary(
    array: &dyn Array,
    key: &DataType,
    type_oid: u32,
    how: &Binding,
) -> PgResult<BoxCell> {
    match key {
        DataType::Int8 => bind_keys::<Int8Type>(array, type_oid, how),
        DataType::Int16 => bind_keys::<Int16Type>(array, type_oid, how),
        DataType::Int32 => bind_keys::<Int32Type>(array, type_oid, how),
        DataType::Int64 => bind_keys::<Int64Type>(array, type_oid, how),
        DataType::UInt8 => bind_keys::<UInt8Type>(array, type_oid, how),
        DataType::UInt16 => bind_keys::<UInt16Type>(array, type_oid, how),
        DataType::UInt32 => bind_keys::<UInt32Type>(array, type_oid, how),
        _ => bind_keys::<UInt64Type>(array, type_oid, how),
    }
}

fn bind_keys<K: ArrowDictionaryKeyType>(
    array: &dyn Array,
    type_oid: u32,
    how: &Binding,
) -> PgResult<BoxCell> {
    let dictionary = array.as_dictionary::<K>();
    let (keys, values) = (dictionary.keys(), dictionary.values());
    if values.is_empty() {
        return Ok(Box::new(AllNull(array.len())));
    }
    // What stands under a NULL is arbitrary: keep it within the values.
    let last = values.len() - 1;
    let indices = keys.values().iter().map(|k| k.as_usize().min(last)).collect();
    Ok(Box::new(Pointing {
        nulls: keys.nulls().cloned(),
        indices,
        values: bind(values.as_ref(), type_oid, how)?,
        value_count: values.len(),
    }))
}

fn bind_runs<R: RunEndIndexType>(
    array: &dyn Array,
    type_oid: u32,
    how: &Binding,
) -> PgResult<BoxCell> {
    let runs = array.as_run::<R>();
    let rows: Vec<u64> = (0..array.len() as u64).collect();
    let indices = runs.get_physical_indices(&rows).map_err(|error| {
        PgError::new(SqlState::InternalError, "malformed run-length encoded column")
            .detail(error.to_string())
    })?;
    Ok(Box::new(Pointing {
        nulls: None,
        indices,
        values: bind(runs.values().as_ref(), type_oid, how)?,
        value_count: runs.values().len(),
    }))
}
