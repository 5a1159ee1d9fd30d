//! Statements about roles, rights and names: CREATE ROLE, GRANT, ALTER ... RENAME, COMMENT ON. In:
//! a command as the planner read it. Out: a tag, after the change is durable or kept aside. Who may
//! do what is asked of [`crate::rights`]; what it makes of the objects is in [`crate::meta`].

mod grants;
mod objects;
mod roles;

use planner::commands::{Command, RoleName};

use super::Outcome;
use super::query::Context;
use crate::error::{PgError, PgResult, SqlState};
use crate::meta::acl::EVERYBODY;
use crate::meta::{Change, Oid};

/// Runs a command.
///
/// # Errors
/// In PostgreSQL's terms; nothing was changed.
pub async fn run(context: &Context, command: &Command) -> PgResult<Outcome> {
    let notices = match command {
        Command::CreateRole { name, options } => roles::create(context, name, options).await?,
        Command::AlterRole { role, options } => roles::alter(context, role, options).await?,
        Command::SetForRole { role, setting, value } => {
            roles::set(context, role.as_ref(), setting.as_deref(), value).await?
        }
        Command::DropRoles { names, if_exists } => roles::drop(context, names, *if_exists).await?,
        Command::GrantRoles { roles, members, admin } => {
            roles::grant(context, roles, members, *admin).await?
        }
        Command::RevokeRoles { roles, members, option_only } => {
            roles::revoke(context, roles, members, *option_only).await?
        }
        Command::ReassignOwned { from, to } => roles::reassign(context, from, to).await?,
        Command::DropOwned { by, cascade } => roles::drop_owned(context, by, *cascade).await?,
        Command::Grant(grant) => grants::run(context, grant).await?,
        Command::DefaultPrivileges { of, schemas, grant } => {
            grants::defaults(context, of, schemas, grant).await?
        }
        Command::Rename { what, to } => objects::rename(context, what, to).await?,
        Command::Owner { what, to } => objects::own(context, what, to).await?,
        Command::SetSchema { what, to } => objects::set_schema(context, what, to).await?,
        Command::Comment { what, text } => objects::comment(context, what, text.as_deref()).await?,
        Command::AddConstraint { table, constraint } => {
            objects::add_constraint(context, table, constraint).await?
        }
        Command::DropConstraint { table, name, if_exists } => {
            objects::drop_constraint(context, table, name, *if_exists).await?
        }
        Command::SetRole { .. } | Command::SetSession { .. } => {
            return Err(PgError::unsupported(command.tag()));
        }
    };
    Ok(Outcome::Done { tag: command.tag().to_owned(), notices })
}

/// The notice of a change that had nothing to do.
fn notices<T>(change: Change<T>) -> Vec<PgError> {
    match change {
        Change::Made(_) => vec![],
        Change::Skipped(notice) => vec![notice],
    }
}

/// A role that is named; PUBLIC is none.
fn role(context: &Context, name: &RoleName) -> PgResult<Oid> {
    let snapshot = &context.scope.snapshot;
    match name {
        RoleName::Named(name) => Ok(snapshot.find_role(name)?.oid),
        RoleName::Current => Ok(context.scope.rights.role),
        RoleName::Session => Ok(snapshot.find_role(&context.scope.session_user)?.oid),
        RoleName::Public => {
            let message = "role name \"public\" is reserved";
            Err(PgError::new(SqlState::ReservedName, message))
        }
    }
}

/// A grantee: a role or everybody.
fn grantee(context: &Context, name: &RoleName) -> PgResult<Oid> {
    if *name == RoleName::Public { Ok(EVERYBODY) } else { role(context, name) }
}

fn denied(message: impl Into<String>) -> PgError {
    PgError::new(SqlState::InsufficientPrivilege, message.into())
}
