//! The catalog as one statement of one session sees it: a snapshot of the metadata, the search
//! path, pg_catalog and the functions that depend on them. In: names. Out: tables and functions for
//! the planner. Changes nothing.

mod columns;
mod narrow;
mod view;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::{DataFusionError, Result, TableReference};
use datafusion::datasource::ViewTable;
use datafusion::execution::SessionState;
use datafusion::logical_expr::ScalarUDF;
use datafusion::sql::parser::Statement;
use planner::tables::{self, FileTable};

pub use columns::{decode_columns, encode_columns};
pub use view::{Definition, view_of};

use crate::encode::OidNames;
use crate::error::{PgError, SqlState};
use crate::meta::acl::Privilege;
use crate::meta::{Oid, Relation, RelationKind, Snapshot};
use crate::pg_catalog::{self, CatalogView};
use crate::rights::{self, Rights};
use crate::session::link::Link;
use crate::session::settings::AllShown;
use crate::shared::Shared;

/// Views inside views beyond this are an error: a circle cannot be made, a chain this long is one.
const VIEW_DEPTH_MAX: usize = 32;

/// Tables that were opened, by oid; a definition that changed is another value.
#[derive(Debug, Default)]
pub struct TableCache(Mutex<HashMap<Oid, OpenTable>>);

/// A table and the definition it was opened for.
type OpenTable = (Arc<Relation>, Arc<dyn TableProvider>);

impl TableCache {
    fn get(&self, relation: &Arc<Relation>) -> Option<Arc<dyn TableProvider>> {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (cached, table) = map.get(&relation.oid)?;
        (**cached == **relation).then(|| Arc::clone(table))
    }

    fn put(&self, relation: &Arc<Relation>, table: &Arc<dyn TableProvider>) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.insert(relation.oid, (Arc::clone(relation), Arc::clone(table)));
    }

    /// Forgets a relation that was dropped.
    pub fn forget(&self, oid: Oid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&oid);
    }
}

/// What a statement must know of its session to find names.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The session's process id.
    pub pid: i32,
    /// All objects, as this statement sees them.
    pub snapshot: Arc<Snapshot>,
    /// The name of the role whose rights the session has.
    pub user: String,
    /// The name of the role the session is of.
    pub session_user: String,
    /// The rights of the session.
    pub rights: Arc<Rights>,
    /// The rights its names are read with: inside a view its owner's.
    pub reads_as: Arc<Rights>,
    /// Schemas searched, in order.
    pub search_path: Vec<String>,
    /// Settings as SHOW prints them.
    pub settings: AllShown,
    /// What its functions see of the session and ask of it.
    pub link: Arc<Link>,
}

/// A [`planner::resolve::Catalog`] for one statement.
pub struct StatementCatalog<'a> {
    shared: &'a Shared,
    state: &'a SessionState,
    scope: &'a Scope,
    /// Relations that are known by number: what a view read when it was made.
    bound: BTreeMap<String, Oid>,
    /// The statement, which may ask for columns it does not name.
    statement: &'a Statement,
    /// Columns that are kept from the statement, with their tables.
    hidden: Mutex<Vec<(String, Arc<Relation>)>>,
    system: OnceLock<System>,
    depth: usize,
}

/// Built when a statement names something of it.
struct System {
    view: Arc<CatalogView>,
    pg_catalog: Arc<dyn SchemaProvider>,
    information_schema: Arc<dyn SchemaProvider>,
    functions: HashMap<String, Arc<ScalarUDF>>,
}

/// Names of the functions that depend on the catalog: most statements use none.
static FUNCTION_NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let functions = pg_catalog::catalog_functions(Arc::new(CatalogView::default()));
    functions.iter().flat_map(|udf| names_of(udf)).collect()
});

fn names_of(udf: &ScalarUDF) -> Vec<String> {
    std::iter::once(udf.name().to_owned()).chain(udf.aliases().iter().cloned()).collect()
}

impl<'a> StatementCatalog<'a> {
    /// The catalog for a statement.
    pub fn new(
        shared: &'a Shared,
        state: &'a SessionState,
        scope: &'a Scope,
        statement: &'a Statement,
    ) -> Self {
        Self {
            shared,
            state,
            scope,
            bound: BTreeMap::new(),
            statement,
            hidden: Mutex::default(),
            system: OnceLock::new(),
            depth: 0,
        }
    }

