//! What a role may do. In: a snapshot and a role. Out: yes or no, and PostgreSQL's error for no. It
//! changes nothing and knows no statement: who asks has resolved the names.
//!
//! The rules are PostgreSQL's: a superuser may do everything, an owner everything with what it
//! owns; others what was granted to them, to everybody, or to a role whose rights they have.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::{PgError, PgResult, SqlState};
use crate::meta::acl::{Acl, Privilege};
use crate::meta::{Object, Oid, Relation, Schema, Snapshot};

/// The rights of one role at one moment.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    snapshot: Arc<Snapshot>,
    /// The role.
    pub role: Oid,
    is_superuser: bool,
    /// The role and all whose rights it has.
    held: BTreeSet<Oid>,
    reads_all: bool,
}

impl Rights {
    /// The rights of a role; one that is not there any more has none.
    pub fn of(snapshot: &Arc<Snapshot>, role: Oid) -> Self {
        let is_superuser = snapshot.role_by_oid(role).is_some_and(|role| role.superuser);
        let held = held(snapshot, role);
        let has = |name: &str| snapshot.role(name).is_some_and(|role| held.contains(&role.oid));
        let reads_all = has("pg_read_all_data");
        Self { snapshot: Arc::clone(snapshot), role, is_superuser, held, reads_all }
    }

    /// Whether it may do everything.
    pub fn is_superuser(&self) -> bool {
        self.is_superuser
    }

    /// What they were read from.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Whether it has the rights of a role.
    pub fn has_role(&self, role: Oid) -> bool {
        self.is_superuser || self.held.contains(&role)
    }

    /// The same for a role that may be missing.
    pub fn has_role_named(&self, name: &str) -> bool {
        self.is_superuser
            || self.snapshot.role(name).is_some_and(|role| self.held.contains(&role.oid))
    }

    /// Whether it may become a role.
    pub fn may_become(&self, role: Oid) -> bool {
        self.is_superuser || self.role == role || self.snapshot.is_member(self.role, role)
    }

    /// Whether it may do this with a relation, or (for what columns have) with all its columns.
    pub fn relation(&self, relation: &Relation, privilege: Privilege) -> bool {
        self.reads(privilege)
            || self.allows(relation.acl.as_ref(), relation.owner, Object::Relation, privilege)
    }

    /// Whether it may do this with one column.
    pub fn column(&self, relation: &Relation, column: &str, privilege: Privilege) -> bool {
        self.relation(relation, privilege)
            || relation.column_acls.get(column).is_some_and(|acl| self.list(acl, privilege))
    }

    /// Whether it may do this with some column.
    pub fn any_column(&self, relation: &Relation, privilege: Privilege) -> bool {
        self.relation(relation, privilege)
            || relation.column_acls.values().any(|acl| self.list(acl, privilege))
    }

    /// Whether it may do this with a schema.
    pub fn schema(&self, schema: &Schema, privilege: Privilege) -> bool {
        (self.reads_all && privilege == Privilege::Usage)
            || self.allows(schema.acl.as_ref(), schema.owner, Object::Schema, privilege)
    }

    /// Whether it may do this with the database. Everybody may connect and make temporary tables
    /// until something else was granted.
    pub fn database(&self, privilege: Privilege) -> bool {
        let acl = self.snapshot.database_acl();
        (acl.is_none() && privilege != Privilege::Create)
            || self.allows(acl, self.snapshot.database_owner(), Object::Database, privilege)
    }

    /// Whether it may give a privilege on; on a column whoever may for the whole relation.
    pub fn may_grant(&self, acl: Option<&Acl>, owner: Oid, privilege: Privilege) -> bool {
        self.has_role(owner)
            || acl.is_some_and(|acl| acl.allows_grant(privilege, |role| self.held.contains(&role)))
    }

    /// Whether catalogs show it the schema.
    pub fn sees_schema(&self, schema: &Schema) -> bool {
        self.has_role(schema.owner)
            || [Privilege::Usage, Privilege::Create].iter().any(|p| self.schema(schema, *p))
    }

    /// Whether catalogs show it the relation: it may do something with it, and reach it.
    pub fn sees(&self, relation: &Relation) -> bool {
        self.has_role(relation.owner)
            || (self.reaches(&relation.schema)
                && Object::Relation.privileges().iter().any(|p| self.any_column(relation, *p)))
    }

