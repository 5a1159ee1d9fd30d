//! The extended protocol: Parse, Bind, Describe, Execute, Close. In: one message. Out: its answer,
//! or an error after which messages are skipped up to Sync.

use std::sync::Arc;

use planner::cursors;

use super::prepared::{Portal, Prepared, Progress, duplicate_statement, other_columns};
use super::simple::tag;
use super::watched::shown;
use super::{Connection, Fetched, Running, Stream};
use crate::cursors::duplicate_cursor;
use crate::encode::Format;
use crate::error::{PgError, PgResult, SqlState};
use crate::params::decode_param;
use crate::session::Transaction;
use crate::statement::Outcome;
use crate::statement::rows::{End, Rows};
use crate::wire::backend;
use crate::wire::frontend::{Bind, Message, Target};

impl<S: Stream> Connection<S> {
    /// Answers one message.
    pub(super) async fn extended(&mut self, message: Message) -> PgResult<()> {
        let running = self.begin_statement();
        match message {
            Message::Parse { name, sql, types } => {
                if !name.is_empty() && self.statements.has(&name) {
                    return Err(duplicate_statement(&name));
                }
                let text = Arc::<str>::from(sql);
                self.note_statement(&text);
                let prepared = self.prepare(&running, &text, &types).await?;
                self.note_statement(&shown(&text, prepared.parsed.as_slice()));
                self.keep_statement(&name, prepared)?;
                backend::parse_complete(&mut self.out);
            }
            Message::Bind(bind) => {
                self.bind(&bind)?;
                backend::bind_complete(&mut self.out);
            }
            Message::Describe(target) => self.describe(target)?,
            Message::Execute { portal, max_rows } => {
                self.execute(&running, &portal, max_rows).await?;
            }
            Message::Close(Target::Statement(name)) => {
                if let Some(closed) = self.statements.remove(&name) {
                    self.portals.retain(|_, portal| !Arc::ptr_eq(&portal.prepared, &closed));
                }
                backend::close_complete(&mut self.out);
            }
            Message::Close(Target::Portal(name)) => {
                self.portals.remove(&name);
                backend::close_complete(&mut self.out);
            }
            _ => {}
        }
        Ok(())
    }

    /// Sync ends the implicit transaction, and with it its portals.
    pub(super) async fn sync(&mut self, is_done: bool) -> PgResult<()> {
        if self.session.transaction == Transaction::Idle {
            self.portals.clear();
        }
        self.end_implicit_transaction(is_done).await.or_else(|error| self.report(error))
    }

    fn bind(&mut self, bind: &Bind) -> PgResult<()> {
        let prepared = self.statement(&bind.statement)?;
        let is_there = self.portals.contains_key(&bind.portal);
        if !bind.portal.is_empty() && is_there || self.cursors.has(&bind.portal) {
            return Err(duplicate_cursor(&bind.portal));
        }
        if !is_there {
            self.admit_portal()?;
        }
        let values = self.values(&prepared, bind)?;
        let formats = formats(&bind.result_formats)?;
        let columns = prepared.shape.as_ref().map_or(0, |shape| shape.columns.len());
        if formats.len() > 1 && formats.len() != columns {
            let message = format!(
                "bind message has {} result formats but query has {columns} columns",
                formats.len()
            );
            return Err(PgError::new(SqlState::ProtocolViolation, message));
        }
        let formats = match formats.as_slice() {
            [all] => vec![*all; columns],
            _ => formats,
        };
        let number = self.next_number();
        let portal = Portal { prepared, values, formats, progress: Progress::Start, number };
        self.portals.insert(bind.portal.clone(), portal);
        Ok(())
    }

    /// Refuses one portal or cursor too many.
    pub(super) fn admit_portal(&self) -> PgResult<()> {
        let most = self.shared.settings.max_portals;
        if self.portals.len() + self.cursors.count() < most {
            return Ok(());
        }
        let message = format!("too many open portals and cursors (limit {most})");
        Err(PgError::new(SqlState::ConfigurationLimit, message))
    }

