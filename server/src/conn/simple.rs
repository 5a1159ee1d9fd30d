//! The simple protocol: one message, any number of statements. In: a text. Out: the answers to its
//! statements, each sent before the next one runs, up to the first that fails.

use std::sync::Arc;

use planner::parse::Parsed;

use super::watched::shown;
use super::{Connection, Running, Stream};
use crate::error::{PgError, PgResult, SqlState};
use crate::limits::STATEMENTS_IN_QUERY_MAX_COUNT;
use crate::session::Transaction;
use crate::statement::query::constant_rows;
use crate::statement::rows::{End, Rows};
use crate::statement::{Outcome, Shape, Source};
use crate::wire::backend;

impl<S: Stream> Connection<S> {
    /// Answers a Query message; an error that comes out ends the session.
    pub(super) async fn simple_query(&mut self, sql: &str) -> PgResult<()> {
        // A simple query ends the unnamed statement and portal, as in PostgreSQL.
        self.statements.remove("");
        self.portals.remove("");
        let text = Arc::<str>::from(sql);
        let running = self.begin_statement();
        self.note_statement(&text);
        let answered = self.simple_statements(&running, &text).await;
        self.log_duration(&running);
        let is_done = answered.is_ok();
        let reported = answered.or_else(|error| self.report(error));
        let ended = self.end_implicit_transaction(is_done).await;
        reported.and_then(|()| ended.or_else(|error| self.report(error)))
    }

    async fn simple_statements(&mut self, running: &Running, text: &Arc<str>) -> PgResult<()> {
        let zone = self.session.variables.show("timezone").unwrap_or_default();
        if !matches!(self.session.transaction, Transaction::Failed(_))
            && let Some(constant) = self.shared.constants.get(text, &zone)
        {
            self.simple_answer(running, constant_rows(&constant)).await?;
            return Ok(());
        }
        let parsed = self.parse(running, text).await?;
        if parsed.is_empty() {
            backend::empty_query(&mut self.out);
        }
        if parsed.len() > STATEMENTS_IN_QUERY_MAX_COUNT {
            let message =
                format!("more than {STATEMENTS_IN_QUERY_MAX_COUNT} statements in one message");
            return Err(PgError::new(SqlState::ProgramLimitExceeded, message));
        }
        let shown = shown(text, &parsed);
        self.note_statement(&shown);
        let alone = parsed.len() == 1;
        self.session.is_implicit = !alone;
        for statement in &parsed {
            self.begin_query(&shown, &statement.statement);
            let answered = self.simple_statement(running, text, statement, alone).await;
            self.end_query(&answered);
            self.grant(answered.is_ok())?;
            answered?;
        }
        Ok(())
    }

    async fn simple_statement(
        &mut self,
        running: &Running,
        text: &Arc<str>,
        statement: &Arc<Parsed>,
        alone: bool,
    ) -> PgResult<usize> {
        let outcome = self.outcome(running, text, statement, alone).await?;
        self.simple_answer(running, outcome).await
    }

    /// Sends an outcome; the rows that were sent.
    async fn simple_answer(&mut self, running: &Running, outcome: Outcome) -> PgResult<usize> {
        match outcome {
            Outcome::Done { tag, notices } => {
                for notice in &notices {
                    backend::error(&mut self.out, notice);
                }
                backend::complete(&mut self.out, &tag);
                Ok(0)
            }
            Outcome::Rows { shape, source, verb } => {
                self.simple_rows(running, &shape, source, verb).await
            }
            Outcome::Copied(copied) => self.send_copy(running, *copied).await,
            Outcome::Fetched(fetched) => {
                let formats = fetched.formats();
                backend::row_description(&mut self.out, &fetched.shape.columns, formats);
                let (sent, _) = self.send_fetched(running, fetched, formats, None).await?;
                backend::complete(&mut self.out, &tag("FETCH", sent));
                Ok(sent)
            }
        }
    }

    async fn simple_rows(
        &mut self,
        running: &Running,
        shape: &Shape,
        source: Source,
        verb: &str,
    ) -> PgResult<usize> {
        let options = self.session.variables.format_options();
        let mut rows = Rows::new(source, shape, &[], &options)?;
        backend::row_description(&mut self.out, &shape.columns, &[]);
        let sent = match rows.encode_now(&mut self.out)? {
            Some(sent) => sent,
            None => {
                let run = rows.run(&self.shared, running.cancel.clone(), None);
                match self.pump(running, run).await? {
                    End::Complete(sent) | End::Suspended(sent, _) => sent,
                }
            }
        };
        self.tell_notices();
        backend::complete(&mut self.out, &tag(verb, sent));
        Ok(sent)
    }
}

/// The tag of a statement that gave rows.
pub(super) fn tag(verb: &str, rows: usize) -> String {
    match verb {
        "SELECT" | "FETCH" => format!("{verb} {rows}"),
        other => other.to_owned(),
    }
}
