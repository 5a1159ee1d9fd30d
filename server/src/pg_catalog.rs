//! The system catalogs: `pg_catalog` and `information_schema` as PostgreSQL clients expect them.
//!
//! In: a [`CatalogView`], one session's immutable picture of names, roles and settings.
//! Out: two schema providers and the functions that read the same picture.
//! Refuses to know where tables come from, how statements are planned and how rows travel.
//!
//! Every relation of a PostgreSQL catalog exists with all of its columns. Rows that are the same
//! on every server (types, functions, operators, casts ...) come from files in `data/`, written
//! by `tests/py/make_pg_catalog.py` from a real server; the few that change come from the view;
//! all others have no rows. The schema `mobula` is our own: what runs here.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::SchemaProvider;
use datafusion::logical_expr::ScalarUDF;

mod activity;
mod cells;
mod comments;
mod dynamic;
mod functions;
mod information;
mod information_rights;
mod information_routines;
mod keys;
mod layout;
mod live;
mod lookup;
mod provider;
mod ray_state;
mod relation_rows;
mod role_rows;
mod server_rows;
mod session_rows;
mod static_rows;
mod table_stats;
#[cfg(test)]
mod tests;
mod type_names;

pub use activity::{Sees, activity_table};
pub(crate) use layout::{MOBULA, RAY, SYSTEM_SCHEMAS};
pub(crate) use lookup::quote_ident;
pub(crate) use ray_state::no_ray;
pub use ray_state::ray_table;
pub use session_rows::session_table;

use crate::meta::Role;
use crate::rights::Rights;
use crate::session::link::Link;
use crate::session::settings::AllShown;

/// One session's picture of everything that the catalogs show.
#[derive(Debug, Clone, Default)]
pub struct CatalogView {
    /// The database the session is connected to; the only one there is.
    pub database: String,
    /// Its oid.
    pub database_oid: u32,
    /// The role the session runs as.
    pub user: String,
    /// Its oid.
    pub user_oid: u32,
    /// What it may do.
    pub rights: Arc<Rights>,
    /// The role the session is of, whatever SET ROLE chose.
    pub session_user: String,
    /// The number that names this session in cancel requests and `pg_backend_pid()`.
    pub backend_pid: i32,
    /// All schemas except the system's own, which are always there.
    pub schemas: Vec<SchemaRow>,
    /// All tables and views, in any schema.
    pub relations: Vec<RelationRow>,
    /// All roles.
    pub roles: Vec<Arc<Role>>,
    /// All settings, with this session's values.
    pub settings: AllShown,
    /// What functions see of the session as it runs, and ask of it.
    pub link: Arc<Link>,
    /// The session's search path, without the implicit `pg_catalog`.
    pub search_path: Vec<String>,
    /// Grows with every change, so that plans made from an older picture can be told.
    pub version: u64,
}

/// A schema.
#[derive(Debug, Clone)]
pub struct SchemaRow {
    /// Stable oid.
    pub oid: u32,
    /// Name.
    pub name: String,
    /// Oid of the role that owns it.
    pub owner_oid: u32,
}

/// A table or a view.
#[derive(Debug, Clone)]
pub struct RelationRow {
    /// Stable oid.
    pub oid: u32,
    /// Oid of its schema.
    pub schema_oid: u32,
    /// Name.
    pub name: String,
    /// Table or view.
    pub kind: RelationKind,
    /// Columns, with the PostgreSQL type names where a field carries one.
    pub columns: SchemaRef,
    /// The query of a view.
    pub definition: Option<String>,
    /// Where the files of a table lie, when they lie in a file system we can look at.
    pub location: Option<String>,
    /// Oid of the role that owns it.
    pub owner_oid: u32,
}

/// What a relation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    /// A table.
    Table,
    /// A view.
    View,
}

/// The relations of `pg_catalog`, as the view has them.
pub fn pg_catalog_schema(view: Arc<CatalogView>) -> Arc<dyn SchemaProvider> {
    Arc::new(provider::SystemSchema::new(layout::PG_CATALOG, view))
}

/// The relations of `information_schema`, as the view has them.
pub fn information_schema(view: Arc<CatalogView>) -> Arc<dyn SchemaProvider> {
    Arc::new(provider::SystemSchema::new(layout::INFORMATION_SCHEMA, view))
}

/// The functions that answer from the view, under their PostgreSQL names. They are to be
/// registered after all others, since some replace functions of the same name.
pub fn catalog_functions(view: Arc<CatalogView>) -> Vec<Arc<ScalarUDF>> {
    functions::all(view)
}
