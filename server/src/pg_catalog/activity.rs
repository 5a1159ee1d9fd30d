//! The views of schema `mobula`: what runs here and what ran last.
//!
//! In: the server's queries. Out: tables whose rows are those of the moment they are read.
//! Refuses to know how long what ended is kept.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use exec::job::attempt::{AttemptFigures, AttemptState};
use exec::job::log::StageFigures;
use ray_bridge::cluster::Ray;
use ray_bridge::messages::Node;

use super::cells::{Cell, Sparse};
use super::layout::{self, MOBULA, SystemRelation};
use super::live::{LiveView, Source};
use crate::queries::{Queries, Query};
use crate::rights::Rights;

/// The database that every query is of.
const DATABASE: &str = "mobula";

/// Whose queries a role sees.
#[derive(Debug, Clone)]
pub struct Sees {
    user: String,
    all: bool,
}

impl Sees {
    /// A role sees its own, and all with the rights of `pg_read_all_stats`.
    pub fn of(rights: &Rights, user: &str) -> Self {
        Self { user: user.to_owned(), all: rights.has_role_named("pg_read_all_stats") }
    }

    /// Whether it sees those of a role.
    pub fn sees(&self, user: &str) -> bool {
        self.all || self.user == user
    }
}

/// A view of schema `mobula`, if it has one of that name.
pub fn activity_table(
    name: &str,
    queries: &Arc<Queries>,
    ray: Option<&Arc<Ray>>,
    sees: Sees,
) -> Option<Arc<dyn TableProvider>> {
    let relation = layout::find(MOBULA, name)?;
    let source = Activity { queries: Arc::clone(queries), ray: ray.cloned(), sees };
    Some(Arc::new(LiveView { relation, source }))
}

#[derive(Debug)]
struct Activity {
    queries: Arc<Queries>,
    ray: Option<Arc<Ray>>,
    sees: Sees,
}

#[async_trait]
impl Source for Activity {
    async fn rows(&self, of: &SystemRelation) -> Result<Vec<Sparse<'static>>> {
        let mut all = self.queries.all();
        all.retain(|query| self.sees.sees(&query.user));
        Ok(match of.name {
            "queries" => all.iter().map(|query| query_row(query)).collect(),
            "nodes" if !self.sees.all => vec![],
            "nodes" => {
                let nodes = self.ray.as_ref().map(|ray| ray.nodes()).unwrap_or_default();
                nodes.usable.iter().map(node_row).collect()
            }
            "stages" => all.iter().flat_map(|query| stage_rows(query)).collect(),
            _ => all.iter().flat_map(|query| task_rows(query)).collect(),
        })
    }
}

fn query_row(query: &Query) -> Sparse<'static> {
    let stages = query.job().map(|job| job.figures()).unwrap_or_default();
    let end = query.end();
    vec![
        ("query_id", count(query.id)),
        ("pid", query.pid.into()),
        ("usename", query.user.clone().into()),
        ("database", DATABASE.into()),
        ("runner", query.runner().into()),
        ("state", end.map_or("running", |end| end.state.word()).into()),
        ("started", moment(query.started)),
        ("elapsed_ms", millis(query.elapsed())),
        ("stages", count(stages.len())),
        ("tasks", count(stages.iter().map(|stage| stage.tasks).sum::<usize>())),
        ("tasks_done", count(stages.iter().map(|stage| stage.done).sum::<usize>())),
        ("rows", end.and_then(|end| end.rows).map_or(Cell::Null, count)),
        ("error", end.and_then(|end| end.error.clone()).into()),
        ("query", query.text.as_ref().into()),
    ]
}

fn node_row(node: &Node) -> Sparse<'static> {
    vec![
        ("node", node.id.clone().into()),
        ("address", node.address.clone().into()),
        ("port", node.port.into()),
        ("cpus", Cell::Float(node.cpus)),
        ("cpus_free", Cell::Float(node.cpus_free)),
        ("gpus", Cell::Float(node.gpus)),
        ("memory_bytes", Cell::Int(node.memory_bytes as i64)),
        ("store_bytes", Cell::Int(node.store_bytes as i64)),
    ]
}

fn stage_rows(query: &Query) -> Vec<Sparse<'static>> {
    let row = |(number, figures): (usize, StageFigures)| {
        let [least, middle, most] = figures.elapsed.map(millis);
        let decisions: Vec<_> = figures.decisions.iter().map(ToString::to_string).collect();
        vec![
            ("query_id", count(query.id)),
            ("stage", count(number)),
            ("tasks", count(figures.tasks)),
            ("tasks_done", count(figures.done)),
            ("failed", count(figures.failed)),
            ("rows_in", count(figures.rows_in)),
            ("bytes_in", count(figures.bytes_in)),
            ("rows_out", count(figures.rows_out)),
            ("bytes_out", count(figures.bytes_out)),
            ("spilled_bytes", count(figures.spilled)),
            ("memory_bytes", count(figures.memory)),
            ("min_ms", least),
            ("median_ms", middle),
            ("max_ms", most),
            ("queued_ms", millis(figures.queued)),
            ("nodes", count(figures.nodes.len())),
            ("bytes_at_hand", count(figures.bytes_at_hand)),
            ("determinism", figures.determinism.word().into()),
            ("decisions", decisions.join("; ").into()),
        ]
    };
    let stages = query.job().map(|job| job.figures()).unwrap_or_default();
    stages.into_iter().enumerate().map(row).collect()
}

fn task_rows(query: &Query) -> Vec<Sparse<'static>> {
    let attempts = query.job().map(|job| job.attempts()).unwrap_or_default();
    attempts.into_iter().map(|attempt| task_row(query, attempt)).collect()
}

fn task_row(query: &Query, attempt: AttemptFigures) -> Sparse<'static> {
    // What is not the worker's fault is the query's error, in the words the client was told.
    let told = || query.end().and_then(|end| end.error.clone());
    let error = match attempt.state {
        AttemptState::Failed => attempt.failure.or_else(told),
        _ => None,
    };
    let report = attempt.report.as_ref();
    vec![
        ("query_id", count(query.id)),
        ("stage", count(attempt.stage)),
        ("task", count(attempt.task)),
        ("attempt", count(attempt.attempt)),
        ("state", attempt.state.word().into()),
        ("queued_ms", millis(attempt.queued)),
        ("run_ms", millis(attempt.run)),
        ("node", Some(attempt.node.as_ref()).filter(|node| !node.is_empty()).into()),
        ("rows_in", report.map_or(Cell::Null, |report| count(report.rows_in))),
        ("bytes_in", report.map_or(Cell::Null, |report| count(report.bytes_in))),
        ("rows_out", report.map_or(Cell::Null, |report| count(report.rows))),
        ("bytes_out", report.map_or(Cell::Null, |report| count(report.bytes))),
        ("spilled_bytes", report.map_or(Cell::Null, |report| count(report.spilled))),
        ("memory_bytes", report.map_or(Cell::Null, |report| count(report.memory))),
        ("error", error.into()),
    ]
}

/// A number that is never below zero, as SQL has them.
pub(super) fn count(number: impl TryInto<i64>) -> Cell {
    Cell::Int(number.try_into().unwrap_or(i64::MAX))
}

fn millis(time: Duration) -> Cell {
    Cell::Float(time.as_secs_f64() * 1e3)
}

/// A moment as microseconds since 1970.
pub(super) fn moment(at: SystemTime) -> Cell {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    count(since.as_micros())
}
