//! What is said of tables' rows: keys that nobody checks, for clients that draw joins from them.
//! In: names. Out: another snapshot, with PostgreSQL's words and codes for what cannot be.

use std::sync::Arc;

use super::types::{Constraint, Says};
use super::{Change, Oid, Relation, Snapshot};
use crate::error::{PgError, PgResult, SqlState};

impl Snapshot {
    /// ALTER TABLE ... ADD CONSTRAINT. `columns_of` has the names of a table's columns. Without a
    /// name it gets PostgreSQL's; without columns a foreign key is to the other's primary key.
    ///
    /// # Errors
    /// 42P01, 42703, 42710, 42P16 for a second primary key, 42830 where the other has no such key.
    pub fn add_constraint(
        &mut self,
        table: Oid,
        new: &Constraint,
        columns_of: impl Fn(&Relation) -> Vec<String>,
    ) -> PgResult<Change<()>> {
        let mut found = self.by_number(table)?;
        let mut new = new.clone();
        require_columns(&found, &new.columns, &columns_of)?;
        if let Says::References(to, columns) = &mut new.says {
            let other = self.by_number(*to)?;
            if columns.is_empty() {
                let key = other.constraints.iter().find(|one| one.says == Says::PrimaryKey);
                let missing = || {
                    let message =
                        format!("there is no primary key for referenced table \"{}\"", other.name);
                    PgError::new(SqlState::UndefinedObject, message)
                };
                columns.clone_from(&key.ok_or_else(missing)?.columns);
            }
            require_columns(&other, columns, &columns_of)?;
            let is_key = |one: &Constraint| {
                !matches!(one.says, Says::References(..)) && one.columns == *columns
            };
            if columns.len() != new.columns.len() {
                let message =
                    "number of referencing and referenced columns for foreign key disagree";
                return Err(PgError::new(SqlState::InvalidForeignKey, message));
            }
            let is_known = match *to == table {
                true => found.constraints.iter().any(is_key),
                false => other.constraints.iter().any(is_key),
            };
            if !is_known {
                let message = format!(
                    "there is no unique constraint matching given keys for referenced table \"{}\"",
                    other.name
                );
                return Err(PgError::new(SqlState::InvalidForeignKey, message));
            }
        }
        let is_primary = |one: &Constraint| one.says == Says::PrimaryKey;
        if is_primary(&new) && found.constraints.iter().any(is_primary) {
            let message =
                format!("multiple primary keys for table \"{}\" are not allowed", found.name);
            return Err(PgError::new(SqlState::InvalidTableDefinition, message));
        }
        if new.name.is_empty() {
            new.name = free_name(&found, &new);
        } else if found.constraints.iter().any(|one| one.name == new.name) {
            let message = format!(
                "constraint \"{}\" for relation \"{}\" already exists",
                new.name, found.name
            );
            return Err(PgError::new(SqlState::DuplicateObject, message));
        }
        found.constraints.push(new);
        self.put_relation(found);
        Ok(Change::Made(()))
    }

    /// ALTER TABLE ... DROP CONSTRAINT.
    ///
    /// # Errors
    /// 42704.
    pub fn drop_constraint(
        &mut self,
        table: Oid,
        name: &str,
        if_exists: bool,
    ) -> PgResult<Change<()>> {
        let mut found = self.by_number(table)?;
        let before = found.constraints.len();
        found.constraints.retain(|one| one.name != name);
        if found.constraints.len() < before {
            self.put_relation(found);
            return Ok(Change::Made(()));
        }
        let message =
            format!("constraint \"{name}\" of relation \"{}\" does not exist", found.name);
        if if_exists {
            let message = format!("{message}, skipping");
            return Ok(Change::Skipped(PgError::notice(SqlState::UndefinedObject, message)));
        }
        Err(PgError::new(SqlState::UndefinedObject, message))
    }

    /// Foreign keys to tables that are dropped go with CASCADE, and else keep them.
    pub(super) fn release_from_constraints(
        &mut self,
        doomed: &[Arc<Relation>],
        cascade: bool,
    ) -> PgResult<()> {
        let is_doomed = |oid: Oid| doomed.iter().any(|one| one.oid == oid);
        let reads = |one: &Constraint| matches!(one.says, Says::References(to, _) if is_doomed(to));
        let users = self.relations().filter(|one| !is_doomed(one.oid));
        let users: Vec<_> =
            users.filter(|one| one.constraints.iter().any(reads)).cloned().collect();
        for user in users {
            let mut kept = user.as_ref().clone();
            if !cascade {
                let what = doomed.last().map_or(String::new(), |one| one.name.clone());
                let name = kept.constraints.iter().find(|one| reads(one)).map(|one| &one.name);
                let message =
                    format!("cannot drop table {what} because other objects depend on it");
                return Err(PgError::new(SqlState::DependentObjectsExist, message)
                    .detail(format!(
                        "constraint {} on table {} depends on table {what}",
                        name.map_or("", String::as_str),
                        kept.name
                    ))
                    .hint("Use DROP ... CASCADE to drop the dependent objects too."));
            }
            kept.constraints.retain(|one| !reads(one));
            self.put_relation(kept);
        }
        Ok(())
    }

    fn by_number(&self, oid: Oid) -> PgResult<Relation> {
        self.relation_by_oid(oid).map(|found| found.as_ref().clone()).ok_or_else(|| {
            let message = format!("relation with OID {oid} does not exist");
            PgError::new(SqlState::UndefinedTable, message)
        })
    }
}

fn require_columns(
    table: &Relation,
    columns: &[String],
    columns_of: &impl Fn(&Relation) -> Vec<String>,
) -> PgResult<()> {
    let known = columns_of(table);
    match columns.iter().find(|column| !known.contains(column)) {
        None => Ok(()),
        Some(missing) => {
            let message =
                format!("column \"{missing}\" of relation \"{}\" does not exist", table.name);
            Err(PgError::new(SqlState::UndefinedColumn, message))
        }
    }
}

/// `t_pkey`, `t_a_b_key`, `t_a_fkey`, with a number when it is taken.
fn free_name(table: &Relation, new: &Constraint) -> String {
    let columns = new.columns.join("_");
    let base = match new.says {
        Says::PrimaryKey => format!("{}_pkey", table.name),
        Says::Unique => format!("{}_{columns}_key", table.name),
        Says::References(..) => format!("{}_{columns}_fkey", table.name),
    };
    let is_free = |name: &String| table.constraints.iter().all(|one| one.name != *name);
    let numbered = (1..).map(|number| format!("{base}{number}"));
    std::iter::once(base.clone()).chain(numbered).find(is_free).unwrap_or(base)
}
