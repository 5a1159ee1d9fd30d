//! Many conditions as one. In: conditions that must all hold. Out: which rows meet them. Cheap
//! ones (comparisons of numbers) are all asked of all rows, the others of the rows that are left.
//! DataFusion's `AND` copies rows aside as soon as its left side is strict, which costs more than
//! comparing them.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::{and, prep_null_mask_filter};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};

/// Of a hundred rows, so many may be left for a costly condition to be asked of those alone:
/// for that they are copied.
const LEFT_PERCENT_MAX: usize = 20;

/// All of several conditions, for a filter: it never answers NULL, but false.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Conjunction {
    conditions: Vec<Arc<dyn PhysicalExpr>>,
    /// How many of them, from the first, are cheap.
    cheap: usize,
}

impl Conjunction {
    /// Conditions of which the first `cheap` are.
    pub(crate) fn new(conditions: Vec<Arc<dyn PhysicalExpr>>, cheap: usize) -> Self {
        Self { conditions, cheap }
    }

    /// How many of its conditions, from the first, are cheap.
    pub(crate) fn cheap(&self) -> usize {
        self.cheap
    }

    /// The conditions of `predicate`, when that is better than the predicate itself: at least two
    /// of them are cheap.
    pub fn of(predicate: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<Self> {
        let conditions = split_conjunction(predicate).into_iter().cloned();
        let (cheap, costly): (Vec<_>, Vec<_>) = conditions.partition(|c| is_cheap(c, schema));
        let number = cheap.len();
        let conditions = cheap.into_iter().chain(costly).collect();
        (number >= 2).then_some(Self { conditions, cheap: number })
    }
}

/// A comparison between numbers that are there already.
fn is_cheap(condition: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    let Some(binary) = condition.downcast_ref::<BinaryExpr>() else { return false };
    let is_number = |side: &Arc<dyn PhysicalExpr>| {
        (side.is::<Column>() || side.is::<Literal>())
            && side.data_type(schema).is_ok_and(|found| found.is_primitive())
    };
    use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    let compares = [Eq, NotEq, Lt, LtEq, Gt, GtEq].contains(binary.op());
    compares && is_number(binary.left()) && is_number(binary.right())
}

impl fmt::Display for Conjunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, condition) in self.conditions.iter().enumerate() {
            let link = if index > 0 { " AND " } else { "" };
            write!(f, "{link}{condition}")?;
        }
        Ok(())
    }
}

impl PhysicalExpr for Conjunction {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(false)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let mut left: Option<BooleanArray> = None;
        for (index, condition) in self.conditions.iter().enumerate() {
            let holds = match &left {
                Some(left) if left.true_count() == 0 => break,
                Some(left)
                    if index >= self.cheap
                        && left.true_count() * 100 <= rows * LEFT_PERCENT_MAX =>
                {
                    condition.evaluate_selection(batch, left)?
                }
                _ => condition.evaluate(batch)?,
            };
            let holds = holds.into_array(rows)?;
            let holds = match holds.null_count() {
                0 => holds.as_boolean().clone(),
                _ => prep_null_mask_filter(holds.as_boolean()),
            };
            left = Some(match left {
                Some(left) => and(&left, &holds)?,
                None => holds,
            });
        }
        let left = left.unwrap_or_else(|| BooleanArray::from(vec![true; rows]));
        Ok(ColumnarValue::Array(Arc::new(left)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.conditions.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        conditions: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self { conditions, cheap: self.cheap }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int32Array, StringArray};
    use datafusion::arrow::datatypes::Field;
    use datafusion::physical_expr::expressions::{binary, col, lit};

    use super::*;

    #[test]
    fn it_answers_what_and_answers() {
        let fields =
            [Field::new("a", DataType::Int32, true), Field::new("t", DataType::Utf8, true)];
        let schema = Schema::new(fields.to_vec());
        let numbers = Int32Array::from(vec![Some(1), Some(5), None, Some(7), Some(9)]);
        let texts = StringArray::from(vec![Some("x"), Some("x"), Some("x"), None, Some("y")]);
        let columns: Vec<Arc<dyn Array>> = vec![Arc::new(numbers), Arc::new(texts)];
        let batch = RecordBatch::try_new(Arc::new(schema.clone()), columns).expect("a batch");
        let compare = |name, op, value| {
            binary(col(name, &schema).expect("a column"), op, value, &schema).expect("compares")
        };
        let and = |left, right| binary(left, Operator::And, right, &schema).expect("and");
        let cheap = and(compare("a", Operator::Gt, lit(2)), compare("a", Operator::Lt, lit(9)));
        assert!(Conjunction::of(&compare("a", Operator::Gt, lit(2)), &schema).is_none());
        let all = and(compare("t", Operator::Eq, lit("x")), cheap);
        let one = Conjunction::of(&all, &schema).expect("two are cheap");
        assert_eq!(one.to_string(), "a@0 > 2 AND a@0 < 9 AND t@1 = x");
        let holds = one.evaluate(&batch).expect("holds").into_array(5).expect("an array");
        let want = BooleanArray::from(vec![false, true, false, false, false]);
        assert_eq!(holds.as_boolean(), &want);
    }
}
