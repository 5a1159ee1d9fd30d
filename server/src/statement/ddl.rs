//! CREATE and DROP of external tables, schemas and views. In: the statement. Out: a tag, after the
//! change is durable. Files are looked at through the engine, so what may be read decides here too.

mod drop;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::TableReference;
use datafusion::execution::SessionState;
use datafusion::sql::parser::{CreateExternalTable, Statement as Sql};
use datafusion::sql::planner::SqlToRel;
use datafusion::sql::sqlparser::ast::{
    CreateView, Ident, ObjectName, ObjectNamePart, SchemaName, Statement, Value,
};
use planner::parse::Parsed;
use planner::tables::{self, FileTable};

use super::Outcome;
use super::query::{self, Context};
use crate::catalog::{Definition, StatementCatalog, encode_columns};
use crate::error::{PgError, PgResult, SqlState, engine};
use crate::meta::acl::Privilege;
use crate::meta::{Change, NewRelation, Oid, RelationKind};
use crate::pg_catalog::SYSTEM_SCHEMAS;
use crate::rights;

/// Runs a definition.
///
/// # Errors
/// In Postgres's terms; nothing was changed.
pub async fn run(context: &Context, sql: &str, parsed: &Parsed) -> PgResult<Outcome> {
    match &parsed.statement {
        Sql::CreateExternalTable(create) => create_external(context, sql, create).await,
        Sql::Statement(statement) => match statement.as_ref() {
            Statement::CreateSchema { schema_name, if_not_exists, .. } => {
                create_schema(context, schema_name, *if_not_exists).await
            }
            Statement::CreateView(view) => create_view(context, sql, view).await,
            Statement::Drop { object_type, if_exists, names, cascade, .. } => {
                drop::run(context, *object_type, *if_exists, names, *cascade).await
            }
            _ => Err(PgError::unsupported(super::kind::words(&parsed.statement))),
        },
        other => Err(PgError::unsupported(super::kind::words(other))),
    }
}

fn parts(name: &ObjectName) -> Vec<String> {
    name.0.iter().filter_map(ObjectNamePart::as_ident).map(fold).collect()
}

/// Schema and name of a relation to be made: the first schema of the search path unless given.
///
/// # Errors
/// 42501 where the role may make nothing, 3F000 for a schema that is not there.
pub(super) fn target(context: &Context, name: &ObjectName) -> PgResult<(String, String)> {
    let (schema, name) = qualified(context, &parts(name))?;
    context.scope.rights.require_create_in(&schema)?;
    Ok((schema, name))
}

fn qualified(context: &Context, name: &[String]) -> PgResult<(String, String)> {
    let (schema, name) = match name {
        [name] => {
            let snapshot = &context.scope.snapshot;
            let mut path = context.scope.search_path.iter();
            let first = path.find(|schema| snapshot.schema(schema).is_some());
            let none = || {
                let message = "no schema has been selected to create in";
                PgError::new(SqlState::InvalidSchemaName, message)
            };
            (first.ok_or_else(none)?.clone(), name.clone())
        }
        [schema, name] => (schema.clone(), name.clone()),
        [database, schema, name] if database == "mobula" => (schema.clone(), name.clone()),
        _ => {
            let message = "cross-database references are not implemented";
            return Err(PgError::new(SqlState::FeatureNotSupported, message));
        }
    };
    if SYSTEM_SCHEMAS.iter().any(|(_, system)| *system == schema) {
        let message = format!("permission denied for schema {schema}");
        return Err(PgError::new(SqlState::InsufficientPrivilege, message));
    }
    Ok((schema, name))
}

fn fold(ident: &Ident) -> String {
    planner::names::folded(&ident.value, ident.quote_style.is_some())
}

async fn create_schema(context: &Context, name: &SchemaName, skip: bool) -> PgResult<Outcome> {
    let rights = &context.scope.rights;
    if !rights.database(Privilege::Create) {
        return Err(rights::denied("database", crate::auth::DATABASE));
    }
    let last = |name: &ObjectName| parts(name).pop().unwrap_or_default();
    let (name, owner) = match name {
        SchemaName::Simple(name) => (last(name), None),
        SchemaName::UnnamedAuthorization(role) => (fold(role), Some(fold(role))),
        SchemaName::NamedAuthorization(name, role) => (last(name), Some(fold(role))),
    };
    let owner = match owner {
        None => rights.role,
        Some(role) => {
            let found = context.scope.snapshot.find_role(&role)?.oid;
            if !rights.may_become(found) {
                let message = format!("must be member of role \"{role}\"");
                return Err(PgError::new(SqlState::InsufficientPrivilege, message));
            }
            found
        }
    };
    let oid = context.scope.snapshot.new_oid()?;
    let made = context.change(move |now| now.create_schema(oid, &name, owner, skip)).await?;
    Ok(Outcome::noticed("CREATE SCHEMA", notice(made)))
}

fn notice<T>(change: Change<T>) -> Option<PgError> {
    match change {
        Change::Made(_) => None,
        Change::Skipped(notice) => Some(notice),
    }
}

