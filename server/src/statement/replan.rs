//! Queries of which a join does not fit in memory. In: how the query was planned. Out: the next way
//! to plan it, as long as none of its rows has left.

use std::fmt;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use planner::query::Query;

use super::query::{Context, Placed, place};
use crate::error::{PgResult, engine};

/// How the joins of a query are done. Each is for queries of which a join did not fit when they
/// were done as the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joins {
    /// Usually by hash, with one side in memory.
    Hash,
    /// The same in several times as many tasks, so that each has less in memory.
    MoreTasks,
    /// Sorted on both sides.
    Merge,
}

impl fmt::Display for Joins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hash => "hash joins",
            Self::MoreTasks => "more tasks",
            Self::Merge => "merge joins",
        })
    }
}

/// How to plan a query once more.
#[derive(Debug, Clone)]
pub struct Again {
    /// As it was planned.
    pub context: Context,
    /// Its text.
    pub sql: Arc<str>,
    /// It.
    pub query: Query,
    /// Of its parameters.
    pub values: Vec<ScalarValue>,
}

impl Again {
    /// The next way; none when there is nothing left to try.
    pub fn with_smaller_joins(mut self) -> Option<Self> {
        self.context.joins = match self.context.joins {
            Joins::Hash if self.context.runner.add_tasks() => Joins::MoreTasks,
            Joins::Hash | Joins::MoreTasks => Joins::Merge,
            Joins::Merge => return None,
        };
        tracing::info!("a query is planned again with {}", self.context.joins);
        Some(self)
    }

    /// Plans the query, on the threads for that; and this, for the way after it.
    ///
    /// # Errors
    /// What is wrong with its plan.
    pub async fn place(self) -> PgResult<(Placed, Box<Self>)> {
        let planning = self.context.shared.planning.clone();
        let placing = async move {
            let placed = place(&self.context, &self.sql, &self.query, self.values.clone()).await?;
            Ok((placed, Box::new(self)))
        };
        planning.spawn(placing).await.unwrap_or_else(|error| Err(engine::incident(&error)))
    }
}
