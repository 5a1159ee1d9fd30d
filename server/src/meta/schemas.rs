//! Schemas. In: names. Out: another snapshot, with PostgreSQL's words and codes for what cannot be.
//! Whether who asks may do it is decided elsewhere.

use std::sync::Arc;

use super::acl::Acl;
use super::relations::{dependents, must_cascade};
use super::{Change, Oid, Relation, Schema, Snapshot};
use crate::error::{PgError, PgResult, SqlState};
use crate::pg_catalog::SYSTEM_SCHEMAS;

/// Whether every database has that schema and nobody makes it.
fn is_system(name: &str) -> bool {
    SYSTEM_SCHEMAS.iter().any(|(_, system)| *system == name)
}

fn missing(name: &str) -> PgError {
    PgError::new(SqlState::InvalidSchemaName, format!("schema \"{name}\" does not exist"))
}

fn refuse_reserved(name: &str) -> PgResult<()> {
    if !name.starts_with("pg_") {
        return Ok(());
    }
    let message = format!("unacceptable schema name \"{name}\"");
    Err(PgError::new(SqlState::ReservedName, message)
        .detail("The prefix \"pg_\" is reserved for system schemas."))
}

impl Snapshot {
    /// A schema, or PostgreSQL's error.
    ///
    /// # Errors
    /// 3F000.
    pub fn find_schema(&self, name: &str) -> PgResult<&Arc<Schema>> {
        self.schema(name).ok_or_else(|| missing(name))
    }

    /// CREATE SCHEMA: its oid.
    ///
    /// # Errors
    /// 42P06 for a name that is taken, 42939 for one that is reserved.
    pub fn create_schema(
        &mut self,
        oid: Oid,
        name: &str,
        owner: Oid,
        if_not_exists: bool,
    ) -> PgResult<Change<Oid>> {
        if self.schema(name).is_some() || is_system(name) {
            let message = format!("schema \"{name}\" already exists");
            return if if_not_exists {
                let message = format!("{message}, skipping");
                Ok(Change::Skipped(PgError::notice(SqlState::DuplicateSchema, message)))
            } else {
                Err(PgError::new(SqlState::DuplicateSchema, message))
            };
        }
        refuse_reserved(name)?;
        let acl = self.default_acl(owner, None, super::Object::Schema);
        self.put_schema(Schema { oid, name: name.to_owned(), owner, acl, comment: None });
        Ok(Change::Made(oid))
    }

    /// DROP SCHEMA: the relations that went with it, for whoever deletes their files.
    ///
    /// # Errors
    /// 3F000; 2BP01 when there is something in it.
    pub fn drop_schema(
        &mut self,
        name: &str,
        if_exists: bool,
        cascade: bool,
    ) -> PgResult<Change<Vec<Arc<Relation>>>> {
        if is_system(name) {
            let message = format!("cannot drop schema {name} because it is required by the system");
            return Err(PgError::new(SqlState::DependentObjectsExist, message));
        }
        if self.schema(name).is_none() {
            return if if_exists {
                let message = format!("schema \"{name}\" does not exist, skipping");
                Ok(Change::Skipped(PgError::notice(SqlState::InvalidSchemaName, message)))
            } else {
                Err(missing(name))
            };
        }
        let own: Vec<_> = self.relations_in(name).map(Arc::clone).collect();
        let doomed = dependents(self, own);
        if !cascade && !doomed.is_empty() {
            let object = format!("schema {name}");
            return Err(must_cascade(&object, doomed.iter().map(|one| (one, &*object))));
        }
        self.release_from_constraints(&doomed, cascade)?;
        doomed.iter().for_each(|relation| self.take_relation(relation.oid));
        if let Some(gone) = self.schemas.remove(name) {
            self.default_acls.retain(|(_, schema, _), _| *schema != Some(gone.oid));
        }
        Ok(Change::Made(doomed))
    }

    /// ALTER SCHEMA ... RENAME TO.
    ///
    /// # Errors
    /// 3F000, 42P06, 42939.
    pub fn rename_schema(&mut self, name: &str, to: &str) -> PgResult<Change<()>> {
        let schema = self.find_schema(name)?.as_ref().clone();
        if self.schema(to).is_some() || is_system(to) {
            let message = format!("schema \"{to}\" already exists");
            return Err(PgError::new(SqlState::DuplicateSchema, message));
        }
        refuse_reserved(to)?;
        self.schemas.remove(name);
        self.put_schema(Schema { name: to.to_owned(), ..schema });
        let moved: Vec<_> = self.relations_in(name).map(|one| one.as_ref().clone()).collect();
        for relation in moved {
            self.put_relation(Relation { schema: to.to_owned(), ..relation });
        }
        Ok(Change::Made(()))
    }

    /// ALTER SCHEMA ... OWNER TO; a schema that is not there has no owner.
    pub fn own_schema(&mut self, name: &str, to: Oid) {
        let Some(mut schema) = self.schema(name).map(|one| one.as_ref().clone()) else { return };
        schema.acl.iter_mut().for_each(|acl| acl.change_owner(schema.owner, to));
        schema.owner = to;
        self.put_schema(schema);
    }

    /// Replaces what is granted on a schema.
    pub fn set_schema_acl(&mut self, name: &str, acl: Acl) {
        if let Some(schema) = self.schema(name) {
            self.put_schema(Schema { acl: Some(acl), ..schema.as_ref().clone() });
        }
    }

    /// COMMENT ON SCHEMA.
    ///
    /// # Errors
    /// 3F000.
    pub fn comment_on_schema(&mut self, name: &str, text: Option<&str>) -> PgResult<Change<()>> {
        let schema = self.find_schema(name)?.as_ref().clone();
        self.put_schema(Schema { comment: text.map(str::to_owned), ..schema });
        Ok(Change::Made(()))
    }
}
