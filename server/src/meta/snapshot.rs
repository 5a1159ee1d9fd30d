//! All objects at one moment, as a value: what statements read, and what a change makes another of.
//! In: single objects. Out: the same by name and by oid. It decides nothing and knows no disk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::acl::Acl;
use super::{ADMIN_OID, DefaultAcl, DefaultAclKey, Membership, Oid, Relation, Role, Schema};
use crate::error::{PgError, PgResult, SqlState};

/// All objects at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub(super) version: u64,
    /// What is counted for all snapshots of a store, also those of open transactions.
    pub(super) counters: Arc<Counters>,
    pub(super) schemas: BTreeMap<String, Arc<Schema>>,
    /// By schema, then name: looked up without building a key.
    relations: BTreeMap<String, BTreeMap<String, Arc<Relation>>>,
    pub(super) by_oid: BTreeMap<Oid, Arc<Relation>>,
    pub(super) roles: BTreeMap<String, Arc<Role>>,
    role_names: BTreeMap<Oid, String>,
    /// By role and member.
    pub(super) memberships: BTreeMap<(Oid, Oid), Membership>,
    pub(super) default_acls: BTreeMap<DefaultAclKey, DefaultAcl>,
    /// The database's; none: everybody may connect and make temporary tables.
    pub(super) database_acl: Option<Acl>,
}

/// Numbers that only grow.
#[derive(Debug, Default)]
pub struct Counters {
    pub(super) oid: AtomicU32,
    pub(super) version: AtomicU64,
}

impl Counters {
    /// A version that no snapshot had.
    pub(super) fn next_version(&self) -> u64 {
        self.version.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Snapshot {
    /// Of two snapshots with equal versions the contents are equal, also over restarts, and also
    /// between what is committed and what a transaction keeps aside.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// An oid that no object had or will have.
    ///
    /// # Errors
    /// 54000 when four billion were used.
    pub fn new_oid(&self) -> PgResult<Oid> {
        let next = |oid: u32| oid.checked_add(1);
        let oid = self.counters.oid.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        oid.map(Oid)
            .map_err(|_| PgError::new(SqlState::ProgramLimitExceeded, "all oids are used up"))
    }

    /// All schemas, by name.
    pub fn schemas(&self) -> impl Iterator<Item = &Arc<Schema>> {
        self.schemas.values()
    }

    /// One schema.
    pub fn schema(&self, name: &str) -> Option<&Arc<Schema>> {
        self.schemas.get(name)
    }

    /// All relations, by oid.
    pub fn relations(&self) -> impl Iterator<Item = &Arc<Relation>> {
        self.by_oid.values()
    }

    /// The relations of a schema, by name.
    pub fn relations_in(&self, schema: &str) -> impl Iterator<Item = &Arc<Relation>> {
        self.relations.get(schema).into_iter().flat_map(BTreeMap::values)
    }

    /// One relation by schema and name.
    pub fn relation(&self, schema: &str, name: &str) -> Option<&Arc<Relation>> {
        self.relations.get(schema)?.get(name)
    }

    /// One relation by oid.
    pub fn relation_by_oid(&self, oid: Oid) -> Option<&Arc<Relation>> {
        self.by_oid.get(&oid)
    }

    /// All roles, by name.
    pub fn roles(&self) -> impl Iterator<Item = &Arc<Role>> {
        self.roles.values()
    }

    /// One role.
    pub fn role(&self, name: &str) -> Option<&Arc<Role>> {
        self.roles.get(name)
    }

    /// One role by oid.
    pub fn role_by_oid(&self, oid: Oid) -> Option<&Arc<Role>> {
        self.roles.get(self.role_names.get(&oid)?)
    }

    /// A role's name; its number when it is gone.
    pub fn role_name(&self, oid: Oid) -> String {
        self.role_names.get(&oid).cloned().unwrap_or_else(|| oid.to_string())
    }

    /// All memberships: of which role, by whom, how.
    pub fn memberships(&self) -> impl Iterator<Item = (Oid, Oid, &Membership)> {
        self.memberships.iter().map(|((role, member), how)| (*role, *member, how))
    }

    /// What ALTER DEFAULT PRIVILEGES said.
    pub fn default_acls(&self) -> impl Iterator<Item = &DefaultAcl> {
        self.default_acls.values()
    }

    /// Who may do what with the database.
    pub fn database_acl(&self) -> Option<&Acl> {
        self.database_acl.as_ref()
    }

    /// The role that owns the database.
    pub fn database_owner(&self) -> Oid {
        ADMIN_OID
    }

    pub(super) fn put_schema(&mut self, schema: Schema) {
        self.schemas.insert(schema.name.clone(), Arc::new(schema));
    }

    /// Puts a relation in the place of one with its oid, whatever that was called.
    pub(super) fn put_relation(&mut self, relation: Relation) {
        self.take_relation(relation.oid);
        let relation = Arc::new(relation);
        self.by_oid.insert(relation.oid, Arc::clone(&relation));
        let schema = self.relations.entry(relation.schema.clone()).or_default();
        schema.insert(relation.name.clone(), relation);
    }

    pub(super) fn take_relation(&mut self, oid: Oid) {
        let Some(old) = self.by_oid.remove(&oid) else { return };
        if let Some(schema) = self.relations.get_mut(&old.schema) {
            schema.remove(&old.name);
        }
    }

    /// Puts a role in the place of one with its oid, whatever that was called.
    pub(super) fn put_role(&mut self, role: Role) {
        self.take_role(role.oid);
        self.role_names.insert(role.oid, role.name.clone());
        self.roles.insert(role.name.clone(), Arc::new(role));
    }

    pub(super) fn take_role(&mut self, oid: Oid) {
        if let Some(name) = self.role_names.remove(&oid) {
            self.roles.remove(&name);
        }
    }
}
