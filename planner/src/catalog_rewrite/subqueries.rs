//! Scalar subqueries and `ARRAY(SELECT ...)`.
//!
//! In: such an expression, its parts rewritten already. Out: one that DataFusion can turn into a
//! join. It wants a correlated scalar subquery to be an aggregate whose conditions on the outer
//! row are equalities, so:
//! - `(SELECT e ...)` becomes `mobula_only((SELECT array_agg(e) ...))`, which still refuses a
//!   second row; with `ORDER BY ... LIMIT 1` the first item of an ordered `array_agg`;
//! - a condition on the outer row alone moves out, into a CASE around the subquery;
//! - `a.x <> t.y` beside `c.z = a.x` becomes `c.z <> t.y`.
//!
//! Refuses to guess: a subquery of any other shape stays as it is.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    CaseWhen, Expr, FunctionArguments, GroupByExpr, LimitClause, OrderByExpr, OrderByKind, Query,
    Select, SelectItem, SetExpr, Value, Visit, Visitor,
};

use super::build::{self, call};
use super::conditions::flatten;
use super::{arrays, never, recursion, scope};

/// Aggregates, so that a query without GROUP BY has one row.
const AGGREGATES: &[&str] = &[
    "array_agg",
    "avg",
    "bool_and",
    "bool_or",
    "count",
    "every",
    "json_agg",
    "json_object_agg",
    "jsonb_agg",
    "max",
    "min",
    "string_agg",
    "sum",
];

/// Rewrites a scalar subquery or an array of a subquery's rows.
pub(super) fn rewrite(expr: &mut Expr, common: &HashSet<String>) {
    match expr {
        Expr::Subquery(query) => {
            recursion::begin_everywhere(query, common);
            if is_never(query, common) {
                *expr = build::null();
            } else if scope::is_correlated(query)
                && let Some(made) = scalar(query)
            {
                *expr = made;
            }
        }
        Expr::Exists { subquery, negated } if is_never(subquery, common) => {
            *expr = Expr::value(Value::Boolean(*negated));
        }
        Expr::Function(function) => {
            if let FunctionArguments::Subquery(query) = &mut function.args
                && build::function_name(&function.name).as_deref() == Some("array")
            {
                recursion::begin_everywhere(query, common);
                if let Some(made) = array(query, common) {
                    *expr = call("mobula_array", vec![made]);
                }
            }
        }
        _ => {}
    }
}

fn array(query: &Query, common: &HashSet<String>) -> Option<Expr> {
    if is_never(query, common) {
        return Some(never::null_array());
    }
    arrays::of_values(query).or_else(|| arrays::of_rows(query))
}

/// True for a query that has one row because it aggregates without GROUP BY.
pub(super) fn is_aggregated(query: &Query) -> bool {
    let Some(select) = as_select(query) else {
        return false;
    };
    !has_groups(select)
        && select.projection.iter().any(|item| item_expr(item).is_some_and(aggregates))
}

/// True if an expression calls an aggregate, other than in a subquery of its own.
fn aggregates(expr: &Expr) -> bool {
    #[derive(Default)]
    struct Find {
        depth: usize,
    }
    impl Visitor for Find {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.depth += 1;
            ControlFlow::Continue(())
        }
        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.depth -= 1;
            ControlFlow::Continue(())
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(call) if self.depth == 0 && call.over.is_none() => {
                    let name = build::function_name(&call.name).unwrap_or_default();
                    match AGGREGATES.contains(&name.as_str()) {
                        true => ControlFlow::Break(()),
                        false => ControlFlow::Continue(()),
                    }
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Find::default()).is_break()
}

/// A query as the one select it is.
pub(super) fn as_select(query: &Query) -> Option<&Select> {
    match query.body.as_ref() {
        SetExpr::Select(select) => Some(select),
        _ => None,
    }
}

fn item_expr(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

/// True for a select with GROUP BY.
pub(super) fn has_groups(select: &Select) -> bool {
    match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(exprs, modifiers) => !exprs.is_empty() || !modifiers.is_empty(),
    }
}

