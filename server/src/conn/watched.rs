//! Which statements of a session are seen as queries. In: a statement that begins, how it ended.
//! Out: entries in [`crate::queries`]. Changes nothing of the statement.

use std::sync::Arc;

use datafusion::sql::parser::Statement as Sql;
use datafusion::sql::sqlparser::ast::Statement;

use super::{Connection, Stream};
use crate::error::PgResult;
use crate::queries::{Asked, LOCAL};
use crate::statement::kind::{self, Kind};
use crate::statement::runner::Runner;

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
            pid: self.registration.pid,
            user: &self.session.snapshot(&self.shared).role_name(self.session.variables.role()),
            // Files are written by this process.
            runner: if matches!(kind, Kind::Write(_)) { LOCAL } else { runner.word() },
            text,
        }));
    }

    /// The statement has ended, unless its portal waits with the rest.
    pub(super) fn end_query(&mut self, result: &PgResult<usize>) {
        if let Some(query) = self.query.take() {
            query.ended(result);
        }
    }
}
