//! DROP TABLE, VIEW and SCHEMA. In: names. Out: a tag and notices, after the change is made; the
//! files of tables that were made here go with them.

use datafusion::sql::sqlparser::ast::{ObjectName, ObjectType};

use super::super::Outcome;
use super::super::query::Context;
use super::{existing, parts};
use crate::error::{PgError, PgResult};
use crate::meta::{Change, DropRelation};

/// What DROP has to do for one name, found before the change is made.
#[derive(Clone)]
enum Doomed {
    Schema(String),
    Relation { schema: String, name: String },
}

/// Drops all that is named, or nothing.
pub(super) async fn run(
    context: &Context,
    object: ObjectType,
    if_exists: bool,
    names: &[ObjectName],
    cascade: bool,
) -> PgResult<Outcome> {
    let tag = match object {
        ObjectType::Schema => "DROP SCHEMA",
        ObjectType::Table => "DROP TABLE",
        ObjectType::View => "DROP VIEW",
        other => return Err(PgError::unsupported(format!("DROP {other}"))),
    };
    let view = object == ObjectType::View;
    let doomed = names.iter().map(|name| match object {
        ObjectType::Schema => doomed_schema(context, name),
        _ => doomed_relation(context, name),
    });
    let doomed = doomed.collect::<PgResult<Vec<_>>>()?;
    // All or none of them.
    let dropped = context.change(move |now| {
        let (mut gone, mut notices) = (Vec::new(), Vec::new());
        for one in &doomed {
            let change = match one {
                Doomed::Schema(name) => now.drop_schema(name, if_exists, cascade)?,
                Doomed::Relation { schema, name } => {
                    now.drop_relation(DropRelation { schema, name, view, if_exists, cascade })?
                }
            };
            match change {
                Change::Made(some) => gone.extend(some),
                Change::Skipped(notice) => notices.push(notice),
            }
        }
        Ok(Change::Made((gone, notices)))
    });
    let Change::Made((gone, notices)) = dropped.await? else {
        return Ok(Outcome::done(tag));
    };
    context.dropped(gone);
    Ok(Outcome::Done { tag: tag.to_owned(), notices })
}

fn doomed_schema(context: &Context, name: &ObjectName) -> PgResult<Doomed> {
    let name = parts(name).pop().unwrap_or_default();
    if context.scope.snapshot.schema(&name).is_some() {
        context.scope.rights.require_schema_owner(&name)?;
    }
    Ok(Doomed::Schema(name))
}

fn doomed_relation(context: &Context, name: &ObjectName) -> PgResult<Doomed> {
    let (schema, name) = existing(context, &parts(name))?;
    let (snapshot, rights) = (&context.scope.snapshot, &context.scope.rights);
    if let Some(found) = snapshot.relation(&schema, &name) {
        rights.require_reach(&schema)?;
        // Who owns a schema may empty it.
        if rights.require_schema_owner(&schema).is_err() {
            rights.require_owner(found)?;
        }
    }
    Ok(Doomed::Relation { schema, name })
}