    /// The stored relation a name means. Schemas that the role may not look into are not searched.
    pub fn relation(&self, name: &TableReference) -> Option<Arc<Relation>> {
        let snapshot = &self.scope.snapshot;
        if let Some(oid) = self.bound.get(&name.to_quoted_string()) {
            return snapshot.relation_by_oid(*oid).cloned();
        }
        match name.schema() {
            Some(schema) => snapshot.relation(schema, name.table()).cloned(),
            None => self
                .scope
                .search_path
                .iter()
                .filter(|schema| self.scope.reads_as.reaches(schema))
                .find_map(|schema| snapshot.relation(schema, name.table()).cloned()),
        }
    }

    /// An error about a column that is there, but not for this role, in PostgreSQL's words.
    pub fn explain(&self, error: PgError) -> PgError {
        if error.state != SqlState::UndefinedColumn {
            return error;
        }
        let hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        let column =
            error.message.strip_prefix("column ").and_then(|rest| rest.split(" do").next());
        let column = column.and_then(|name| name.trim_matches('"').rsplit('.').next());
        let found = hidden.iter().find(|(name, _)| Some(name.as_str()) == column);
        match found {
            Some((_, relation)) => rights::denied(relation.kind.noun(), &relation.name),
            None => error,
        }
    }

    /// Refuses a table that the role may not read; of one of which it may read some columns gives
    /// these alone.
    async fn open_allowed(&self, relation: &Arc<Relation>) -> Result<Arc<dyn TableProvider>> {
        let rights = &self.scope.reads_as;
        let refused = |error: PgError| DataFusionError::External(Box::new(error));
        rights.require_reach(&relation.schema).map_err(refused)?;
        let denied = || refused(rights::denied(relation.kind.noun(), &relation.name));
        if rights.relation(relation, Privilege::Select) {
            return self.open(relation).await;
        }
        let readable = |column: &str| rights.column(relation, column, Privilege::Select);
        let schema = decode_columns(&relation.columns)?;
        let columns = schema.fields().iter().enumerate().filter(|(_, f)| readable(f.name()));
        let columns: Vec<usize> = columns.map(|(place, _)| place).collect();
        if columns.is_empty() || narrow::has_wildcard(self.statement) {
            return Err(denied());
        }
        let hidden = schema.fields().iter().filter(|field| !readable(field.name()));
        let hidden = hidden.map(|field| (field.name().clone(), Arc::clone(relation)));
        self.hidden.lock().unwrap_or_else(PoisonError::into_inner).extend(hidden);
        narrow::some_of(self.open(relation).await?, &relation.name, columns)
    }

    fn searches_information_schema(&self) -> bool {
        self.scope.search_path.iter().any(|schema| schema == "information_schema")
    }

    fn system(&self) -> &System {
        self.system.get_or_init(|| {
            let view = Arc::new(view_of(self.scope, &self.shared.data_dir));
            let functions = pg_catalog::catalog_functions(Arc::clone(&view));
            let named = |udf: Arc<ScalarUDF>| {
                let names = names_of(&udf);
                names.into_iter().map(move |name| (name, Arc::clone(&udf)))
            };
            System {
                pg_catalog: pg_catalog::pg_catalog_schema(Arc::clone(&view)),
                information_schema: pg_catalog::information_schema(Arc::clone(&view)),
                view,
                functions: functions.into_iter().flat_map(named).collect(),
            }
        })
    }

    /// What oids are called in this session.
    pub fn oid_names(&self) -> Arc<dyn OidNames> {
        Arc::clone(&self.system().view) as _
    }

