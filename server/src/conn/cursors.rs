//! Cursors: DECLARE, FETCH, MOVE, CLOSE. In: the statement. Out: its outcome; the rows of a FETCH
//! are still to be sent, and what is left of them goes back to the cursor.

use std::sync::Arc;
use std::time::SystemTime;

use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::CloseCursor;
use planner::cursors::{Declared as Asked, Fetch};

use super::{Connection, Running, Stream};
use crate::cursors::place::Place;
use crate::cursors::{Cursor, Declared, History, Rows, duplicate_cursor, only_forward};
use crate::encode::Format;
use crate::error::{PgError, PgResult, SqlState};
use crate::session::Transaction;
use crate::statement::feed::Feed;
use crate::statement::query::{self, Planned};
use crate::statement::rows::{self, End};
use crate::statement::{Outcome, Shape};

/// Rows of a cursor, to be sent.
#[derive(Debug)]
pub struct Fetched {
    /// The columns.
    pub shape: Shape,
    /// The rows.
    pub feed: Feed,
    /// How many of them; all when none.
    pub rows_max: Option<usize>,
    /// Whether they are sent in binary when the protocol leaves the choice.
    pub is_binary: bool,
    /// The cursor that the rest goes back to; none when it has its rows.
    pub back_to: Option<String>,
}

impl Fetched {
    /// The formats of the columns in the simple protocol.
    pub fn formats(&self) -> &'static [Format] {
        if self.is_binary { &[Format::Binary] } else { &[] }
    }
}

impl<S: Stream> Connection<S> {
    /// DECLARE, as far as it can be refused before it is planned. `is_alone` says that no
    /// transaction block, not even a message of several statements, is around it.
    pub(super) fn admit_cursor(&self, asked: &Asked, is_alone: bool) -> PgResult<()> {
        if self.cursors.has(&asked.cursor) || self.portals.contains_key(&asked.cursor) {
            return Err(duplicate_cursor(&asked.cursor));
        }
        if is_alone && !asked.holds && self.session.transaction == Transaction::Idle {
            let message = "DECLARE CURSOR can only be used in transaction blocks";
            return Err(PgError::new(SqlState::NoActiveSqlTransaction, message)
                .hint("Begin a transaction first, or declare it WITH HOLD."));
        }
        self.admit_portal()
    }

    /// DECLARE: makes the query ready to run and keeps it.
    pub(super) async fn declare(
        &mut self,
        running: &Running,
        text: &Arc<str>,
        asked: Asked,
        planned: Option<Planned>,
        values: Vec<ScalarValue>,
    ) -> PgResult<Outcome> {
        let (context, sql) = (self.context(), Arc::clone(text));
        let statement = asked.query;
        let work = self.shared.planning.spawn(async move {
            let planned = match planned {
                Some(planned) => planned,
                None => {
                    let planned = query::plan(&context, &sql, &statement, &[]).await?;
                    super::statements::no_parameters(&planned, &sql)?;
                    planned
                }
            };
            query::ready(&context, &sql, &planned, values).await
        });
        let Outcome::Rows { shape, source, .. } = self.wait(running, work).await? else {
            return Err(PgError::unsupported("DECLARE for this statement"));
        };
        let feed = Feed::new(source);
        let rows = match asked.scrolls {
            true => Rows::Kept(Box::new(History::new(feed))),
            false => Rows::Ahead(feed),
        };
        let declared = Declared {
            name: asked.cursor,
            statement: Arc::clone(text),
            holds: asked.holds,
            is_binary: asked.is_binary,
            scrolls: asked.scrolls,
            at: SystemTime::now(),
        };
        let number = self.next_number();
        self.cursors.declare(Cursor {
            number,
            is_kept: declared.holds && self.session.transaction == Transaction::Idle,
            declared: Arc::new(declared),
            shape,
            rows: Some(rows),
            place: Place::default(),
            query: self.query.take(),
        });
        Ok(Outcome::done("DECLARE CURSOR"))
    }

    /// FETCH and MOVE. What fails ends the cursor.
    pub(super) async fn fetch(&mut self, running: &Running, fetch: &Fetch) -> PgResult<Outcome> {
        let cursor = self.cursors.get(&fetch.cursor)?;
        let rows = cursor.rows.take().ok_or_else(only_forward)?;
        self.query = cursor.query.take();
        let done = match rows {
            Rows::Ahead(feed) => self.fetch_ahead(running, fetch, feed).await,
            Rows::Kept(history) => self.fetch_kept(running, fetch, history).await,
        };
        match &done {
            Ok(Outcome::Fetched(fetched)) if fetched.back_to.is_some() => {}
            Ok(_) => self.keep_query(&fetch.cursor, 0),
            Err(_) if self.cursors.get(&fetch.cursor)?.rows.is_some() => {
                self.keep_query(&fetch.cursor, 0);
            }
            Err(_) => self.cursors.close(&fetch.cursor)?,
        }
        done
    }

