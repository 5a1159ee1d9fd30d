//! What others see of a session's statements. In: a statement that begins, how it ended. Out:
//! entries in [`crate::queries`] and [`crate::sessions`], and in the log. Changes nothing of the
//! statement.

use std::sync::Arc;

use datafusion::sql::parser::Statement as Sql;
use datafusion::sql::sqlparser::ast::Statement;

use planner::parse::Parsed;

use super::{Connection, Running, Stream};
use crate::error::{PgError, PgResult, SqlState};
use crate::queries::{Asked, LOCAL};
use crate::statement::kind::{self, Kind};
use crate::statement::runner::Runner;

/// A text as others may see it.
pub(super) fn shown(text: &Arc<str>, statements: &[Arc<Parsed>]) -> Arc<str> {
    let hides = |one: &Arc<Parsed>| one.command.as_ref().is_some_and(|it| it.hides_text());
    if statements.iter().any(hides) { "<with a password>".into() } else { Arc::clone(text) }
}

impl<S: Stream> Connection<S> {
    /// A statement begins, which came in `text`.
    pub(super) fn begin_query(&mut self, text: &Arc<str>, statement: &Sql) {
        let kind = kind::of(statement);
        let runs = match statement {
            Sql::Explain(explain) => explain.options.analyze,
            // Of a cursor from here on until all its rows were read.
            Sql::Statement(inner) => {
                let runs = matches!(**inner, Statement::Execute { .. } | Statement::Declare { .. });
                runs || matches!(kind, Kind::Query | Kind::Copy | Kind::Write(_))
            }
            _ => matches!(kind, Kind::Query | Kind::Write(_)),
        };
        if !runs {
            return;
        }
        let runner = Runner::of(&self.session.variables, &self.shared);
        self.query = Some(self.shared.queries.begin(&Asked {
            pid: self.registration.pid(),
            user: &self.session.snapshot(&self.shared).role_name(self.session.variables.role()),
            // Files are written by this process.
            runner: if matches!(kind, Kind::Write(_)) { LOCAL } else { runner.word() },
            text,
        }));
    }

    /// A statement begins, of a session that others look at.
    pub(super) fn note_statement(&self, text: &Arc<str>) {
        self.registration.member().now().begin(text, self.session.transaction);
    }

    /// Logs a statement that took long, if the session wants that.
    pub(super) fn log_duration(&self, running: &Running) {
        let Some(least) = self.session.variables.log_least() else { return };
        let taken = running.begun.elapsed();
        if taken >= least {
            let duration_ms = taken.as_micros() as f64 / 1e3;
            let (pid, user) = (self.registration.pid(), &self.session.identity.user);
            let statement = Arc::clone(&self.registration.member().now().query);
            tracing::info!(target: "statements", pid, user, duration_ms, %statement);
        }
    }

    /// Counts how the session ended.
    pub(super) fn count_end(&self, error: &PgError) {
        let totals = &self.shared.sessions.totals;
        match error.state {
            SqlState::ConnectionFailure => totals.session_abandoned(),
            SqlState::AdminShutdown => totals.session_killed(),
            _ => totals.session_failed(),
        }
    }

    /// The statement has ended, unless its portal waits with the rest.
    pub(super) fn end_query(&mut self, result: &PgResult<usize>) {
        if let Some(query) = self.query.take() {
            query.ended(result);
        }
    }
}
