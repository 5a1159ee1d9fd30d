//! Which names a query defines and which it takes from outside.
//!
//! In: queries and expressions. Out: sets of names. The tables' columns are not known here, so a
//! column without a qualifier counts as the query's own.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectNamePart, Query, TableFactor, Visit, Visitor,
};

use super::build::folded;

/// The names by which a query's own tables are qualified, at any level inside of it.
pub(super) fn own_names(query: &Query) -> HashSet<String> {
    let mut names = Names(HashSet::new());
    let _ = query.visit(&mut names);
    names.0
}

struct Names(HashSet<String>);

impl Visitor for Names {
    type Break = ();

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        self.0.extend(name_of(table));
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let with = query.with.iter().flat_map(|with| &with.cte_tables);
        self.0.extend(with.map(|cte| folded(&cte.alias.name)));
        ControlFlow::Continue(())
    }
}

/// The name that qualifies a table's columns.
fn name_of(table: &TableFactor) -> Option<String> {
    let (alias, name) = match table {
        TableFactor::Table { alias, name, .. } => (alias, name.0.last()),
        TableFactor::Function { alias, name, .. } => (alias, name.0.last()),
        TableFactor::Derived { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::NestedJoin { alias, .. } => (alias, None),
        _ => return None,
    };
    match (alias, name) {
        (Some(alias), _) => Some(folded(&alias.name)),
        (None, Some(ObjectNamePart::Identifier(name))) => Some(folded(name)),
        _ => None,
    }
}

/// True if a query names a column of a table that is not its own.
pub(super) fn is_correlated(query: &Query) -> bool {
    let own = own_names(query);
    query.visit(&mut Outside { own: &own }).is_break()
}

struct Outside<'a> {
    own: &'a HashSet<String>,
}

impl Visitor for Outside<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::CompoundIdentifier(idents) if is_outside(idents, self.own) => {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// True if a qualified column belongs to none of these tables.
pub(super) fn is_outside(idents: &[Ident], own: &HashSet<String>) -> bool {
    match idents {
        [.., table, _] => !own.contains(&folded(table)),
        _ => false,
    }
}

/// What an expression's columns belong to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Uses {
    /// Some column of the query's own tables, or one without a qualifier.
    pub own: bool,
    /// Some column of another.
    pub outside: bool,
}

/// What an expression's columns belong to, given the names of the query's own tables.
pub(super) fn uses(expr: &Expr, own: &HashSet<String>) -> Uses {
    struct Find<'a>(&'a HashSet<String>, Uses);
    impl Visitor for Find<'_> {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::Subquery(_) => self.1.own = true,
                Expr::CompoundIdentifier(idents) if is_outside(idents, self.0) => {
                    self.1.outside = true;
                }
                Expr::CompoundIdentifier(_) => self.1.own = true,
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let mut find = Find(own, Uses::default());
    let _ = expr.visit(&mut find);
    find.1
}
