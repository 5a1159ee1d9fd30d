//! Results into files: COPY (query) TO 'path' and CREATE TABLE AS. In: a query and a target. Out:
//! a tag with the number of rows, after the files are on disk under their names. They are written
//! aside first, so a failed statement leaves nothing that can be seen.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Schema, UInt64Type};
use datafusion::common::file_options::file_type::FileType;
use datafusion::datasource::file_format::format_as_file_type;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::dml::CopyTo;
use datafusion::physical_plan::execute_stream;
use datafusion::sql::parser::{CopyToSource, CopyToStatement, Statement as Sql};
use datafusion::sql::sqlparser::ast::{
    CreateTable, CreateTableOptions, Query as SqlQuery, Statement,
};
use futures::StreamExt;
use planner::parse::Parsed;

use super::ddl::{admit_replacing, option_text, target};
use super::query::{self, Context};
use super::{Outcome, kind};
use crate::cancel::Cancel;
use crate::catalog::encode_columns;
use crate::error::{PgError, PgResult, SqlState, engine};
use crate::meta::{Change, NewRelation, Relation, RelationKind, Snapshot};
use crate::shared::Shared;

/// The folder of the data directory that holds files being written.
pub const STAGING_FOLDER: &str = "staging";
/// The folder of the data directory that holds the tables made here.
pub const TABLES_FOLDER: &str = "tables";

/// Runs a writing statement.
///
/// # Errors
/// In Postgres's terms; nothing can be seen of what was written.
pub async fn run(
    context: &Context,
    sql: &str,
    parsed: &Parsed,
    cancel: &Cancel,
) -> PgResult<Outcome> {
    match &parsed.statement {
        Sql::CopyTo(copy) => copy_to(context, sql, copy, cancel).await,
        Sql::Statement(statement) => match statement.as_ref() {
            Statement::CreateTable(create) => create_table_as(context, sql, create, cancel).await,
            _ => Err(PgError::unsupported(kind::words(&parsed.statement))),
        },
        other => Err(PgError::unsupported(kind::words(other))),
    }
}

/// How often, and how long apart, the folder of an ended statement is looked at.
const REMOVALS: usize = 8;
const REMOVAL_PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// A file or folder being written; removed when it is not published.
struct Staged {
    path: PathBuf,
    url: String,
}

impl Staged {
    fn new(context: &Context, name: &str) -> Self {
        let id = format!("{:032x}", rand::random::<u128>());
        let path = context.shared.data_dir.join(STAGING_FOLDER).join(&id).join(name);
        Self { path, url: format!("{}{id}/{name}", exec::engine::STAGING_URL) }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let Some(folder) = self.path.parent().map(Path::to_owned) else { return };
        let _ = std::fs::remove_dir_all(&folder);
        // The writers of a failed statement end on their own, and one that was just opening its
        // file makes the folder again: look until they are gone.
        // A crash leaves it to the next start.
        tokio::spawn(async move {
            for _ in 0..REMOVALS {
                tokio::time::sleep(REMOVAL_PAUSE).await;
                let _ = std::fs::remove_dir_all(&folder);
            }
        });
    }
}

async fn copy_to(
    context: &Context,
    sql: &str,
    copy: &CopyToStatement,
    cancel: &Cancel,
) -> PgResult<Outcome> {
    if !copy.partitioned_by.is_empty() {
        return Err(PgError::unsupported("COPY ... PARTITIONED BY"));
    }
    if !context.scope.rights.has_role_named("pg_write_server_files") {
        let message = "permission denied to COPY to a file";
        return Err(PgError::new(SqlState::InsufficientPrivilege, message).detail(
            "Only roles with privileges of the \"pg_write_server_files\" role may COPY to a file.",
        ));
    }
    let query = match &copy.source {
        CopyToSource::Query(query) => SqlQuery::to_string(query),
        CopyToSource::Relation(name) => format!("SELECT * FROM {name}"),
    };
    let destination = destination(context, &copy.target)?;
    let format = copy_format(copy)?;
    let options = copy.options.iter().map(|(key, value)| (key.to_lowercase(), option_text(value)));
    let options = options
        .filter(|(key, _)| key != "format")
        .map(
            |(key, value)| {
                if key.contains('.') { (key, value) } else { (format!("format.{key}"), value) }
            },
        )
        .collect();
    let staged = Staged::new(context, "data");
    let job = WriteJob { sql, query: &query, format: &format, options, staged: &staged };
    let (rows, _) = write(context, job, cancel).await?;
    publish(context, &staged.path, destination.clone(), &copy.target).await?;
    Ok(Outcome::done(format!("COPY {rows}")))
}

