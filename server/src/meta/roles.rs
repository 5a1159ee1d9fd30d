//! Roles, their memberships and default privileges. In: names, attributes, verifiers. Out: another
//! snapshot. Whether who asks may do it is decided elsewhere; it never sees a password.

use std::collections::BTreeMap;

use super::acl::{Acl, Object};
use super::{Change, Meta, Oid, Secret, Snapshot};
use crate::error::{PgError, PgResult, SqlState};

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its number.
    pub oid: Oid,
    /// Its name.
    pub name: String,
    /// Whether it may do everything.
    pub superuser: bool,
    /// Whether it has the rights of the roles it is a member of without SET ROLE.
    pub inherit: bool,
    /// Whether it may make roles.
    pub create_role: bool,
    /// Whether it may make databases, of which there is one.
    pub create_db: bool,
    /// Whether it may log in.
    pub login: bool,
    /// Kept for those who ask; there is no replication.
    pub replication: bool,
    /// Kept for those who ask; there are no row policies.
    pub bypass_rls: bool,
    /// How many sessions it may have at a time; -1 for any number.
    pub connection_limit: i32,
    /// When its password stops to fit, in microseconds since 1970 UTC; none: never.
    pub valid_until_micros: Option<i64>,
    /// What its password is checked against; none: no password fits.
    pub verifier: Option<Secret>,
    /// Settings its sessions begin with (ALTER ROLE ... SET).
    pub settings: BTreeMap<String, String>,
}

/// How a role is a member of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Whether it may make others members.
    pub admin: bool,
    /// Who made it a member.
    pub grantor: Oid,
}

/// Of whom, in which schema (none: in any), for which kind of object.
pub type DefaultAclKey = (Oid, Option<Oid>, Object);

/// What objects that a role makes later have granted (ALTER DEFAULT PRIVILEGES).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultAcl {
    /// Its number.
    pub oid: Oid,
    /// Of whom, where, for what.
    pub key: DefaultAclKey,
    /// For all schemas the whole list; for one schema what is added to it.
    pub acl: Acl,
}

/// Attributes to be changed; the others stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleChange {
    /// As in [`Role`], and so on.
    pub superuser: Option<bool>,
    #[expect(missing_docs, reason = "as in `Role`")]
    pub inherit: Option<bool>,
    #[expect(missing_docs, reason = "as in `Role`")]
    pub create_role: Option<bool>,
    #[expect(missing_docs, reason = "as in `Role`")]
    pub create_db: Option<bool>,
    #[expect(missing_docs, reason = "as in `Role`")]
    pub login: Option<bool>,
    #[expect(missing_docs, reason = "as in `Role`")]
    pub replication: Option<bool>,
    #[expect(missing_docs, reason = "as in `Role`")]
    pub bypass_rls: Option<bool>,
    #[expect(missing_docs, reason = "as in `Role`")]
    pub connection_limit: Option<i32>,
    #[expect(missing_docs, reason = "as in `Role`")]
    pub valid_until_micros: Option<Option<i64>>,
    #[expect(missing_docs, reason = "as in `Role`")]
    pub verifier: Option<Option<Secret>>,
}

impl RoleChange {
    fn apply(&self, role: &mut Role) {
        let take = |from: Option<bool>, to: &mut bool| *to = from.unwrap_or(*to);
        take(self.superuser, &mut role.superuser);
        take(self.inherit, &mut role.inherit);
        take(self.create_role, &mut role.create_role);
        take(self.create_db, &mut role.create_db);
        take(self.login, &mut role.login);
        take(self.replication, &mut role.replication);
        take(self.bypass_rls, &mut role.bypass_rls);
        role.connection_limit = self.connection_limit.unwrap_or(role.connection_limit);
        role.valid_until_micros = self.valid_until_micros.unwrap_or(role.valid_until_micros);
        if let Some(verifier) = &self.verifier {
            role.verifier.clone_from(verifier);
        }
    }
}

impl Snapshot {
    /// A role, or PostgreSQL's error.
    ///
    /// # Errors
    /// 42704.
    pub fn find_role(&self, name: &str) -> PgResult<&Role> {
        self.role(name).map(AsRef::as_ref).ok_or_else(|| {
            let message = format!("role \"{name}\" does not exist");
            PgError::new(SqlState::UndefinedObject, message)
        })
    }

