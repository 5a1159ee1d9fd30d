//! One statement, from its text to its outcome. In: a parsed statement, its parameters, a session's
//! scope. Out: what to answer: rows still to be computed, or a tag. The connection sends it; what
//! changes the session is decided here and applied there.

pub mod change;
pub mod command;
pub mod copy;
pub mod copy_options;
pub mod ddl;
pub mod explain;
pub mod feed;
pub mod kind;
pub mod query;
pub mod replan;
pub mod rows;
pub mod runner;
pub mod session_commands;

use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;

use crate::conn::{Copied, Fetched};
use crate::encode::{OidNames, named_type};
use crate::error::PgError;
use crate::types::{PG_TYPE_KEY, pg_type_of};
use crate::wire::backend::ResultColumn;

/// The columns of a result: for the client and for the encoder.
#[derive(Debug, Clone)]
pub struct Shape {
    /// As RowDescription tells them.
    pub columns: Arc<[ResultColumn]>,
    /// As the engine has them.
    pub schema: SchemaRef,
    /// What oids in them are called, where some print as names.
    pub names: Option<Arc<dyn OidNames>>,
}

impl Shape {
    /// The shape of an Arrow schema, with the names clients see.
    pub fn of(schema: SchemaRef) -> Self {
        let column = |field: &Arc<Field>| ResultColumn {
            name: planner::names::shown(field.name()).to_owned(),
            column_type: pg_type_of(field),
        };
        Self { columns: schema.fields().iter().map(column).collect(), schema, names: None }
    }

    /// True if some of its columns print as names.
    pub fn has_names(&self) -> bool {
        self.columns.iter().any(|column| named_type(column.column_type.oid).is_some())
    }
}

/// Where a result's rows come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A plan, run when the rows are wanted; and how to make another for less memory.
    Plan(Arc<dyn ExecutionPlan>, Arc<TaskContext>, Box<replan::Again>),
    /// Rows that are there.
    Batch(RecordBatch),
    /// Many rows that are there.
    Batches(VecDeque<RecordBatch>),
}

/// What a statement came to.
#[derive(Debug)]
pub enum Outcome {
    /// Rows; still to be sent.
    Rows {
        /// The columns.
        shape: Shape,
        /// Where the rows come from.
        source: Source,
        /// The first word of the tag.
        verb: &'static str,
    },
    /// Rows of a cursor; still to be sent.
    Fetched(Box<Fetched>),
    /// Rows of a COPY; still to be sent.
    Copied(Box<Copied>),
    /// No rows.
    Done {
        /// The whole tag.
        tag: String,
        /// Sent before it.
        notices: Vec<PgError>,
    },
}

impl Outcome {
    /// An outcome without rows or notices.
    pub fn done(tag: impl Into<String>) -> Self {
        Self::Done { tag: tag.into(), notices: vec![] }
    }

    /// An outcome without rows, with a notice when there is one.
    pub fn noticed(tag: impl Into<String>, notice: Option<PgError>) -> Self {
        Self::Done { tag: tag.into(), notices: notice.into_iter().collect() }
    }

    /// A result of text columns that is already there.
    ///
    /// # Errors
    /// Columns of different lengths; a bug.
    pub fn table(
        verb: &'static str,
        columns: &[(&str, Vec<Option<String>>)],
    ) -> Result<Self, PgError> {
        let fields = columns.iter().map(|(name, _)| Field::new(*name, DataType::Utf8, true));
        let values = columns.iter().map(|(_, values)| StringArray::from(values.clone()));
        Self::text(verb, fields.collect(), values)
    }

    /// A result of one column of documents that are there.
    ///
    /// # Errors
    /// None but a bug.
    pub fn json(verb: &'static str, column: &str, documents: Vec<String>) -> Result<Self, PgError> {
        let field = Field::new(column, DataType::Utf8, true);
        let field = field.with_metadata([(PG_TYPE_KEY.to_owned(), "json".to_owned())].into());
        Self::text(verb, vec![field], std::iter::once(StringArray::from(documents)))
    }

    fn text(
        verb: &'static str,
        fields: Vec<Field>,
        values: impl Iterator<Item = StringArray>,
    ) -> Result<Self, PgError> {
        let schema = Arc::new(Schema::new(fields));
        let values = values.map(|values| Arc::new(values) as ArrayRef).collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), values)
            .map_err(|error| crate::error::engine::incident(&error))?;
        Ok(Self::Rows { shape: Shape::of(schema), source: Source::Batch(batch), verb })
    }
}
