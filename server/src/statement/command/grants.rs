//! GRANT, REVOKE and ALTER DEFAULT PRIVILEGES. In: privileges, objects and roles as they are named.
//! Out: the change, and PostgreSQL's warnings for what could not be given.

use planner::commands::{Grant, On, Privileges, RoleName};

use super::super::ddl::existing;
use super::super::query::Context;
use super::{grantee, role};
use crate::catalog::decode_columns;
use crate::error::{PgError, PgResult, SqlState};
use crate::meta::acl::{Acl, EVERYBODY, Privilege};
use crate::meta::{Change, Object, Oid, Snapshot};
use crate::rights;

/// One object with an access control list.
#[derive(Clone, Debug)]
struct Place {
    object: Object,
    /// Of the relation or the schema.
    oid: Oid,
    /// As messages name it.
    name: String,
    column: Option<String>,
    owner: Oid,
}

/// A change of lists: who gives or takes what.
#[derive(Clone, Debug)]
struct Step {
    place: Place,
    grantor: Oid,
    privilege: Privilege,
}

pub(super) async fn run(context: &Context, grant: &Grant) -> PgResult<Vec<PgError>> {
    let grantees = grantees(context, grant)?;
    let mut warnings = vec![];
    let mut steps = vec![];
    for place in places(context, grant)? {
        for (privilege, columns) in privileges(&place, &grant.privileges)? {
            let targets = match columns.as_slice() {
                [] => vec![place.clone()],
                some => column_places(context, &place, some)?,
            };
            for target in targets {
                let named = matches!(grant.privileges, Privileges::Some(_));
                match grantor(context, &target, privilege) {
                    Some(grantor) => steps.push(Step { place: target, grantor, privilege }),
                    None if named || !rights_on(context, &target) => {
                        refuse_unseen(context, &target)?;
                        warnings.push(nothing_done(grant, &target.name));
                    }
                    None => {}
                }
            }
        }
    }
    warnings.dedup();
    let grant = grant.clone();
    let done = context.change(move |now| {
        for step in &steps {
            let mut acl = list_of(now, &step.place);
            for grantee in &grantees {
                apply(&mut acl, &grant, step.grantor, *grantee, step.privilege)?;
            }
            store(now, &step.place, acl);
        }
        Ok(Change::Made(()))
    });
    done.await?;
    Ok(warnings)
}

fn grantees(context: &Context, grant: &Grant) -> PgResult<Vec<Oid>> {
    let all = grant.roles.iter().map(|one| grantee(context, one));
    let all = all.collect::<PgResult<Vec<_>>>()?;
    if grant.gives && grant.option && all.contains(&EVERYBODY) {
        let message = "grant options can only be granted to roles";
        return Err(PgError::new(SqlState::InvalidGrantOperation, message));
    }
    Ok(all)
}

/// The objects a statement names.
fn places(context: &Context, grant: &Grant) -> PgResult<Vec<Place>> {
    let snapshot = &context.scope.snapshot;
    let relation = |found: &crate::meta::Relation| Place {
        object: Object::Relation,
        oid: found.oid,
        name: found.name.clone(),
        column: None,
        owner: found.owner,
    };
    match &grant.on {
        On::Tables(names) => names
            .iter()
            .map(|name| {
                let (schema, name) = existing(context, name)?;
                context.scope.rights.require_reach(&schema)?;
                snapshot.find_relation(&schema, &name).map(|found| relation(found))
            })
            .collect(),
        On::AllTables(schemas) => {
            let mut all = vec![];
            for schema in schemas {
                snapshot.find_schema(schema)?;
                all.extend(snapshot.relations_in(schema).map(|found| relation(found)));
            }
            Ok(all)
        }
        On::Schemas(names) => names
            .iter()
            .map(|name| {
                let found = snapshot.find_schema(name)?;
                let (oid, owner, name) = (found.oid, found.owner, name.clone());
                Ok(Place { object: Object::Schema, oid, name, column: None, owner })
            })
            .collect(),
        On::Databases(names) => names.iter().map(|name| database(snapshot, name)).collect(),
        // There are none of these, so nothing is to be done; the schemas have to be there.
        On::None(schemas) => {
            schemas.iter().try_for_each(|schema| snapshot.find_schema(schema).map(drop))?;
            Ok(vec![])
        }
        On::Kind(other) | On::Other(other) => {
            Err(PgError::unsupported(format!("GRANT and REVOKE on a {other}")))
        }
    }
}

fn database(snapshot: &Snapshot, name: &str) -> PgResult<Place> {
    if name != crate::auth::DATABASE {
        let message = format!("database \"{name}\" does not exist");
        return Err(PgError::new(SqlState::InvalidCatalogName, message));
    }
    let (name, owner) = (name.to_owned(), snapshot.database_owner());
    Ok(Place { object: Object::Database, oid: Oid(0), name, column: None, owner })
}

