//! One session's conversation: reads messages, runs statements, writes answers. In: a socket that
//! has logged in. Out: bytes, until the client leaves or the server stops. While a statement runs
//! the socket is still read, so that a client that vanishes is noticed.

mod copies;
mod cursors;
mod extended;
mod granted;
mod named;
mod prepared;
mod pump;
mod simple;
mod statements;
mod transactions;
mod watched;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::Instant;

use crate::cancel::{Cancel, Reason, shutdown};
use crate::catalog::Scope;
use crate::cursors::Cursors;
use crate::error::{PgError, PgResult, Severity, SqlState};
use crate::queries::Watch;
use crate::rights::Rights;
use crate::session::link::Link;
use crate::session::variables::parse_bytes;
use crate::session::{Session, Transaction};
use crate::sessions::{Registration, StatementGuard};
use crate::shared::Shared;
use crate::statement::change;
use crate::statement::query::Context;
use crate::statement::replan::Joins;
use crate::statement::runner::Runner;
use crate::wire::backend;
use crate::wire::frame::FrameReader;
use crate::wire::frontend::{self, Message};

pub use copies::Copied;
pub use cursors::Fetched;
pub use named::Named;
pub use prepared::{Portal, Prepared};

/// A socket, encrypted or not.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A session and its socket.
pub struct Connection<S> {
    shared: Arc<Shared>,
    session: Session,
    registration: Registration,
    reader: FrameReader<ReadHalf<S>>,
    writer: WriteHalf<S>,
    /// Answers not yet written.
    out: BytesMut,
    statements: Named,
    portals: HashMap<String, Portal>,
    cursors: Cursors,
    /// How many cursors and portals were made.
    made: u64,
    /// What its functions see of it and ask of it.
    link: Arc<Link>,
    /// The query that this session runs now.
    query: Option<Watch>,
    /// The settings' values the client was told last, by the settings' names.
    told: Vec<String>,
    /// A statement ran that may have changed a setting.
    settings_changed: bool,
    /// The transaction that ends was rolled back.
    rolled_back: bool,
    /// After an error in the extended protocol everything up to Sync is skipped.
    skipping: bool,
}

/// What to do after a message.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Continue,
    Close,
}

impl<S: Stream> Connection<S> {
    /// A connection right after login.
    pub fn new(
        shared: Arc<Shared>,
        session: Session,
        registration: Registration,
        reader: FrameReader<ReadHalf<S>>,
        writer: WriteHalf<S>,
    ) -> Self {
        let link = Link::new(Arc::clone(&shared.sessions), Arc::clone(registration.member()));
        Self {
            shared,
            session,
            registration,
            reader,
            writer,
            out: BytesMut::new(),
            statements: link.statements.clone(),
            portals: HashMap::new(),
            cursors: Cursors::default(),
            made: 0,
            link: Arc::new(link),
            query: None,
            told: vec![],
            settings_changed: false,
            rolled_back: false,
            skipping: false,
        }
    }

    /// Serves the session until its end. Tells the client why when the end is ours.
    pub async fn serve(mut self) {
        self.greet();
        if let Err(error) = self.conversation().await {
            tracing::debug!(pid = self.registration.pid(), %error, "session ends");
            self.count_end(&error);
            let error = PgError { severity: Severity::Fatal, ..error };
            backend::error(&mut self.out, &error);
            let last = async {
                self.writer.write_all(&self.out).await?;
                self.writer.flush().await
            };
            let _ = tokio::time::timeout(Duration::from_secs(1), last).await;
        }
        change::roll_back(&self.session.aside);
        let _ = tokio::time::timeout(Duration::from_secs(1), self.writer.shutdown()).await;
    }

    fn greet(&mut self) {
        self.report_settings();
        backend::key_data(&mut self.out, self.registration.pid(), self.registration.secret());
        backend::ready(&mut self.out, self.session.status());
    }

    /// Message after message. An error that comes out of here ends the session.
    async fn conversation(&mut self) -> PgResult<()> {
        loop {
            let Some(message) = self.next_message().await? else { return Ok(()) };
            let message = match message {
                Ok(message) => message,
                Err(error) if error.severity == Severity::Fatal => return Err(error),
                // A text that is not UTF-8 fails its statement and not the session.
                Err(error) => {
                    self.fail(error)?;
                    continue;
                }
            };
            if self.answer(message).await? == Next::Close {
                return Ok(());
            }
        }
    }

    async fn answer(&mut self, message: Message) -> PgResult<Next> {
        match message {
            Message::Terminate => return Ok(Next::Close),
            Message::Query(sql) => {
                self.skipping = false;
                self.simple_query(&sql).await?;
                self.ready();
            }
            Message::Sync => {
                let is_done = !std::mem::take(&mut self.skipping);
                self.sync(is_done).await?;
                self.ready();
            }
            Message::Flush => self.flush().await?,
            Message::Copy => {}
            Message::Password(_) => return Err(PgError::protocol("unexpected password message")),
            other if !self.skipping => {
                self.session.is_implicit = true;
                if let Err(error) = self.extended(other).await {
                    self.skipping = true;
                    self.report(error)?;
                }
            }
            _ => {}
        }
        Ok(Next::Continue)
    }

