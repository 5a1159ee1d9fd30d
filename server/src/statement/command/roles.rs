//! Roles: made, changed, dropped, members of each other. In: names and options. Out: the change,
//! and notices. A password becomes a verifier here and is forgotten.

use planner::commands::{RoleName, RoleOption, SettingValue};

use super::super::query::Context;
use super::{denied, notices, role};
use crate::auth::{Verifier, make_verifier};
use crate::encode::{Format, FormatOptions};
use crate::error::{PgError, PgResult, SqlState};
use crate::meta::{Change, DropRelation, Oid, RelationKind, RoleChange, Secret, Snapshot};
use crate::params::decode_param;
use crate::session::settings::{check, stored_name};
use crate::types::oid;

pub(super) async fn create(
    context: &Context,
    name: &str,
    options: &[RoleOption],
) -> PgResult<Vec<PgError>> {
    let change = change(options)?;
    admit_change(context, &change, "create role")?;
    let oid = context.scope.snapshot.new_oid()?;
    let creator = context.scope.rights.role;
    let (mut joins, mut members) = (vec![], vec![]);
    for option in options {
        match option {
            RoleOption::InRole(roles) => {
                for one in roles {
                    joins.push(admin_of(context, one)?);
                }
            }
            RoleOption::Members(roles, admin) => {
                for one in roles {
                    members.push((role(context, one)?, *admin));
                }
            }
            _ => {}
        }
    }
    let name = name.to_owned();
    let made = context.change(move |now| {
        now.create_role(oid, &name, &change)?;
        for of in &joins {
            now.grant_role(*of, oid, false, creator)?;
        }
        for (member, admin) in &members {
            now.grant_role(oid, *member, *admin, creator)?;
        }
        Ok(Change::Made(()))
    });
    made.await.map(notices)
}

pub(super) async fn alter(
    context: &Context,
    name: &RoleName,
    options: &[RoleOption],
) -> PgResult<Vec<PgError>> {
    let oid = role(context, name)?;
    let change = change(options)?;
    let only_password =
        change == RoleChange { verifier: change.verifier.clone(), ..RoleChange::default() };
    // Everybody may change their own password.
    if !(only_password && oid == context.scope.rights.role) {
        admit_alter(context, oid)?;
        admit_change(context, &change, "alter role")?;
    }
    let name = context.scope.snapshot.role_name(oid);
    let altered = context.change(move |now| now.alter_role(&name, &change)).await;
    altered.map(notices)
}

/// ALTER ROLE ... SET. What an administrator sets is where the role's sessions begin; what is more
/// of it is told in [`crate::session::limits`].
pub(super) async fn set(
    context: &Context,
    name: Option<&RoleName>,
    setting: Option<&str>,
    value: &SettingValue,
) -> PgResult<Vec<PgError>> {
    let Some(name) = name else {
        return Err(
            PgError::unsupported("ALTER ROLE ALL").hint("Set it in the server's configuration.")
        );
    };
    let oid = role(context, name)?;
    admit_alter(context, oid)?;
    let setting = setting.map(stored_name).transpose()?;
    let value = match (&setting, value) {
        (Some(setting), SettingValue::Text(text)) => {
            Some(check(setting, text, context.scope.rights.is_superuser())?.1)
        }
        (Some(setting), SettingValue::Current) => {
            let mut settings = context.scope.settings.iter();
            settings.find(|shown| shown.name == *setting).map(|shown| shown.value.to_string())
        }
        _ => None,
    };
    let name = context.scope.snapshot.role_name(oid);
    let set =
        context.change(move |now| now.set_for_role(&name, setting.as_deref(), value.as_deref()));
    set.await.map(notices)
}

pub(super) async fn drop(
    context: &Context,
    names: &[RoleName],
    if_exists: bool,
) -> PgResult<Vec<PgError>> {
    let (rights, snapshot) = (&context.scope.rights, &context.scope.snapshot);
    if !rights.is_superuser() && !creates_roles(context) {
        return Err(denied("permission denied to drop role"));
    }
    let (mut doomed, mut notices) = (vec![], vec![]);
    for name in names {
        if let (RoleName::Named(name), true) = (name, if_exists)
            && snapshot.role(name).is_none()
        {
            let message = format!("role \"{name}\" does not exist, skipping");
            notices.push(PgError::notice(SqlState::UndefinedObject, message));
            continue;
        }
        let oid = role(context, name)?;
        let in_use = [
            (rights.role, "current user cannot be dropped"),
            (session_role(context), "session user cannot be dropped"),
        ];
        if let Some((_, message)) = in_use.iter().find(|(one, _)| *one == oid) {
            return Err(PgError::new(SqlState::ObjectInUse, *message));
        }
        refuse_built_in(context, oid, "dropped")?;
        if snapshot.role_by_oid(oid).is_some_and(|one| one.superuser) {
            rights.require_superuser("must be superuser to drop superusers")?;
        }
        doomed.push(snapshot.role_name(oid));
    }
    let dropped = context.change(move |now| {
        for name in &doomed {
            now.drop_role(name)?;
        }
        Ok(Change::Made(()))
    });
    dropped.await?;
    Ok(notices)
}