    /// CREATE ROLE.
    ///
    /// # Errors
    /// 42710 for a name that is taken, 42939 for one that is reserved.
    pub fn create_role(
        &mut self,
        oid: Oid,
        name: &str,
        with: &RoleChange,
    ) -> PgResult<Change<Oid>> {
        refuse_reserved(name)?;
        if self.role(name).is_some() {
            let message = format!("role \"{name}\" already exists");
            return Err(PgError::new(SqlState::DuplicateObject, message));
        }
        let mut role = Role {
            oid,
            name: name.to_owned(),
            superuser: false,
            inherit: true,
            create_role: false,
            create_db: false,
            login: false,
            replication: false,
            bypass_rls: false,
            connection_limit: -1,
            valid_until_micros: None,
            verifier: None,
            settings: BTreeMap::new(),
        };
        with.apply(&mut role);
        self.put_role(role);
        Ok(Change::Made(oid))
    }

    /// ALTER ROLE.
    ///
    /// # Errors
    /// 42704.
    pub fn alter_role(&mut self, name: &str, change: &RoleChange) -> PgResult<Change<()>> {
        let mut role = self.find_role(name)?.clone();
        change.apply(&mut role);
        self.put_role(role);
        Ok(Change::Made(()))
    }

    /// ALTER ROLE ... SET and RESET; all settings when none is named.
    ///
    /// # Errors
    /// 42704.
    pub fn set_for_role(
        &mut self,
        name: &str,
        setting: Option<&str>,
        value: Option<&str>,
    ) -> PgResult<Change<()>> {
        let mut role = self.find_role(name)?.clone();
        match (setting, value) {
            (Some(setting), Some(value)) => {
                role.settings.insert(setting.to_owned(), value.to_owned());
            }
            (Some(setting), None) => {
                role.settings.remove(setting);
            }
            (None, _) => role.settings.clear(),
        }
        self.put_role(role);
        Ok(Change::Made(()))
    }

    /// ALTER ROLE ... RENAME TO.
    ///
    /// # Errors
    /// 42704, 42710, 42939.
    pub fn rename_role(&mut self, name: &str, to: &str) -> PgResult<Change<()>> {
        refuse_reserved(to)?;
        let role = self.find_role(name)?.clone();
        if self.role(to).is_some() {
            let message = format!("role \"{to}\" already exists");
            return Err(PgError::new(SqlState::DuplicateObject, message));
        }
        self.put_role(Role { name: to.to_owned(), ..role });
        Ok(Change::Made(()))
    }

    /// DROP ROLE.
    ///
    /// # Errors
    /// 42704; 2BP01 when something is its own or granted to it.
    pub fn drop_role(&mut self, name: &str) -> PgResult<Change<()>> {
        let role = self.find_role(name)?;
        let oid = role.oid;
        let uses = self.uses_of(oid);
        if !uses.is_empty() {
            let message =
                format!("role \"{name}\" cannot be dropped because some objects depend on it");
            return Err(PgError::new(SqlState::DependentObjectsExist, message)
                .detail(uses.join("\n"))
                .hint("REASSIGN OWNED and DROP OWNED take them from it."));
        }
        self.memberships.retain(|(role, member), _| *role != oid && *member != oid);
        self.default_acls.retain(|(of, _, _), _| *of != oid);
        self.take_role(oid);
        Ok(Change::Made(()))
    }

    /// What a role owns and what names it.
    fn uses_of(&self, role: Oid) -> Vec<String> {
        let mut uses = Vec::new();
        let mut note = |owner: Oid, acls: &[&Acl], what: String| {
            if owner == role {
                uses.push(format!("owner of {what}"));
            } else if acls.iter().any(|acl| acl.names(role)) {
                uses.push(format!("privileges for {what}"));
            }
        };
        for schema in self.schemas() {
            let acls: Vec<_> = schema.acl.iter().collect();
            note(schema.owner, &acls, format!("schema {}", schema.name));
        }
        for relation in self.relations() {
            let acls: Vec<_> = relation.acl.iter().chain(relation.column_acls.values()).collect();
            let what = format!("{} {}.{}", relation.kind.noun(), relation.schema, relation.name);
            note(relation.owner, &acls, what);
        }
        let database = format!("database {}", crate::auth::DATABASE);
        let acls: Vec<_> = self.database_acl.iter().collect();
        note(self.database_owner(), &acls, database);
        for default in self.default_acls.values().filter(|default| default.key.0 != role) {
            let what = format!("default privileges of role {}", self.role_name(default.key.0));
            note(default.key.0, &[&default.acl], what);
        }
        uses
    }

