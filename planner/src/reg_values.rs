//! Values of the `reg*` types as texts. In: a plan as SQL was read, and the catalog's functions.
//! Out: the same plan, in which such a value cast to text, or joined with one, is its name.
//! Refuses to know any name: the functions do.

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, Operator};

use crate::resolve::Catalog;
use crate::types::PG_TYPE_KEY;

/// Types whose values are oids that are shown as names.
pub(crate) const REG: &[&str] = &[
    "regclass",
    "regnamespace",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
    "regrole",
    "regtype",
];

/// Rewrites a plan and the queries in it.
pub(crate) fn rewrite(plan: LogicalPlan, catalog: &dyn Catalog) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        let names = NamePreserver::new(&node);
        let mut changed = false;
        let node = node.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|part| one(part, &schema, catalog))?;
            changed |= rewritten.transformed;
            Ok(rewritten.update_data(|expr| name.restore(expr)))
        })?;
        match changed {
            true => node.data.recompute_schema().map(Transformed::yes),
            false => Ok(Transformed::no(node.data)),
        }
    });
    rewritten.map(|rewritten| rewritten.data)
}

fn one(expr: Expr, schema: &DFSchema, catalog: &dyn Catalog) -> Result<Transformed<Expr>> {
    let in_words = |expr: Expr| {
        let (_, field) = expr.to_field(schema).ok()?;
        let function = is_reg(&field).then(|| catalog.function("mobula_names")).flatten()?;
        Some(Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![expr])))
    };
    Ok(match expr {
        Expr::Cast(Cast { expr, field }) if is_text(field.data_type()) => {
            match in_words((*expr).clone()) {
                Some(name) => Transformed::yes(Expr::Cast(Cast { expr: Box::new(name), field })),
                None => Transformed::no(Expr::Cast(Cast { expr, field })),
            }
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) => {
            let (new_left, new_right) = (in_words((*left).clone()), in_words((*right).clone()));
            let changed = new_left.is_some() || new_right.is_some();
            let left = new_left.map_or(left, Box::new);
            let right = new_right.map_or(right, Box::new);
            let joined = BinaryExpr { left, op: Operator::StringConcat, right };
            Transformed::new_transformed(Expr::BinaryExpr(joined), changed)
        }
        other => Transformed::no(other),
    })
}

/// Whether a field holds values of one of these types, or arrays of them.
fn is_reg(field: &Field) -> bool {
    let mark = field.metadata().get(PG_TYPE_KEY).map(String::as_str);
    match field.data_type() {
        DataType::UInt32 => mark.is_some_and(|name| REG.contains(&name)),
        DataType::List(item) if *item.data_type() == DataType::UInt32 => {
            let of_list = mark.and_then(|name| name.strip_prefix('_'));
            of_list.map_or_else(|| is_reg(item), |name| REG.contains(&name))
        }
        _ => false,
    }
}

/// Text, or an array of texts.
fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) => is_text(item.data_type()),
        other => matches!(other, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
    }
}
