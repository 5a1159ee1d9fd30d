//! What functions asked of their session, and what sessions tell each other. In: wishes of a
//! statement that has ended, notifications of a transaction that is committed. Out: changed
//! settings, messages to this client and to the inboxes of others.

use datafusion::sql::sqlparser::ast::{Ident, Statement};
use planner::names;

use super::{Connection, Stream};
use crate::error::{PgError, PgResult};
use crate::notify::pending::Wish;
use crate::session::Transaction;
use crate::session::link::Asked;
use crate::statement::Outcome;
use crate::wire::backend;

impl<S: Stream> Connection<S> {
    /// Functions see the session as it is now.
    pub(super) fn publish(&self) {
        let cursors = self.cursors.declared().cloned().collect();
        let variables = &self.session.variables;
        self.link.begin(variables.all(), variables.limits().clone(), cursors);
    }

    /// Grants what a statement's functions asked for, if it has ended well.
    pub(super) fn grant(&mut self, is_done: bool) -> PgResult<()> {
        let (asked, notices) = self.link.take();
        for notice in notices {
            self.put_notice(&notice);
        }
        if !is_done {
            return Ok(());
        }
        for wish in asked {
            match wish {
                // Outside a transaction block it ends with the statement.
                Asked::Set { name, is_local: true, .. }
                    if self.session.transaction == Transaction::Idle =>
                {
                    self.session.variables.know(&name)?;
                }
                Asked::Set { name, value, is_local } => {
                    let variables = &mut self.session.variables;
                    match value {
                        Some(value) => variables.set(&name, &value, is_local)?,
                        None => variables.reset(&name, is_local)?,
                    }
                    self.settings_changed = true;
                }
                Asked::Notify { channel, payload } => {
                    let pid = self.registration.pid();
                    self.session.notes.notify(pid, &channel, &payload)?;
                }
            }
        }
        Ok(())
    }

    /// Tells the client what functions had to say so far.
    pub(super) fn tell_notices(&mut self) {
        for notice in self.link.take_notices() {
            self.put_notice(&notice);
        }
    }

    /// Gives the channels what committed transactions asked of them.
    pub(super) fn send_notes(&mut self) {
        let wishes = self.session.notes.take_committed();
        if !wishes.is_empty() {
            self.shared.sessions.channels.commit(self.registration.member(), wishes);
        }
    }

    /// Tells the client what others sent.
    pub(super) fn deliver_notes(&mut self) {
        for note in self.registration.member().inbox.take() {
            backend::notification(&mut self.out, note.pid, &note.channel, &note.payload);
        }
    }

    /// LISTEN, UNLISTEN, NOTIFY: done when the transaction is committed.
    pub(super) fn ask_channels(&mut self, statement: &Statement) -> PgResult<Outcome> {
        let notes = &mut self.session.notes;
        match statement {
            Statement::NOTIFY { channel, payload } => {
                let payload = payload.as_deref().unwrap_or_default();
                notes.notify(self.registration.pid(), &channel_name(channel), payload)?;
                Ok(Outcome::done("NOTIFY"))
            }
            Statement::LISTEN { channel } => {
                notes.ask(Wish::Listen(channel_name(channel)));
                Ok(Outcome::done("LISTEN"))
            }
            Statement::UNLISTEN { channel } => {
                let all = channel.value == "*" && channel.quote_style.is_none();
                let one = || Wish::Unlisten(channel_name(channel));
                notes.ask(if all { Wish::UnlistenAll } else { one() });
                Ok(Outcome::done("UNLISTEN"))
            }
            other => Err(PgError::unsupported(other.to_string())),
        }
    }
}

/// A channel's name as PostgreSQL reads an identifier.
fn channel_name(channel: &Ident) -> String {
    names::folded(&channel.value, channel.quote_style.is_some())
}