pub(super) async fn grant(
    context: &Context,
    roles: &[String],
    members: &[RoleName],
    admin: bool,
) -> PgResult<Vec<PgError>> {
    let roles = roles.iter().map(|one| admin_of(context, one)).collect::<PgResult<Vec<_>>>()?;
    let members = members.iter().map(|one| role(context, one)).collect::<PgResult<Vec<_>>>()?;
    let grantor = context.scope.rights.role;
    each_pair(context, roles, members, move |now, role, member| {
        now.grant_role(role, member, admin, grantor)
    })
    .await
}

pub(super) async fn revoke(
    context: &Context,
    roles: &[String],
    members: &[RoleName],
    option_only: bool,
) -> PgResult<Vec<PgError>> {
    let roles = roles.iter().map(|one| admin_of(context, one)).collect::<PgResult<Vec<_>>>()?;
    let members = members.iter().map(|one| role(context, one)).collect::<PgResult<Vec<_>>>()?;
    each_pair(context, roles, members, move |now, role, member| {
        now.revoke_role(role, member, option_only)
    })
    .await
}

async fn each_pair(
    context: &Context,
    roles: Vec<Oid>,
    members: Vec<Oid>,
    one: impl Fn(&mut Snapshot, Oid, Oid) -> PgResult<Change<()>> + Send + Sync + 'static,
) -> PgResult<Vec<PgError>> {
    let done = context.change(move |now| {
        let mut notices = vec![];
        for role in &roles {
            for member in &members {
                notices.extend(super::notices(one(now, *role, *member)?));
            }
        }
        Ok(Change::Made(notices))
    });
    match done.await? {
        Change::Made(notices) => Ok(notices),
        Change::Skipped(notice) => Ok(vec![notice]),
    }
}

pub(super) async fn reassign(
    context: &Context,
    from: &[RoleName],
    to: &RoleName,
) -> PgResult<Vec<PgError>> {
    let from = from.iter().map(|one| role(context, one)).collect::<PgResult<Vec<_>>>()?;
    let to = role(context, to)?;
    for one in from.iter().chain([&to]) {
        if !context.scope.rights.has_role(*one) {
            return Err(denied("permission denied to reassign objects"));
        }
    }
    let done = context.change(move |now| {
        from.iter().for_each(|one| now.reassign_owned(*one, to));
        Ok(Change::Made(()))
    });
    done.await.map(notices)
}

pub(super) async fn drop_owned(
    context: &Context,
    by: &[RoleName],
    cascade: bool,
) -> PgResult<Vec<PgError>> {
    let by = by.iter().map(|one| role(context, one)).collect::<PgResult<Vec<_>>>()?;
    for one in &by {
        if !context.scope.rights.has_role(*one) {
            return Err(denied("permission denied to drop objects"));
        }
        refuse_built_in(context, *one, "emptied")?;
    }
    let done = context.change(move |now| {
        let mut gone = vec![];
        for owner in &by {
            let owned = now.relations().filter(|one| one.owner == *owner);
            let owned: Vec<_> = owned.map(|one| one.oid).collect();
            for oid in owned.iter().rev() {
                // A view may have gone with its table.
                let Some(one) = now.relation_by_oid(*oid).cloned() else { continue };
                let (schema, name) = (one.schema.as_str(), one.name.as_str());
                let view = one.kind == RelationKind::View;
                let what = DropRelation { schema, name, view, if_exists: true, cascade };
                if let Change::Made(some) = now.drop_relation(what)? {
                    gone.extend(some);
                }
            }
            let schemas = now.schemas().filter(|one| one.owner == *owner);
            for name in schemas.map(|one| one.name.clone()).collect::<Vec<_>>() {
                if let Change::Made(some) = now.drop_schema(&name, true, cascade)? {
                    gone.extend(some);
                }
            }
            now.revoke_all_from(*owner);
        }
        Ok(Change::Made(gone))
    });
    if let Change::Made(gone) = done.await? {
        context.dropped(gone);
    }
    Ok(vec![])
}

fn session_role(context: &Context) -> Oid {
    let found = context.scope.snapshot.role(&context.scope.session_user);
    found.map_or(Oid(0), |role| role.oid)
}

fn creates_roles(context: &Context) -> bool {
    let found = context.scope.snapshot.role_by_oid(context.scope.rights.role);
    found.is_some_and(|role| role.create_role)
}

