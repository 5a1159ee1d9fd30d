//! Functions whose result depends on the type they are given.
//!
//! In: a [`TypeFunction`], which is a name, a rule for the result's field and code over whole
//! arrays. Out: a DataFusion scalar function around it.
//! Refuses to know the view: these read only their arguments.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::{acl, arrays, json};

/// A function: everything about it in one line of a table.
#[derive(Debug)]
pub(super) struct TypeFunction {
    pub name: &'static str,
    pub least_arguments: usize,
    pub most_arguments: usize,
    /// The result's field, from those of the arguments.
    pub returns: fn(&[FieldRef]) -> Result<Field>,
    /// The result, from the arguments, all of one length, and their fields.
    pub call: fn(&[ArrayRef], &[FieldRef], &DataType) -> Result<ArrayRef>,
}

/// All of them.
pub(super) fn all() -> impl Iterator<Item = ScalarUDF> {
    let tables = [arrays::FUNCTIONS, json::FUNCTIONS, std::slice::from_ref(&acl::ROWS)];
    tables.into_iter().flatten().map(|function| {
        let signature = Signature::user_defined(Volatility::Immutable);
        ScalarUDF::new_from_impl(TypedUdf { function, signature })
    })
}

#[derive(Debug)]
struct TypedUdf {
    function: &'static TypeFunction,
    signature: Signature,
}

impl PartialEq for TypedUdf {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for TypedUdf {}

impl Hash for TypedUdf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for TypedUdf {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("{} is asked for its field, not for its type", self.function.name)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let field = (self.function.returns)(args.arg_fields)?;
        Ok(Arc::new(field.with_name(self.function.name).with_nullable(true)))
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let TypeFunction { name, least_arguments, most_arguments, .. } = self.function;
        if !(*least_arguments..=*most_arguments).contains(&given.len()) {
            return plan_err!("function {name} does not take {} arguments", given.len());
        }
        Ok(given.to_vec())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let arrays = args.args.into_iter().map(|arg| arg.into_array(rows));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let of_type = args.return_field.data_type();
        let array = (self.function.call)(&arrays, &args.arg_fields, of_type)?;
        if array.len() != rows {
            return internal_err!("{} made {} of {rows} rows", self.function.name, array.len());
        }
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?),
            false => ColumnarValue::Array(array),
        })
    }
}
