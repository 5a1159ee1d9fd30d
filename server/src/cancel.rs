//! One way to end a statement, or a session. In: who wants it ended. Out: a token every part of the
//! statement watches, and the error the client gets. Which statement runs is known in
//! [`crate::sessions`].

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use crate::error::{PgError, SqlState};

/// Why a statement ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The client asked for it.
    Request,
    /// `statement_timeout`.
    Timeout,
    /// Nobody is there to read the answer.
    ClientGone,
    /// The server stops, or someone ended the session.
    Shutdown,
    /// Others sent it more than it reads.
    TooManyNotes,
}

impl Reason {
    /// What the client is told.
    pub fn error(self) -> PgError {
        match self {
            Self::Request => {
                PgError::new(SqlState::QueryCanceled, "canceling statement due to user request")
            }
            Self::Timeout => PgError::new(
                SqlState::QueryCanceled,
                "canceling statement due to statement timeout",
            ),
            Self::ClientGone => {
                PgError::fatal(SqlState::ConnectionFailure, "connection to client lost")
            }
            Self::Shutdown => shutdown(),
            Self::TooManyNotes => {
                let message = "too many notifications wait for this session";
                PgError::fatal(SqlState::ConfigurationLimit, message)
            }
        }
    }
}

/// 57P01.
pub fn shutdown() -> PgError {
    let message = "terminating connection due to administrator command";
    PgError::fatal(SqlState::AdminShutdown, message)
}

/// One statement's end. The first reason stays.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    token: CancellationToken,
    reason: Arc<OnceLock<Reason>>,
}

impl Cancel {
    /// Ends the statement.
    pub fn cancel(&self, reason: Reason) {
        // A statement ends once; a later reason is too late to matter.
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    /// Waits until the statement is ended, and says why.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn cancelled(&self) -> Reason {
        self.token.cancelled().await;
        self.reason.get().copied().unwrap_or(Reason::Request)
    }

    /// Why the statement was ended, if it was.
    pub fn reason(&self) -> Option<Reason> {
        self.reason.get().copied()
    }
}
