//! `+`, `-`, `*` on integers, out of range being an error and never a wrapped value. In: integers.
//! Out: the value of a whole tree of these operators, by one function: its first argument is the
//! tree in postfix, `..+.*` for `(a + b) * c`, the others are its leaves. A call for each operator
//! would nest as deep as the tree, and DataFusion types nested calls again at every level.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;

/// The function's name.
const NAME: &str = "int_arithmetic";
/// In a tree's text: the next leaf.
const LEAF: char = '.';

/// The function.
pub(crate) static INTEGERS: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(ScalarUDF::from(IntegerArithmetic { signature }))
});

/// `left op right`; trees of integers on either side become part of the one tree.
pub(crate) fn combine(op: Operator, left: Expr, right: Expr) -> Expr {
    let (mut tree, mut leaves) = parts(left);
    let (right_tree, right_leaves) = parts(right);
    tree.push_str(&right_tree);
    tree.push(symbol(op));
    leaves.extend(right_leaves);
    let tree = Expr::Literal(ScalarValue::Utf8(Some(tree)), None);
    let args = std::iter::once(tree).chain(leaves).collect();
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&INTEGERS), args))
}

/// Whether an expression is such a tree, and so an integer; asking its type would take all of it.
pub(crate) fn is_tree(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if call.name() == NAME)
}

fn parts(expr: Expr) -> (String, Vec<Expr>) {
    match expr {
        Expr::ScalarFunction(mut call) if call.name() == NAME && !call.args.is_empty() => {
            match call.args.remove(0) {
                Expr::Literal(ScalarValue::Utf8(Some(tree)), _) => (tree, call.args),
                other => (LEAF.to_string(), vec![other]),
            }
        }
        other => (LEAF.to_string(), vec![other]),
    }
}

fn symbol(op: Operator) -> char {
    match op {
        Operator::Plus => '+',
        Operator::Minus => '-',
        _ => '*',
    }
}

/// Goes through a tree from its leaves to its root with a stack.
fn fold<T>(
    tree: &str,
    leaves: impl IntoIterator<Item = T>,
    mut join: impl FnMut(char, T, T) -> Result<T>,
) -> Result<T> {
    let mut leaves = leaves.into_iter();
    let mut stack = Vec::new();
    for symbol in tree.chars() {
        let next = if symbol == LEAF {
            leaves.next()
        } else {
            match (stack.pop(), stack.pop()) {
                (Some(right), Some(left)) => Some(join(symbol, left, right)?),
                _ => None,
            }
        };
        match next {
            Some(value) => stack.push(value),
            None => return internal_err!("{NAME}: {tree} has other leaves"),
        }
    }
    match (stack.pop(), stack.is_empty()) {
        (Some(root), true) => Ok(root),
        _ => internal_err!("{NAME}: {tree} has no root"),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct IntegerArithmetic {
    signature: Signature,
}

impl ScalarUDFImpl for IntegerArithmetic {
    fn name(&self) -> &str {
        NAME
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        shown(args)
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        shown(args)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("{NAME}: the type depends on the tree")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let Some(Some(ScalarValue::Utf8(Some(tree)))) = args.scalar_arguments.first() else {
            return internal_err!("{NAME}: no tree");
        };
        let types = args.arg_fields[1..].iter().map(|field| field.data_type().clone());
        let wide = fold(tree, types, |_, left, right| wider(&left, &right))?;
        let nullable = args.arg_fields[1..].iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(NAME, wide, nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut args = args.args.into_iter();
        let Some(ColumnarValue::Scalar(ScalarValue::Utf8(Some(tree)))) = args.next() else {
            return internal_err!("{NAME}: no tree");
        };
        fold(&tree, args, calculate)
    }
}

fn calculate(symbol: char, left: ColumnarValue, right: ColumnarValue) -> Result<ColumnarValue> {
    let wide = wider(&left.data_type(), &right.data_type())?;
    let cast = |value: ColumnarValue| match value.data_type() == wide {
        true => Ok(value),
        false => value.cast_to(&wide, None),
    };
    let kernel = match symbol {
        '+' => numeric::add,
        '-' => numeric::sub,
        _ => numeric::mul,
    };
    apply(&cast(left)?, &cast(right)?, kernel)
}

/// The wider of two integer types; signed when either is.
fn wider(left: &DataType, right: &DataType) -> Result<DataType> {
    let rank = |data_type: &DataType| match data_type {
        DataType::Int8 => Ok(0),
        DataType::Int16 | DataType::UInt8 => Ok(1),
        DataType::Int32 | DataType::UInt16 => Ok(2),
        DataType::Int64 | DataType::UInt32 => Ok(3),
        DataType::UInt64 => Ok(4),
        other => plan_err!("{other} is not an integer"),
    };
    Ok(match rank(left)?.max(rank(right)?) {
        0 | 1 => DataType::Int16,
        2 => DataType::Int32,
        4 if left == right => DataType::UInt64,
        _ => DataType::Int64,
    })
}

/// The tree as it is written in SQL.
fn shown(args: &[Expr]) -> Result<String> {
    let Some((Expr::Literal(ScalarValue::Utf8(Some(tree)), _), leaves)) = args.split_first() else {
        return Ok(NAME.to_owned());
    };
    // Text, and the operator at its root.
    let leaves = leaves.iter().map(|leaf| (leaf.to_string(), LEAF));
    let root = fold(tree, leaves, |symbol, (mut text, left), (right_text, right)| {
        if symbol == '*' && matches!(left, '+' | '-') {
            text = format!("({text})");
        }
        let (open, close) = if right == LEAF { ("", "") } else { ("(", ")") };
        for part in [" ", symbol.encode_utf8(&mut [0; 4]), " ", open, &right_text, close] {
            text.push_str(part);
        }
        Ok((text, symbol))
    });
    root.map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{col, lit};

    use super::*;

    #[test]
    fn trees_are_shown_as_they_are_written() {
        let sum = combine(Operator::Plus, col("a"), lit(1));
        let product = combine(Operator::Multiply, sum.clone(), col("b"));
        let difference = combine(Operator::Minus, product, sum);
        let shown = difference.schema_name().to_string();
        assert_eq!(shown, "(a + Int32(1)) * b - (a + Int32(1))");
        assert!(is_tree(&difference) && !is_tree(&col("a")));
    }

    #[test]
    fn a_tree_is_typed_step_by_step() {
        let types = [DataType::Int32, DataType::Int16, DataType::Int64];
        let mut steps = vec![];
        let root = fold("..+.*", types, |_, left, right| {
            let wide = wider(&left, &right)?;
            steps.push(wide.clone());
            Ok(wide)
        });
        assert_eq!(root.expect("a tree"), DataType::Int64);
        assert_eq!(steps, [DataType::Int32, DataType::Int64]);
        assert!(fold("..", [1, 2], |_, left, _| Ok(left)).is_err());
        assert!(fold("+", [1, 2], |_, left, _| Ok(left)).is_err());
    }
}
