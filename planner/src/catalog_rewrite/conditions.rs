//! The conditions of a correlated subquery.
//!
//! In: a query with conditions on its own rows and on the outer one. Out: the same query, as far
//! as possible with equalities between a column of its own and one of the outer row only; and
//! the conditions that concern the outer row alone.
//! Refuses to know what the subquery is used for.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, Query, SelectItem, SetExpr, VisitMut, VisitorMut,
};

use super::{build, scope};

/// Makes a query's conditions on the outer row equalities where that is possible. Returns the
/// conditions that are about the outer row alone, if `may_move` allows to take them out.
pub(super) fn flatten(query: &mut Query, may_move: bool) -> Option<Expr> {
    let own = scope::own_names(query);
    let SetExpr::Select(select) = query.body.as_mut() else {
        return None;
    };
    let mut conditions = vec![];
    split(select.selection.take()?, &mut conditions);
    let equal: Vec<_> = conditions.iter().filter_map(|c| equality(c, &own)).collect();
    for condition in &mut conditions {
        if equality(condition, &own).is_none() {
            substitute(condition, &equal);
        }
    }
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            substitute(expr, &equal);
        }
    }
    let is_outer = |condition: &Expr| {
        let uses = scope::uses(condition, &own);
        may_move && uses.outside && !uses.own
    };
    let (outer, inner): (Vec<_>, Vec<_>) = conditions.into_iter().partition(is_outer);
    select.selection = conjunction(inner);
    conjunction(outer)
}

/// The conditions that AND joins.
pub(super) fn split(condition: Expr, into: &mut Vec<Expr>) {
    match condition {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            split(*left, into);
            split(*right, into);
        }
        Expr::Nested(inner) if matches!(*inner, Expr::BinaryOp { op: BinaryOperator::And, .. }) => {
            split(*inner, into);
        }
        other => into.push(other),
    }
}

/// All of these conditions; `None` for none.
pub(super) fn conjunction(conditions: Vec<Expr>) -> Option<Expr> {
    conditions.into_iter().reduce(|left, right| Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::And,
        right: Box::new(right),
    })
}

/// For `own = outside` in either order: the outside column and the own one that equals it.
pub(super) fn equality(condition: &Expr, own: &HashSet<String>) -> Option<(Vec<Ident>, Expr)> {
    let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = build::bare(condition) else {
        return None;
    };
    let outside = |expr: &Expr| match build::bare(expr) {
        Expr::CompoundIdentifier(idents) if scope::is_outside(idents, own) => Some(idents.clone()),
        _ => None,
    };
    let inside = |expr: &Expr| match build::bare(expr) {
        Expr::CompoundIdentifier(idents) => !scope::is_outside(idents, own),
        Expr::Identifier(_) => true,
        _ => false,
    };
    match (outside(left), outside(right)) {
        (Some(column), None) if inside(right) => Some((column, (**right).clone())),
        (None, Some(column)) if inside(left) => Some((column, (**left).clone())),
        _ => None,
    }
}

/// Puts the equal own column in the place of each outside one.
fn substitute(expr: &mut Expr, equal: &[(Vec<Ident>, Expr)]) {
    struct Put<'a>(&'a [(Vec<Ident>, Expr)]);
    impl VisitorMut for Put<'_> {
        type Break = ();
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::CompoundIdentifier(idents) = expr {
                let same = |known: &&(Vec<Ident>, Expr)| {
                    known.0.iter().map(build::folded).eq(idents.iter().map(build::folded))
                };
                if let Some((_, own)) = self.0.iter().find(same) {
                    *expr = own.clone();
                }
            }
            ControlFlow::Continue(())
        }
    }
    let _ = expr.visit(&mut Put(equal));
}
