//! What objects have granted from their first moment. In: ALTER DEFAULT PRIVILEGES. Out: the access
//! control list of an object that is made. The rules are PostgreSQL's: what holds for all schemas
//! replaces the built-in list, what holds for one schema is added.

use super::acl::{Acl, Object};
use super::{DefaultAcl, DefaultAclKey, Oid, Snapshot};

impl Snapshot {
    /// The list of an object that `owner` makes; none when it is the built-in one.
    pub(super) fn default_acl(
        &self,
        owner: Oid,
        schema: Option<Oid>,
        object: Object,
    ) -> Option<Acl> {
        let of = |schema| self.default_acls.get(&(owner, schema, object));
        let everywhere = of(None);
        let here = schema.and_then(|schema| of(Some(schema)));
        if everywhere.is_none() && here.is_none() {
            return None;
        }
        let built_in = Acl::owned(owner, object);
        let mut acl = everywhere.map_or_else(|| built_in.clone(), |default| default.acl.clone());
        for item in here.iter().flat_map(|default| default.acl.items()) {
            for (privilege, on) in item.privileges() {
                acl.grant(item.grantor, item.grantee, privilege, on);
            }
        }
        (acl != built_in).then_some(acl)
    }

    /// What ALTER DEFAULT PRIVILEGES changes: the list there is, or the one to begin with.
    pub fn default_acl_of(&self, key: &DefaultAclKey) -> Acl {
        let (owner, schema, object) = *key;
        match (self.default_acls.get(key), schema) {
            (Some(default), _) => default.acl.clone(),
            (None, None) => Acl::owned(owner, object),
            (None, Some(_)) => Acl::default(),
        }
    }

    /// Replaces a list; one that says nothing goes.
    pub fn set_default_acl(&mut self, oid: Oid, key: DefaultAclKey, acl: Acl) {
        let (owner, schema, object) = key;
        let says_nothing = match schema {
            None => acl == Acl::owned(owner, object),
            Some(_) => acl.is_empty(),
        };
        if says_nothing {
            self.default_acls.remove(&key);
            return;
        }
        let oid = self.default_acls.get(&key).map_or(oid, |default| default.oid);
        self.default_acls.insert(key, DefaultAcl { oid, key, acl });
    }

    /// Replaces what is granted on the database.
    pub fn set_database_acl(&mut self, acl: Acl) {
        self.database_acl = Some(acl);
    }
}
