//! Selects over relations that never have rows.
//!
//! In: a select. Out: the same, with NULL for each correlated subquery in its select list if the
//! select has no rows to evaluate it for. Such subqueries are often of shapes that DataFusion
//! cannot plan, about objects that this server does not have.
//! Refuses to touch anything else: the columns and their types stay.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, DataType, Expr, Function, FunctionArguments, JoinOperator, Select,
    SelectItem, SetExpr, TableFactor, TableWithJoins, VisitMut, VisitorMut,
};

use super::names::{NEVER_ROWS, pg_relation};
use super::{build, scope};

/// Replaces the subqueries that are never evaluated.
pub(super) fn blank_out(select: &mut Select, common: &HashSet<String>) {
    if !has_no_rows(select, common) {
        return;
    }
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            let _ = expr.visit(&mut Blank);
        }
    }
}

/// NULL where an array is expected.
pub(super) fn null_array() -> Expr {
    let text = Box::new(DataType::Text);
    let array = DataType::Array(ArrayElemTypeDef::SquareBracket(text, None));
    build::cast(build::null(), array)
}

struct Blank;

impl VisitorMut for Blank {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Subquery(query) if scope::is_correlated(query) => *expr = build::null(),
            // An array is needed here, not just any NULL.
            Expr::Function(function) if is_unnest_of_subquery(function) => {
                *expr = build::call("unnest", vec![null_array()]);
            }
            Expr::Function(function) => {
                if let FunctionArguments::Subquery(query) = &function.args
                    && scope::is_correlated(query)
                {
                    *expr = null_array();
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn is_unnest_of_subquery(function: &Function) -> bool {
    let is_unnest = build::function_name(&function.name).as_deref() == Some("unnest");
    let arguments = build::plain_arguments(&function.args).unwrap_or_default();
    is_unnest
        && matches!(arguments.as_slice(), [argument] if matches!(build::bare(argument),
            Expr::Subquery(query) if scope::is_correlated(query)))
}

/// True if no row comes out of a select's FROM.
pub(super) fn has_no_rows(select: &Select, common: &HashSet<String>) -> bool {
    select.from.iter().any(|table| joined_has_no_rows(table, common))
}

fn joined_has_no_rows(table: &TableWithJoins, common: &HashSet<String>) -> bool {
    let mut empty = table_has_no_rows(&table.relation, common);
    for join in &table.joins {
        let right = table_has_no_rows(&join.relation, common);
        empty = match &join.join_operator {
            JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => {
                empty || right
            }
            JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => empty,
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => right,
            JoinOperator::FullOuter(_) => empty && right,
            _ => false,
        };
    }
    empty
}

fn table_has_no_rows(table: &TableFactor, common: &HashSet<String>) -> bool {
    match table {
        TableFactor::Table { name, args: None, .. } => {
            pg_relation(name, common).is_some_and(|name| NEVER_ROWS.contains(&name.as_str()))
        }
        TableFactor::NestedJoin { table_with_joins, .. } => {
            joined_has_no_rows(table_with_joins, common)
        }
        TableFactor::Derived { subquery, .. } => match subquery.body.as_ref() {
            SetExpr::Select(select) => {
                !super::subqueries::is_aggregated(subquery) && has_no_rows(select, common)
            }
            _ => false,
        },
        _ => false,
    }
}
