//! The expressions in `ROLLUP`, `CUBE` and `GROUPING SETS`. In: a grouping set and what becomes of
//! an expression. Out: the grouping set of what became of them.

use datafusion::common::Result;
use datafusion::logical_expr::{Expr, GroupingSet};

/// The set with each expression changed.
pub(crate) fn map(set: GroupingSet, change: impl Fn(Expr) -> Result<Expr>) -> Result<GroupingSet> {
    let all = |exprs: Vec<Expr>| exprs.into_iter().map(&change).collect::<Result<Vec<_>>>();
    Ok(match set {
        GroupingSet::Rollup(exprs) => GroupingSet::Rollup(all(exprs)?),
        GroupingSet::Cube(exprs) => GroupingSet::Cube(all(exprs)?),
        GroupingSet::GroupingSets(sets) => {
            GroupingSet::GroupingSets(sets.into_iter().map(all).collect::<Result<_>>()?)
        }
    })
}
