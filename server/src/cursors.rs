//! A session's cursors. In: what DECLARE made. Out: their rows, from where each stands. Those
//! without HOLD end with their transaction; all end with the session.

mod history;
pub mod place;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use crate::error::{PgError, PgResult, SqlState};
use crate::queries::Watch;
use crate::statement::Shape;
use crate::statement::feed::Feed;
pub use history::History;
use place::Place;

/// One cursor.
#[derive(Debug)]
pub struct Cursor {
    /// What was declared.
    pub declared: Arc<Declared>,
    /// Its columns.
    pub shape: Shape,
    /// Its rows; none while a statement reads them.
    pub rows: Option<Rows>,
    /// Where it stands.
    pub place: Place,
    /// Its query, until all its rows were read.
    pub query: Option<Watch>,
    /// How many cursors and portals the session had made before it.
    pub number: u64,
    /// Whether it outlives the transaction: it has HOLD, and what declared it is committed.
    pub is_kept: bool,
}

/// What DECLARE said, for who asks.
#[derive(Debug)]
pub struct Declared {
    /// The cursor's name.
    pub name: String,
    /// The statement.
    pub statement: Arc<str>,
    /// WITH HOLD.
    pub holds: bool,
    /// BINARY.
    pub is_binary: bool,
    /// SCROLL.
    pub scrolls: bool,
    /// When.
    pub at: SystemTime,
}

/// Where a cursor's rows come from.
#[derive(Debug)]
pub enum Rows {
    /// Each is read once.
    Ahead(Feed),
    /// Those that were read are kept.
    Kept(Box<History>),
}

/// Cursors by name.
#[derive(Debug, Default)]
pub struct Cursors {
    by_name: BTreeMap<String, Cursor>,
}

impl Cursors {
    /// How many.
    pub fn count(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Keeps a new one.
    pub fn declare(&mut self, cursor: Cursor) {
        self.by_name.insert(cursor.declared.name.clone(), cursor);
    }

    /// One by name.
    ///
    /// # Errors
    /// 34000.
    pub fn get(&mut self, name: &str) -> PgResult<&mut Cursor> {
        self.by_name.get_mut(name).ok_or_else(|| {
            let message = format!("cursor \"{name}\" does not exist");
            PgError::new(SqlState::InvalidCursorName, message)
        })
    }

    /// Ends one.
    ///
    /// # Errors
    /// 34000.
    pub fn close(&mut self, name: &str) -> PgResult<()> {
        self.get(name)?;
        self.by_name.remove(name);
        Ok(())
    }

    /// Ends all.
    pub fn close_all(&mut self) {
        self.by_name.clear();
    }

    /// The transaction ends, and with it those that are not held or were declared in vain.
    pub fn end_transaction(&mut self, committed: bool) {
        for cursor in self.by_name.values_mut() {
            cursor.is_kept |= committed && cursor.declared.holds;
        }
        self.by_name.retain(|_, cursor| cursor.is_kept);
    }

    /// The transaction goes back to where it had made so many cursors and portals.
    pub fn forget_since(&mut self, number: u64) {
        self.by_name.retain(|_, cursor| cursor.number < number);
    }

    /// What was declared, by name.
    pub fn declared(&self) -> impl Iterator<Item = &Arc<Declared>> {
        self.by_name.values().map(|cursor| &cursor.declared)
    }
}

/// 42P03.
pub fn duplicate_cursor(name: &str) -> PgError {
    PgError::new(SqlState::DuplicateCursor, format!("cursor \"{name}\" already exists"))
}

/// 55000, for a cursor that does not go back.
pub fn only_forward() -> PgError {
    let message = "cursor can only scan forward";
    PgError::new(SqlState::ObjectNotInPrerequisiteState, message)
        .hint("Declare it with SCROLL option to enable backward scan.")
}
