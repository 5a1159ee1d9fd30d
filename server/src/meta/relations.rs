//! Changes to tables and views. In: names and definitions. Out: durable changes with PostgreSQL's
//! words and codes. It neither reads nor deletes a table's files.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Transaction, params};

use super::{Change, Meta, Oid, Relation, RelationKind, Snapshot, failed, next_oid, schemas};
use crate::error::{PgError, PgResult, SqlState};

/// The definition of a relation to be made; the fields as in [`Relation`].
#[derive(Clone, Debug)]
pub struct NewRelation {
    /// The name of its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The role it will belong to.
    pub owner: Oid,
    /// What it is.
    pub kind: RelationKind,
    /// PARQUET, CSV ...; empty for a view.
    pub format: String,
    /// Where its files are; empty for a view.
    pub location: String,
    /// The options of its format, as JSON.
    pub options: String,
    /// Its columns, as JSON.
    pub columns: String,
    /// Its partition columns, as JSON.
    pub partition_columns: String,
    /// The SQL text that makes it.
    pub definition: String,
    /// The relations that its definition names.
    pub needs: BTreeSet<Oid>,
}

/// DROP TABLE or DROP VIEW of one name.
#[derive(Clone, Copy, Debug)]
pub struct DropRelation<'a> {
    /// The name of its schema.
    pub schema: &'a str,
    /// Its name.
    pub name: &'a str,
    /// DROP VIEW, not DROP TABLE.
    pub view: bool,
    /// A missing one is a notice.
    pub if_exists: bool,
    /// Views that read it go too.
    pub cascade: bool,
}

impl Meta {
    /// CREATE TABLE or VIEW: its oid. With `or_replace` an existing one of the same kind keeps its
    /// oid and takes the new definition.
    pub fn create_relation(
        &self,
        new: &NewRelation,
        or_replace: bool,
        if_not_exists: bool,
    ) -> PgResult<Change<Oid>> {
        self.change(|tx| {
            let snapshot = self.snapshot();
            let schema = schemas::find(&snapshot, &new.schema)?;
            let Some(old) = snapshot.relation(&new.schema, &new.name) else {
                let oid = next_oid(tx)?;
                insert(tx, oid, schema.oid, new)?;
                return Ok(Change::Made(oid));
            };
            if if_not_exists {
                let message = format!("relation \"{}\" already exists, skipping", new.name);
                return Ok(Change::Skipped(PgError::notice(SqlState::DuplicateTable, message)));
            }
            if !or_replace {
                let message = format!("relation \"{}\" already exists", new.name);
                return Err(PgError::new(SqlState::DuplicateTable, message));
            }
            if old.kind.is_table() != new.kind.is_table() {
                let message = format!("\"{}\" is not a {}", new.name, new.kind.noun());
                return Err(PgError::new(SqlState::WrongObjectType, message));
            }
            refuse_circle(&snapshot, old, &new.needs)?;
            update(tx, old.oid, new)?;
            Ok(Change::Made(old.oid))
        })
    }

    /// DROP TABLE or VIEW: all that went, for whoever deletes their files.
    pub fn drop_relation(&self, what: DropRelation<'_>) -> PgResult<Change<Vec<Arc<Relation>>>> {
        self.change(|tx| {
            let snapshot = self.snapshot();
            let noun = if what.view { "view" } else { "table" };
            let Some(found) = snapshot.relation(what.schema, what.name) else {
                return missing(&snapshot, what, noun);
            };
            if found.kind.is_table() == what.view {
                let other = found.kind.noun();
                let message = format!("\"{}\" is not a {noun}", what.name);
                let hint = format!("Use DROP {} to remove a {other}.", other.to_uppercase());
                return Err(PgError::new(SqlState::WrongObjectType, message).hint(hint));
            }
            let doomed = dependents(&snapshot, vec![Arc::clone(found)]);
            if doomed.len() > 1 && !what.cascade {
                let object = format!("{noun} {}", what.name);
                let others = doomed.iter().filter(|one| one.oid != found.oid);
                return Err(must_cascade(&object, others.map(|one| (one, &*object))));
            }
            drop_all(tx, &doomed)?;
            Ok(Change::Made(doomed))
        })
    }

    /// ALTER TABLE or VIEW ... RENAME TO, within its schema.
    pub fn rename(&self, schema: &str, name: &str, to: &str) -> PgResult<Change<()>> {
        self.change(|tx| {
            let snapshot = self.snapshot();
            schemas::find(&snapshot, schema)?;
            let Some(found) = snapshot.relation(schema, name) else {
                let message = format!("relation \"{name}\" does not exist");
                return Err(PgError::new(SqlState::UndefinedTable, message));
            };
            if snapshot.relation(schema, to).is_some() {
                let message = format!("relation \"{to}\" already exists");
                return Err(PgError::new(SqlState::DuplicateTable, message));
            }
            refuse_if_needed(&snapshot, found, "rename")?;
            let sql = "UPDATE relations SET name = ?2 WHERE oid = ?1";
            tx.execute(sql, params![found.oid, to]).map_err(failed)?;
            Ok(Change::Made(()))
        })
    }
}