async fn create_external(
    context: &Context,
    sql: &str,
    create: &CreateExternalTable,
) -> PgResult<Outcome> {
    if create.temporary || create.unbounded || !create.order_exprs.is_empty() {
        return Err(PgError::unsupported(
            "TEMPORARY, UNBOUNDED or WITH ORDER of an external table",
        ));
    }
    let (schema, name) = target(context, &create.name)?;
    if !context.scope.rights.has_role_named("pg_read_server_files") {
        let message = "permission denied to create an external table";
        return Err(PgError::new(SqlState::InsufficientPrivilege, message).detail(
            "Only roles with privileges of the \"pg_read_server_files\" role may read files.",
        ));
    }
    admit_replacing(context, &schema, &name, create.or_replace)?;
    if create.if_not_exists && context.scope.snapshot.relation(&schema, &name).is_some() {
        let message = format!("relation \"{name}\" already exists, skipping");
        let notice = PgError::notice(SqlState::DuplicateTable, message);
        return Ok(Outcome::noticed("CREATE EXTERNAL TABLE", Some(notice)));
    }
    let state = context.state();
    let declared = declared_columns(&state, create).map_err(|e| engine::from_engine(&e, sql))?;
    let [location] = create.locations.as_slice() else {
        return Err(PgError::unsupported("a table of several locations"));
    };
    let mut table = FileTable {
        format: format_of(&create.file_type),
        location: location.clone(),
        options: options(create)?,
        partition_columns: vec![],
    };
    let found = columns(context, &state, create, &mut table, declared).await?;
    let partitions = Schema::new(
        table
            .partition_columns
            .iter()
            .map(|(name, t)| Field::new(name, t.clone(), true))
            .collect::<Vec<_>>(),
    );
    let new = NewRelation {
        oid: context.scope.snapshot.new_oid()?,
        schema,
        name,
        owner: context.scope.rights.role,
        kind: RelationKind::External,
        format: table.format,
        location: tables::absolute(&context.shared.data_dir, location)
            .map_err(|e| engine::from_engine(&e.into(), sql))?
            .to_string_lossy()
            .into_owned(),
        options: serde_json::json!(table.options).to_string(),
        columns: encode_columns(&found),
        partition_columns: encode_columns(&partitions),
        definition: String::new(),
        needs: Default::default(),
    };
    let (replace, skip) = (create.or_replace, create.if_not_exists);
    let made = context.change(move |now| now.create_relation(&new, replace, skip)).await?;
    Ok(Outcome::noticed("CREATE EXTERNAL TABLE", notice(made)))
}

/// Refuses OR REPLACE of what is another's.
pub(super) fn admit_replacing(
    context: &Context,
    schema: &str,
    name: &str,
    replaces: bool,
) -> PgResult<()> {
    match context.scope.snapshot.relation(schema, name) {
        Some(old) if replaces => context.scope.rights.require_owner(old),
        _ => Ok(()),
    }
}

fn format_of(written: &str) -> String {
    match written.to_lowercase().as_str() {
        "ndjson" | "jsonl" => "json".to_owned(),
        other => other.to_owned(),
    }
}

fn declared_columns(
    state: &SessionState,
    create: &CreateExternalTable,
) -> datafusion::common::Result<Option<Schema>> {
    if create.columns.is_empty() {
        return Ok(None);
    }
    let names = planner::resolve::type_names(state);
    SqlToRel::new(&names).build_schema(create.columns.clone()).map(Some)
}

/// Options as DataFusion names them: `delimiter` is short for `format.delimiter`.
fn options(create: &CreateExternalTable) -> PgResult<HashMap<String, String>> {
    let mut options = HashMap::new();
    for (key, value) in &create.options {
        let key = key.to_lowercase();
        let key = if key.contains('.') { key } else { format!("format.{key}") };
        if !key.starts_with("format.") {
            let message = format!("option \"{key}\" not recognized");
            return Err(PgError::new(SqlState::InvalidParameterValue, message));
        }
        options.insert(key, option_text(value));
    }
    // A first line of names is the rule, not the exception.
    if format_of(&create.file_type) == "csv" {
        options.entry("format.has_header".to_owned()).or_insert_with(|| "true".to_owned());
    }
    Ok(options)
}

pub(super) fn option_text(value: &Value) -> String {
    match value {
        Value::SingleQuotedString(text)
        | Value::DoubleQuotedString(text)
        | Value::EscapedStringLiteral(text) => text.clone(),
        other => other.to_string(),
    }
}

