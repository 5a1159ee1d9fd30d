//! Functions that make one value from the few values of one row.
//!
//! In: a [`Function`], which is a name, the kinds of its arguments and plain Rust code.
//! Out: a DataFusion scalar function around it.
//! Refuses to be fast: catalogs are small, and a table of plain functions is easy to read.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, AsArray, BooleanArray, Float64Array, Int64Array, StringArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, FieldRef, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};

use crate::pg_catalog::CatalogView;
use crate::pg_catalog::cells::{self, Cell};
use crate::pg_catalog::layout::typed_field;

/// What an argument may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
    Bool,
    Float,
    /// An object: its oid, or its name as SQL writes it.
    Object,
}

/// An argument's value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Arg<'a> {
    Null,
    Text(&'a str),
    Int(i64),
    Bool(bool),
    Float(f64),
}

impl Arg<'_> {
    /// The text, or the empty string for anything else.
    pub(super) fn text(&self) -> &str {
        if let Arg::Text(text) = self { text } else { "" }
    }

    /// The number, or 0 for anything else.
    pub(super) fn int(&self) -> i64 {
        if let Arg::Int(value) = self { *value } else { 0 }
    }

    /// The number, or 0 for anything else.
    pub(super) fn float(&self) -> f64 {
        if let Arg::Float(value) = self { *value } else { 0.0 }
    }

    /// An oid given as a number, or 0, which no object has.
    pub(super) fn oid(&self) -> u32 {
        u32::try_from(self.int()).unwrap_or(0)
    }

    /// True only for true.
    pub(super) fn is_true(&self) -> bool {
        matches!(self, Arg::Bool(true))
    }
}

type Eval = fn(&CatalogView, &[Arg<'_>]) -> Result<Cell>;

/// A function: everything about it in one line of a table.
#[derive(Debug)]
pub(super) struct Function {
    name: &'static str,
    arguments: &'static [Kind],
    /// How many arguments at the end may be left out.
    optional: usize,
    /// `pg_type.typname` of the result.
    returns: &'static str,
    /// Called with a NULL, it answers NULL without being asked.
    strict: bool,
    /// It does something, or sees what the statement has done: called when it runs, once a row.
    volatile: bool,
    eval: Eval,
}

/// A function that answers NULL to NULL, as most do.
pub(super) const fn strict(
    name: &'static str,
    arguments: &'static [Kind],
    returns: &'static str,
    eval: Eval,
) -> Function {
    Function { name, arguments, optional: 0, returns, strict: true, volatile: false, eval }
}

impl Function {
    /// The same with so many arguments that may be left out.
    pub(super) const fn optional(self, optional: usize) -> Self {
        Self { optional, ..self }
    }

    /// The same, but called when the statement runs, for each row.
    pub(super) const fn volatile(self) -> Self {
        Self { volatile: true, ..self }
    }

    /// The same, but asked about NULLs too.
    pub(super) const fn sees_nulls(self) -> Self {
        Self { strict: false, ..self }
    }
}

/// The DataFusion function around it.
pub(super) fn udf(function: &'static Function, view: Arc<CatalogView>) -> ScalarUDF {
    let required = function.arguments.len() - function.optional;
    // Stable, so that a call with constants is answered at planning and can be pushed down.
    let volatility = if function.volatile { Volatility::Volatile } else { Volatility::Stable };
    let signature = match required {
        0 => {
            Signature::one_of(vec![TypeSignature::Nullary, TypeSignature::UserDefined], volatility)
        }
        _ => Signature::user_defined(volatility),
    };
    ScalarUDF::new_from_impl(RowFunction { function, signature, view })
}

struct RowFunction {
    function: &'static Function,
    signature: Signature,
    view: Arc<CatalogView>,
}

impl fmt::Debug for RowFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (catalog version {})", self.function.name, self.view.version)
    }
}

impl PartialEq for RowFunction {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name && Arc::ptr_eq(&self.view, &other.view)
    }
}

impl Eq for RowFunction {}

impl Hash for RowFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for RowFunction {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(typed_field("", self.function.returns, true).data_type().clone())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(typed_field(self.function.name, self.function.returns, true)))
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let Function { name, arguments, optional, .. } = self.function;
        if given.len() > arguments.len() || given.len() + optional < arguments.len() {
            return plan_err!("function {name} does not take {} arguments", given.len());
        }
        given.iter().zip(*arguments).map(|(given, kind)| coerced(name, given, *kind)).collect()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let constant = constant && !self.function.volatile;
        let rows = if constant { 1 } else { args.number_rows };
        let columns = args.args.into_iter().zip(self.function.arguments);
        let columns = columns.map(|(arg, kind)| Column::new(arg.into_array(rows)?.as_ref(), *kind));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let cells = (0..rows).map(|row| self.eval(&columns, row)).collect::<Result<Vec<_>>>()?;
        let array = cells::column(args.return_field.data_type(), &cells)?;
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?),
            false => ColumnarValue::Array(array),
        })
    }
}

impl RowFunction {
    fn eval(&self, columns: &[Column], row: usize) -> Result<Cell> {
        let args: Vec<_> = columns.iter().map(|column| column.at(row)).collect();
        if self.function.strict && args.iter().any(|arg| matches!(arg, Arg::Null)) {
            return Ok(Cell::Null);
        }
        (self.function.eval)(&self.view, &args)
    }
}

/// The type an argument is cast to before the call.
fn coerced(function: &str, given: &DataType, kind: Kind) -> Result<DataType> {
    let is_text = matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is_null = *given == DataType::Null;
    match kind {
        Kind::Text if is_text || is_null => Ok(DataType::Utf8),
        Kind::Int if given.is_numeric() || is_text || is_null => Ok(DataType::Int64),
        Kind::Float if given.is_numeric() || is_text || is_null => Ok(DataType::Float64),
        Kind::Bool if *given == DataType::Boolean || is_text || is_null => Ok(DataType::Boolean),
        Kind::Object if given.is_integer() => Ok(DataType::Int64),
        Kind::Object if is_text || is_null => Ok(DataType::Utf8),
        _ => plan_err!("function {function} does not take an argument of type {given}"),
    }
}

/// One argument's values.
enum Column {
    Text(StringArray),
    Int(Int64Array),
    Bool(BooleanArray),
    Float(Float64Array),
}

impl Column {
    fn new(array: &dyn Array, kind: Kind) -> Result<Self> {
        let array = cast(array, &coerced("", array.data_type(), kind)?)?;
        Ok(match array.data_type() {
            DataType::Utf8 => Column::Text(array.as_string::<i32>().clone()),
            DataType::Int64 => Column::Int(array.as_primitive::<Int64Type>().clone()),
            DataType::Boolean => Column::Bool(array.as_boolean().clone()),
            DataType::Float64 => Column::Float(array.as_primitive::<Float64Type>().clone()),
            other => return internal_err!("no catalog function takes {other}"),
        })
    }

    fn at(&self, row: usize) -> Arg<'_> {
        match self {
            Column::Text(array) if array.is_valid(row) => Arg::Text(array.value(row)),
            Column::Int(array) if array.is_valid(row) => Arg::Int(array.value(row)),
            Column::Float(array) if array.is_valid(row) => Arg::Float(array.value(row)),
            Column::Bool(array) if array.is_valid(row) => Arg::Bool(array.value(row)),
            _ => Arg::Null,
        }
    }
}