fn missing<T>(snapshot: &Snapshot, what: DropRelation<'_>, noun: &str) -> PgResult<Change<T>> {
    let error = match schemas::find(snapshot, what.schema) {
        Err(error) => error,
        Ok(_) => PgError::new(
            SqlState::UndefinedTable,
            format!("{noun} \"{}\" does not exist", what.name),
        ),
    };
    if what.if_exists {
        let message = format!("{}, skipping", error.message);
        Ok(Change::Skipped(PgError::notice(error.state, message)))
    } else {
        Err(error)
    }
}

fn insert(tx: &Transaction<'_>, oid: Oid, schema: Oid, new: &NewRelation) -> PgResult<()> {
    tx.execute(
        "INSERT INTO relations (oid, schema_oid, name, owner, kind, format, location, options,
                                columns, partition_columns, definition, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            oid,
            schema,
            new.name,
            new.owner,
            new.kind.word(),
            new.format,
            new.location,
            new.options,
            new.columns,
            new.partition_columns,
            new.definition,
            now_micros(),
        ],
    )
    .map_err(failed)?;
    insert_needs(tx, oid, new)
}

fn update(tx: &Transaction<'_>, oid: Oid, new: &NewRelation) -> PgResult<()> {
    tx.execute(
        "UPDATE relations SET kind = ?2, format = ?3, location = ?4, options = ?5, columns = ?6,
                              partition_columns = ?7, definition = ?8, created_at = ?9
         WHERE oid = ?1",
        params![
            oid,
            new.kind.word(),
            new.format,
            new.location,
            new.options,
            new.columns,
            new.partition_columns,
            new.definition,
            now_micros(),
        ],
    )
    .map_err(failed)?;
    tx.execute("DELETE FROM dependencies WHERE relation_oid = ?1", [oid]).map_err(failed)?;
    insert_needs(tx, oid, new)
}

fn insert_needs(tx: &Transaction<'_>, oid: Oid, new: &NewRelation) -> PgResult<()> {
    let sql = "INSERT INTO dependencies (relation_oid, needs_oid)
               SELECT ?1, oid FROM relations WHERE oid = ?2";
    for needed in &new.needs {
        // Planned against an older snapshot: what it reads may have been dropped since.
        if tx.execute(sql, params![oid, needed]).map_err(failed)? == 0 {
            let message = format!("relation with OID {needed} does not exist");
            return Err(PgError::new(SqlState::UndefinedTable, message));
        }
    }
    Ok(())
}

fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// `roots` and all that needs them, at any distance, by oid.
pub(super) fn dependents(snapshot: &Snapshot, roots: Vec<Arc<Relation>>) -> Vec<Arc<Relation>> {
    let mut doomed: BTreeSet<Oid> = roots.iter().map(|root| root.oid).collect();
    // A view is younger than what it reads, unless one was replaced: so until nothing is added.
    loop {
        let before = doomed.len();
        for relation in snapshot.relations() {
            if !relation.needs.is_disjoint(&doomed) {
                doomed.insert(relation.oid);
            }
        }
        if doomed.len() == before {
            break;
        }
    }
    doomed.iter().filter_map(|oid| snapshot.relation_by_oid(*oid).map(Arc::clone)).collect()
}

/// Deletes relations; dependencies among them go first, so their order does not matter.
pub(super) fn drop_all(tx: &Transaction<'_>, doomed: &[Arc<Relation>]) -> PgResult<()> {
    for relation in doomed {
        let sql = "DELETE FROM dependencies WHERE relation_oid = ?1";
        tx.execute(sql, [relation.oid]).map_err(failed)?;
    }
    for relation in doomed {
        tx.execute("DELETE FROM relations WHERE oid = ?1", [relation.oid]).map_err(failed)?;
    }
    Ok(())
}

/// What PostgreSQL says when RESTRICT finds something.
pub(super) fn must_cascade<'a>(
    object: &str,
    others: impl Iterator<Item = (&'a Arc<Relation>, &'a str)>,
) -> PgError {
    let lines: Vec<String> = others
        .map(|(one, on)| format!("{} {}.{} depends on {on}", one.kind.noun(), one.schema, one.name))
        .collect();
    PgError::new(
        SqlState::DependentObjectsExist,
        format!("cannot drop {object} because other objects depend on it"),
    )
    .detail(lines.join("\n"))
    .hint("Use DROP ... CASCADE to drop the dependent objects too.")
}

/// A view keeps the text of its query, so what it names must keep its name. PostgreSQL stores
/// oids there and can rename.
pub(super) fn refuse_if_needed(
    snapshot: &Snapshot,
    relation: &Relation,
    verb: &str,
) -> PgResult<()> {
    let Some(user) = snapshot.relations().find(|one| one.needs.contains(&relation.oid)) else {
        return Ok(());
    };
    let (noun, name) = (relation.kind.noun(), &relation.name);
    let user = format!("{} {}.{}", user.kind.noun(), user.schema, user.name);
    Err(PgError::new(
        SqlState::DependentObjectsExist,
        format!("cannot {verb} {noun} {name} because {user} depends on it"),
    )
    .hint("Drop or replace the view first."))
}

/// A replaced view must not read itself, at any distance.
fn refuse_circle(snapshot: &Snapshot, old: &Arc<Relation>, needs: &BTreeSet<Oid>) -> PgResult<()> {
    let users = dependents(snapshot, vec![Arc::clone(old)]);
    if users.iter().any(|user| needs.contains(&user.oid)) {
        let message = format!("infinite recursion detected in rules for relation \"{}\"", old.name);
        return Err(PgError::new(SqlState::InvalidTableDefinition, message));
    }
    Ok(())
}
