//! Names, owners, schemas and comments of objects. In: an object as it is named. Out: the change.

use std::sync::Arc;

use planner::commands::{Constraint as Asked, RoleName, Says as AskedSays, Target};

use super::super::ddl::existing;
use super::super::query::Context;
use super::{columns_of, denied, notices, require_column, role};
use crate::error::{PgError, PgResult, SqlState};
use crate::meta::acl::Privilege;
use crate::meta::{Change, Constraint, Relation, Says};
use crate::rights;

/// A relation that a statement may alter, or the notice that there is none.
enum Found {
    Relation(Arc<Relation>),
    Missing(PgError),
}

/// The table or view of the role's own that a statement names.
fn own_relation(context: &Context, what: &Target) -> PgResult<Found> {
    let (name, is_view, if_exists) = match what {
        Target::Table(name, if_exists) => (name, false, *if_exists),
        Target::View(name, if_exists) => (name, true, *if_exists),
        Target::Column(name, _) => (name, false, false),
        _ => return Err(PgError::unsupported("this kind of object")),
    };
    let (schema, name) = existing(context, name)?;
    let rights = &context.scope.rights;
    let found = match context.scope.snapshot.find_relation(&schema, &name) {
        Ok(found) => found,
        Err(error) if if_exists => {
            let message = format!("{}, skipping", error.message);
            return Ok(Found::Missing(PgError::notice(error.state, message)));
        }
        Err(error) => return Err(error),
    };
    rights.require_reach(&schema)?;
    rights.require_owner(found)?;
    // ALTER TABLE takes views too, ALTER VIEW takes no tables.
    if is_view && found.kind.is_table() {
        let message = format!("\"{name}\" is not a view");
        return Err(PgError::new(SqlState::WrongObjectType, message));
    }
    Ok(Found::Relation(Arc::clone(found)))
}

pub(super) async fn rename(context: &Context, what: &Target, to: &str) -> PgResult<Vec<PgError>> {
    let to = to.to_owned();
    match what {
        Target::Table(..) | Target::View(..) => {
            let found = match own_relation(context, what)? {
                Found::Missing(notice) => return Ok(vec![notice]),
                Found::Relation(found) => found,
            };
            context.scope.rights.require_create_in(&found.schema)?;
            let work = context.change(move |now| now.rename(&found.schema, &found.name, &to));
            work.await.map(notices)
        }
        Target::Schema(name) => {
            context.scope.rights.require_schema_owner(name)?;
            let name = name.clone();
            context.change(move |now| now.rename_schema(&name, &to)).await.map(notices)
        }
        Target::Role(name) => {
            let oid = context.scope.snapshot.find_role(name)?.oid;
            let rights = &context.scope.rights;
            rights.require_superuser("permission denied to rename role")?;
            if oid == rights.role || *name == context.scope.session_user {
                let message = "session user cannot be renamed";
                return Err(PgError::unsupported(message));
            }
            if oid == crate::meta::ADMIN_OID || name.starts_with("pg_") {
                let message = format!("renaming the built-in role \"{name}\"");
                return Err(PgError::unsupported(message));
            }
            let name = name.clone();
            context.change(move |now| now.rename_role(&name, &to)).await.map(notices)
        }
        Target::Column(..) | Target::Database(_) => {
            Err(PgError::unsupported("renaming this kind of object"))
        }
    }
}

pub(super) async fn own(context: &Context, what: &Target, to: &RoleName) -> PgResult<Vec<PgError>> {
    let new = role(context, to)?;
    let rights = &context.scope.rights;
    let name = context.scope.snapshot.role_name(new);
    if !rights.may_become(new) {
        return Err(denied(format!("must be member of role \"{name}\"")));
    }
    match what {
        Target::Table(..) | Target::View(..) => {
            let found = match own_relation(context, what)? {
                Found::Missing(notice) => return Ok(vec![notice]),
                Found::Relation(found) => found,
            };
            let work = context.change(move |now| {
                now.own_relation(found.oid, new);
                Ok(Change::Made(()))
            });
            work.await.map(notices)
        }
        Target::Schema(name) => {
            rights.require_schema_owner(name)?;
            let name = name.clone();
            let work = context.change(move |now| {
                now.own_schema(&name, new);
                Ok(Change::Made(()))
            });
            work.await.map(notices)
        }
        Target::Column(..) | Target::Database(_) | Target::Role(_) => {
            Err(PgError::unsupported("another owner of this kind of object"))
        }
    }
}