    fn values(
        &self,
        prepared: &Prepared,
        bind: &Bind,
    ) -> PgResult<Vec<datafusion::common::ScalarValue>> {
        let (wanted, got) = (prepared.parameters.len(), bind.values.len());
        if wanted != got {
            let message = format!(
                "bind message supplies {got} parameters, but prepared statement \"{}\" requires \
                 {wanted}",
                bind.statement
            );
            return Err(PgError::new(SqlState::ProtocolViolation, message));
        }
        let formats = formats(&bind.formats)?;
        if formats.len() > 1 && formats.len() != got {
            let message = format!(
                "bind message has {} parameter formats but {got} parameters",
                formats.len()
            );
            return Err(PgError::new(SqlState::ProtocolViolation, message));
        }
        let options = self.session.variables.format_options();
        let mut values = Vec::with_capacity(got);
        for (index, (value, oid)) in bind.values.iter().zip(&prepared.parameters).enumerate() {
            let format = formats.get(index).or(formats.first()).copied().unwrap_or_default();
            let decoded =
                decode_param(*oid, format, value.as_deref(), &options).map_err(|error| {
                    if error.state == SqlState::InvalidBinaryRepresentation {
                        let message =
                            format!("incorrect binary data format in bind parameter {}", index + 1);
                        return PgError { message, ..error };
                    }
                    error
                })?;
            values.push(decoded);
        }
        Ok(values)
    }

    fn describe(&mut self, target: Target) -> PgResult<()> {
        match target {
            Target::Statement(name) => {
                let prepared = self.statement(&name)?;
                backend::parameters(&mut self.out, &prepared.parameters);
                self.describe_columns(&prepared, &[]);
            }
            // A cursor is a portal, too: psycopg asks for the columns of those it declares.
            Target::Portal(name)
                if !self.portals.contains_key(&name) && self.cursors.has(&name) =>
            {
                let columns = Arc::clone(&self.cursors.get(&name)?.shape.columns);
                backend::row_description(&mut self.out, &columns, &[]);
            }
            Target::Portal(name) => {
                let portal = self.portals.get(&name).ok_or_else(|| no_portal(&name))?;
                let (prepared, formats) = (Arc::clone(&portal.prepared), portal.formats.clone());
                self.describe_columns(&prepared, &formats);
            }
        }
        Ok(())
    }

    fn describe_columns(&mut self, prepared: &Prepared, formats: &[Format]) {
        match &prepared.shape {
            Some(shape) => backend::row_description(&mut self.out, &shape.columns, formats),
            None => backend::no_data(&mut self.out),
        }
    }

    async fn execute(&mut self, running: &Running, name: &str, max_rows: usize) -> PgResult<()> {
        let text = self.portals.get(name).map(|portal| {
            let prepared = &portal.prepared;
            shown(&prepared.sql, prepared.parsed.as_slice())
        });
        if let Some(text) = &text {
            self.note_statement(text);
        }
        let executed = self.execute_portal(running, name, max_rows).await;
        self.end_query(&executed);
        if text.is_some() {
            self.log_duration(running);
        }
        self.grant(executed.is_ok())?;
        executed.map(drop)
    }

