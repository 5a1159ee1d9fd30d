//! `ARRAY(SELECT ...)`.
//!
//! In: the query. Out: an expression for its values as one array, NULL if there are none.
//! Refuses to know that no values are an empty array: the caller sees to it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, LambdaFunction, LambdaFunctionParameter, LambdaSyntax, OneOrManyWithParens, Query,
    SelectItem, TableFactor, TableWithJoins, VisitMut, VisitorMut,
};

use super::build::{self, call};
use super::conditions::flatten;
use super::subqueries::{as_select, is_aggregated, only_if, plain, set_item};

/// The array of a query's rows, as a scalar subquery over `array_agg`.
pub(super) fn of_rows(query: &Query) -> Option<Expr> {
    let plain = plain(query).filter(|plain| !plain.limited_to_one && !is_aggregated(query));
    let Some(mut plain) = plain else {
        return of_any_rows(query);
    };
    set_item(&mut plain.query, build::array_agg(plain.item, plain.order));
    let outer = flatten(&mut plain.query, true);
    Some(only_if(outer, Expr::Subquery(plain.query)))
}

/// `(SELECT array_agg(item) FROM (query) AS rows (item))`.
fn of_any_rows(query: &Query) -> Option<Expr> {
    let (rows, item) = (Ident::new("mobula_rows"), Ident::new("mobula_item"));
    let from = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query.clone()),
        alias: Some(build::alias(rows, vec![item.clone()])),
        sample: None,
    };
    let all = SelectItem::UnnamedExpr(build::array_agg(Expr::Identifier(item), vec![]));
    let from = TableWithJoins { relation: from, joins: vec![] };
    build::query(vec![all], vec![from]).map(Expr::Subquery)
}

/// `ARRAY(SELECT f(x) FROM unnest(a) x WHERE p(x))` needs no rows:
/// `array_transform(array_filter(a, x -> p(x)), x -> f(x))`.
pub(super) fn of_values(query: &Query) -> Option<Expr> {
    let plain = plain(query)
        .filter(|plain| plain.order.is_empty() && !plain.limited_to_one && !is_aggregated(query))?;
    let select = as_select(&plain.query)?;
    let [TableWithJoins { relation, joins }] = select.from.as_slice() else {
        return None;
    };
    let TableFactor::UNNEST { alias: Some(alias), array_exprs, .. } = relation else {
        return None;
    };
    let ([array], [column], true) =
        (array_exprs.as_slice(), alias.columns.as_slice(), joins.is_empty())
    else {
        return None;
    };
    let lambda = |body: &Expr| lambda(&alias.name, &column.name, body.clone());
    let mut made = array.clone();
    if let Some(condition) = &select.selection {
        made = call("array_filter", vec![made, lambda(condition)]);
    }
    if !matches!(&plain.item, Expr::Identifier(item) if *item == column.name) {
        made = call("array_transform", vec![made, lambda(&plain.item)]);
    }
    Some(made)
}

/// `column -> body`, where `body` may qualify the column.
fn lambda(table: &Ident, column: &Ident, mut body: Expr) -> Expr {
    let _ = body.visit(&mut Unqualify { table, column });
    let parameter = LambdaFunctionParameter { name: column.clone(), data_type: None };
    Expr::Lambda(LambdaFunction {
        params: OneOrManyWithParens::One(parameter),
        body: Box::new(body),
        syntax: LambdaSyntax::Arrow,
    })
}

struct Unqualify<'a> {
    table: &'a Ident,
    column: &'a Ident,
}

impl VisitorMut for Unqualify<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(idents) = expr
            && let [table, column] = idents.as_slice()
            && build::folded(table) == build::folded(self.table)
            && build::folded(column) == build::folded(self.column)
        {
            *expr = Expr::Identifier(self.column.clone());
        }
        ControlFlow::Continue(())
    }
}