pub(super) async fn set_schema(
    context: &Context,
    what: &Target,
    to: &str,
) -> PgResult<Vec<PgError>> {
    let found = match own_relation(context, what)? {
        Found::Missing(notice) => return Ok(vec![notice]),
        Found::Relation(found) => found,
    };
    context.scope.rights.require_create_in(to)?;
    let to = to.to_owned();
    let work = context.change(move |now| now.move_to(&found.schema, &found.name, &to));
    work.await.map(notices)
}

pub(super) async fn add_constraint(
    context: &Context,
    table: &Target,
    asked: &Asked,
) -> PgResult<Vec<PgError>> {
    let found = match own_table(context, table)? {
        Found::Missing(notice) => return Ok(vec![notice]),
        Found::Relation(found) => found,
    };
    let snapshot = &context.scope.snapshot;
    let says = match &asked.says {
        AskedSays::PrimaryKey => Says::PrimaryKey,
        AskedSays::Unique => Says::Unique,
        AskedSays::References(name, columns) => {
            let (schema, name) = existing(context, name)?;
            context.scope.rights.require_reach(&schema)?;
            let other = snapshot.find_relation(&schema, &name)?;
            let may = context.scope.rights.relation(other, Privilege::References);
            if !may {
                return Err(rights::denied(other.kind.noun(), &other.name));
            }
            Says::References(other.oid, columns.clone())
        }
    };
    let new = Constraint {
        oid: snapshot.new_oid()?,
        index_oid: snapshot.new_oid()?,
        name: asked.name.clone().unwrap_or_default(),
        says,
        columns: asked.columns.clone(),
    };
    let work = context.change(move |now| now.add_constraint(found.oid, &new, columns_of));
    work.await.map(notices)
}

pub(super) async fn drop_constraint(
    context: &Context,
    table: &Target,
    name: &str,
    if_exists: bool,
) -> PgResult<Vec<PgError>> {
    let found = match own_table(context, table)? {
        Found::Missing(notice) => return Ok(vec![notice]),
        Found::Relation(found) => found,
    };
    let name = name.to_owned();
    let work = context.change(move |now| now.drop_constraint(found.oid, &name, if_exists));
    work.await.map(notices)
}

/// The same when it has to be a table.
fn own_table(context: &Context, what: &Target) -> PgResult<Found> {
    let found = own_relation(context, what)?;
    if let Found::Relation(view) = &found
        && !view.kind.is_table()
    {
        let message = format!("\"{}\" is not a table", view.name);
        return Err(PgError::new(SqlState::WrongObjectType, message));
    }
    Ok(found)
}

pub(super) async fn comment(
    context: &Context,
    what: &Target,
    text: Option<&str>,
) -> PgResult<Vec<PgError>> {
    let text = text.map(str::to_owned);
    match what {
        Target::Table(..) | Target::View(..) | Target::Column(..) => {
            let found = match own_relation(context, what)? {
                Found::Missing(notice) => return Ok(vec![notice]),
                Found::Relation(found) => found,
            };
            let column = match what {
                Target::Column(_, column) => Some(column.clone()),
                _ => None,
            };
            if let Some(column) = &column {
                require_column(&found, column)?;
            }
            let work = context.change(move |now| {
                let (schema, name) = (&found.schema, &found.name);
                now.comment_on_relation(schema, name, column.as_deref(), text.as_deref())
            });
            work.await.map(notices)
        }
        Target::Schema(name) => {
            context.scope.rights.require_schema_owner(name)?;
            let name = name.clone();
            let work = context.change(move |now| now.comment_on_schema(&name, text.as_deref()));
            work.await.map(notices)
        }
        Target::Database(_) | Target::Role(_) => {
            Err(PgError::unsupported("COMMENT ON DATABASE and ON ROLE"))
        }
    }
}
