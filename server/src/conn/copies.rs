//! COPY to the client. In: the statement. Out: its rows in CopyData messages, between a
//! CopyOutResponse and a CopyDone; an error in their middle is all that follows them. COPY from the
//! client is refused before the client is asked for anything.

use std::sync::Arc;

use datafusion::sql::parser::Statement as Sql;
use datafusion::sql::sqlparser::ast::{CopySource, CopyTarget, Statement};
use planner::copies;
use planner::parse::Parsed;

use super::statements::no_parameters;
use super::{Connection, Running, Stream};
use crate::encode::{CopyEncoder, CopyForm};
use crate::error::{PgError, PgResult, SqlState, engine};
use crate::statement::copy_options::{CopyOptions, named_twice};
use crate::statement::query::{self, Context};
use crate::statement::rows::{End, Rows};
use crate::statement::{Outcome, Shape, Source, kind};
use crate::wire::backend;

/// Rows of a COPY, to be sent.
#[derive(Debug)]
pub struct Copied {
    /// The columns.
    pub shape: Shape,
    /// Where the rows come from.
    pub source: Source,
    /// How they look.
    pub form: CopyForm,
}

impl<S: Stream> Connection<S> {
    /// COPY, up to its rows.
    pub(super) async fn copy(
        &mut self,
        running: &Running,
        sql: &Arc<str>,
        parsed: &Arc<Parsed>,
    ) -> PgResult<Outcome> {
        let (context, text, parsed) = (self.context(), Arc::clone(sql), Arc::clone(parsed));
        let work = async move { ready(&context, &text, &parsed).await };
        let work = self.shared.planning.spawn(work);
        self.wait(running, work).await
    }

    /// Sends them; how many there were.
    pub(super) async fn send_copy(&mut self, running: &Running, copied: Copied) -> PgResult<usize> {
        let Copied { shape, source, form } = copied;
        let options = self.session.variables.format_options();
        let encoder = CopyEncoder::new(&shape.columns, shape.names.clone(), &form, &options);
        let mut rows = Rows::copied(source, encoder);
        backend::copy_out(&mut self.out, shape.columns.len(), form.format());
        let sent = match rows.encode_now(&mut self.out)? {
            Some(sent) => sent,
            None => {
                let run = rows.run(&self.shared, running.cancel.clone(), None);
                match self.pump(running, run).await? {
                    End::Complete(sent) | End::Suspended(sent, _) => sent,
                }
            }
        };
        backend::copy_done(&mut self.out);
        backend::complete(&mut self.out, &format!("COPY {sent}"));
        Ok(sent)
    }
}

async fn ready(context: &Context, sql: &str, parsed: &Parsed) -> PgResult<Outcome> {
    let other = || PgError::unsupported(kind::words(&parsed.statement));
    let Sql::Statement(statement) = &parsed.statement else { return Err(other()) };
    let Statement::Copy { source, to, target, .. } = statement.as_ref() else {
        return Err(other());
    };
    match (to, target) {
        (true, CopyTarget::Stdout) => {}
        (false, _) => {
            let what = match target {
                CopyTarget::Stdin => "COPY FROM STDIN",
                _ => "COPY FROM",
            };
            return Err(PgError::unsupported(what)
                .hint("Make a table of files with CREATE EXTERNAL TABLE or CREATE TABLE AS."));
        }
        _ => return Err(PgError::unsupported("COPY TO PROGRAM")),
    }
    let options = CopyOptions::read(&parsed.copy_options)?;
    let planned = plan(context, sql, source, parsed.parameters).await?;
    no_parameters(&planned, sql)?;
    let Outcome::Rows { shape, source: rows, .. } =
        query::ready(context, sql, &planned, vec![]).await?
    else {
        return Err(other());
    };
    let form = options.form(&shape.columns).map_err(|error| of_relation(error, source))?;
    Ok(Outcome::Copied(Box::new(Copied { shape, source: rows, form })))
}

/// Plans the query; that of a table has no places in the client's text.
async fn plan(
    context: &Context,
    sql: &str,
    source: &CopySource,
    parameters: usize,
) -> PgResult<query::Planned> {
    let query = copies::query(source, parameters).map_err(engine::from_parse)?;
    let CopySource::Table { columns, .. } = source else {
        return query::plan(context, sql, &query, &[]).await;
    };
    let names: Vec<_> = columns.iter().map(copies::folded).collect();
    let twice = names.iter().enumerate().find(|(place, name)| names[..*place].contains(name));
    let planned = query::plan(context, "", &query, &[]).await;
    match (planned, twice) {
        (Ok(_), Some((_, name))) => Err(named_twice(name)),
        (planned, _) => planned.map_err(|error| {
            // Places in a text that the client did not write.
            PgError { position: None, ..of_relation(error, source) }
        }),
    }
}

/// A column that a table does not have is one of that table.
fn of_relation(error: PgError, source: &CopySource) -> PgError {
    let (CopySource::Table { table_name, .. }, SqlState::UndefinedColumn) = (source, error.state)
    else {
        return error;
    };
    let table = table_name.0.last().and_then(|part| part.as_ident());
    let table = table.map(copies::folded).unwrap_or_default();
    let words = error.message.strip_suffix(" does not exist");
    let message = words.map(|column| format!("{column} of relation \"{table}\" does not exist"));
    PgError { message: message.unwrap_or(error.message), hint: None, position: None, ..error }
}
