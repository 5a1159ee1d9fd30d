//! The hidden columns that every table of PostgreSQL has: `tableoid`, and of the catalogs `xmin`
//! and its like.
//!
//! In: the FROM of the selects around an expression. Out: `t.tableoid` as the oid of the table
//! that `t` names; `t.xmin` as the number of the catalogs' last change, so that who looks for
//! rows that changed since finds all of them.
//! Refuses to give an oid to anything that is not a table by name, and the other columns to
//! users' tables, which may have columns of these names.

use std::collections::{HashMap, HashSet};

use datafusion::sql::sqlparser::ast::{Expr, Select, TableFactor, TableWithJoins};

use super::build::{self, call};
use super::names;

/// The column of every table.
const TABLE_OID: &str = "tableoid";
/// The columns of the catalogs' tables.
const OF_CATALOGS: &[&str] = &["cmax", "cmin", "xmax", "xmin"];

/// A table in FROM.
struct Table {
    /// Its name, quoted.
    name: String,
    is_catalog: bool,
}

/// The tables of the selects that the walk is inside of, by the name that qualifies their columns.
#[derive(Default)]
pub(super) struct Tables(Vec<HashMap<String, Table>>);

impl Tables {
    /// Enters a select.
    pub(super) fn enter(&mut self, select: &Select, common: &HashSet<String>) {
        let mut named = HashMap::new();
        select.from.iter().for_each(|table| collect(table, common, &mut named));
        self.0.push(named);
    }

    /// Leaves it.
    pub(super) fn leave(&mut self) {
        self.0.pop();
    }

    /// Puts the value in the column's place.
    pub(super) fn rewrite(&self, expr: &mut Expr) {
        let Some((qualifier, column)) = column(expr) else {
            return;
        };
        let Some(table) = self.table(qualifier) else {
            return;
        };
        match column.as_str() {
            TABLE_OID => {
                let class = call("mobula_regclass", vec![build::string(&table.name)]);
                *expr = call("mobula_oid", vec![class]);
            }
            "xmin" if table.is_catalog => *expr = call("mobula_xmin", vec![]),
            // Nothing is being deleted, and no transaction has a second command.
            _ if table.is_catalog => *expr = call("mobula_no_xid", vec![]),
            _ => {}
        }
    }

    /// The table behind a qualifier; without one, the only table of the select.
    fn table(&self, qualifier: Option<String>) -> Option<&Table> {
        match qualifier {
            Some(name) => self.0.iter().rev().find_map(|tables| tables.get(&name)),
            None => self.0.last().filter(|tables| tables.len() == 1)?.values().next(),
        }
    }
}

/// The name of such a column, qualified or not.
pub(super) fn name(expr: &Expr) -> Option<String> {
    column(expr).map(|(_, column)| column)
}

/// True for a call that stands for a transaction's number.
pub(super) fn is_xid(expr: &Expr) -> bool {
    matches!(build::bare(expr), Expr::Function(function)
        if build::function_name(&function.name)
            .is_some_and(|name| matches!(name.as_str(), "mobula_xmin" | "mobula_no_xid")))
}

/// The column's qualifier and its name, if the expression is such a column.
fn column(expr: &Expr) -> Option<(Option<String>, String)> {
    let (qualifier, name) = match expr {
        Expr::Identifier(ident) => (None, build::folded(ident)),
        Expr::CompoundIdentifier(idents) => match idents.as_slice() {
            [.., table, column] => (Some(build::folded(table)), build::folded(column)),
            _ => return None,
        },
        _ => return None,
    };
    let is_hidden = name == TABLE_OID || OF_CATALOGS.contains(&name.as_str());
    is_hidden.then_some((qualifier, name))
}

fn collect(table: &TableWithJoins, common: &HashSet<String>, named: &mut HashMap<String, Table>) {
    let joined = table.joins.iter().map(|join| &join.relation);
    for factor in std::iter::once(&table.relation).chain(joined) {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let parts = build::parts(name);
                let qualifier = alias.as_ref().map(|alias| build::folded(&alias.name));
                if let Some(qualifier) = qualifier.or_else(|| parts.last().cloned()) {
                    let quoted =
                        parts.iter().map(|part| format!("\"{}\"", part.replace('"', "\"\"")));
                    let is_catalog = names::pg_relation(name, common).is_some();
                    let name = quoted.collect::<Vec<_>>().join(".");
                    named.insert(qualifier, Table { name, is_catalog });
                }
            }
            TableFactor::NestedJoin { table_with_joins, .. } => {
                collect(table_with_joins, common, named);
            }
            _ => {}
        }
    }
}
