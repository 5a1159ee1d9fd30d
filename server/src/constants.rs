//! Answers that never change: a statement of literals alone (`SELECT 1`, what pools and drivers
//! ask all day) is planned once. In: the statement's text and what its answer depends on. Out: its
//! rows. Holds nothing that reads a table, the clock or the session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};

use crate::statement::Shape;

/// Statements kept; each is some hundred bytes. A full cache starts again: it is refilled in
/// microseconds a statement.
const ENTRIES_MAX: usize = 1_000;
/// Longer texts are not looked up: hashing them would cost what planning costs.
const TEXT_MAX_BYTES: usize = 1_000;

/// A constant answer.
#[derive(Debug)]
pub struct Constant {
    /// Its columns.
    pub shape: Shape,
    /// Its one row.
    pub batch: RecordBatch,
}

/// Constant answers by text and time zone.
#[derive(Debug, Default)]
pub struct ConstantCache(Mutex<HashMap<(String, String), Arc<Constant>>>);

impl ConstantCache {
    /// The answer to a text, if it is known.
    pub fn get(&self, sql: &str, zone: &str) -> Option<Arc<Constant>> {
        if sql.len() > TEXT_MAX_BYTES {
            return None;
        }
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.get(&(sql.to_owned(), zone.to_owned())).cloned()
    }

    /// Keeps an answer.
    pub fn put(&self, sql: &str, zone: &str, constant: &Arc<Constant>) {
        if sql.len() > TEXT_MAX_BYTES {
            return;
        }
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= ENTRIES_MAX {
            map.clear();
        }
        map.insert((sql.to_owned(), zone.to_owned()), Arc::clone(constant));
    }
}

/// Whether a plan, as written, depends on nothing but its text.
pub fn depends_on_text_alone(plan: &LogicalPlan) -> Result<bool> {
    let mut alone = true;
    plan.apply_with_subqueries(|node| {
        alone &= matches!(
            node,
            LogicalPlan::Projection(_)
                | LogicalPlan::EmptyRelation(_)
                | LogicalPlan::SubqueryAlias(_)
        );
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                alone &= match part {
                    Expr::ScalarFunction(function) => {
                        function.func.signature().volatility == Volatility::Immutable
                    }
                    Expr::Placeholder(_) | Expr::ScalarVariable(..) => false,
                    _ => true,
                };
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        Ok(if alone { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(alone)
}

/// The row of an optimized plan of literals; none for any other plan.
pub fn evaluate(plan: &LogicalPlan) -> Result<Option<RecordBatch>> {
    let LogicalPlan::Projection(projection) = plan else { return Ok(None) };
    let one_row = matches!(&*projection.input, LogicalPlan::EmptyRelation(e) if e.produce_one_row);
    let literals = projection.expr.iter().map(literal).collect::<Option<Vec<_>>>();
    let (true, Some(literals)) = (one_row, literals) else { return Ok(None) };
    let columns = literals.iter().map(|value| value.to_array()).collect::<Result<Vec<_>>>()?;
    let arrow = Arc::new(projection.schema.as_arrow().clone());
    Ok(Some(RecordBatch::try_new(arrow, columns)?))
}

fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        Expr::Alias(alias) => literal(&alias.expr),
        _ => None,
    }
}