/// Where a COPY may write: below the data directory, never under the server's own names.
fn destination(context: &Context, written: &str) -> PgResult<PathBuf> {
    let base = &context.shared.data_dir;
    let engine_error =
        |error: planner::tables::LocationError| engine::from_engine(&error.into(), "");
    let path = planner::tables::absolute(base, written).map_err(engine_error)?;
    let path = context.shared.engine.roots().canonical(&path);
    let refused = || {
        PgError::new(
            SqlState::InsufficientPrivilege,
            format!("permission denied: cannot write to \"{written}\""),
        )
        .hint("Files are written below the data directory; a relative path is below it.")
    };
    let relative = path.strip_prefix(base).map_err(|_| refused())?;
    let first = relative.components().next().ok_or_else(refused)?;
    if crate::serve::PRIVATE_NAMES.iter().any(|name| first.as_os_str() == *name) {
        return Err(refused());
    }
    // The nearest folder that exists must be what its name says: no link leads elsewhere.
    let existing = path.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(base);
    match existing.canonicalize() {
        Ok(real) if real == existing => Ok(path),
        _ => Err(refused()),
    }
}

fn copy_format(copy: &CopyToStatement) -> PgResult<String> {
    let option = copy.options.iter().find(|(key, _)| key.eq_ignore_ascii_case("format"));
    let named = copy.stored_as.clone().or_else(|| option.map(|(_, value)| option_text(value)));
    let extension = Path::new(&copy.target).extension().map(|e| e.to_string_lossy().into_owned());
    let format = named.or(extension).unwrap_or_else(|| "parquet".to_owned()).to_lowercase();
    match format.as_str() {
        "parquet" | "csv" | "json" | "arrow" => Ok(format),
        _ => Err(PgError::unsupported(format!("COPY TO a file of format \"{format}\""))
            .hint("Formats are parquet, csv, json and arrow.")),
    }
}

struct WriteJob<'a> {
    /// The client's statement, for places in errors.
    sql: &'a str,
    query: &'a str,
    format: &'a str,
    options: std::collections::HashMap<String, String>,
    staged: &'a Staged,
}