/// True for a subquery without rows, whose value is NULL.
fn is_never(query: &Query, common: &HashSet<String>) -> bool {
    as_select(query).is_some_and(|select| {
        never::has_no_rows(select, common) && !is_aggregated(query) && select.having.is_none()
    })
}

/// A query that is one select of one expression without anything that changes how many rows
/// there are, except conditions and a limit.
pub(super) struct Plain {
    pub query: Box<Query>,
    pub item: Expr,
    /// What the query was ordered by; no longer in the query.
    pub order: Vec<OrderByExpr>,
    /// Whether it had `LIMIT 1`; no longer in the query.
    pub limited_to_one: bool,
}

/// The parts of such a query.
pub(super) fn plain(query: &Query) -> Option<Plain> {
    let limited_to_one = match &query.limit_clause {
        None => false,
        Some(LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by })
            if limit_by.is_empty() && is_one(limit) =>
        {
            true
        }
        Some(_) => return None,
    };
    let select = as_select(query)?;
    let [item] = select.projection.as_slice() else {
        return None;
    };
    let item = item_expr(item)?.clone();
    let odd = recursion::is_correlated(query)
        || query.fetch.is_some()
        || select.distinct.is_some()
        || select.having.is_some()
        || has_groups(select)
        || is_set_returning(&item);
    if odd {
        return None;
    }
    let order = match &query.order_by {
        None => vec![],
        Some(order) => match &order.kind {
            OrderByKind::Expressions(exprs) => exprs.clone(),
            OrderByKind::All(_) => return None,
        },
    };
    // An ordinal, or the item's alias, means the item.
    let alias = match &select.projection[0] {
        SelectItem::ExprWithAlias { alias, .. } => Some(build::folded(alias)),
        _ => None,
    };
    let by_item = |mut by: OrderByExpr| {
        let is_alias = matches!(&by.expr, Expr::Identifier(i) if Some(build::folded(i)) == alias);
        if is_one(&by.expr) || is_alias {
            by.expr = item.clone();
        }
        by
    };
    let order = order.into_iter().map(by_item).collect();
    let mut query = Box::new(query.clone());
    query.order_by = None;
    query.limit_clause = None;
    Some(Plain { query, item, order, limited_to_one })
}

fn is_one(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(&value.value, Value::Number(n, _) if n == "1"))
}

fn is_set_returning(expr: &Expr) -> bool {
    matches!(build::bare(expr), Expr::Function(function)
        if build::function_name(&function.name)
            .is_some_and(|name| matches!(name.as_str(), "unnest" | "generate_series")))
}

fn scalar(query: &Query) -> Option<Expr> {
    let aggregated = is_aggregated(query);
    let mut plain = plain(query)?;
    if !aggregated {
        let order = std::mem::take(&mut plain.order);
        let kept = if plain.limited_to_one { order } else { vec![] };
        set_item(&mut plain.query, build::array_agg(plain.item.clone(), kept));
    }
    // An aggregate such as count has a value without rows too, so nothing may move out of it.
    let outer = flatten(&mut plain.query, !aggregated);
    let subquery = Expr::Subquery(plain.query);
    let value = match (aggregated, plain.limited_to_one) {
        (true, _) => return Some(subquery),
        (false, true) => call("mobula_first", vec![subquery]),
        (false, false) => call("mobula_only", vec![subquery]),
    };
    Some(only_if(outer, value))
}

/// `CASE WHEN condition THEN value END`.
pub(super) fn only_if(condition: Option<Expr>, value: Expr) -> Expr {
    let Some(condition) = condition else {
        return value;
    };
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result: value }],
        else_result: None,
    }
}

/// Makes this expression the only item of a select.
pub(super) fn set_item(query: &mut Query, expr: Expr) {
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection = vec![SelectItem::UnnamedExpr(expr)];
    }
}
