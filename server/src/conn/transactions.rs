//! The ends of transactions. In: COMMIT, ROLLBACK, the end of a message, a Sync. Out: what was kept
//! aside is published or forgotten, with it cursors, locks and what was asked of the channels.

use std::sync::Arc;

use datafusion::sql::parser::Statement as Sql;
use datafusion::sql::sqlparser::ast::Statement;

use super::{Connection, Stream};
use crate::error::PgResult;
use crate::session::Transaction;
use crate::statement::change;

impl<S: Stream> Connection<S> {
    /// COMMIT or ROLLBACK of definitions, before the session's transaction ends. When a COMMIT
    /// fails the transaction ends as by ROLLBACK.
    pub(super) async fn end_definitions(&mut self, statement: &Sql) -> PgResult<()> {
        let Sql::Statement(statement) = statement else { return Ok(()) };
        let is_open = match self.session.transaction {
            Transaction::Open(_) => true,
            Transaction::Idle => self.session.is_implicit,
            Transaction::Failed(_) => false,
        };
        let aside = Arc::clone(&self.session.aside);
        if !(is_open && matches!(statement.as_ref(), Statement::Commit { .. })) {
            change::roll_back(&aside);
            return Ok(());
        }
        let committed = change::commit(&self.shared, aside).await;
        if committed.is_err() {
            self.session.end(false);
            self.portals.clear();
            self.cursors.end_transaction(false);
        }
        committed
    }

    /// COMMIT or ROLLBACK was done.
    pub(super) fn transaction_ended(&mut self, is_committed: bool) {
        self.portals.clear();
        self.cursors.end_transaction(is_committed);
        self.rolled_back = !is_committed;
        self.link.end_transaction();
        self.send_notes();
    }

    /// Statements have ended that were a transaction of their own, unless they began one.
    pub(super) async fn end_implicit_transaction(&mut self, is_done: bool) -> PgResult<()> {
        let was_implicit = std::mem::take(&mut self.session.is_implicit);
        if self.session.transaction != Transaction::Idle {
            return Ok(());
        }
        let aside = Arc::clone(&self.session.aside);
        let committed = match is_done && was_implicit {
            true => change::commit(&self.shared, aside).await,
            false => {
                change::roll_back(&aside);
                Ok(())
            }
        };
        let is_done = is_done && committed.is_ok();
        self.cursors.end_transaction(is_done);
        self.session.notes.end(is_done);
        self.link.end_transaction();
        let rolled_back = std::mem::take(&mut self.rolled_back);
        let totals = &self.shared.sessions.totals;
        match is_done && !rolled_back {
            true => totals.committed(),
            false => totals.rolled_back(),
        }
        committed
    }
}

/// COMMIT, ROLLBACK or ROLLBACK TO: all that a failed transaction accepts.
pub(super) fn mends_transaction(statement: &Sql) -> bool {
    let Sql::Statement(inner) = statement else { return false };
    ends_transaction(statement) || matches!(inner.as_ref(), Statement::Rollback { .. })
}

/// COMMIT or ROLLBACK.
pub(super) fn ends_transaction(statement: &Sql) -> bool {
    let Sql::Statement(statement) = statement else { return false };
    matches!(
        statement.as_ref(),
        Statement::Commit { .. } | Statement::Rollback { savepoint: None, .. }
    )
}