/// Runs a query into a staged file. The number of rows, and their columns.
async fn write(context: &Context, job: WriteJob<'_>, cancel: &Cancel) -> PgResult<(u64, Schema)> {
    let moved = |error| engine::moved(error, job.query, job.sql);
    let engine_error = |error| moved(engine::from_engine(&error, job.query));
    let parsed = planner::parse::parse(job.query).map_err(engine::from_parse)?;
    let [parsed] = parsed.as_slice() else {
        return Err(PgError::new(SqlState::SyntaxError, "one query is written at a time"));
    };
    let planned = query::plan(context, job.query, parsed, &[]).await.map_err(moved)?;
    let state = context.state();
    let Some(written) = &planned.query else { return Err(PgError::unsupported("this query")) };
    let names = shown_names(&written.plan).map_err(engine_error)?;
    let schema = planned.shape.schema.as_ref().clone();
    let factory = state.get_file_format_factory(job.format);
    let factory = factory.ok_or_else(|| PgError::unsupported(format!("format {}", job.format)))?;
    let file_type: Arc<dyn FileType> = format_as_file_type(factory);
    let copy = LogicalPlan::Copy(CopyTo::new(
        Arc::new(names),
        job.staged.url.clone(),
        vec![],
        file_type,
        job.options,
    ));
    std::fs::create_dir_all(job.staged.path.parent().unwrap_or(&job.staged.path))
        .map_err(|error| engine::from_engine(&error.into(), ""))?;
    let optimized = planner::query::optimize(&state, &copy).map_err(engine_error)?;
    let plan = planner::query::physical(&state, &optimized).await.map_err(engine_error)?;
    context.admit_scan(&plan)?;
    let cancel = cancel.clone();
    let task = exec::engine::task_context(state.config().clone(), Arc::clone(state.runtime_env()));
    let run = context.shared.execution.spawn(async move {
        let drain = async {
            let mut stream = execute_stream(plan, task)?;
            let mut rows = 0;
            while let Some(batch) = stream.next().await {
                rows += rows_written(&batch?);
            }
            datafusion::common::Result::<u64>::Ok(rows)
        };
        tokio::select! {
            biased;
            reason = cancel.cancelled() => Err(reason.error()),
            rows = drain => rows.map_err(|error| engine::from_engine(&error, "")),
        }
    });
    let rows = run.await.unwrap_or_else(|error| Err(engine::incident(&error)))?;
    Ok((rows, schema))
}

/// A sink answers with one number: the rows it wrote.
fn rows_written(batch: &RecordBatch) -> u64 {
    let counts = batch.columns().first().and_then(|c| c.as_primitive_opt::<UInt64Type>());
    counts.map_or(0, |counts| counts.values().iter().sum())
}

/// The plan with the column names a client would see; two alike cannot be in one file.
fn shown_names(plan: &LogicalPlan) -> datafusion::common::Result<LogicalPlan> {
    use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
    let columns = plan.schema().columns();
    let renamed = columns.into_iter().map(|column| {
        let name = planner::names::shown(&column.name).to_owned();
        Expr::Column(column).alias(name)
    });
    LogicalPlanBuilder::from(plan.clone()).project(renamed)?.build()
}

async fn publish(context: &Context, staged: &Path, target: PathBuf, name: &str) -> PgResult<()> {
    let staged = staged.to_owned();
    let done =
        context.shared.planning.spawn_blocking(move || exec::publish::publish(&staged, &target));
    match done.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(PgError::new(SqlState::DuplicateFile, format!("file \"{name}\" already exists"))
                .hint("Files are never replaced. Choose another name."))
        }
        Ok(Err(error)) => Err(engine::from_engine(&error.into(), "")),
        Err(error) => Err(engine::incident(&error)),
    }
}

async fn create_table_as(
    context: &Context,
    sql: &str,
    create: &CreateTable,
    cancel: &Cancel,
) -> PgResult<Outcome> {
    let query = create.query.as_ref().map(|query| query.to_string()).unwrap_or_default();
    refuse_options(create)?;
    let (schema, name) = target(context, &create.name)?;
    admit_replacing(context, &schema, &name, create.or_replace)?;
    if create.if_not_exists && context.scope.snapshot.relation(&schema, &name).is_some() {
        let message = format!("relation \"{name}\" already exists, skipping");
        let notice = PgError::notice(SqlState::DuplicateTable, message);
        return Ok(Outcome::noticed("CREATE TABLE AS", Some(notice)));
    }
    let staged = Staged::new(context, "part-0.parquet");
    let job = WriteJob {
        sql,
        query: &query,
        format: "parquet",
        options: Default::default(),
        staged: &staged,
    };
    let (rows, columns) = write(context, job, cancel).await?;
    // A name no one has had: a table dropped and made again never meets old files.
    let (schema_folder, table_folder) = (folder_name(&schema), folder_name(&name));
    let random = rand::random::<u64>();
    let folder = format!("{TABLES_FOLDER}/{schema_folder}/{table_folder}-{random:016x}");
    let file = context.shared.data_dir.join(&folder).join("part-0.parquet");
    publish(context, &staged.path, file, &name).await?;
    let new = managed(context, schema, name, folder.clone(), &columns)?;
    let (replace, skip) = (create.or_replace, create.if_not_exists);
    let made = context.change(move |now| now.create_relation(&new, replace, skip)).await;
    let folder = context.shared.data_dir.join(&folder);
    let unused = || std::fs::remove_dir_all(&folder);
    match made {
        Ok(Change::Made(_)) => {
            context.made(folder);
            Ok(Outcome::done(format!("SELECT {rows}")))
        }
        Ok(Change::Skipped(notice)) => {
            let _ = unused();
            Ok(Outcome::noticed("CREATE TABLE AS", Some(notice)))
        }
        Err(error) => {
            // The catalog does not know the files; they only take room.
            let _ = unused();
            Err(error)
        }
    }
}

