//! Savepoints: places in a transaction that it can return to. In: SAVEPOINT, RELEASE, ROLLBACK TO.
//! Out: the session as it was then: its settings, cursors and portals, and what the transaction
//! keeps aside.

use std::sync::PoisonError;

use super::settings::Variables;
use super::{Session, Transaction};
use crate::error::{PgError, PgResult, SqlState};
use crate::meta::Pending;
use crate::statement::change;

/// A place to return to.
#[derive(Debug, Clone)]
pub struct Savepoint {
    name: String,
    variables: Variables,
    /// How many cursors and portals the session had made.
    made: u64,
    /// What was kept aside.
    aside: Option<Pending>,
    /// How much it had asked of the channels.
    notes: usize,
}

impl Session {
    /// SAVEPOINT, when so many cursors and portals were made.
    ///
    /// # Errors
    /// 25P01 outside a transaction block.
    pub fn savepoint(&mut self, name: &str, made: u64) -> PgResult<()> {
        self.inside_transaction("SAVEPOINT")?;
        let variables = self.variables.clone();
        let aside = self.aside.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (name, notes) = (name.to_owned(), self.notes.count());
        self.savepoints.push(Savepoint { name, variables, made, aside, notes });
        Ok(())
    }

    /// RELEASE SAVEPOINT: it and those after it are forgotten.
    ///
    /// # Errors
    /// 25P01 outside a transaction block, 3B001 for one that is not there.
    pub fn release(&mut self, name: &str) -> PgResult<()> {
        self.inside_transaction("RELEASE SAVEPOINT")?;
        let place = self.find_savepoint(name)?;
        self.savepoints.truncate(place);
        Ok(())
    }

    /// ROLLBACK TO SAVEPOINT, also of a failed transaction. How many cursors and portals had been
    /// made: later ones are gone.
    ///
    /// # Errors
    /// As [`Session::release`].
    pub fn roll_back_to(&mut self, name: &str) -> PgResult<u64> {
        self.inside_transaction("ROLLBACK TO SAVEPOINT")?;
        let place = self.find_savepoint(name)?;
        self.savepoints.truncate(place + 1);
        let Savepoint { variables, made, aside, notes, .. } = self.savepoints[place].clone();
        self.variables = variables;
        change::return_to(&self.aside, aside);
        self.notes.forget_since(notes);
        if let Transaction::Failed(since) = self.transaction {
            self.transaction = Transaction::Open(since);
        }
        Ok(made)
    }

    fn find_savepoint(&self, name: &str) -> PgResult<usize> {
        self.savepoints.iter().rposition(|savepoint| savepoint.name == name).ok_or_else(|| {
            let message = format!("savepoint \"{name}\" does not exist");
            PgError::new(SqlState::InvalidSavepoint, message)
        })
    }

    fn inside_transaction(&self, what: &str) -> PgResult<()> {
        if self.transaction != Transaction::Idle {
            return Ok(());
        }
        let message = format!("{what} can only be used in transaction blocks");
        Err(PgError::new(SqlState::NoActiveSqlTransaction, message))
    }
}
