//! Operators as functions, for DataFusion's operators take no other kernels. In: a rule for types
//! and a kernel. Out: a function that is shown like the operator it stands for.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Datum};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::physical_expr_common::datum::apply;

/// The types that two operands are cast to, and the result's.
pub(crate) struct Types {
    pub(crate) operands: [DataType; 2],
    pub(crate) result: DataType,
}

/// Gets the operands and the result's type.
type Kernel = fn(Operator, &dyn Datum, &dyn Datum, &DataType) -> Result<ArrayRef, ArrowError>;

/// A function that stands for an operator.
#[derive(Debug)]
pub(crate) struct OperatorFunction {
    /// Its identity.
    pub(crate) name: &'static str,
    pub(crate) op: Operator,
    pub(crate) types: fn(Operator, &DataType, &DataType) -> Result<Types>,
    pub(crate) kernel: Kernel,
    pub(crate) signature: Signature,
}

impl OperatorFunction {
    pub(crate) fn signature() -> Signature {
        Signature::user_defined(Volatility::Immutable)
    }

    pub(crate) fn build(self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::from(self))
    }

    fn types_of(&self, types: &[DataType]) -> Result<Types> {
        match types {
            [left, right] => (self.types)(self.op, left, right),
            _ => plan_err!("{} takes two operands", self.op),
        }
    }
}

impl PartialEq for OperatorFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for OperatorFunction {}

impl Hash for OperatorFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for OperatorFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        Ok(infix(args, self.op))
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(infix(args, self.op))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(self.types_of(types)?.operands.into())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(self.types_of(types)?.result)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let result = args.return_field.data_type();
        apply(&args.args[0], &args.args[1], |left, right| {
            (self.kernel)(self.op, left, right, result)
        })
    }
}

fn infix(args: &[Expr], op: Operator) -> String {
    match args {
        [left, right] => format!("{left} {op} {right}"),
        _ => op.to_string(),
    }
}
