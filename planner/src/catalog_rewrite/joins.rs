//! Conditions of joins.
//!
//! In: a select. Out: the same, with conditions that hold a subquery moved from the ON of an inner
//! join to WHERE, where DataFusion can plan them.
//! Refuses to move anything out of an outer join, or past one that would change its meaning.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, JoinConstraint, JoinOperator, Query, Select, TableWithJoins, Value, Visit, Visitor,
};

use super::conditions::{conjunction, split};

/// Moves such conditions.
pub(super) fn move_subqueries(select: &mut Select) {
    let mut moved = vec![];
    for table in &mut select.from {
        take_from(table, &mut moved);
    }
    if !moved.is_empty() {
        moved.extend(select.selection.take());
        select.selection = conjunction(moved);
    }
}

fn take_from(table: &mut TableWithJoins, moved: &mut Vec<Expr>) {
    let mut keeps_rows = true;
    // From the last join back: what follows must not bring back rows that a condition removed.
    for join in table.joins.iter_mut().rev() {
        match &mut join.join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) if keeps_rows => {
                take_subqueries(constraint, moved);
            }
            JoinOperator::Join(_)
            | JoinOperator::Inner(_)
            | JoinOperator::CrossJoin(_)
            | JoinOperator::Left(_)
            | JoinOperator::LeftOuter(_) => {}
            _ => keeps_rows = false,
        }
    }
}

fn take_subqueries(constraint: &mut JoinConstraint, moved: &mut Vec<Expr>) {
    let JoinConstraint::On(condition) = constraint else {
        return;
    };
    if !has_subquery(condition) {
        return;
    }
    let mut conditions = vec![];
    split(std::mem::replace(condition, always()), &mut conditions);
    let (with, without): (Vec<_>, Vec<_>) = conditions.into_iter().partition(has_subquery);
    moved.extend(with.into_iter().map(|condition| Expr::Nested(Box::new(condition))));
    *condition = conjunction(without).unwrap_or_else(always);
}

fn always() -> Expr {
    Expr::value(Value::Boolean(true))
}

fn has_subquery(expr: &Expr) -> bool {
    struct Find;
    impl Visitor for Find {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    expr.visit(&mut Find).is_break()
}
