//! Tables of which a role may read some columns. In: a table and the places of these. Out: a table
//! that has no others, so that nothing a statement says can reach them; and whether a statement
//! asks for columns it does not name, which PostgreSQL refuses then.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{
    JoinConstraint, JoinOperator, Query, SelectItem, SetExpr, TableWithJoins, Visit, Visitor,
};

/// The table with these columns alone.
///
/// # Errors
/// None but a bug.
pub fn some_of(
    table: Arc<dyn TableProvider>,
    name: &str,
    columns: Vec<usize>,
) -> Result<Arc<dyn TableProvider>> {
    let plan = LogicalPlanBuilder::scan(name, provider_as_source(table), Some(columns))?.build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// Whether a statement asks for all columns of something, by `*` or by NATURAL JOIN.
pub fn has_wildcard(statement: &Statement) -> bool {
    struct Asks;
    impl Visitor for Asks {
        type Break = ();

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            if in_body(&query.body) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    match statement {
        Statement::Statement(inner) => inner.visit(&mut Asks).is_break(),
        Statement::Explain(explain) => has_wildcard(&explain.statement),
        Statement::CopyTo(copy) => match &copy.source {
            CopyToSource::Query(query) => query.visit(&mut Asks).is_break(),
            CopyToSource::Relation(_) => true,
        },
        _ => false,
    }
}

/// Queries within it are visited by themselves.
fn in_body(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => {
            let is_all = |item: &SelectItem| {
                matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
            };
            select.projection.iter().any(is_all) || select.from.iter().any(is_natural)
        }
        SetExpr::SetOperation { left, right, .. } => in_body(left) || in_body(right),
        SetExpr::Table(_) => true,
        _ => false,
    }
}

fn is_natural(from: &TableWithJoins) -> bool {
    from.joins.iter().any(|join| {
        let constraint = match &join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint) => constraint,
            _ => return false,
        };
        matches!(constraint, JoinConstraint::Natural)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_for_all_columns() {
        for (sql, asks) in [
            ("select a from t", false),
            ("select count(*) from t", false),
            ("select * from t", true),
            ("select t.* from t", true),
            ("select a from (select * from t) as s", true),
            ("select 1 where exists (select * from t)", true),
            ("select a from t union select * from u", true),
            ("select t.a from t natural join u", true),
            ("select t.a from t left join u using (a)", false),
            ("table t", true),
            ("explain select * from t", true),
            ("with c as (select * from t) select 1", true),
        ] {
            let parsed = planner::parse::parse(sql).unwrap();
            assert_eq!(has_wildcard(&parsed[0].statement), asks, "{sql}");
        }
    }
}