    /// A table of `pg_catalog`: what sessions do, or what the catalog has.
    async fn system_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let system = self.system();
        match pg_catalog::session_table(name, &system.view) {
            Some(table) => Ok(Some(table)),
            None => system.pg_catalog.table(name).await,
        }
    }

    async fn open(&self, relation: &Arc<Relation>) -> Result<Arc<dyn TableProvider>> {
        if relation.kind == RelationKind::View {
            return self.open_view(relation).await;
        }
        if let Some(table) = self.shared.tables.get(relation) {
            return Ok(table);
        }
        let table = open_files(self.shared, self.state, relation)?;
        self.shared.tables.put(relation, &table);
        Ok(table)
    }

    async fn open_view(&self, view: &Relation) -> Result<Arc<dyn TableProvider>> {
        if self.depth >= VIEW_DEPTH_MAX {
            let error = PgError::new(SqlState::StatementTooComplex, "views are nested too deeply");
            return Err(DataFusionError::External(Box::new(error)));
        }
        let definition = view::Definition::read(&view.definition);
        let scope = Scope {
            search_path: definition.search_path,
            reads_as: Arc::new(Rights::of(&self.scope.snapshot, view.owner)),
            ..self.scope.clone()
        };
        let parsed = planner::parse::parse(&definition.sql).ok().and_then(|mut all| all.pop());
        let Some(parsed) = parsed else {
            let error = PgError::new(
                SqlState::InvalidTableDefinition,
                format!("the definition of view \"{}\" cannot be read", view.name),
            );
            return Err(DataFusionError::External(Box::new(error)));
        };
        let inner = StatementCatalog {
            shared: self.shared,
            state: self.state,
            scope: &scope,
            bound: definition.reads,
            statement: &parsed.statement,
            hidden: Mutex::default(),
            system: OnceLock::new(),
            depth: self.depth + 1,
        };
        let query = planner::query::plan(self.state, &inner, &definition.sql, &parsed, &[]).await?;
        Ok(Arc::new(ViewTable::new(query.plan, Some(definition.sql))))
    }
}

#[async_trait]
impl planner::resolve::Catalog for StatementCatalog<'_> {
    async fn table(&self, name: &TableReference) -> Result<Option<Arc<dyn TableProvider>>> {
        match name.schema() {
            Some("pg_catalog") => return self.system_table(name.table()).await,
            Some("information_schema") => {
                return self.system().information_schema.table(name.table()).await;
            }
            Some(pg_catalog::MOBULA) => {
                let (queries, ray) = (&self.shared.queries, self.shared.ray.as_ref());
                let sees = pg_catalog::Sees::of(&self.scope.rights, &self.scope.user);
                return Ok(pg_catalog::activity_table(name.table(), queries, ray, sees));
            }
            Some(pg_catalog::RAY) => {
                let table = pg_catalog::ray_table(name.table(), self.shared.ray.as_ref());
                if table.is_some() && !self.scope.rights.has_role_named("pg_read_all_stats") {
                    let error = rights::denied("schema", pg_catalog::RAY);
                    return Err(DataFusionError::External(Box::new(error)));
                }
                return Ok(table);
            }
            // An unqualified name is looked up in pg_catalog first, as PostgreSQL does.
            None if name.table().starts_with("pg_") => {
                if let Some(table) = self.system_table(name.table()).await? {
                    return Ok(Some(table));
                }
            }
            _ => {}
        }
        match self.relation(name) {
            Some(relation) => self.open_allowed(&relation).await.map(Some),
            None if name.schema().is_none() && self.searches_information_schema() => {
                self.system().information_schema.table(name.table()).await
            }
            None => Ok(None),
        }
    }

    fn function(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        if !FUNCTION_NAMES.iter().any(|known| known == name) {
            return None;
        }
        self.system().functions.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        let seen = |relation: &&Arc<Relation>| self.scope.reads_as.sees(relation);
        let relations = self.scope.snapshot.relations().filter(seen);
        relations.map(|relation| relation.name.clone()).collect()
    }
}

/// Opens the files of a table, with the columns it was made with.
///
/// # Errors
/// A location that is gone or not allowed any more.
pub fn open_files(
    shared: &Shared,
    state: &SessionState,
    relation: &Relation,
) -> Result<Arc<dyn TableProvider>> {
    let partitions = columns::partition_columns(&relation.partition_columns);
    let schema: SchemaRef = decode_columns(&relation.columns)?;
    let table = file_table(relation, partitions.clone());
    let base: &Path = &shared.data_dir;
    let url = tables::locate(shared.engine.roots(), base, &relation.location)?;
    let name = TableReference::partial(relation.schema.as_str(), relation.oid.to_string());
    tables::table(state, url, &name, &table, tables::without(&schema, &partitions))
}

/// How a stored relation's files are read.
fn file_table(relation: &Relation, partition_columns: Vec<(String, DataType)>) -> FileTable {
    FileTable {
        format: relation.format.clone(),
        location: relation.location.clone(),
        options: serde_json::from_str(&relation.options).unwrap_or_default(),
        partition_columns,
    }
}