    /// GRANT role TO member. A notice when it is one already.
    ///
    /// # Errors
    /// 0LP01 when the role is, at some distance, a member of that member.
    pub fn grant_role(
        &mut self,
        role: Oid,
        member: Oid,
        admin: bool,
        grantor: Oid,
    ) -> PgResult<Change<()>> {
        let (role_name, member_name) = (self.role_name(role), self.role_name(member));
        if role == member || self.is_member(role, member) {
            let message = format!("role \"{role_name}\" is a member of role \"{member_name}\"");
            return Err(PgError::new(SqlState::InvalidGrantOperation, message));
        }
        if let Some(there) = self.memberships.get(&(role, member))
            && (there.admin || !admin)
        {
            let message = format!(
                "role \"{member_name}\" has already been granted membership in role \
                 \"{role_name}\" by role \"{}\"",
                self.role_name(there.grantor)
            );
            return Ok(Change::Skipped(PgError::notice(SqlState::SuccessfulCompletion, message)));
        }
        self.memberships.insert((role, member), Membership { admin, grantor });
        Ok(Change::Made(()))
    }

    /// REVOKE [ADMIN OPTION FOR] role FROM member. A warning when it is none.
    ///
    /// # Errors
    /// None.
    pub fn revoke_role(
        &mut self,
        role: Oid,
        member: Oid,
        option_only: bool,
    ) -> PgResult<Change<()>> {
        let Some(how) = self.memberships.get_mut(&(role, member)) else {
            let message = format!(
                "role \"{}\" is not a member of role \"{}\"",
                self.role_name(member),
                self.role_name(role)
            );
            return Ok(Change::Skipped(PgError::warning(SqlState::Warning, message)));
        };
        if option_only {
            how.admin = false;
        } else {
            self.memberships.remove(&(role, member));
        }
        Ok(Change::Made(()))
    }

    /// Whether a role is, at some distance, a member of another; not of itself.
    pub fn is_member(&self, member: Oid, role: Oid) -> bool {
        let mut reached = vec![member];
        let mut at = 0;
        while let Some(one) = reached.get(at).copied() {
            at += 1;
            for (of, _) in self.memberships.keys().filter(|(_, member)| *member == one) {
                if *of == role {
                    return true;
                }
                if !reached.contains(of) {
                    reached.push(*of);
                }
            }
        }
        false
    }

    /// REASSIGN OWNED: what one role owns becomes the other's.
    pub fn reassign_owned(&mut self, from: Oid, to: Oid) {
        let owned = self.relations().filter(|relation| relation.owner == from);
        for oid in owned.map(|relation| relation.oid).collect::<Vec<_>>() {
            self.own_relation(oid, to);
        }
        let owned = self.schemas().filter(|schema| schema.owner == from);
        for name in owned.map(|schema| schema.name.clone()).collect::<Vec<_>>() {
            self.own_schema(&name, to);
        }
    }

    /// The half of DROP OWNED that is not DROP: what was granted to a role is taken back.
    pub fn revoke_all_from(&mut self, role: Oid) {
        for mut relation in self.relations().map(|one| one.as_ref().clone()).collect::<Vec<_>>() {
            relation.acl.iter_mut().for_each(|acl| acl.forget(role));
            relation.column_acls.values_mut().for_each(|acl| acl.forget(role));
            relation.column_acls.retain(|_, acl| !acl.is_empty());
            self.put_relation(relation);
        }
        for mut schema in self.schemas().map(|one| one.as_ref().clone()).collect::<Vec<_>>() {
            schema.acl.iter_mut().for_each(|acl| acl.forget(role));
            self.put_schema(schema);
        }
        self.database_acl.iter_mut().for_each(|acl| acl.forget(role));
        self.default_acls.retain(|(of, _, _), _| *of != role);
        self.default_acls.values_mut().for_each(|default| default.acl.forget(role));
    }
}

fn refuse_reserved(name: &str) -> PgResult<()> {
    if name.starts_with("pg_") || name == "public" || name == "none" {
        let message = format!("role name \"{name}\" is reserved");
        let error = PgError::new(SqlState::ReservedName, message);
        return Err(match name.starts_with("pg_") {
            true => error.detail("Role names starting with \"pg_\" are reserved."),
            false => error,
        });
    }
    Ok(())
}

impl Meta {
    /// Gives a role a verifier and the right to log in, making it when there is none of that name.
    ///
    /// # Errors
    /// What the store says.
    pub fn let_log_in(&self, name: &str, superuser: bool, verifier: Secret) -> PgResult<()> {
        self.change(|snapshot| {
            let change = RoleChange {
                superuser: Some(superuser),
                login: Some(true),
                verifier: Some(Some(verifier.clone())),
                ..RoleChange::default()
            };
            if snapshot.role(name).is_some() {
                return snapshot.alter_role(name, &change);
            }
            snapshot.create_role(snapshot.new_oid()?, name, &change)?;
            Ok(Change::Made(()))
        })
        .map(drop)
    }
}