/// An object's name as a folder's: only for people to read, so whatever could lead elsewhere or be
/// read as a pattern or an encoding is left out.
fn folder_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// What CREATE TABLE AS would otherwise ignore.
fn refuse_options(create: &CreateTable) -> PgResult<()> {
    let stored = create.hive_formats.as_ref();
    let placed = stored.is_some_and(|h| h.location.is_some() || h.storage.is_some());
    let options = !matches!(create.table_options, CreateTableOptions::None);
    if create.temporary || !create.columns.is_empty() {
        return Err(PgError::unsupported("TEMPORARY or a column list in CREATE TABLE AS"));
    }
    if placed || options || create.location.is_some() || create.partition_by.is_some() {
        return Err(PgError::unsupported("a location or options in CREATE TABLE AS")
            .hint("Tables made here are Parquet files in the data directory."));
    }
    Ok(())
}

fn managed(
    context: &Context,
    schema: String,
    name: String,
    folder: String,
    columns: &Schema,
) -> PgResult<NewRelation> {
    let shown = |field: &Arc<datafusion::arrow::datatypes::Field>| {
        let name = planner::names::shown(field.name()).to_owned();
        datafusion::arrow::datatypes::Field::clone(field).with_name(name)
    };
    let columns = Schema::new(columns.fields().iter().map(shown).collect::<Vec<_>>());
    Ok(NewRelation {
        oid: context.scope.snapshot.new_oid()?,
        schema,
        name,
        owner: context.scope.rights.role,
        kind: RelationKind::Managed,
        format: "parquet".to_owned(),
        location: folder,
        options: "{}".to_owned(),
        columns: encode_columns(&columns),
        partition_columns: encode_columns(&Schema::empty()),
        definition: String::new(),
        needs: Default::default(),
    })
}

/// Removes the folders of tables that no relation has: their transaction did not commit.
pub fn sweep_tables(data_dir: &Path, snapshot: &Snapshot) {
    let known: BTreeSet<PathBuf> =
        snapshot.relations().map(|relation| data_dir.join(&relation.location)).collect();
    let children = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten();
    for schema in children(data_dir.join(TABLES_FOLDER)) {
        for table in children(schema.path()).map(|entry| entry.path()) {
            if is_table_folder(&table) && !known.contains(&table) {
                tracing::info!(folder = %table.display(), "removing what was not committed");
                let _ = std::fs::remove_dir_all(&table);
            }
        }
    }
}

/// Whether CREATE TABLE AS gave a folder its name: NAME-0123456789abcdef.
fn is_table_folder(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some((_, random)) = name.rsplit_once('-') else { return false };
    path.is_dir() && random.len() == 16 && random.chars().all(|c| c.is_ascii_hexdigit())
}

/// Removes the files of a dropped table that was made here.
pub fn remove_managed(shared: &Shared, relation: &Relation) {
    if relation.kind == RelationKind::Managed {
        let folder = shared.data_dir.join(&relation.location);
        if let Err(error) = std::fs::remove_dir_all(&folder) {
            let table = &relation.name;
            tracing::warn!(%error, table, "could not remove a dropped table's files");
        }
    }
}