fn column_places(context: &Context, of: &Place, columns: &[String]) -> PgResult<Vec<Place>> {
    let missing = |column: &str| {
        let message = format!("column \"{column}\" of relation \"{}\" does not exist", of.name);
        PgError::new(SqlState::UndefinedColumn, message)
    };
    let relation = context.scope.snapshot.relation_by_oid(of.oid);
    let schema = relation.and_then(|relation| decode_columns(&relation.columns).ok());
    let one = |column: &String| match &schema {
        Some(schema) if schema.field_with_name(column).is_ok() => {
            Ok(Place { object: Object::Column, column: Some(column.clone()), ..of.clone() })
        }
        _ => Err(missing(column)),
    };
    columns.iter().map(one).collect()
}

/// The privileges a statement names, each with its columns.
fn privileges(place: &Place, named: &Privileges) -> PgResult<Vec<(Privilege, Vec<String>)>> {
    let wrong = |word: &str, object: Object| {
        let message =
            format!("invalid privilege type {} for {}", word.to_uppercase(), object.noun());
        PgError::new(SqlState::InvalidGrantOperation, message)
    };
    let on_columns = |columns: &[String]| match columns {
        [] => Ok(place.object),
        _ if place.object == Object::Relation => Ok(Object::Column),
        _ => {
            let message = "column privileges are only valid for relations";
            Err(PgError::new(SqlState::InvalidGrantOperation, message))
        }
    };
    match named {
        Privileges::All(columns) => {
            let all = on_columns(columns)?.privileges();
            Ok(all.iter().map(|privilege| (*privilege, columns.clone())).collect())
        }
        Privileges::Some(some) => some
            .iter()
            .map(|(word, columns)| {
                let object = on_columns(columns)?;
                let Some(privilege) = Privilege::named(word) else {
                    let message = format!("unrecognized privilege type \"{word}\"");
                    return Err(PgError::new(SqlState::SyntaxError, message));
                };
                match object.privileges().contains(&privilege) {
                    true => Ok((privilege, columns.clone())),
                    false => Err(wrong(word, object)),
                }
            })
            .collect(),
    }
}

/// As whom the role gives or takes it: as the owner if it may, else as itself.
fn grantor(context: &Context, place: &Place, privilege: Privilege) -> Option<Oid> {
    let rights = &context.scope.rights;
    if rights.has_role(place.owner) {
        return Some(place.owner);
    }
    let acl = list_of(&context.scope.snapshot, place);
    if rights.may_grant(Some(&acl), place.owner, privilege) {
        return Some(rights.role);
    }
    let of_table = Place { object: Object::Relation, column: None, ..place.clone() };
    let may = place.column.is_some()
        && rights.may_grant(
            Some(&list_of(&context.scope.snapshot, &of_table)),
            place.owner,
            privilege,
        );
    may.then_some(rights.role)
}

/// Whether the role holds anything there.
fn rights_on(context: &Context, place: &Place) -> bool {
    let (rights, snapshot) = (&context.scope.rights, &context.scope.snapshot);
    let some = place.object.privileges();
    match place.object {
        Object::Relation | Object::Column => snapshot
            .relation_by_oid(place.oid)
            .is_some_and(|found| some.iter().any(|p| rights.any_column(found, *p))),
        Object::Schema => snapshot
            .schema(&place.name)
            .is_some_and(|found| some.iter().any(|p| rights.schema(found, *p))),
        Object::Database => some.iter().any(|p| rights.database(*p)),
    }
}

/// Who holds nothing there is told no more.
fn refuse_unseen(context: &Context, place: &Place) -> PgResult<()> {
    if rights_on(context, place) {
        return Ok(());
    }
    let noun = match place.object {
        Object::Relation | Object::Column => "table",
        other => other.noun(),
    };
    Err(rights::denied(noun, &place.name))
}

fn nothing_done(grant: &Grant, name: &str) -> PgError {
    let (state, verb) = match grant.gives {
        true => (SqlState::PrivilegeNotGranted, "granted"),
        false => (SqlState::PrivilegeNotRevoked, "could be revoked"),
    };
    let message = match grant.gives {
        true => format!("no privileges were {verb} for \"{name}\""),
        false => format!("no privileges {verb} for \"{name}\""),
    };
    PgError::warning(state, message)
}

