//! What a transaction asks of the channels. In: LISTEN, UNLISTEN, NOTIFY. Out: the same at COMMIT,
//! each notification once; nothing after ROLLBACK.

use std::collections::HashSet;
use std::sync::Arc;

use super::Note;
use crate::error::{PgError, PgResult, SqlState};
use crate::limits::{NOTES_MAX_BYTES, PAYLOAD_MAX_BYTES};
use planner::names::NAME_MAX_BYTES;

/// One thing asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// LISTEN.
    Listen(String),
    /// UNLISTEN.
    Unlisten(String),
    /// UNLISTEN *.
    UnlistenAll,
    /// NOTIFY.
    Notify(Arc<Note>),
}

/// What a transaction asked for so far.
#[derive(Debug, Default)]
pub struct Wishes {
    wishes: Vec<Wish>,
    said: HashSet<Arc<Note>>,
    bytes: usize,
    committed: Vec<Wish>,
}

impl Wishes {
    /// LISTEN, UNLISTEN.
    pub fn ask(&mut self, wish: Wish) {
        self.wishes.push(wish);
    }

    /// NOTIFY. The same twice in a transaction is once.
    ///
    /// # Errors
    /// 22023 for a channel or a payload that cannot be, 54000 for too many.
    pub fn notify(&mut self, pid: i32, channel: &str, payload: &str) -> PgResult<()> {
        sayable(channel, payload)?;
        let (channel, payload) = (channel.to_owned(), payload.to_owned());
        let note = Arc::new(Note { pid, channel, payload });
        if self.said.contains(&note) {
            return Ok(());
        }
        if self.bytes + note.bytes() > NOTES_MAX_BYTES {
            let message = "too many notifications in one transaction";
            return Err(PgError::new(SqlState::ProgramLimitExceeded, message));
        }
        self.bytes += note.bytes();
        self.said.insert(Arc::clone(&note));
        self.wishes.push(Wish::Notify(note));
        Ok(())
    }

    /// How much was asked for, for [`Wishes::forget_since`].
    pub fn count(&self) -> usize {
        self.wishes.len()
    }

    /// The transaction goes back to where it had asked for so much.
    pub fn forget_since(&mut self, count: usize) {
        for wish in self.wishes.drain(count.min(self.wishes.len())..) {
            if let Wish::Notify(note) = wish {
                self.bytes -= note.bytes();
                self.said.remove(&note);
            }
        }
    }

    /// The transaction ends.
    pub fn end(&mut self, committed: bool) {
        if committed {
            self.committed.append(&mut self.wishes);
        }
        self.forget_since(0);
        self.said.clear();
        self.bytes = 0;
    }

    /// What is to be done now.
    pub fn take_committed(&mut self) -> Vec<Wish> {
        std::mem::take(&mut self.committed)
    }
}

/// Refuses a channel or a payload that cannot be.
///
/// # Errors
/// 22023.
pub fn sayable(channel: &str, payload: &str) -> PgResult<()> {
    let message = if channel.is_empty() {
        "channel name cannot be empty"
    } else if channel.len() > NAME_MAX_BYTES {
        "channel name too long"
    } else if payload.len() > PAYLOAD_MAX_BYTES {
        "payload string too long"
    } else {
        return Ok(());
    };
    Err(PgError::new(SqlState::InvalidParameterValue, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_and_nothing_that_was_taken_back() {
        let mut pending = Wishes::default();
        pending.ask(Wish::Listen("a".to_owned()));
        for payload in ["1", "2", "1"] {
            pending.notify(7, "a", payload).expect("fits");
        }
        let place = pending.count();
        pending.notify(7, "a", "3").expect("fits");
        pending.forget_since(place);
        pending.notify(7, "a", "3").expect("fits");
        pending.end(true);
        let payloads = |wishes: Vec<Wish>| {
            let notes = wishes.into_iter().filter_map(|wish| match wish {
                Wish::Notify(note) => Some(note.payload.clone()),
                _ => None,
            });
            notes.collect::<Vec<_>>()
        };
        assert_eq!(payloads(pending.take_committed()), ["1", "2", "3"]);
        pending.notify(7, "a", "1").expect("fits");
        pending.end(false);
        assert_eq!(pending.take_committed(), []);
    }

    #[test]
    fn what_cannot_be_said() {
        let mut pending = Wishes::default();
        for (channel, payload, message) in [
            ("", "x", "channel name cannot be empty"),
            (&*"x".repeat(64), "x", "channel name too long"),
            ("a", &*"x".repeat(8_000), "payload string too long"),
        ] {
            let error = pending.notify(7, channel, payload).expect_err(message);
            assert_eq!((error.state, &*error.message), (SqlState::InvalidParameterValue, message));
        }
        pending.notify(7, "a", &"x".repeat(7_999)).expect("the longest");
    }
}
