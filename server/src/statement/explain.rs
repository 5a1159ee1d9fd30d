//! EXPLAIN and EXPLAIN ANALYZE. In: the statement explained. Out: the plan under `QUERY PLAN` as
//! PostgreSQL has it: lines of text, one row each, or a JSON document. ANALYZE runs the query and
//! drops its rows.

mod json;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::format::{ExplainFormat, ExplainStatementOptions};
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::{displayable, execute_stream};
use datafusion::sql::parser::{ExplainStatement, Statement as Sql};
use exec::staged::StagedExec;
use futures::StreamExt;
use planner::parse::Parsed;

use super::query::{self, Context, Placed};
use super::replan::{Again, Joins};
use super::{Outcome, kind};
use crate::cancel::Cancel;
use crate::error::{PgError, PgResult, engine, memory};

/// The column of the answer.
const COLUMN: &str = "QUERY PLAN";

/// Explains a statement.
///
/// # Errors
/// What is wrong with the statement; 0A000 for what has no plan.
pub async fn run(
    context: &Context,
    sql: &str,
    explain: &ExplainStatement,
    cancel: &Cancel,
) -> PgResult<Outcome> {
    let statement = Sql::clone(&explain.statement);
    let inner = Parsed { statement, parameters: 0, command: None, copy_options: vec![] };
    if kind::of(&inner.statement) != kind::Kind::Query {
        let what = format!("EXPLAIN of {}", kind::words(&inner.statement));
        return Err(PgError::unsupported(what));
    }
    let options = &explain.options;
    described(options)?;
    // A constant is planned like any other statement here: the plan is the question.
    let planned = query::plan(context, sql, &inner, &[]).await?;
    let Some(query) = &planned.query else {
        return Err(PgError::unsupported("EXPLAIN of this statement"));
    };
    let context = &context.settled().await;
    let mut placed = query::place(context, sql, query, vec![]).await?;
    if options.analyze {
        let (context, query) = (context.clone(), query.clone());
        let again = Again { context, sql: sql.into(), query, values: vec![] };
        placed = analyze(placed, again, cancel).await?;
    }
    if is_json(options) {
        let shown = json::Options { analyze: options.analyze, verbose: options.verbose };
        let document = shown_to(context, json::document(&placed, shown));
        return Outcome::json("EXPLAIN", COLUMN, vec![document]);
    }
    let printed = shown_to(context, text(&placed, options));
    let lines = printed.lines().map(|line| Some(line.to_owned())).collect();
    Outcome::table("EXPLAIN", &[(COLUMN, lines)])
}

/// A plan as this role may see it: where files lie is for those who may read them.
fn shown_to(context: &Context, plan: String) -> String {
    const GROUPS: &str = "file_groups={";
    if context.scope.rights.has_role_named("pg_read_server_files") {
        return plan;
    }
    let mut shown = String::with_capacity(plan.len());
    let mut rest = plan.as_str();
    while let Some((before, groups)) = rest.split_once(GROUPS) {
        shown.push_str(before);
        shown.push_str(GROUPS);
        let count = groups.split(':').next().unwrap_or_default();
        shown.push_str(count);
        shown.push('}');
        rest = groups.split_once("]}").map_or("", |(_, after)| after);
    }
    shown + rest
}

/// The answer to an EXPLAIN before it has one: its columns.
///
/// # Errors
/// 0A000 for a format that we do not have.
pub fn described(options: &ExplainStatementOptions) -> PgResult<Outcome> {
    match options.format {
        None | Some(ExplainFormat::Indent) => Outcome::table("EXPLAIN", &[(COLUMN, vec![])]),
        Some(ExplainFormat::PostgresJSON) => Outcome::json("EXPLAIN", COLUMN, vec![]),
        Some(_) => Err(PgError::unsupported("EXPLAIN in another format than TEXT and JSON")),
    }
}

fn is_json(options: &ExplainStatementOptions) -> bool {
    options.format == Some(ExplainFormat::PostgresJSON)
}

fn text(placed: &Placed, options: &ExplainStatementOptions) -> String {
    let plan = &placed.plan;
    let mut printed = match plan.downcast_ref::<StagedExec>() {
        Some(staged) => {
            let figures = options.analyze.then(|| staged.log().figures());
            planner::stages::explain(staged.graph(), figures.as_deref(), options.verbose)
        }
        None if options.analyze => DisplayableExecutionPlan::with_metrics(plan.as_ref())
            .indent(options.verbose)
            .to_string(),
        None => displayable(plan.as_ref()).indent(options.verbose).to_string(),
    };
    if let Some(local) = &placed.local {
        printed.push_str(&format!("Not staged: {local}\n"));
    }
    if placed.joins != Joins::Hash {
        printed.push_str(&format!("Planned again: {}, a join did not fit\n", placed.joins));
    }
    printed
}

/// Runs a plan to its end, for its measurements; what it was in the end.
async fn analyze(mut placed: Placed, mut again: Again, cancel: &Cancel) -> PgResult<Placed> {
    let execution = again.context.shared.execution.clone();
    loop {
        let (cancel, draining) = (cancel.clone(), drain(&placed));
        let run = execution.spawn(async move {
            tokio::select! {
                biased;
                reason = cancel.cancelled() => Err(reason.error()),
                result = draining => Ok(result),
            }
        });
        let result = run.await.unwrap_or_else(|error| Err(engine::incident(&error)))?;
        let Err(error) = result else { return Ok(placed) };
        let smaller = memory::is_hash_join(&error).then(|| again.with_smaller_joins()).flatten();
        let Some(smaller) = smaller else { return Err(engine::from_engine(&error, "")) };
        let (planned, after) = smaller.place().await?;
        (placed, again) = (planned, *after);
    }
}

fn drain(placed: &Placed) -> impl Future<Output = Result<()>> + Send + use<> {
    let (plan, task) = (Arc::clone(&placed.plan), Arc::clone(&placed.task));
    async move {
        let mut stream = execute_stream(plan, task)?;
        while let Some(batch) = stream.next().await {
            batch?;
        }
        Ok(())
    }
}
