//! Engine errors in Postgres's terms. In: what DataFusion, Arrow, Parquet or the store said. Out: a
//! [`PgError`] chosen by the error's type where it has one, and by DataFusion's words where those
//! are all there is. The client never sees a path it did not write, nor an internal text: what is
//! not recognised is logged under a number and told as that number.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::error::ArrowError;
use datafusion::common::{Column, DataFusionError, Diagnostic, SchemaError};
use datafusion::parquet::errors::ParquetError;
use exec::cluster::{Failure, Lack};
use exec::job::state::Reason;
use object_store::Error as StoreError;
use planner::parse::{self, ParseError};
use planner::places::Places;
use planner::resolve::NameError;
use planner::tables::LocationError;

use super::memory::exhausted;
use super::{places, words};
use crate::error::{PgError, SqlState};

/// Numbers incidents, so that a client's report finds the log line.
static INCIDENTS: AtomicU64 = AtomicU64::new(1);

/// An engine error for the client. `sql` is the statement's text, for positions.
pub fn from_engine(error: &DataFusionError, sql: &str) -> PgError {
    let diagnostic = diagnostic(error);
    let known = chain(error).or_else(|| words::from_any(&error.to_string()));
    let mut translated = known.unwrap_or_else(|| incident(error));
    if translated.position.is_none() {
        let span = diagnostic.and_then(|found| found.span);
        translated.position =
            span.and_then(|span| parse::position(sql, span.start.line, span.start.column));
    }
    if !sql.is_empty()
        && let Some(place) = places::of(&translated, &error.to_string(), sql)
    {
        translated.position = Some(place);
    }
    translated
}

/// An error of a query that was taken out of `sql` and written anew, with its place in `sql`.
pub fn moved(error: PgError, query: &str, sql: &str) -> PgError {
    let place = error.position.and_then(|at| Places::of(query).moved(at, &Places::of(sql)));
    error.at(place)
}

/// A text that is not SQL, for the client.
pub fn from_parse(error: ParseError) -> PgError {
    match error {
        ParseError::Syntax { message, position } => {
            PgError::new(SqlState::SyntaxError, message).at(position)
        }
        ParseError::Unsupported(what) => PgError::unsupported(what),
        ParseError::TooDeep => too_deep(),
    }
}

/// 54001.
pub fn too_deep() -> PgError {
    PgError::new(SqlState::StatementTooComplex, "stack depth limit exceeded")
        .hint("Split the statement: it nests or chains too many expressions.")
}

/// An error nobody foresaw: the log has it, the client a number to name.
pub fn incident(error: &dyn std::fmt::Display) -> PgError {
    let number = INCIDENTS.fetch_add(1, Ordering::Relaxed);
    tracing::error!(incident = number, %error, "internal error");
    PgError::new(SqlState::InternalError, format!("internal error, incident {number}"))
        .hint("The server's log has the details under this number.")
}

fn diagnostic(error: &DataFusionError) -> Option<&Diagnostic> {
    match error {
        DataFusionError::Diagnostic(diagnostic, _) => Some(diagnostic),
        DataFusionError::Context(_, inner) => diagnostic(inner),
        DataFusionError::Collection(errors) => errors.first().and_then(diagnostic),
        DataFusionError::Shared(inner) => diagnostic(inner),
        _ => None,
    }
}

/// Looks through the wrappers for the error that says most.
fn chain(error: &DataFusionError) -> Option<PgError> {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => chain(inner),
        DataFusionError::Shared(inner) => chain(inner),
        DataFusionError::Collection(errors) => errors.first().and_then(chain),
        DataFusionError::ArrowError(arrow, _) => from_arrow(arrow),
        DataFusionError::ParquetError(parquet) => {
            if let ParquetError::NYI(what) = &**parquet {
                return Some(PgError::unsupported(format!("Parquet: {what}")));
            }
            Some(from_source(&**parquet).unwrap_or_else(|| corrupted("Parquet")))
        }
        DataFusionError::ObjectStore(store) => from_store(store),
        DataFusionError::IoError(io) => from_source(io).or_else(|| Some(io_error(io))),
        DataFusionError::SQL(parser, _) => {
            Some(PgError::new(SqlState::SyntaxError, format!("syntax error: {parser}")))
        }
        DataFusionError::SchemaError(schema, _) => Some(from_schema(schema)),
        DataFusionError::External(inner) => from_source(&**inner),
        DataFusionError::ResourcesExhausted(text) => Some(exhausted(text)),
        DataFusionError::NotImplemented(text) => Some(words::from_unsupported(text)),
        DataFusionError::Plan(text) => words::from_plan(text),
        DataFusionError::Execution(text) => words::from_execution(text),
        DataFusionError::Configuration(text) => {
            Some(PgError::new(SqlState::InvalidParameterValue, words::first_line(text)))
        }
        DataFusionError::Internal(text) => words::from_internal(text),
        DataFusionError::ExecutionJoin(_)
        | DataFusionError::Substrait(_)
        | DataFusionError::Ffi(_) => None,
    }
}

