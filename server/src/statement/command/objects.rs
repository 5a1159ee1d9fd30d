//! Names, owners, schemas and comments of objects. In: an object as it is named. Out: the change.

use std::sync::Arc;

use planner::commands::{Constraint as Asked, Name, RoleName, Says as AskedSays, Target};

use super::super::ddl::existing;
use super::super::query::Context;
use super::{denied, notices, role};
use crate::catalog::decode_columns;
use crate::error::{PgError, PgResult, SqlState};
use crate::meta::acl::Privilege;
use crate::meta::{Change, Constraint, Relation, Says};
use crate::rights;

/// A relation that a statement may alter, or the notice that there is none.
enum Found {
    Relation(Arc<Relation>),
    Missing(PgError),
}

fn own_relation(context: &Context, name: &Name, view: bool, if_exists: bool) -> PgResult<Found> {
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
    if view && found.kind.is_table() {
        let message = format!("\"{name}\" is not a view");
        return Err(PgError::new(SqlState::WrongObjectType, message));
    }
    Ok(Found::Relation(Arc::clone(found)))
}

pub(super) async fn rename(context: &Context, what: &Target, to: &str) -> PgResult<Vec<PgError>> {
    let to = to.to_owned();
    match what {
        Target::Table(name, if_exists) | Target::View(name, if_exists) => {
            let is_view = matches!(what, Target::View(..));
            match own_relation(context, name, is_view, *if_exists)? {
                Found::Missing(notice) => Ok(vec![notice]),
                Found::Relation(found) => {
                    context.scope.rights.require_create_in(&found.schema)?;
                    let work =
                        context.change(move |now| now.rename(&found.schema, &found.name, &to));
                    work.await.map(notices)
                }
            }
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
        Target::Table(name, if_exists) | Target::View(name, if_exists) => {
            let is_view = matches!(what, Target::View(..));
            match own_relation(context, name, is_view, *if_exists)? {
                Found::Missing(notice) => Ok(vec![notice]),
                Found::Relation(found) => {
                    let work = context.change(move |now| {
                        now.own_relation(found.oid, new);
                        Ok(Change::Made(()))
                    });
                    work.await.map(notices)
                }
            }
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
    let (Target::Table(name, if_exists) | Target::View(name, if_exists)) = what else {
        return Err(PgError::unsupported("SET SCHEMA of this kind of object"));
    };
    match own_relation(context, name, matches!(what, Target::View(..)), *if_exists)? {
        Found::Missing(notice) => Ok(vec![notice]),
        Found::Relation(found) => {
            context.scope.rights.require_create_in(to)?;
            let to = to.to_owned();
            let work = context.change(move |now| now.move_to(&found.schema, &found.name, &to));
            work.await.map(notices)
        }
    }
}

pub(super) async fn add_constraint(
    context: &Context,
    table: &Target,
    asked: &Asked,
) -> PgResult<Vec<PgError>> {
    let Some(found) = altered_table(context, table)? else { return Ok(vec![]) };
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
    let Some(found) = altered_table(context, table)? else { return Ok(vec![]) };
    let name = name.to_owned();
    let work = context.change(move |now| now.drop_constraint(found.oid, &name, if_exists));
    work.await.map(notices)
}

/// A table of the role's own; none with IF EXISTS when it is not there.
fn altered_table(context: &Context, table: &Target) -> PgResult<Option<Arc<Relation>>> {
    let Target::Table(name, if_exists) = table else {
        return Err(PgError::unsupported("a constraint of this kind of object"));
    };
    match own_relation(context, name, false, *if_exists)? {
        Found::Missing(_) => Ok(None),
        Found::Relation(found) if found.kind.is_table() => Ok(Some(found)),
        Found::Relation(found) => {
            let message = format!("\"{}\" is not a table", found.name);
            Err(PgError::new(SqlState::WrongObjectType, message))
        }
    }
}

fn columns_of(relation: &Relation) -> Vec<String> {
    let columns = decode_columns(&relation.columns);
    columns.map_or_else(
        |_| vec![],
        |columns| columns.fields().iter().map(|field| field.name().clone()).collect(),
    )
}

pub(super) async fn comment(
    context: &Context,
    what: &Target,
    text: Option<&str>,
) -> PgResult<Vec<PgError>> {
    let text = text.map(str::to_owned);
    match what {
        Target::Table(name, _) | Target::View(name, _) | Target::Column(name, _) => {
            let is_view = matches!(what, Target::View(..));
            let Found::Relation(found) = own_relation(context, name, is_view, false)? else {
                return Ok(vec![]);
            };
            let column = match what {
                Target::Column(_, column) => Some(column.clone()),
                _ => None,
            };
            let columns = decode_columns(&found.columns).ok();
            if let (Some(column), Some(columns)) = (&column, columns)
                && columns.field_with_name(column).is_err()
            {
                let message =
                    format!("column \"{column}\" of relation \"{}\" does not exist", found.name);
                return Err(PgError::new(SqlState::UndefinedColumn, message));
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
