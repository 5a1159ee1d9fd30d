//! The metadata in the form pg_catalog shows, and how views are stored. In: a snapshot and a
//! session's scope. Out: the rows' source.

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;

use super::{Scope, decode_columns};
use crate::meta::{ADMIN_OID, RelationKind as Kind, Snapshot};
use crate::pg_catalog::{CatalogView, RelationKind, RelationRow, RoleRow, SchemaRow};

/// The one database's oid: the last one before those of users' objects.
const DATABASE_OID: u32 = 16_383;

/// What pg_catalog shows to a session.
pub fn view_of(snapshot: &Snapshot, scope: &Scope) -> CatalogView {
    let user_oid = snapshot.role(&scope.user).map_or(ADMIN_OID, |role| role.oid).0;
    let schemas = snapshot.schemas().map(|schema| SchemaRow {
        oid: schema.oid.0,
        name: schema.name.clone(),
        owner_oid: schema.owner.0,
    });
    let roles = snapshot.roles().map(|role| RoleRow {
        oid: role.oid.0,
        name: role.name.clone(),
        superuser: role.superuser,
        login: role.login,
    });
    CatalogView {
        database: "mobula".to_owned(),
        database_oid: DATABASE_OID,
        user: scope.user.clone(),
        user_oid,
        backend_pid: scope.pid,
        schemas: schemas.collect(),
        relations: snapshot.relations().map(|relation| relation_row(relation)).collect(),
        roles: roles.collect(),
        settings: Arc::clone(&scope.settings),
        link: Arc::clone(&scope.link),
        search_path: scope.search_path.clone(),
        version: snapshot.version(),
    }
}

fn relation_row(relation: &crate::meta::Relation) -> RelationRow {
    let is_view = relation.kind == Kind::View;
    RelationRow {
        oid: relation.oid.0,
        schema_oid: relation.schema_oid.0,
        name: relation.name.clone(),
        kind: if is_view { RelationKind::View } else { RelationKind::Table },
        columns: decode_columns(&relation.columns).unwrap_or_else(|_| Arc::new(Schema::empty())),
        definition: is_view.then(|| Definition::read(&relation.definition).sql),
        location: (!is_view).then(|| relation.location.clone()),
        owner_oid: relation.owner.0,
    }
}

/// A stored view: its text and the search path its names were found with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Definition {
    /// The query.
    pub sql: String,
    /// Where its unqualified names are looked up, whoever asks.
    pub search_path: Vec<String>,
}

impl Definition {
    /// Reads a stored text.
    pub fn read(text: &str) -> Self {
        let plain = || Self { sql: text.to_owned(), search_path: vec![] };
        serde_json::from_str(text).unwrap_or_else(|_| plain())
    }

    /// The text to store.
    pub fn write(&self) -> String {
        serde_json::json!(self).to_string()
    }
}