    async fn fetch_ahead(
        &mut self,
        running: &Running,
        fetch: &Fetch,
        mut feed: Feed,
    ) -> PgResult<Outcome> {
        let cursor = self.cursors.get(&fetch.cursor)?;
        let Some(ahead) = cursor.place.ahead(fetch.direction) else {
            cursor.rows = Some(Rows::Ahead(feed));
            return Err(only_forward());
        };
        let (shape, is_binary) = (cursor.shape.clone(), cursor.declared.is_binary);
        let take = ahead.take.map(as_count);
        let skip = match fetch.gives_rows {
            true => vec![Some(as_count(ahead.skip))],
            false => vec![Some(as_count(ahead.skip)), take],
        };
        let mut last = 0;
        for rows in skip.into_iter().filter(|rows| *rows != Some(0)) {
            let work = async move {
                let skipped = feed.skip(rows).await?;
                Ok((feed, skipped))
            };
            (feed, last) = self.wait(running, self.shared.execution.spawn(work)).await?;
            let place = &mut self.cursors.get(&fetch.cursor)?.place;
            place.advance(last as u64, rows != Some(last));
        }
        if fetch.gives_rows {
            let back_to = Some(fetch.cursor.clone());
            let fetched = Fetched { shape, feed, rows_max: take, is_binary, back_to };
            return Ok(Outcome::Fetched(Box::new(fetched)));
        }
        self.cursors.get(&fetch.cursor)?.rows = Some(Rows::Ahead(feed));
        let moved = if take == Some(0) { 0 } else { last };
        Ok(Outcome::done(format!("MOVE {moved}")))
    }

    async fn fetch_kept(
        &mut self,
        running: &Running,
        fetch: &Fetch,
        mut history: Box<History>,
    ) -> PgResult<Outcome> {
        let needs = self.cursors.get(&fetch.cursor)?.place.needs(fetch.direction);
        let work = async move {
            history.read(needs).await?;
            Ok(history)
        };
        let history = self.wait(running, self.shared.execution.spawn(work)).await?;
        let cursor = self.cursors.get(&fetch.cursor)?;
        let found = cursor.place.find(fetch.direction, history.rows());
        let batches = fetch.gives_rows.then(|| history.get(&found.rows, found.is_reversed));
        cursor.place = found.place;
        cursor.rows = Some(Rows::Kept(history));
        let Some(batches) = batches else {
            return Ok(Outcome::done(format!("MOVE {}", found.count())));
        };
        Ok(Outcome::Fetched(Box::new(Fetched {
            shape: cursor.shape.clone(),
            feed: Feed::new(crate::statement::Source::Batches(batches?)),
            rows_max: None,
            is_binary: cursor.declared.is_binary,
            back_to: None,
        })))
    }

    /// Sends fetched rows, `limit` at most; how many were sent, and what is left to send of them.
    pub(super) async fn send_fetched(
        &mut self,
        running: &Running,
        fetched: Box<Fetched>,
        formats: &[Format],
        limit: Option<usize>,
    ) -> PgResult<(usize, Option<Box<Fetched>>)> {
        let Fetched { shape, feed, rows_max, is_binary, back_to } = *fetched;
        let options = self.session.variables.format_options();
        let rows = rows::Rows::of(feed, &shape, formats, &options)?;
        let most = rows_max.into_iter().chain(limit).min();
        let run = rows.run(&self.shared, running.cancel.clone(), most);
        let end = self.pump(running, run).await;
        if let (Err(_), Some(name)) = (&end, &back_to) {
            self.cursors.close(name)?;
        }
        let (sent, rest) = match end? {
            End::Complete(sent) => (sent, None),
            End::Suspended(sent, rest) => (sent, Some(rest.into_feed())),
        };
        let left = rows_max.map(|rows| rows - sent);
        let goes_on = rest.is_some() && left != Some(0);
        let feed = match &back_to {
            Some(name) => {
                let cursor = self.cursors.get(name)?;
                cursor.place.advance(sent as u64, rest.is_none());
                cursor.rows = Some(Rows::Ahead(rest.unwrap_or_default()));
                self.keep_query(name, sent);
                Feed::default()
            }
            None => rest.unwrap_or_default(),
        };
        let rest = Fetched { shape, feed, rows_max: left, is_binary, back_to };
        Ok((sent, goes_on.then(|| Box::new(rest))))
    }

    /// The rest of a FETCH whose portal waited: the cursor has its rows.
    pub(super) fn resume_fetch(&mut self, mut fetched: Box<Fetched>) -> PgResult<Box<Fetched>> {
        if let Some(name) = &fetched.back_to {
            let cursor = self.cursors.get(name)?;
            if let Some(Rows::Ahead(feed)) = cursor.rows.take() {
                fetched.feed = feed;
            }
            self.query = cursor.query.take();
        }
        Ok(fetched)
    }

    /// CLOSE.
    pub(super) fn close_cursor(&mut self, cursor: &CloseCursor) -> PgResult<Outcome> {
        match cursor {
            CloseCursor::All => {
                self.cursors.close_all();
                self.portals.clear();
                Ok(Outcome::done("CLOSE CURSOR ALL"))
            }
            CloseCursor::Specific { name } => {
                self.cursors.close(&name.value)?;
                Ok(Outcome::done("CLOSE CURSOR"))
            }
        }
    }

    /// The cursor's query waits with the rest, of which so many more rows were sent.
    fn keep_query(&mut self, name: &str, sent: usize) {
        if let (Some(mut query), Ok(cursor)) = (self.query.take(), self.cursors.get(name)) {
            query.sent(sent);
            match cursor.place.is_after {
                true => query.ended(&Ok(0)),
                false => cursor.query = Some(query),
            }
        }
    }
}

fn as_count(rows: u64) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX)
}
