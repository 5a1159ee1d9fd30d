//! Queries: from a parsed statement to a plan that runs. In: a statement, parameter values, a
//! session's scope. Out: [`Outcome::Rows`]. Runs on the planning threads, whose stacks are large.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::ScalarValue;
use datafusion::execution::{SessionState, TaskContext, session_state::SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use exec::staged::StagedExec;
use planner::parse::Parsed;
use planner::query::{self, Query};
use planner::stages::Local;

use super::replan::{Again, Joins};
use super::runner::Runner;
use super::{Outcome, Shape, Source};
use crate::catalog::{Scope, StatementCatalog};
use crate::constants::{self, Constant};
use crate::error::{PgError, PgResult, SqlState, engine};
use crate::limits::COLUMNS_MAX_COUNT;
use crate::pg_catalog::no_ray;
use crate::queries;
use crate::session::Aside;
use crate::shared::Shared;
use crate::types::PG_TYPE_KEY;

/// How often a statement whose files change is planned.
const PLANNING_ATTEMPTS: usize = 5;

/// What a statement needs of its session, fixed when it starts.
#[derive(Debug, Clone)]
pub struct Context {
    /// The server.
    pub shared: Arc<Shared>,
    /// For names.
    pub scope: Scope,
    /// The session's time zone, as SHOW prints it.
    pub zone: String,
    /// What `now()` is.
    pub now: std::time::SystemTime,
    /// What runs its queries.
    pub runner: Runner,
    /// How much memory its joins may need.
    pub joins: Joins,
    /// The query it is, for those who look on.
    pub query: Option<Arc<queries::Query>>,
    /// Bytes of files that it may read; 0 for any number.
    pub scan_bytes_max: u64,
    /// What the open transaction keeps aside; none outside one.
    pub aside: Option<Aside>,
}

impl Context {
    /// The same when the cluster is known: at the start a query waits for that, so that it is
    /// planned for all nodes and not for one.
    pub async fn settled(&self) -> Self {
        let mut settled = self.clone();
        if let Some(ray) = self.runner.unknown(&self.shared) {
            ray.ready().await;
            settled.runner = self.runner.sized(&self.shared);
        }
        settled
    }

    /// A planning state for one statement: the base with this session's clock and zone, and a
    /// runtime that pins the files the statement meets.
    pub fn state(&self) -> SessionState {
        let mut state = SessionStateBuilder::new_from_existing(self.shared.base.clone())
            .with_runtime_env(self.shared.engine.statement_runtime())
            .build();
        state.mark_start_execution();
        state.execution_props_mut().query_execution_start_time = Some(self.now.into());
        state.config_mut().options_mut().execution.time_zone = Some(self.zone.clone());
        state.config_mut().options_mut().optimizer.prefer_hash_join = self.joins != Joins::Merge;
        self.runner.configure(state.config_mut());
        state
    }
}

impl Context {
    /// Refuses a plan that reads more than the session may.
    ///
    /// # Errors
    /// 53400.
    pub fn admit_scan(&self, plan: &Arc<dyn ExecutionPlan>) -> PgResult<()> {
        let most = self.scan_bytes_max;
        if most == 0 {
            return Ok(());
        }
        let bytes = planner::stages::scanned_bytes(plan);
        if bytes <= most {
            return Ok(());
        }
        let message = format!("the query would read {bytes} bytes of files");
        Err(PgError::new(SqlState::ConfigurationLimit, message)
            .detail(format!("mobula.max_scan_bytes is {most} bytes."))
            .hint("Read fewer partitions or files."))
    }
}

/// A query planned as far as Describe needs.
#[derive(Debug, Clone)]
pub struct Planned {
    /// With its parameters; none for a constant that was known before.
    pub query: Option<Query>,
    /// The result's columns.
    pub shape: Shape,
    /// The answer, when it depends on the text alone.
    pub constant: Option<Arc<Constant>>,
}

impl Planned {
    /// A statement whose answer is known.
    pub fn constant(constant: Arc<Constant>) -> Self {
        Self { query: None, shape: constant.shape.clone(), constant: Some(constant) }
    }
}

/// Plans a query up to the types of its parameters and columns.
///
/// # Errors
/// What is wrong with the statement, in Postgres's terms.
pub async fn plan(
    context: &Context,
    sql: &str,
    parsed: &Parsed,
    given: &[Option<DataType>],
) -> PgResult<Planned> {
    let state = context.state();
    let (scope, statement) = (&context.scope, &parsed.statement);
    let catalog = StatementCatalog::new(&context.shared, &state, scope, statement);
    let engine_error = |error| engine::from_engine(&error, sql);
    let planned = query::plan(&state, &catalog, sql, parsed, given).await;
    let planned = planned.map_err(|error| catalog.explain(engine_error(error)))?;
    let constant = constant(&state, &planned).map_err(engine_error)?;
    // What an oid is called does not depend on the text alone.
    let constant = constant.filter(|constant| !constant.shape.has_names());
    let mut shape = match &constant {
        Some(constant) => constant.shape.clone(),
        None => shape_of(&state, &planned, sql)?,
    };
    if shape.has_names() {
        shape.names = Some(catalog.oid_names());
    }
    if shape.columns.len() > COLUMNS_MAX_COUNT {
        let message = format!("target lists can have at most {COLUMNS_MAX_COUNT} entries");
        return Err(PgError::new(SqlState::TooManyColumns, message));
    }
    Ok(Planned { query: Some(planned), shape, constant })
}

/// Keeps a constant answer under a text that is this statement and nothing else.
pub fn remember(context: &Context, sql: &str, planned: &Planned) {
    if let Some(constant) = &planned.constant {
        context.shared.constants.put(sql, &context.zone, constant);
    }
}

fn constant(
    state: &SessionState,
    planned: &Query,
) -> datafusion::common::Result<Option<Arc<Constant>>> {
    if !planned.parameters.is_empty() || !constants::depends_on_text_alone(&planned.plan)? {
        return Ok(None);
    }
    let optimized = query::optimize(state, &planned.plan)?;
    let Some(batch) = constants::evaluate(&optimized)? else { return Ok(None) };
    let constant = Arc::new(Constant { shape: Shape::of(batch.schema()), batch });
    Ok(Some(constant))
}

fn shape_of(state: &SessionState, query: &planner::query::Query, sql: &str) -> PgResult<Shape> {
    let analyzed = state
        .analyzer()
        .execute_and_check(query.plan.clone(), state.config_options(), |_, _| {})
        .map_err(|error| engine::from_engine(&error, sql))?;
    let schema = analyzed.schema().as_arrow();
    let schema = if query.reads_catalog { with_oids(schema) } else { schema.clone() };
    Ok(Shape::of(Arc::new(schema)))
}

/// An oid is still one behind CASE, coalesce() or array_agg(), which forget how it was marked.
fn with_oids(schema: &Schema) -> Schema {
    let marked = |field: &FieldRef| {
        let word = match field.data_type() {
            DataType::UInt32 => "oid",
            DataType::List(item) if *item.data_type() == DataType::UInt32 => "_oid",
            _ => return Arc::clone(field),
        };
        if field.metadata().contains_key(PG_TYPE_KEY) {
            return Arc::clone(field);
        }
        let mark = HashMap::from([(PG_TYPE_KEY.to_owned(), word.to_owned())]);
        Arc::new(field.as_ref().clone().with_metadata(mark))
    };
    Schema::new(schema.fields().iter().map(marked).collect::<Vec<_>>())
}

/// Makes a planned query ready to run with its values.
///
/// # Errors
/// What is wrong with the values, or with the plan they make.
pub async fn ready(
    context: &Context,
    sql: &str,
    planned: &Planned,
    values: Vec<ScalarValue>,
) -> PgResult<Outcome> {
    if let Some(constant) = &planned.constant {
        return Ok(constant_rows(constant));
    }
    let Some(query) = &planned.query else { return Err(PgError::unsupported("this statement")) };
    let context = context.settled().await;
    let placed = place(&context, sql, query, values.clone()).await?;
    let again = Again { context, sql: sql.into(), query: query.clone(), values };
    // The columns were described before; the plan's own names and metadata may say less.
    let shape = planned.shape.clone();
    Ok(Outcome::Rows {
        shape,
        source: Source::Plan(placed.plan, placed.task, Box::new(again)),
        verb: "SELECT",
    })
}

/// A plan where it is to run.
#[derive(Debug)]
pub struct Placed {
    /// What runs.
    pub plan: Arc<dyn ExecutionPlan>,
    /// What it runs with.
    pub task: Arc<TaskContext>,
    /// Why it is not staged, when it should be.
    pub local: Option<Local>,
    /// How its joins are done.
    pub joins: Joins,
}

/// Makes the plan of a query with its values.
///
/// # Errors
/// As [`ready`].
pub async fn place(
    context: &Context,
    sql: &str,
    query: &Query,
    values: Vec<ScalarValue>,
) -> PgResult<Placed> {
    if matches!(context.runner, Runner::Staged { on_ray: true, .. }) && context.shared.ray.is_none()
    {
        return Err(no_ray());
    }
    let state = context.state();
    let engine_error = |error| engine::from_engine(&error, sql);
    let bound = query::bind(query, values).map_err(engine_error)?;
    let optimized = query::optimize(&state, &bound).map_err(engine_error)?;
    let plan = physical(&state, &optimized).await.map_err(engine_error)?;
    context.admit_scan(&plan)?;
    let asked = context.query.as_deref();
    let (plan, local) = context.runner.place(&context.shared, plan, state.config(), asked);
    if let Some(query) = &context.query {
        query.placed(plan.downcast_ref::<StagedExec>().map(|job| Arc::clone(job.log())));
    }
    let task = exec::engine::task_context(state.config().clone(), Arc::clone(state.runtime_env()));
    Ok(Placed { plan, task, local, joins: context.joins })
}

/// Files may be replaced between their listing and the reading of their footers. Nothing has been
/// answered yet, so planning begins again, and only a table that never stands still fails.
async fn physical(
    state: &SessionState,
    optimized: &LogicalPlan,
) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
    for _ in 1..PLANNING_ATTEMPTS {
        match query::physical(state, optimized).await {
            Err(error) if changed_files(&error) => tracing::debug!(%error, "planning again"),
            done => return done,
        }
    }
    query::physical(state, optimized).await
}

fn changed_files(error: &datafusion::common::DataFusionError) -> bool {
    let state = engine::from_engine(error, "").state;
    matches!(state, SqlState::DataCorrupted | SqlState::UndefinedFile | SqlState::IoError)
}

/// The outcome of a constant statement.
pub fn constant_rows(constant: &Constant) -> Outcome {
    let source = Source::Batch(constant.batch.clone());
    Outcome::Rows { shape: constant.shape.clone(), source, verb: "SELECT" }
}