/// What the cluster could not make good.
fn from_failure(failure: &Failure) -> PgError {
    let (state, hint) = match failure {
        Failure::Busy { .. } => (
            SqlState::ConfigurationLimit,
            "Try again later, or raise max_queries or queue_timeout.",
        ),
        Failure::GivenUp { reason: Reason::Unrepeatable, .. } => {
            (SqlState::SerializationFailure, "Run the statement again.")
        }
        Failure::GivenUp { lack: Some(Lack::Memory), .. } => {
            (SqlState::OutOfMemory, "The nodes' processes need more memory than the nodes have.")
        }
        Failure::GivenUp { lack: Some(Lack::Disk), .. } => {
            (SqlState::DiskFull, "The nodes' object stores and disks are full.")
        }
        _ => (SqlState::ConnectionFailure, "Run the statement again."),
    };
    PgError::new(state, failure.to_string()).hint(hint)
}

/// Finds an error of ours, or of the store, below any number of foreign wrappers.
fn from_source(error: &(dyn Error + 'static)) -> Option<PgError> {
    if let Some(known) = error.downcast_ref::<PgError>() {
        return Some(known.clone());
    }
    if let Some(inner) = error.downcast_ref::<DataFusionError>() {
        return chain(inner);
    }
    if let Some(name) = error.downcast_ref::<NameError>() {
        return Some(from_name(name));
    }
    if let Some(location) = error.downcast_ref::<LocationError>() {
        return Some(from_location(location));
    }
    if let Some(store) = error.downcast_ref::<StoreError>() {
        return from_store(store);
    }
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return Some(from_failure(failure));
    }
    if let Some(refusal) = error.downcast_ref::<exec::roots::Refusal>() {
        return Some(refused(refusal));
    }
    if let Some(arrow) = error.downcast_ref::<ArrowError>() {
        return from_arrow(arrow);
    }
    if let Some(io) = error.downcast_ref::<std::io::Error>()
        && let Some(inner) = io.get_ref()
    {
        return from_source(inner);
    }
    error.source().and_then(from_source)
}

fn from_name(error: &NameError) -> PgError {
    match error {
        NameError::Table { near, position, .. } => {
            let found = PgError::new(SqlState::UndefinedTable, error.to_string()).at(*position);
            match near {
                Some(near) => found.hint(format!("Perhaps you meant \"{near}\".")),
                None => found,
            }
        }
        NameError::TableFunction { .. } => {
            PgError::new(SqlState::UndefinedFunction, error.to_string())
        }
    }
}

fn from_location(error: &LocationError) -> PgError {
    let state = match error {
        LocationError::Refused(refusal) => return refused(refusal),
        LocationError::Missing(_) => SqlState::UndefinedFile,
        LocationError::Scheme(_) | LocationError::Format(_) => SqlState::FeatureNotSupported,
        LocationError::Io(..) => SqlState::IoError,
    };
    PgError::new(state, error.to_string())
}

fn refused(refusal: &exec::roots::Refusal) -> PgError {
    PgError::new(SqlState::InsufficientPrivilege, format!("permission denied: {refusal}"))
        .hint("Files are read below the data directory and the paths given with --allow-path.")
}

