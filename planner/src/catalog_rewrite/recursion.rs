//! Recursive queries that begin at the outer row.
//!
//! In: `(WITH RECURSIVE c AS (SELECT .. WHERE k = outer.k UNION ALL ..) SELECT .. FROM c)`.
//! Out: the same with `c` beginning at every `k`, which each of its rows carries along, and with
//! the condition on the outer row in the SELECT, where DataFusion can plan it.
//! Refuses recursion over anything but relations of `pg_catalog`: there no row leads back to
//! itself, so that beginning everywhere ends.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Cte, Expr, Ident, ObjectName, Query, Select, SelectItem, SetExpr, SetOperator,
    TableAliasColumnDef, TableFactor, Visit, Visitor,
};

use super::conditions::{conjunction, equality, split};
use super::{build, names, scope, subqueries};

/// The column that a row carries its beginning in.
const KEY: &str = "mobula_key";

/// Moves the condition on the outer row out of the recursion. `common` are the names of common
/// table expressions outside.
pub(super) fn begin_everywhere(query: &mut Query, common: &HashSet<String>) {
    let mut changed = query.clone();
    if moved(&mut changed, common).is_some() {
        *query = changed;
    }
}

fn moved(query: &mut Query, common: &HashSet<String>) -> Option<()> {
    let own = scope::own_names(query);
    let with = query.with.as_mut().filter(|with| with.recursive)?;
    let [cte] = with.cte_tables.as_mut_slice() else {
        return None;
    };
    let name = build::folded(&cte.alias.name);
    let outer = with_key(cte, &name, &own, common)?;
    let SetExpr::Select(select) = query.body.as_mut() else {
        return None;
    };
    let qualifier = only_reference(select, &name)?;
    let same = Expr::BinaryOp {
        left: Box::new(column(qualifier)),
        op: BinaryOperator::Eq,
        right: Box::new(Expr::CompoundIdentifier(outer)),
    };
    select.selection = conjunction(select.selection.take().into_iter().chain([same]).collect());
    (!is_correlated(query)).then_some(())
}

/// Adds the key to both halves; returns the outer column that it equals.
fn with_key(
    cte: &mut Cte,
    name: &str,
    own: &HashSet<String>,
    common: &HashSet<String>,
) -> Option<Vec<Ident>> {
    if !reads_catalogs(&cte.query, name, common) {
        return None;
    }
    let SetExpr::SetOperation { op: SetOperator::Union, left, right, .. } = cte.query.body.as_mut()
    else {
        return None;
    };
    let (SetExpr::Select(first), SetExpr::Select(next)) = (left.as_mut(), right.as_mut()) else {
        return None;
    };
    if is_odd(first) || is_odd(next) {
        return None;
    }
    let mut conditions = vec![];
    split(first.selection.take()?, &mut conditions);
    let at = conditions.iter().position(|condition| equality(condition, own).is_some())?;
    let (outer, key) = equality(&conditions.remove(at), own)?;
    first.selection = conjunction(conditions);
    first.projection.push(named(key));
    next.projection.push(named(column(only_reference(next, name)?)));
    if !cte.alias.columns.is_empty() {
        cte.alias.columns.push(TableAliasColumnDef { name: Ident::new(KEY), data_type: None });
    }
    Some(outer)
}

fn named(expr: Expr) -> SelectItem {
    SelectItem::ExprWithAlias { expr, alias: Ident::new(KEY) }
}

fn column(qualifier: Ident) -> Expr {
    Expr::CompoundIdentifier(vec![qualifier, Ident::new(KEY)])
}

/// True for a select whose rows are not those of its FROM one by one.
fn is_odd(select: &Select) -> bool {
    select.distinct.is_some() || select.having.is_some() || subqueries::has_groups(select)
}

/// How the one table of that name is qualified in a select's FROM.
fn only_reference(select: &Select, name: &str) -> Option<Ident> {
    let joined = select.from.iter().flat_map(|table| {
        std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation))
    });
    let mut found = joined.filter_map(|factor| match factor {
        TableFactor::Table { name: written, alias, args: None, .. }
            if build::parts(written) == [name] =>
        {
            Some(alias.as_ref().map_or_else(|| Ident::new(name), |alias| alias.name.clone()))
        }
        _ => None,
    });
    found.next().filter(|_| found.next().is_none())
}

/// True if a recursion reads only itself and relations of `pg_catalog`.
fn reads_catalogs(query: &Query, name: &str, common: &HashSet<String>) -> bool {
    struct Find<'a>(&'a str, HashSet<String>);
    impl Visitor for Find<'_> {
        type Break = ();
        fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
            let own = build::parts(relation) == [self.0];
            match own || names::pg_relation(relation, &self.1).is_some() {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        }
    }
    let mut hiding = common.clone();
    hiding.remove(name);
    query.with.is_none() && query.visit(&mut Find(name, hiding)).is_continue()
}

/// True if a common table expression of a query depends on what is outside of the query.
pub(super) fn is_correlated(query: &Query) -> bool {
    let with = query.with.iter().flat_map(|with| &with.cte_tables);
    with.into_iter().any(|cte| scope::is_correlated(&cte.query))
}