    /// Whether catalogs show it a role: itself, those it is in, and PostgreSQL's own.
    pub fn sees_role(&self, role: Oid) -> bool {
        self.is_superuser || self.may_become(role) || role < crate::meta::FIRST_OID
    }

    /// Refuses what it may not do with a relation.
    ///
    /// # Errors
    /// 42501 for the schema or the relation.
    pub fn require(&self, relation: &Relation, privilege: Privilege) -> PgResult<()> {
        self.require_reach(&relation.schema)?;
        if self.relation(relation, privilege) {
            return Ok(());
        }
        Err(denied(relation.kind.noun(), &relation.name))
    }

    /// Refuses what is in a schema it may not look into.
    ///
    /// # Errors
    /// 42501.
    pub fn require_reach(&self, schema: &str) -> PgResult<()> {
        if self.reaches(schema) { Ok(()) } else { Err(denied("schema", schema)) }
    }

    /// Whether it may look into a schema; one that is not there is for others to refuse.
    pub fn reaches(&self, schema: &str) -> bool {
        let found = self.snapshot.schema(schema);
        found.is_none_or(|found| self.schema(found, Privilege::Usage))
    }

    /// Refuses to make something in a schema.
    ///
    /// # Errors
    /// 42501; 3F000 for one that is not there.
    pub fn require_create_in(&self, schema: &str) -> PgResult<()> {
        let found = self.snapshot.find_schema(schema)?;
        if self.schema(found, Privilege::Create) {
            return Ok(());
        }
        Err(denied("schema", schema))
    }

    /// Refuses what only an owner may do with a relation.
    ///
    /// # Errors
    /// 42501.
    pub fn require_owner(&self, relation: &Relation) -> PgResult<()> {
        if self.has_role(relation.owner) {
            return Ok(());
        }
        Err(not_owner(relation.kind.noun(), &relation.name))
    }

    /// Refuses what only a schema's owner may do.
    ///
    /// # Errors
    /// 42501; 3F000 for one that is not there.
    pub fn require_schema_owner(&self, name: &str) -> PgResult<()> {
        if self.has_role(self.snapshot.find_schema(name)?.owner) {
            return Ok(());
        }
        Err(not_owner("schema", name))
    }

    /// Refuses what only a superuser may do, in these words.
    ///
    /// # Errors
    /// 42501.
    pub fn require_superuser(&self, message: &str) -> PgResult<()> {
        if self.is_superuser {
            return Ok(());
        }
        Err(PgError::new(SqlState::InsufficientPrivilege, message))
    }

    fn reads(&self, privilege: Privilege) -> bool {
        self.reads_all && privilege == Privilege::Select
    }

    fn allows(&self, acl: Option<&Acl>, owner: Oid, object: Object, privilege: Privilege) -> bool {
        if self.is_superuser {
            return true;
        }
        match acl {
            Some(acl) => self.list(acl, privilege),
            None => self.held.contains(&owner) && object.privileges().contains(&privilege),
        }
    }

    fn list(&self, acl: &Acl, privilege: Privilege) -> bool {
        acl.allows(privilege, |role| self.held.contains(&role))
    }
}

/// A role and all whose rights it has without asking: up to the first that does not inherit.
fn held(snapshot: &Snapshot, role: Oid) -> BTreeSet<Oid> {
    let mut held = BTreeSet::new();
    let mut open = vec![role];
    while let Some(one) = open.pop() {
        if !held.insert(one) {
            continue;
        }
        if snapshot.role_by_oid(one).is_some_and(|role| role.inherit) {
            open.extend(snapshot.memberships().filter(|m| m.1 == one).map(|m| m.0));
        }
    }
    held
}

/// PostgreSQL's words for a right that is not there.
pub fn denied(noun: &str, name: &str) -> PgError {
    let message = format!("permission denied for {noun} {name}");
    PgError::new(SqlState::InsufficientPrivilege, message)
}

fn not_owner(noun: &str, name: &str) -> PgError {
    PgError::new(SqlState::InsufficientPrivilege, format!("must be owner of {noun} {name}"))
}