/// All columns: the declared ones or those in the files, then the partition columns.
async fn columns(
    context: &Context,
    state: &SessionState,
    create: &CreateExternalTable,
    table: &mut FileTable,
    declared: Option<Schema>,
) -> PgResult<SchemaRef> {
    let engine_error = |error| engine::from_engine(&error, "");
    let roots = context.shared.engine.roots();
    let url =
        tables::locate(roots, &context.shared.data_dir, &table.location).map_err(engine_error)?;
    if let Some(extension) = compression(&table.location) {
        table.options.entry("format.compression".to_owned()).or_insert(extension.to_owned());
    }
    let partitions = match create.table_partition_cols.as_slice() {
        [] => tables::infer_partitions(state, &url, table).await.map_err(engine_error)?,
        named => named.to_vec(),
    };
    let typed = |name: &String| {
        let field = declared.as_ref().and_then(|schema| schema.field_with_name(name).ok());
        (name.clone(), field.map_or(DataType::Utf8, |field| field.data_type().clone()))
    };
    table.partition_columns = partitions.iter().map(typed).collect();
    let found = match declared {
        Some(schema) => Arc::new(schema),
        None => tables::infer_schema(state, &url, table).await.map_err(engine_error)?,
    };
    let mut fields: Vec<_> =
        tables::without(&found, &table.partition_columns).fields().iter().cloned().collect();
    for (name, data_type) in &table.partition_columns {
        fields.push(Arc::new(Field::new(name, data_type.clone(), true)));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The compression a file's name tells.
fn compression(location: &str) -> Option<&'static str> {
    match location.rsplit('.').next()? {
        "gz" => Some("gzip"),
        "zst" => Some("zstd"),
        "bz2" => Some("bzip2"),
        "xz" => Some("xz"),
        _ => None,
    }
}

async fn create_view(context: &Context, sql: &str, view: &CreateView) -> PgResult<Outcome> {
    if view.materialized || view.temporary {
        return Err(PgError::unsupported("a materialized or temporary view"));
    }
    let (schema, name) = target(context, &view.name)?;
    admit_replacing(context, &schema, &name, view.or_replace)?;
    let mut text = view.query.to_string();
    if !view.columns.is_empty() {
        let names: Vec<_> = view.columns.iter().map(|column| column.name.to_string()).collect();
        text = format!("SELECT * FROM ({text}) AS v ({})", names.join(", "));
    }
    let parsed = planner::parse::parse(&text).map_err(engine::from_parse)?;
    let [parsed] = parsed.as_slice() else {
        return Err(PgError::new(SqlState::SyntaxError, "a view is one query"));
    };
    if parsed.parameters > 0 {
        let message = "views must not contain parameters";
        let place = planner::places::Places::of(sql).parameter();
        return Err(PgError::new(SqlState::UndefinedParameter, message).at(place));
    }
    // Places are those of the whole statement, which the client sees.
    let planned = query::plan(context, &text, parsed, &[]).await;
    let planned = planned.map_err(|error| engine::moved(error, &text, sql))?;
    let reads = reads(context, parsed);
    let needs = reads.values().copied().collect();
    let search_path = context.scope.search_path.clone();
    let definition = Definition { sql: text, search_path, reads };
    let new = NewRelation {
        oid: context.scope.snapshot.new_oid()?,
        schema,
        name,
        owner: context.scope.rights.role,
        kind: RelationKind::View,
        format: String::new(),
        location: String::new(),
        options: String::new(),
        columns: encode_columns(&view_columns(&planned.shape.schema)),
        partition_columns: String::new(),
        definition: definition.write(),
        needs,
    };
    let (replace, skip) = (view.or_replace, view.if_not_exists);
    let made = context.change(move |now| now.create_relation(&new, replace, skip)).await?;
    Ok(Outcome::noticed("CREATE VIEW", notice(made)))
}

fn view_columns(schema: &Schema) -> Schema {
    let named = |field: &Arc<Field>| {
        let name = planner::names::shown(field.name()).to_owned();
        Field::clone(field).with_name(name)
    };
    Schema::new(schema.fields().iter().map(named).collect::<Vec<_>>())
}

/// The stored relations a query reads, by the names it has for them. They must not go while the
/// view stays, and stay its own when they get other names.
fn reads(context: &Context, parsed: &Parsed) -> BTreeMap<String, Oid> {
    let state = &context.shared.base;
    let (scope, statement) = (&context.scope, &parsed.statement);
    let catalog = StatementCatalog::new(&context.shared, state, scope, statement);
    let names: Vec<TableReference> = state.resolve_table_references(statement).unwrap_or_default();
    let found = |name: TableReference| {
        let oid = catalog.relation(&name)?.oid;
        Some((name.to_quoted_string(), oid))
    };
    names.into_iter().filter_map(found).collect()
}

/// Schema and name of a relation that is there, or where it would be looked for last.
///
/// # Errors
/// For another database.
pub(super) fn existing(context: &Context, name: &[String]) -> PgResult<(String, String)> {
    let [bare] = name else { return qualified(context, name) };
    let scope = &context.scope;
    let path = scope.search_path.iter().filter(|one| scope.rights.reaches(one));
    let holds = |schema: &&String| scope.snapshot.relation(schema, bare).is_some();
    let schema = path.clone().find(holds).or_else(|| path.clone().next_back());
    Ok((schema.cloned().unwrap_or_else(|| "public".to_owned()), bare.clone()))
}
