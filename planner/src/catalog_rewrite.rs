//! What clients ask of the system catalogs, in words that DataFusion plans.
//!
//! In: a parsed statement. Out: the same meaning without PostgreSQL's own operators' names, `reg*`
//! casts, functions in FROM, arrays from subqueries and correlated subqueries in a select list.
//! The functions called `mobula_*` that are put in their place are the server's.
//! Refuses to know any client: every rewrite is about a construct, none about a whole query. A
//! statement that uses none of the constructs is left as it is.
//!
//! One walk over the tree; each construct has its file:
//! - `gate`: whether there is anything to do;
//! - `names`: system relations, the `pg_catalog.` prefix, relations that never have rows;
//! - `casts`: types and casts of the catalogs;
//! - `operators`: `OPERATOR(...)`, `COLLATE`, subscripts and array literals;
//! - `calls`: functions, in expressions and in FROM;
//! - `subqueries`, `arrays`, `conditions`: scalar subqueries and `ARRAY(SELECT ...)`;
//! - `recursion`: recursive queries that begin at the outer row;
//! - `exists`: EXISTS in a select list;
//! - `rows`: whole rows as values;
//! - `joins`: subqueries in the conditions of joins;
//! - `table_oid`: the hidden columns `tableoid`, `xmin` ...;
//! - `never`: selects over relations that never have rows;
//! - `scope`, `build`: which names a query defines; small pieces of syntax tree.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, Statement, TableFactor, VisitMut, VisitorMut,
};

mod arrays;
mod build;
mod calls;
mod casts;
mod conditions;
mod exists;
mod gate;
mod joins;
mod names;
mod never;
mod operators;
mod recursion;
mod rows;
mod scope;
mod subqueries;
mod table_oid;
#[cfg(test)]
mod tests;

pub use names::NEVER_ROWS;

/// Rewrites a statement in place, if it uses anything that needs it.
pub fn rewrite_catalog_sql(statement: &mut Statement) {
    if !gate::needs_rewrite(statement) {
        return;
    }
    let mut walk = Walk::default();
    // Nothing in the walk breaks off.
    let _ = statement.visit(&mut walk);
}

#[derive(Default)]
struct Walk {
    /// Names of common table expressions seen so far: they hide system relations.
    common: HashSet<String>,
    /// What its selects read from.
    tables: table_oid::Tables,
}

/// Names a select item that looks like a column and will not be one.
fn name_hidden_call(item: &mut SelectItem) {
    let name = match item {
        SelectItem::UnnamedExpr(Expr::Identifier(word)) if calls::is_session_word(word) => {
            Some(word.value.to_lowercase())
        }
        SelectItem::UnnamedExpr(expr) => table_oid::name(expr),
        _ => None,
    };
    let Some(name) = name else {
        return;
    };
    if let SelectItem::UnnamedExpr(expr) = item {
        let expr = std::mem::replace(expr, build::null());
        *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) };
    }
}

impl VisitorMut for Walk {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let with = query.with.iter().flat_map(|with| &with.cte_tables);
        self.common.extend(with.map(|cte| build::folded(&cte.alias.name)));
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        // Before anything changes, so that a column is called as PostgreSQL calls it.
        select.projection.iter_mut().for_each(name_hidden_call);
        crate::names::name_items(select);
        never::blank_out(select, &self.common);
        self.tables.enter(select, &self.common);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        self.tables.leave();
        joins::move_subqueries(select);
        rows::spread(select);
        for item in &mut select.projection {
            let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item
            else {
                continue;
            };
            exists::count_instead(expr);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        names::qualify(table, &self.common);
        calls::in_from(table);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        names::strip_prefix(expr);
        self.tables.rewrite(expr);
        operators::rewrite(expr);
        casts::rewrite(expr);
        calls::rewrite(expr);
        subqueries::rewrite(expr, &self.common);
        ControlFlow::Continue(())
    }
}
