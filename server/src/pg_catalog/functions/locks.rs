//! Advisory locks as functions.
//!
//! In: keys, as one number or two. Out: locks taken and given back, through the session that runs.
//! Refuses to lock anything else: nothing here changes rows in place.

use std::time::Duration;

use datafusion::common::Result;

use super::effects::{raise, warn};
use super::rows::Kind::Int;
use super::rows::{Arg, Function, strict};
use crate::error::{PgError, SqlState};
use crate::pg_catalog::CatalogView;
use crate::pg_catalog::cells::Cell;
use crate::session::variables::parse_millis;
use crate::sessions::advisory::{Attempt, Hold, Key};

const SESSION: Hold = Hold { is_shared: false, is_of_transaction: false };
const SESSION_SHARED: Hold = Hold { is_shared: true, is_of_transaction: false };
const TRANSACTION: Hold = Hold { is_shared: false, is_of_transaction: true };
const TRANSACTION_SHARED: Hold = Hold { is_shared: true, is_of_transaction: true };

macro_rules! locks {
    ($($name:literal $returns:literal $act:ident $hold:ident;)+) => {
        pub(super) const FUNCTIONS: &[Function] = &[
            $(strict($name, &[Int, Int], $returns, |view, args| $act(view, args, $hold))
                .optional(1)
                .volatile(),)+
            strict("pg_advisory_unlock_all", &[], "void", unlock_all).volatile(),
        ];
    };
}

locks! {
    "pg_advisory_lock" "void" take SESSION;
    "pg_advisory_lock_shared" "void" take SESSION_SHARED;
    "pg_advisory_xact_lock" "void" take TRANSACTION;
    "pg_advisory_xact_lock_shared" "void" take TRANSACTION_SHARED;
    "pg_try_advisory_lock" "bool" try_take SESSION;
    "pg_try_advisory_lock_shared" "bool" try_take SESSION_SHARED;
    "pg_try_advisory_xact_lock" "bool" try_take TRANSACTION;
    "pg_try_advisory_xact_lock_shared" "bool" try_take TRANSACTION_SHARED;
    "pg_advisory_unlock" "bool" unlock SESSION;
    "pg_advisory_unlock_shared" "bool" unlock SESSION_SHARED;
}

fn key(args: &[Arg<'_>]) -> Result<Key> {
    let [first, second] = args else { return Ok(Key::One(args[0].int())) };
    match (i32::try_from(first.int()), i32::try_from(second.int())) {
        (Ok(first), Ok(second)) => Ok(Key::Two(first, second)),
        _ => Err(raise(PgError::new(SqlState::NumericOutOfRange, "integer out of range"))),
    }
}

fn take(view: &CatalogView, args: &[Arg<'_>], hold: Hold) -> Result<Cell> {
    let key = key(args)?;
    if attempt(view, key, hold)? == Attempt::Held {
        let locks = &view.link.sessions().map_err(raise)?.locks;
        let timeout = view.link.setting("lock_timeout").as_deref().and_then(parse_millis);
        let timeout = timeout.and_then(|millis| u64::try_from(millis).ok());
        let timeout = timeout.filter(|millis| *millis > 0).map(Duration::from_millis);
        let taken = view.link.wait(locks.take(view.backend_pid, key, hold), timeout);
        done(view, hold, taken.map_err(raise)?)?;
    }
    Ok("".into())
}

fn try_take(view: &CatalogView, args: &[Arg<'_>], hold: Hold) -> Result<Cell> {
    Ok((attempt(view, key(args)?, hold)? == Attempt::Taken).into())
}

fn attempt(view: &CatalogView, key: Key, hold: Hold) -> Result<Attempt> {
    let sessions = view.link.sessions().map_err(raise)?;
    let attempt = sessions.locks.try_take(view.backend_pid, key, hold);
    match attempt {
        Attempt::Held => {}
        over => done(view, hold, Some(over))?,
    }
    Ok(attempt)
}

/// What an attempt came to; none when it took too long.
fn done(view: &CatalogView, hold: Hold, attempt: Option<Attempt>) -> Result<()> {
    let (state, message) = match attempt {
        Some(Attempt::Taken) => {
            if hold.is_of_transaction {
                view.link.note_transaction_lock();
            }
            return Ok(());
        }
        Some(Attempt::TooMany) => {
            (SqlState::OutOfMemory, "too many advisory locks in this session")
        }
        Some(Attempt::Deadlock) => (SqlState::DeadlockDetected, "deadlock detected"),
        Some(Attempt::Held) | None => {
            (SqlState::LockNotAvailable, "canceling statement due to lock timeout")
        }
    };
    Err(raise(PgError::new(state, message)))
}

fn unlock(view: &CatalogView, args: &[Arg<'_>], hold: Hold) -> Result<Cell> {
    let sessions = view.link.sessions().map_err(raise)?;
    let was_held = sessions.locks.give_back(view.backend_pid, key(args)?, hold.is_shared);
    if !was_held {
        let kind = if hold.is_shared { "ShareLock" } else { "ExclusiveLock" };
        warn(view, format!("you don't own a lock of type {kind}"));
    }
    Ok(was_held.into())
}

fn unlock_all(view: &CatalogView, _: &[Arg<'_>]) -> Result<Cell> {
    view.link.sessions().map_err(raise)?.locks.give_back_all(view.backend_pid);
    Ok("".into())
}
