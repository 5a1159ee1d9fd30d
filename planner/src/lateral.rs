//! Functions and queries beside a table that take its columns. In: a logical plan, with joins
//! whose right side is made of the left row alone: `t, unnest(t.a)` or `t CROSS JOIN LATERAL
//! (SELECT unnest(t.a) AS x)`. Out: the same rows, computed over the rows of the left side, since
//! DataFusion cannot join such a right side. `LEFT JOIN LATERAL unnest(t.a) ON true` keeps a left
//! row without items, once.
//! Refuses right sides that read tables, and left joins whose right side computes from items or
//! has conditions: those stay as they are.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, NullHandling, Result, TableReference, UnnestOptions};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Expr, Filter, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Projection, Unnest, lit,
};
use datafusion::optimizer::AnalyzerRule;

/// The rule; runs before types are settled.
#[derive(Debug)]
pub(crate) struct LateralRows;

impl AnalyzerRule for LateralRows {
    fn name(&self) -> &str {
        "lateral_rows"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::Join(join) => match rows(&join)? {
                Some(made) => Ok(Transformed::yes(made)),
                None => Ok(Transformed::no(LogicalPlan::Join(join))),
            },
            other => Ok(Transformed::no(other)),
        })
        .map(|rewritten| rewritten.data)
    }
}

/// The rows of such a join; none for any other.
fn rows(join: &Join) -> Result<Option<LogicalPlan>> {
    let (right, alias) = match join.right.as_ref() {
        LogicalPlan::SubqueryAlias(alias) => (alias.input.as_ref(), Some(&alias.alias)),
        other => (other, None),
    };
    let LogicalPlan::Subquery(subquery) = right else {
        return Ok(None);
    };
    let equal = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
    let condition = conjunction(equal.chain(join.filter.clone()));
    let condition = condition.filter(|condition| *condition != lit(true));
    let keeps_left = match join.join_type {
        JoinType::Inner => false,
        JoinType::Left if condition.is_none() => true,
        _ => return Ok(None),
    };
    let mut graft = Graft { left: &join.left, keeps_left, spread: false, count: 0 };
    let Some((plan, columns)) = graft.over(&subquery.subquery)? else {
        return Ok(None);
    };
    let plan = graft.named(plan, columns, &subquery.subquery, alias)?;
    Ok(Some(match condition {
        Some(condition) => LogicalPlan::Filter(Filter::try_new(condition, Arc::new(plan))?),
        None => plan,
    }))
}

/// A plan over the left rows, and the columns in it that stand for those of the right side.
type Grafted = Option<(LogicalPlan, Vec<Column>)>;

struct Graft<'a> {
    left: &'a Arc<LogicalPlan>,
    /// Whether a left row without items stays.
    keeps_left: bool,
    /// Whether lists were made rows of.
    spread: bool,
    /// Names given so far: columns of the right side must not be taken for those of the left.
    count: usize,
}

impl Graft<'_> {
    /// The right side, on each row of the left instead of on one row without columns.
    fn over(&mut self, plan: &LogicalPlan) -> Result<Grafted> {
        match plan {
            LogicalPlan::EmptyRelation(empty) if empty.produce_one_row => {
                Ok(Some((self.left.as_ref().clone(), vec![])))
            }
            LogicalPlan::Projection(projection) => self.projection(projection),
            LogicalPlan::Unnest(unnest) => self.unnest(unnest),
            LogicalPlan::SubqueryAlias(alias) => self.over(&alias.input),
            LogicalPlan::Filter(filter) if !self.keeps_left => {
                let Some((input, columns)) = self.over(&filter.input)? else {
                    return Ok(None);
                };
                let predicate = self.moved(&filter.predicate, &filter.input, &columns)?;
                let made = predicate.map(|predicate| Filter::try_new(predicate, Arc::new(input)));
                Ok(made.transpose()?.map(|made| (LogicalPlan::Filter(made), columns)))
            }
            _ => Ok(None),
        }
    }

    fn projection(&mut self, projection: &Projection) -> Result<Grafted> {
        let Some((input, columns)) = self.over(&projection.input)? else {
            return Ok(None);
        };
        let mut exprs = self.left_columns();
        let mut made = vec![];
        for expr in &projection.expr {
            let Some(expr) = self.moved(expr, &projection.input, &columns)? else {
                return Ok(None);
            };
            let expr = expr.unalias();
            // Of a row that stays for want of items, nothing may be made but NULLs.
            if self.keeps_left && self.spread && !matches!(expr, Expr::Column(_)) {
                return Ok(None);
            }
            let name = self.name();
            exprs.push(expr.alias(&name));
            made.push(Column::from_name(name));
        }
        let plan = Projection::try_new(exprs, Arc::new(input))?;
        Ok(Some((LogicalPlan::Projection(plan), made)))
    }

    /// Lists only, each once: then a column comes out where it went in.
    fn unnest(&mut self, unnest: &Unnest) -> Result<Grafted> {
        let inputs = unnest.input.schema().fields().len();
        let once = unnest.list_type_columns.iter().all(|(_, column)| column.depth == 1);
        let same = unnest.schema.fields().len() == inputs && unnest.struct_type_columns.is_empty();
        let Some((input, columns)) = self.over(&unnest.input)?.filter(|_| once && same) else {
            return Ok(None);
        };
        let lists = unnest.list_type_columns.iter().map(|(at, _)| columns[*at].clone()).collect();
        if self.keeps_left && std::mem::replace(&mut self.spread, true) {
            return Ok(None);
        }
        let null_handling = match self.keeps_left {
            true => NullHandling::PreserveAndExpandEmpty,
            false => unnest.options.null_handling,
        };
        let options = UnnestOptions::new().with_null_handling(null_handling);
        let plan =
            LogicalPlanBuilder::from(input).unnest_columns_with_options(lists, options)?.build()?;
        Ok(Some((plan, columns)))
    }

    /// An expression of the right side over the grafted plan; none if it reaches beyond the left.
    fn moved(&self, expr: &Expr, input: &LogicalPlan, columns: &[Column]) -> Result<Option<Expr>> {
        let mut beyond = false;
        let moved = expr.clone().transform_up(|part| {
            Ok(match part {
                Expr::OuterReferenceColumn(_, column) => {
                    beyond |= !self.left.schema().has_column(&column);
                    Transformed::yes(Expr::Column(column))
                }
                Expr::Column(column) => {
                    let at = input.schema().index_of_column(&column)?;
                    Transformed::yes(Expr::Column(columns[at].clone()))
                }
                Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::SetComparison(_) => {
                    beyond = true;
                    Transformed::no(part)
                }
                other => Transformed::no(other),
            })
        })?;
        Ok((!beyond).then_some(moved.data))
    }

    /// The left columns and those of the right side under their names.
    fn named(
        &self,
        plan: LogicalPlan,
        columns: Vec<Column>,
        right: &LogicalPlan,
        alias: Option<&TableReference>,
    ) -> Result<LogicalPlan> {
        let mut exprs = self.left_columns();
        for (column, (qualifier, field)) in columns.into_iter().zip(right.schema().iter()) {
            let qualifier = alias.or(qualifier).cloned();
            exprs.push(Expr::Column(column).alias_qualified(qualifier, field.name()));
        }
        Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?))
    }

    fn left_columns(&self) -> Vec<Expr> {
        self.left.schema().columns().into_iter().map(Expr::Column).collect()
    }

    fn name(&mut self) -> String {
        self.count += 1;
        format!("mobula_lateral_{}", self.count)
    }
}