fn from_store(error: &StoreError) -> Option<PgError> {
    match error {
        StoreError::Precondition { .. } => Some(
            PgError::new(
                SqlState::SerializationFailure,
                "could not read the table as of one moment: a file changed during the query",
            )
            .hint("Run the statement again."),
        ),
        StoreError::NotFound { .. } => Some(PgError::new(
            SqlState::UndefinedFile,
            "a file of the table does not exist any more",
        )),
        StoreError::PermissionDenied { source, .. } => from_source(&**source).or_else(|| {
            Some(PgError::new(SqlState::InsufficientPrivilege, "permission denied for a file"))
        }),
        StoreError::Generic { source, .. } => from_source(&**source).or_else(|| {
            let io = source.downcast_ref::<std::io::Error>();
            Some(io.map_or_else(|| io_error(&source), |io| io_error(io)))
        }),
        other => other.source().and_then(from_source),
    }
}

fn io_error(error: &dyn std::fmt::Display) -> PgError {
    tracing::warn!(%error, "input or output failed");
    PgError::new(SqlState::IoError, "could not read or write a file")
}

fn corrupted(what: &str) -> PgError {
    PgError::new(
        SqlState::DataCorrupted,
        format!("a file of the table is damaged: it is not {what}"),
    )
}

fn from_schema(error: &SchemaError) -> PgError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let of = |valid: &Column| valid.relation.as_ref().map(|r| r.table().to_owned());
            if let Some(table) = field.relation.as_ref().map(|relation| relation.table())
                && !valid_fields.iter().any(|valid| of(valid).as_deref() == Some(table))
            {
                let message = format!("missing FROM-clause entry for table \"{table}\"");
                return PgError::new(SqlState::UndefinedTable, message);
            }
            let name = match &field.relation {
                Some(relation) => format!("{}.{}", relation.table(), field.name),
                None => format!("\"{}\"", field.name),
            };
            let found =
                PgError::new(SqlState::UndefinedColumn, format!("column {name} does not exist"));
            let names = valid_fields.iter().map(|valid| valid.name.clone());
            match planner::resolve::nearest(&field.name, names) {
                Some(near) => {
                    found.hint(format!("Perhaps you meant to reference the column \"{near}\"."))
                }
                None => found,
            }
        }
        SchemaError::AmbiguousReference { field } => PgError::new(
            SqlState::AmbiguousColumn,
            format!("column reference \"{}\" is ambiguous", field.name),
        ),
        SchemaError::DuplicateUnqualifiedField { name } => PgError::new(
            SqlState::DuplicateColumn,
            format!("column \"{name}\" specified more than once"),
        ),
        SchemaError::DuplicateQualifiedField { qualifier, .. } => PgError::new(
            SqlState::DuplicateAlias,
            format!("table name \"{}\" specified more than once", qualifier.table()),
        ),
    }
}

fn from_arrow(error: &ArrowError) -> Option<PgError> {
    Some(match error {
        ArrowError::DivideByZero => PgError::new(SqlState::DivisionByZero, "division by zero"),
        ArrowError::ArithmeticOverflow(text) => words::overflow(text),
        ArrowError::CastError(text) => words::from_cast(text),
        ArrowError::ParseError(text) => words::from_cast(text),
        ArrowError::ComputeError(text) => return words::from_execution(text),
        ArrowError::InvalidArgumentError(text) => return words::from_execution(text),
        ArrowError::NotYetImplemented(text) => PgError::unsupported(words::first_line(text)),
        ArrowError::CsvError(text) => {
            PgError::new(SqlState::BadCopyFileFormat, format!("malformed CSV: {text}"))
        }
        ArrowError::JsonError(text) => {
            PgError::new(SqlState::InvalidTextRepresentation, format!("malformed JSON: {text}"))
        }
        ArrowError::ExternalError(inner) => return from_source(&**inner),
        ArrowError::IoError(_, io) => return from_source(io).or_else(|| Some(io_error(io))),
        ArrowError::IpcError(_) => corrupted("Arrow"),
        ArrowError::ParquetError(_) => corrupted("Parquet"),
        ArrowError::MemoryError(text) => exhausted(text),
        ArrowError::OffsetOverflowError(_) => {
            PgError::new(SqlState::ProgramLimitExceeded, "a batch of text is larger than 2 GiB")
        }
        _ => return None,
    })
}