/// A role that who asks may make others members of.
fn admin_of(context: &Context, name: &str) -> PgResult<Oid> {
    let (rights, snapshot) = (&context.scope.rights, &context.scope.snapshot);
    let found = snapshot.find_role(name)?;
    let is_admin = snapshot
        .memberships()
        .any(|(role, member, how)| role == found.oid && how.admin && rights.has_role(member));
    let reserved = found.oid < crate::meta::FIRST_OID;
    // Who makes roles may fill them, but not with the powers of the built-in ones.
    if rights.is_superuser()
        || is_admin
        || (creates_roles(context) && !found.superuser && !reserved)
    {
        return Ok(found.oid);
    }
    if found.superuser {
        return Err(denied("must be superuser to alter superusers"));
    }
    Err(denied(format!("must have admin option on role \"{name}\"")))
}

/// Refuses to change a role that is above who asks.
fn admit_alter(context: &Context, oid: Oid) -> PgResult<()> {
    let (rights, snapshot) = (&context.scope.rights, &context.scope.snapshot);
    refuse_built_in(context, oid, "altered")?;
    if snapshot.role_by_oid(oid).is_some_and(|one| one.superuser) {
        return rights.require_superuser(
            "must be superuser to alter superuser roles or change superuser attribute",
        );
    }
    if rights.is_superuser() || creates_roles(context) {
        return Ok(());
    }
    Err(denied("permission denied to alter role"))
}

/// PostgreSQL's own roles, but the first one, stay as they are.
fn refuse_built_in(context: &Context, oid: Oid, done: &str) -> PgResult<()> {
    let name = context.scope.snapshot.role_name(oid);
    if name.starts_with("pg_") {
        let message = format!("role \"{name}\" is built in and cannot be {done}");
        return Err(PgError::new(SqlState::ReservedName, message));
    }
    Ok(())
}

/// Refuses attributes that who asks cannot give.
fn admit_change(context: &Context, change: &RoleChange, what: &str) -> PgResult<()> {
    let rights = &context.scope.rights;
    if rights.is_superuser() {
        return Ok(());
    }
    if !creates_roles(context) {
        return Err(denied(format!("permission denied to {what}")));
    }
    if change.superuser == Some(true) {
        return Err(denied("must be superuser to create superusers"));
    }
    if change.replication == Some(true) {
        return Err(denied("must be superuser to create replication users"));
    }
    if change.bypass_rls == Some(true) {
        return Err(denied("must be superuser to create bypassrls users"));
    }
    Ok(())
}

fn change(options: &[RoleOption]) -> PgResult<RoleChange> {
    let mut change = RoleChange::default();
    for option in options {
        match option {
            RoleOption::Superuser(on) => change.superuser = Some(*on),
            RoleOption::CreateDb(on) => change.create_db = Some(*on),
            RoleOption::CreateRole(on) => change.create_role = Some(*on),
            RoleOption::Inherit(on) => change.inherit = Some(*on),
            RoleOption::Login(on) => change.login = Some(*on),
            RoleOption::Replication(on) => change.replication = Some(*on),
            RoleOption::BypassRls(on) => change.bypass_rls = Some(*on),
            RoleOption::ConnectionLimit(limit) if *limit < -1 => {
                let message = format!("invalid connection limit: {limit}");
                return Err(PgError::new(SqlState::InvalidParameterValue, message));
            }
            RoleOption::ConnectionLimit(limit) => change.connection_limit = Some(*limit),
            RoleOption::Password(password) => {
                change.verifier = Some(password.as_deref().and_then(verifier));
            }
            RoleOption::ValidUntil(text) => change.valid_until_micros = Some(moment(text)?),
            RoleOption::InRole(_) | RoleOption::Members(..) => {}
        }
    }
    Ok(change)
}

/// What a password is checked against. psql's \password sends the verifier itself. No password fits
/// an empty one, as in PostgreSQL.
fn verifier(password: &str) -> Option<Secret> {
    if password.is_empty() {
        return None;
    }
    match Verifier::parse(password) {
        Some(verifier) => Some(verifier.text()),
        None => Some(make_verifier(password).text()),
    }
}

/// A moment in microseconds since 1970; none for infinity.
fn moment(text: &str) -> PgResult<Option<i64>> {
    if text.trim().eq_ignore_ascii_case("infinity") {
        return Ok(None);
    }
    use datafusion::common::ScalarValue;
    let options = FormatOptions::default();
    match decode_param(oid::TIMESTAMPTZ, Format::Text, Some(text.as_bytes()), &options)? {
        ScalarValue::TimestampMicrosecond(micros, _) => Ok(micros),
        ScalarValue::TimestampNanosecond(nanos, _) => Ok(nanos.map(|nanos| nanos / 1000)),
        _ => Err(PgError::unsupported("this moment in VALID UNTIL")),
    }
}
