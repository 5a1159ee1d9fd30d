//! Whether a statement uses anything that the rewrites are about.
//!
//! In: a statement. Out: yes or no, at the first sign. A no means that nothing is changed.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, DataType, Expr, FunctionArguments, ObjectName, Query, Select,
    SelectItem, Statement, TableFactor, Visit, Visitor,
};

use super::{build, calls, casts, exists, names, operators, scope, subqueries, table_oid};

/// True if a rewrite may have something to do.
pub(super) fn needs_rewrite(statement: &Statement) -> bool {
    statement.visit(&mut Gate).is_break()
}

struct Gate;

fn found(sign: bool) -> ControlFlow<()> {
    if sign { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

impl Visitor for Gate {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        found(match build::parts(relation).as_slice() {
            [name] => names::is_pg_relation(name),
            [.., schema, _] => build::is_system_schema(schema),
            [] => false,
        })
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        found(match table {
            TableFactor::Table { args, .. } => args.is_some(),
            TableFactor::Function { .. } | TableFactor::UNNEST { .. } => true,
            _ => false,
        })
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        found(select.projection.iter().any(|item| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                exists::has_exists(expr)
            }
            _ => false,
        }))
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        found(match expr {
            Expr::Function(function) => {
                matches!(function.args, FunctionArguments::Subquery(_) | FunctionArguments::None)
                    || function.name.0.len() > 1
                    || build::function_name(&function.name).is_some_and(|name| calls::knows(&name))
            }
            Expr::Identifier(ident) => {
                calls::is_session_word(ident) || table_oid::name(expr).is_some()
            }
            Expr::CompoundIdentifier(_) => table_oid::name(expr).is_some(),
            Expr::Cast { expr, data_type, .. } => cast_sign(expr, data_type),
            Expr::Collate { .. } => true,
            Expr::Like { escape_char, .. } | Expr::ILike { escape_char, .. } => {
                operators::is_odd_escape(escape_char.as_ref())
            }
            Expr::BinaryOp { op, .. } => matches!(op, BinaryOperator::PGCustomBinaryOperator(_)),
            Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } => {
                build::string_of(right).is_some()
            }
            Expr::CompoundFieldAccess { access_chain, .. } => {
                access_chain.iter().any(|access| matches!(access, AccessExpr::Dot(_)))
            }
            Expr::Subquery(query) => subquery_sign(query),
            _ => false,
        })
    }
}

fn cast_sign(expr: &Expr, data_type: &DataType) -> bool {
    let is_array = matches!(data_type, DataType::Array(_));
    casts::is_catalog_type(data_type)
        || (is_array && build::string_of(expr).is_some_and(operators::is_array_text))
}

/// A scalar subquery that DataFusion would refuse.
fn subquery_sign(query: &Query) -> bool {
    scope::is_correlated(query) && !subqueries::is_aggregated(query)
}