fn list_of(snapshot: &Snapshot, place: &Place) -> Acl {
    let relation = || snapshot.relation_by_oid(place.oid);
    let owned = || Acl::owned(place.owner, place.object);
    match (place.object, &place.column) {
        (Object::Column, Some(column)) => {
            let list = relation().and_then(|found| found.column_acls.get(column).cloned());
            list.unwrap_or_default()
        }
        (Object::Relation | Object::Column, _) => {
            relation().and_then(|found| found.acl.clone()).unwrap_or_else(owned)
        }
        (Object::Schema, _) => {
            let found = snapshot.schemas().find(|one| one.oid == place.oid);
            found.and_then(|found| found.acl.clone()).unwrap_or_else(owned)
        }
        (Object::Database, _) => snapshot.database_acl().cloned().unwrap_or_else(|| {
            let mut acl = owned();
            acl.grant(place.owner, EVERYBODY, Privilege::Connect, false);
            acl.grant(place.owner, EVERYBODY, Privilege::Temporary, false);
            acl
        }),
    }
}

fn store(snapshot: &mut Snapshot, place: &Place, acl: Acl) {
    match place.object {
        Object::Relation => snapshot.set_relation_acl(place.oid, None, acl),
        Object::Column => snapshot.set_relation_acl(place.oid, place.column.as_deref(), acl),
        Object::Schema => {
            let name = snapshot.schemas().find(|one| one.oid == place.oid).map(|s| s.name.clone());
            if let Some(name) = name {
                snapshot.set_schema_acl(&name, acl);
            }
        }
        Object::Database => snapshot.set_database_acl(acl),
    }
}

/// Gives or takes one privilege. What a role gave on goes with its right to do so, when CASCADE
/// says so, and else keeps that right from being taken.
fn apply(
    acl: &mut Acl,
    grant: &Grant,
    grantor: Oid,
    grantee: Oid,
    privilege: Privilege,
) -> PgResult<()> {
    if grant.gives {
        acl.grant(grantor, grantee, privilege, grant.option);
        return Ok(());
    }
    acl.revoke(grantor, grantee, privilege, grant.option);
    if grantee == EVERYBODY || acl.allows_grant(privilege, |role| role == grantee) {
        return Ok(());
    }
    for dependent in acl.given_by(grantee, privilege) {
        if !grant.cascade {
            return Err(PgError::new(
                SqlState::DependentObjectsExist,
                "dependent privileges exist",
            )
            .hint("Use CASCADE to revoke them too."));
        }
        let whole = Grant { option: false, ..grant.clone() };
        apply(acl, &whole, grantee, dependent, privilege)?;
    }
    Ok(())
}

pub(super) async fn defaults(
    context: &Context,
    of: &[RoleName],
    schemas: &[String],
    grant: &Grant,
) -> PgResult<Vec<PgError>> {
    let On::Kind(kind) = &grant.on else { return Err(PgError::unsupported("this statement")) };
    let object = match kind.as_str() {
        "tables" => Object::Relation,
        "schemas" if schemas.is_empty() => Object::Schema,
        "schemas" => {
            let message = "cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS";
            return Err(PgError::new(SqlState::InvalidGrantOperation, message));
        }
        // Nothing of these kinds is ever made, so nothing is ever granted.
        "sequences" | "functions" | "routines" | "types" => return Ok(vec![]),
        other => {
            let message = format!("syntax error at or near \"{other}\"");
            return Err(PgError::new(SqlState::SyntaxError, message));
        }
    };
    let own = [RoleName::Current];
    let of = if of.is_empty() { &own } else { of };
    let owners = of.iter().map(|one| role(context, one)).collect::<PgResult<Vec<_>>>()?;
    if !owners.iter().all(|owner| context.scope.rights.has_role(*owner)) {
        return Err(super::denied("permission denied to change default privileges"));
    }
    let snapshot = &context.scope.snapshot;
    let schemas = schemas.iter().map(|name| snapshot.find_schema(name).map(|one| Some(one.oid)));
    let mut schemas = schemas.collect::<PgResult<Vec<_>>>()?;
    if schemas.is_empty() {
        schemas.push(None);
    }
    let place = Place { object, oid: Oid(0), name: kind.clone(), column: None, owner: Oid(0) };
    let privileges = privileges(&place, &grant.privileges)?;
    let grantees = grantees(context, grant)?;
    let grant = grant.clone();
    let new = snapshot.new_oid()?;
    let done = context.change(move |now| {
        for owner in &owners {
            for schema in &schemas {
                let key = (*owner, *schema, object);
                let mut acl = now.default_acl_of(&key);
                for (privilege, _) in &privileges {
                    for grantee in &grantees {
                        apply(&mut acl, &grant, *owner, *grantee, *privilege)?;
                    }
                }
                now.set_default_acl(new, key, acl);
            }
        }
        Ok(Change::Made(()))
    });
    done.await.map(super::notices)
}
