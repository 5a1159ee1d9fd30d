//! The metadata in the form pg_catalog shows, and how views are stored. In: a snapshot and a
//! session's scope. Out: the rows' source.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;

use super::{Scope, decode_columns};
use crate::meta::{Oid, RelationKind as Kind};
use crate::pg_catalog::{CatalogView, RelationKind, RelationRow, SchemaRow};

/// The one database's oid: the last one before those of users' objects.
const DATABASE_OID: u32 = 16_383;

/// What pg_catalog shows to a session.
pub fn view_of(scope: &Scope, data_dir: &Path) -> CatalogView {
    let (snapshot, rights) = (&scope.snapshot, &scope.rights);
    let relations = || snapshot.relations().filter(|relation| rights.sees(relation));
    let seen_schemas = || snapshot.schemas().filter(|schema| rights.sees_schema(schema));
    let schemas = seen_schemas().map(|schema| SchemaRow {
        oid: schema.oid.0,
        name: schema.name.clone(),
        owner_oid: schema.owner.0,
    });
    // Whoever owns what is shown has a name.
    let owners: BTreeSet<Oid> =
        relations().map(|one| one.owner).chain(seen_schemas().map(|one| one.owner)).collect();
    let roles = snapshot.roles();
    let roles = roles.filter(|role| rights.sees_role(role.oid) || owners.contains(&role.oid));
    CatalogView {
        database: "mobula".to_owned(),
        database_oid: DATABASE_OID,
        user: scope.user.clone(),
        session_user: scope.session_user.clone(),
        user_oid: rights.role.0,
        rights: Arc::clone(rights),
        backend_pid: scope.pid,
        schemas: schemas.collect(),
        relations: relations().map(|relation| relation_row(relation, data_dir)).collect(),
        roles: roles.cloned().collect(),
        settings: Arc::clone(&scope.settings),
        link: Arc::clone(&scope.link),
        search_path: scope.search_path.clone(),
        version: snapshot.version(),
    }
}

fn relation_row(relation: &crate::meta::Relation, data_dir: &Path) -> RelationRow {
    let is_view = relation.kind == Kind::View;
    RelationRow {
        oid: relation.oid.0,
        schema_oid: relation.schema_oid.0,
        name: relation.name.clone(),
        kind: if is_view { RelationKind::View } else { RelationKind::Table },
        columns: decode_columns(&relation.columns).unwrap_or_else(|_| Arc::new(Schema::empty())),
        definition: is_view.then(|| Definition::read(&relation.definition).sql),
        location: (!is_view).then(|| absolute(&relation.location, data_dir)),
        owner_oid: relation.owner.0,
    }
}

/// Locations are below the data directory unless they say where they begin.
fn absolute(location: &str, data_dir: &Path) -> String {
    match location.contains("://") {
        true => location.to_owned(),
        false => data_dir.join(location).to_string_lossy().into_owned(),
    }
}

/// A stored view: its text and the search path its names were found with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Definition {
    /// The query.
    pub sql: String,
    /// Where its unqualified names are looked up, whoever asks.
    pub search_path: Vec<String>,
    /// The relations it read when it was made, by the names it has for them: they may have others
    /// since.
    #[serde(default)]
    pub reads: BTreeMap<String, Oid>,
}

impl Definition {
    /// Reads a stored text.
    pub fn read(text: &str) -> Self {
        let plain = || Self { sql: text.to_owned(), search_path: vec![], reads: BTreeMap::new() };
        serde_json::from_str(text).unwrap_or_else(|_| plain())
    }

    /// The text to store.
    pub fn write(&self) -> String {
        serde_json::json!(self).to_string()
    }
}
