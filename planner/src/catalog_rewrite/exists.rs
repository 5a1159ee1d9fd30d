//! `EXISTS (SELECT ...)` in a select list.
//!
//! In: an item of a select list. Out: the same with a count in its place, since DataFusion plans
//! EXISTS in conditions only.
//! Refuses to touch conditions: there EXISTS is a semi-join, which is better than a count.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Query, SetExpr, Visit, VisitMut, Visitor, VisitorMut,
};

use super::build;
use super::conditions::flatten;
use super::subqueries::{has_groups, is_aggregated, set_item};

/// `EXISTS (SELECT ...)` in a select list as `(SELECT count(*) > 0 ...)`: DataFusion has the first
/// only in conditions.
pub(super) fn count_instead(expr: &mut Expr) {
    struct Count(usize);
    impl VisitorMut for Count {
        type Break = ();
        fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
            self.0 += 1;
            ControlFlow::Continue(())
        }
        fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
            self.0 -= 1;
            ControlFlow::Continue(())
        }
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::Exists { subquery, negated } = expr
                && self.0 == 0
                && let Some(made) = counted(subquery, *negated)
            {
                *expr = made;
            }
            ControlFlow::Continue(())
        }
    }
    let _ = expr.visit(&mut Count(0));
}

/// True if there is such a one in an expression.
pub(super) fn has_exists(expr: &Expr) -> bool {
    struct Find;
    impl Visitor for Find {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Exists { .. } => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Find).is_break()
}

fn counted(query: &Query, negated: bool) -> Option<Expr> {
    if is_aggregated(query) {
        return None;
    }
    let mut query = Box::new(query.clone());
    let SetExpr::Select(select) = query.body.as_mut() else {
        return None;
    };
    if has_groups(select) || select.having.is_some() || query.limit_clause.is_some() {
        return None;
    }
    query.order_by = None;
    select.distinct = None;
    let op = if negated { BinaryOperator::Eq } else { BinaryOperator::Gt };
    let (left, right) = (build::count_all(), Box::new(build::number(0)));
    set_item(&mut query, Expr::BinaryOp { left: Box::new(left), op, right });
    flatten(&mut query, false);
    Some(Expr::Subquery(query))
}