    /// The next message; none at the end. Writes what is buffered before it waits.
    async fn next_message(&mut self) -> PgResult<Option<PgResult<Message>>> {
        let longest =
            usize::try_from(self.shared.settings.max_message_size.0).unwrap_or(usize::MAX);
        loop {
            if let Some(reason) = self.registration.member().end_reason() {
                return Err(reason.error());
            }
            if let Some(frame) = self.reader.buffered_message(longest)? {
                return Ok(Some(frontend::read(frame)));
            }
            self.flush().await?;
            let timeout = self.idle_timeout();
            let deadline = timeout.as_ref().map(|(after, _)| Instant::now() + *after);
            let is_idle = self.session.transaction == Transaction::Idle;
            let member = self.registration.member();
            tokio::select! {
                read = self.reader.fill() => {
                    if !matches!(read, Ok(1..)) {
                        self.shared.sessions.totals.session_abandoned();
                        return Ok(None);
                    }
                }
                () = member.inbox.arrived(), if is_idle => self.deliver_notes(),
                reason = member.ended() => return Err(reason.error()),
                () = self.shared.stopping.cancelled() => return Err(shutdown()),
                () = sleep_until(deadline) => {
                    return Err(timeout.map_or_else(shutdown, |(_, error)| error));
                }
            }
        }
    }

    /// How long an idle session may stay so, and the error when it stays longer.
    fn idle_timeout(&self) -> Option<(Duration, PgError)> {
        if self.session.transaction == Transaction::Idle {
            let after = self.session.variables.duration("idle_session_timeout")?;
            let message = "terminating connection due to idle-session timeout";
            return Some((after, PgError::fatal(SqlState::IdleSessionTimeout, message)));
        }
        let after = self.session.variables.duration("idle_in_transaction_session_timeout")?;
        let message = "terminating connection due to idle-in-transaction timeout";
        Some((after, PgError::fatal(SqlState::IdleInTransactionTimeout, message)))
    }

    fn ready(&mut self) {
        if self.settings_changed {
            self.report_settings();
        }
        self.send_notes();
        if self.session.transaction == Transaction::Idle {
            self.deliver_notes();
        }
        backend::ready(&mut self.out, self.session.status());
        self.registration.member().now().wait(self.session.transaction);
    }

    /// Tells the client of an error; a fatal one comes back.
    fn report(&mut self, error: PgError) -> PgResult<()> {
        self.session.failed();
        if error.severity == Severity::Fatal {
            return Err(error);
        }
        backend::error(&mut self.out, &error);
        Ok(())
    }

    /// An error outside a statement, followed by ReadyForQuery as after a simple query.
    fn fail(&mut self, error: PgError) -> PgResult<()> {
        self.report(error)?;
        self.ready();
        Ok(())
    }

    async fn flush(&mut self) -> PgResult<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let written = tokio::select! {
            biased;
            written = self.writer.write_all(&self.out) => written,
            reason = self.registration.member().ended() => {
                self.out.clear();
                return Err(reason.error());
            }
        };
        self.out.clear();
        // An idle session keeps no large buffer.
        if self.out.capacity() > crate::limits::IDLE_BUFFER_BYTES {
            self.out = BytesMut::new();
        }
        written.map_err(|_| Reason::ClientGone.error())?;
        self.writer.flush().await.map_err(|_| Reason::ClientGone.error())
    }

    /// What a statement needs of this session.
    fn context(&self) -> Context {
        let variables = &self.session.variables;
        let snapshot = self.session.snapshot(&self.shared);
        let user = snapshot.role_name(variables.role());
        let rights = Arc::new(Rights::of(&snapshot, variables.role()));
        self.publish();
        Context {
            shared: Arc::clone(&self.shared),
            scope: Scope {
                pid: self.registration.pid(),
                search_path: variables.search_path(&user),
                session_user: snapshot.role_name(variables.session_role()),
                user,
                snapshot,
                reads_as: Arc::clone(&rights),
                rights,
                settings: variables.all(),
                link: Arc::clone(&self.link),
            },
            zone: variables.show("timezone").unwrap_or_default(),
            now: self.session.now(),
            runner: Runner::of(variables, &self.shared),
            joins: Joins::Hash,
            query: self.query.as_ref().map(|watch| Arc::clone(watch.query())),
            scan_bytes_max: parse_bytes(&variables.value("mobula.max_scan_bytes")).unwrap_or(0),
            aside: self.session.keeps_aside().then(|| Arc::clone(&self.session.aside)),
        }
    }

    /// The number of a new cursor or portal.
    fn next_number(&mut self) -> u64 {
        self.made += 1;
        self.made - 1
    }
}

/// A statement in progress: what ends it, and when.
pub(crate) struct Running {
    pub(crate) cancel: Cancel,
    pub(crate) deadline: Option<Instant>,
    begun: Instant,
    _guard: StatementGuard,
}

impl<S: Stream> Connection<S> {
    /// From here on a cancel request ends this statement.
    fn begin_statement(&self) -> Running {
        let (cancel, guard) = self.registration.begin();
        let begun = Instant::now();
        let timeout = self.session.variables.duration("statement_timeout");
        Running { cancel, deadline: timeout.map(|after| begun + after), begun, _guard: guard }
    }
}

/// Sleeps until then, or for ever.
pub(crate) async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
