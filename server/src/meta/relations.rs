//! Tables and views. In: names and definitions. Out: another snapshot, with PostgreSQL's words and
//! codes for what cannot be. It neither reads nor deletes a table's files, and whether who asks may
//! do it is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::acl::{Acl, Object};
use super::{Change, Oid, Relation, RelationKind, Snapshot};
use crate::error::{PgError, PgResult, SqlState};

/// The definition of a relation to be made; the fields as in [`Relation`].
#[derive(Clone, Debug)]
pub struct NewRelation {
    /// Its number, if it is not to replace one.
    pub oid: Oid,
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

impl Snapshot {
    /// A relation, or PostgreSQL's error.
    ///
    /// # Errors
    /// 3F000 for the schema, 42P01 for the relation.
    pub fn find_relation(&self, schema: &str, name: &str) -> PgResult<&Arc<Relation>> {
        if let Some(found) = self.relation(schema, name) {
            return Ok(found);
        }
        self.find_schema(schema)?;
        let message = format!("relation \"{name}\" does not exist");
        Err(PgError::new(SqlState::UndefinedTable, message))
    }

    /// CREATE TABLE or VIEW: its oid. With `or_replace` an existing one of the same kind keeps its
    /// oid, its owner and what is granted on it, and takes the new definition.
    ///
    /// # Errors
    /// 3F000, 42P07, 42809, 42P16; 42P01 when what it reads has gone since it was planned.
    pub fn create_relation(
        &mut self,
        new: &NewRelation,
        or_replace: bool,
        if_not_exists: bool,
    ) -> PgResult<Change<Oid>> {
        let schema = Arc::clone(self.find_schema(&new.schema)?);
        if let Some(gone) = new.needs.iter().find(|oid| !self.by_oid.contains_key(oid)) {
            let message = format!("relation with OID {gone} does not exist");
            return Err(PgError::new(SqlState::UndefinedTable, message));
        }
        let Some(old) = self.relation(&new.schema, &new.name).cloned() else {
            let acl = self.default_acl(new.owner, Some(schema.oid), Object::Relation);
            self.put_relation(new.relation(new.oid, schema.oid, new.owner, acl));
            return Ok(Change::Made(new.oid));
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
        refuse_circle(self, &old, &new.needs)?;
        self.put_relation(Relation {
            column_acls: old.column_acls.clone(),
            comment: old.comment.clone(),
            column_comments: old.column_comments.clone(),
            constraints: old.constraints.clone(),
            ..new.relation(old.oid, schema.oid, old.owner, old.acl.clone())
        });
        Ok(Change::Made(old.oid))
    }

    /// DROP TABLE or VIEW: all that went, for whoever deletes their files.
    ///
    /// # Errors
    /// 3F000, 42P01, 42809; 2BP01 when a view reads it.
    pub fn drop_relation(
        &mut self,
        what: DropRelation<'_>,
    ) -> PgResult<Change<Vec<Arc<Relation>>>> {
        let noun = if what.view { "view" } else { "table" };
        let Some(found) = self.relation(what.schema, what.name).cloned() else {
            return missing(self, what, noun);
        };
        if found.kind.is_table() == what.view {
            let other = found.kind.noun();
            let message = format!("\"{}\" is not a {noun}", what.name);
            let hint = format!("Use DROP {} to remove a {other}.", other.to_uppercase());
            return Err(PgError::new(SqlState::WrongObjectType, message).hint(hint));
        }
        let doomed = dependents(self, vec![Arc::clone(&found)]);
        if doomed.len() > 1 && !what.cascade {
            let object = format!("{noun} {}", what.name);
            let others = doomed.iter().filter(|one| one.oid != found.oid);
            return Err(must_cascade(&object, others.map(|one| (one, &*object))));
        }
        self.release_from_constraints(&doomed, what.cascade)?;
        doomed.iter().for_each(|relation| self.take_relation(relation.oid));
        Ok(Change::Made(doomed))
    }

    /// ALTER TABLE or VIEW ... RENAME TO. Views that read it go on doing so: they know its oid.
    ///
    /// # Errors
    /// 3F000, 42P01, 42P07.
    pub fn rename(&mut self, schema: &str, name: &str, to: &str) -> PgResult<Change<()>> {
        let found = self.find_relation(schema, name)?.as_ref().clone();
        if self.relation(schema, to).is_some() {
            let message = format!("relation \"{to}\" already exists");
            return Err(PgError::new(SqlState::DuplicateTable, message));
        }
        self.put_relation(Relation { name: to.to_owned(), ..found });
        Ok(Change::Made(()))
    }

    /// ALTER TABLE or VIEW ... SET SCHEMA.
    ///
    /// # Errors
    /// 3F000, 42P01, 42P07.
    pub fn move_to(&mut self, schema: &str, name: &str, to: &str) -> PgResult<Change<()>> {
        let found = self.find_relation(schema, name)?.as_ref().clone();
        let target = Arc::clone(self.find_schema(to)?);
        if schema != to && self.relation(to, name).is_some() {
            let message = format!("relation \"{name}\" already exists in schema \"{to}\"");
            return Err(PgError::new(SqlState::DuplicateTable, message));
        }
        self.put_relation(Relation { schema: to.to_owned(), schema_oid: target.oid, ..found });
        Ok(Change::Made(()))
    }

    /// ALTER TABLE or VIEW ... OWNER TO; a relation that is not there has no owner.
    pub fn own_relation(&mut self, oid: Oid, to: Oid) {
        let Some(mut found) = self.relation_by_oid(oid).map(|one| one.as_ref().clone()) else {
            return;
        };
        let acls = found.acl.iter_mut().chain(found.column_acls.values_mut());
        acls.for_each(|acl| acl.change_owner(found.owner, to));
        found.owner = to;
        self.put_relation(found);
    }

    /// Replaces what is granted on a relation, or on one of its columns.
    pub fn set_relation_acl(&mut self, oid: Oid, column: Option<&str>, acl: Acl) {
        let Some(mut found) = self.relation_by_oid(oid).map(|one| one.as_ref().clone()) else {
            return;
        };
        match column {
            None => found.acl = Some(acl),
            Some(column) if acl.is_empty() => {
                found.column_acls.remove(column);
            }
            Some(column) => {
                found.column_acls.insert(column.to_owned(), acl);
            }
        }
        self.put_relation(found);
    }

    /// COMMENT ON TABLE, VIEW or COLUMN.
    ///
    /// # Errors
    /// 3F000, 42P01.
    pub fn comment_on_relation(
        &mut self,
        schema: &str,
        name: &str,
        column: Option<&str>,
        text: Option<&str>,
    ) -> PgResult<Change<()>> {
        let mut found = self.find_relation(schema, name)?.as_ref().clone();
        let text = text.filter(|text| !text.is_empty()).map(str::to_owned);
        match (column, text) {
            (None, text) => found.comment = text,
            (Some(column), Some(text)) => {
                found.column_comments.insert(column.to_owned(), text);
            }
            (Some(column), None) => {
                found.column_comments.remove(column);
            }
        }
        self.put_relation(found);
        Ok(Change::Made(()))
    }
}

impl NewRelation {
    fn relation(&self, oid: Oid, schema_oid: Oid, owner: Oid, acl: Option<Acl>) -> Relation {
        Relation {
            oid,
            schema_oid,
            schema: self.schema.clone(),
            name: self.name.clone(),
            owner,
            kind: self.kind,
            format: self.format.clone(),
            location: self.location.clone(),
            options: self.options.clone(),
            columns: self.columns.clone(),
            partition_columns: self.partition_columns.clone(),
            definition: self.definition.clone(),
            created_at_micros: now_micros(),
            acl,
            column_acls: BTreeMap::new(),
            comment: None,
            column_comments: BTreeMap::new(),
            constraints: vec![],
            needs: self.needs.clone(),
        }
    }
}

fn missing<T>(snapshot: &Snapshot, what: DropRelation<'_>, noun: &str) -> PgResult<Change<T>> {
    let error = match snapshot.find_schema(what.schema) {
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

/// A replaced view must not read itself, at any distance.
fn refuse_circle(snapshot: &Snapshot, old: &Arc<Relation>, needs: &BTreeSet<Oid>) -> PgResult<()> {
    let users = dependents(snapshot, vec![Arc::clone(old)]);
    if users.iter().any(|user| needs.contains(&user.oid)) {
        let message = format!("infinite recursion detected in rules for relation \"{}\"", old.name);
        return Err(PgError::new(SqlState::InvalidTableDefinition, message));
    }
    Ok(())
}