    /// Runs a portal, or a part of it; the rows that were sent.
    async fn execute_portal(
        &mut self,
        running: &Running,
        name: &str,
        max_rows: usize,
    ) -> PgResult<usize> {
        let portal = self.portals.get_mut(name).ok_or_else(|| no_portal(name))?;
        let limit = (max_rows > 0).then_some(max_rows);
        let (prepared, formats) = (Arc::clone(&portal.prepared), portal.formats.clone());
        let (rows, verb) = match std::mem::replace(&mut portal.progress, Progress::Complete) {
            Progress::Suspended(rows, query) => {
                self.query = query;
                (*rows, "SELECT")
            }
            Progress::Fetched(fetched) => {
                let fetched = self.resume_fetch(fetched)?;
                return self.send_fetch(running, name, fetched, &formats, limit).await;
            }
            Progress::Complete if prepared.shape.is_some() => {
                backend::complete(&mut self.out, "SELECT 0");
                return Ok(0);
            }
            Progress::Complete => {
                let message = format!("portal \"{name}\" cannot be run");
                return Err(PgError::new(SqlState::ObjectNotInPrerequisiteState, message));
            }
            Progress::Start => {
                if prepared.parsed.is_none() && prepared.planned.is_none() {
                    backend::empty_query(&mut self.out);
                    return Ok(0);
                }
                let values = std::mem::take(&mut portal.values);
                self.admit_fetch(&prepared)?;
                if let Some(parsed) = &prepared.parsed {
                    self.begin_query(&prepared.sql, &parsed.statement);
                }
                match self.prepared_outcome(running, prepared, values).await? {
                    Outcome::Done { tag, notices } => {
                        for notice in &notices {
                            backend::error(&mut self.out, notice);
                        }
                        backend::complete(&mut self.out, &tag);
                        return Ok(0);
                    }
                    Outcome::Copied(copied) => return self.send_copy(running, *copied).await,
                    Outcome::Fetched(fetched) => {
                        return self.send_fetch(running, name, fetched, &formats, limit).await;
                    }
                    Outcome::Rows { shape, source, verb } => {
                        let options = self.session.variables.format_options();
                        (Rows::new(source, &shape, &formats, &options)?, verb)
                    }
                }
            }
        };
        self.send_rows(running, name, rows, limit, verb).await
    }

    /// A FETCH gives the columns that its statement was described with.
    fn admit_fetch(&mut self, prepared: &Prepared) -> PgResult<()> {
        let fetch = prepared.parsed.as_ref().and_then(|p| cursors::fetch(&p.statement));
        let Some(fetch) = fetch.filter(|fetch| fetch.gives_rows) else { return Ok(()) };
        let columns = &self.cursors.get(&fetch.cursor)?.shape.columns;
        match &prepared.shape {
            Some(shape) if shape.columns == *columns => Ok(()),
            _ => Err(other_columns()),
        }
    }

    async fn send_fetch(
        &mut self,
        running: &Running,
        portal: &str,
        fetched: Box<Fetched>,
        formats: &[Format],
        limit: Option<usize>,
    ) -> PgResult<usize> {
        let (sent, rest) = self.send_fetched(running, fetched, formats, limit).await?;
        match rest {
            None => backend::complete(&mut self.out, &tag("FETCH", sent)),
            Some(rest) => {
                if let Some(portal) = self.portals.get_mut(portal) {
                    portal.progress = Progress::Fetched(rest);
                }
                backend::suspended(&mut self.out);
            }
        }
        Ok(sent)
    }

    async fn send_rows(
        &mut self,
        running: &Running,
        portal: &str,
        mut rows: Rows,
        limit: Option<usize>,
        verb: &str,
    ) -> PgResult<usize> {
        if let Some(sent) = rows.encode_now(&mut self.out)? {
            self.tell_notices();
            backend::complete(&mut self.out, &tag(verb, sent));
            return Ok(sent);
        }
        let run = rows.run(&self.shared, running.cancel.clone(), limit);
        match self.pump(running, run).await? {
            End::Complete(sent) => {
                self.tell_notices();
                backend::complete(&mut self.out, &tag(verb, sent));
                Ok(sent)
            }
            End::Suspended(sent, rest) => {
                if let Some(query) = &mut self.query {
                    query.sent(sent);
                }
                if let Some(portal) = self.portals.get_mut(portal) {
                    portal.progress = Progress::Suspended(rest, self.query.take());
                }
                backend::suspended(&mut self.out);
                Ok(sent)
            }
        }
    }
}

fn formats(codes: &[i16]) -> PgResult<Vec<Format>> {
    codes.iter().map(|code| Format::from_code(*code)).collect()
}

fn no_portal(name: &str) -> PgError {
    PgError::new(SqlState::InvalidCursorName, format!("portal \"{name}\" does not exist"))
}
