//! `IN` and `NOT IN` with a NULL in the list. In: a list. Out: the NULL beside the list, where the
//! optimizer cannot forget it when it merges two lists into one.

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::Transformed;
use datafusion::functions::core::nullif;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::{InList, ScalarFunction};

/// `a IN (1, NULL)` as `a IN (1) OR NULL`, `a NOT IN (1, NULL)` as `a NOT IN (1) AND NULL`. The
/// NULL is written with the column in it: a condition without columns is moved below aggregates,
/// which answer without rows.
pub(crate) fn nulls_apart(mut list: InList) -> Transformed<Expr> {
    let count = list.list.len();
    list.list.retain(|item| !matches!(item, Expr::Literal(value, _) if value.is_null()));
    if list.list.len() == count {
        return Transformed::no(Expr::InList(list));
    }
    if list.list.is_empty() {
        return Transformed::yes(Expr::Literal(ScalarValue::Boolean(None), None));
    }
    let negated = std::mem::replace(&mut list.negated, false);
    let found = Expr::InList(list);
    let null = ScalarFunction::new_udf(nullif(), vec![found.clone(), found.clone()]);
    let null = Expr::ScalarFunction(null);
    Transformed::yes(if negated { Expr::Not(Box::new(found)).and(null) } else { found.or(null) })
}
