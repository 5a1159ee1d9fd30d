//! The hidden column `tableoid`.
//!
//! In: the FROM of the selects around an expression. Out: `t.tableoid` as the oid of the table
//! that `t` names.
//! Refuses to give an oid to anything that is not a table by name.

use std::collections::HashMap;

use datafusion::sql::sqlparser::ast::{Expr, Select, TableFactor, TableWithJoins};

use super::build::{self, call};

/// The column's name.
pub(super) const TABLE_OID: &str = "tableoid";

/// The tables of the selects that the walk is inside of, by the name that qualifies their columns.
#[derive(Default)]
pub(super) struct Tables(Vec<HashMap<String, String>>);

impl Tables {
    /// Enters a select.
    pub(super) fn enter(&mut self, select: &Select) {
        let mut named = HashMap::new();
        select.from.iter().for_each(|table| collect(table, &mut named));
        self.0.push(named);
    }

    /// Leaves it.
    pub(super) fn leave(&mut self) {
        self.0.pop();
    }

    /// Puts the oid in the column's place.
    pub(super) fn rewrite(&self, expr: &mut Expr) {
        if let Some(table) = column(expr).and_then(|qualifier| self.table(qualifier)) {
            let class = call("mobula_regclass", vec![build::string(&table)]);
            *expr = call("mobula_oid", vec![class]);
        }
    }

    /// The table behind a qualifier; without one, the only table of the select.
    fn table(&self, qualifier: Option<String>) -> Option<String> {
        match qualifier {
            Some(name) => self.0.iter().rev().find_map(|tables| tables.get(&name)).cloned(),
            None => self.0.last().filter(|tables| tables.len() == 1)?.values().next().cloned(),
        }
    }
}

/// True for the column, qualified or not.
pub(super) fn is_table_oid(expr: &Expr) -> bool {
    column(expr).is_some()
}

/// The column's qualifier, if the expression is that column.
fn column(expr: &Expr) -> Option<Option<String>> {
    match expr {
        Expr::Identifier(ident) if build::folded(ident) == TABLE_OID => Some(None),
        Expr::CompoundIdentifier(idents) => match idents.as_slice() {
            [.., table, column] if build::folded(column) == TABLE_OID => {
                Some(Some(build::folded(table)))
            }
            _ => None,
        },
        _ => None,
    }
}

fn collect(table: &TableWithJoins, named: &mut HashMap<String, String>) {
    let joined = table.joins.iter().map(|join| &join.relation);
    for factor in std::iter::once(&table.relation).chain(joined) {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let parts = build::parts(name);
                let qualifier = alias.as_ref().map(|alias| build::folded(&alias.name));
                if let Some(qualifier) = qualifier.or_else(|| parts.last().cloned()) {
                    let quoted =
                        parts.iter().map(|part| format!("\"{}\"", part.replace('"', "\"\"")));
                    named.insert(qualifier, quoted.collect::<Vec<_>>().join("."));
                }
            }
            TableFactor::NestedJoin { table_with_joins, .. } => collect(table_with_joins, named),
            _ => {}
        }
    }
}
