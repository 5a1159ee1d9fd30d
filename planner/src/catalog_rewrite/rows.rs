//! Whole rows as values.
//!
//! In: a select with `row_to_json(t)`, where `t` is a subquery in its FROM. Out: a call with the
//! names and values of `t`'s columns, since DataFusion has no rows as values.
//! Refuses rows of tables: their columns are not known here.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Select, SelectItem, SetExpr, TableAlias, TableFactor, VisitMut, VisitorMut,
};

use super::build::{self, call};

/// The function whose argument is a row.
pub(super) const ROW_TO_JSON: &str = "row_to_json";

/// Spreads the rows that a select's items are made of.
pub(super) fn spread(select: &mut Select) {
    let joined = select.from.iter().flat_map(|table| {
        std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation))
    });
    let rows: HashMap<_, _> = joined.filter_map(row).collect();
    if rows.is_empty() {
        return;
    }
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            let _ = expr.visit(&mut Spread(&rows));
        }
    }
}

/// A subquery in FROM: its name and its columns, if all of them have names.
fn row(table: &TableFactor) -> Option<(String, (Ident, Vec<Ident>))> {
    let TableFactor::Derived { subquery, alias: Some(alias), .. } = table else {
        return None;
    };
    let SetExpr::Select(select) = subquery.body.as_ref() else {
        return None;
    };
    let columns = match alias.columns.is_empty() {
        true => select.projection.iter().map(column).collect::<Option<Vec<_>>>()?,
        false => given(alias),
    };
    Some((build::folded(&alias.name), (alias.name.clone(), columns)))
}

fn given(alias: &TableAlias) -> Vec<Ident> {
    alias.columns.iter().map(|column| column.name.clone()).collect()
}

fn column(item: &SelectItem) -> Option<Ident> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.clone()),
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(ident.clone()),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(idents)) => idents.last().cloned(),
        _ => None,
    }
}

struct Spread<'a>(&'a HashMap<String, (Ident, Vec<Ident>)>);

impl VisitorMut for Spread<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some((table, columns)) = argument(expr).and_then(|name| self.0.get(&name)) {
            let pair = |column: &Ident| {
                let value = Expr::CompoundIdentifier(vec![table.clone(), column.clone()]);
                [build::string(&build::folded(column)), value]
            };
            *expr = call("mobula_row_to_json", columns.iter().flat_map(pair).collect());
        }
        ControlFlow::Continue(())
    }
}

/// The name that `row_to_json` is called with.
fn argument(expr: &Expr) -> Option<String> {
    let Expr::Function(function) = expr else {
        return None;
    };
    if build::function_name(&function.name).as_deref() != Some(ROW_TO_JSON) {
        return None;
    }
    match build::plain_arguments(&function.args)?.as_slice() {
        [Expr::Identifier(ident)] => Some(build::folded(ident)),
        _ => None,
    }
}
