//! Login by SCRAM-SHA-256, the server's side, as a machine of two steps without I/O.
//! In: SASL messages of one client and the stored verifier of its user. Out: the answers, or a
//! FATAL error. It knows no socket, and no password: only verifiers.

mod admin;
pub(crate) mod base64;
mod rules;
mod throttle;
mod verifier;

#[cfg(test)]
mod tests;

pub use admin::{Admin, DATABASE, connection_uri, prepare_admin};
pub use rules::{Caller, Method, Rule, method};
pub use throttle::Throttle;
pub use verifier::{MockSecret, Verifier, make_verifier};

use std::fmt;

use pgwire::api::auth::sasl::scram::{
    ScramSecret, ScramServerAuth, ScramServerAuthWaitingForClientFinal,
};
use pgwire::error::PgWireError;

use crate::error::{PgError, PgResult, SqlState};
use crate::limits::SASL_MESSAGE_MAX_BYTES;

/// The mechanism every client can do.
pub const SCRAM: &str = "SCRAM-SHA-256";
/// The one bound to the server's certificate, which a man in the middle cannot relay.
pub const SCRAM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// One client's login. Made for each attempt; any error ends it and the connection.
pub struct ScramExchange {
    user: String,
    /// The secret is real and not made up for a user that is not there.
    known: bool,
    state: State,
}

enum State {
    Start { server: ScramServerAuth, secret: ScramSecret },
    Challenged(Box<ScramServerAuthWaitingForClientFinal>),
    Ended,
}

impl fmt::Debug for ScramExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramExchange").field("user", &self.user).finish_non_exhaustive()
    }
}

impl ScramExchange {
    /// Begins the login of `user`. `verifier` is none for a user that is not there, may not log in
    /// or has no password: that login goes on with a made-up one and fails as a wrong password
    /// does. `certificate` is the PEM certificate shown on this connection, none without TLS.
    pub fn new(
        user: &str,
        verifier: Option<&Verifier>,
        mock: &MockSecret,
        certificate: Option<&[u8]>,
    ) -> Self {
        // Made for known users too, so that both take the same time.
        let made_up = mock.verifier(user);
        let mut server = ScramServerAuth::new();
        if let Some(pem) = certificate
            && let Err(error) = server.configure_certificate(pem)
        {
            // Such as Ed25519, for which tls-server-end-point is not defined.
            tracing::debug!(%error, "the certificate allows no channel binding");
        }
        Self {
            user: user.to_owned(),
            known: verifier.is_some(),
            state: State::Start { server, secret: verifier.unwrap_or(&made_up).secret() },
        }
    }

    /// The mechanisms to offer, the best first.
    pub fn mechanisms(&self) -> &'static [&'static str] {
        if self.binds() { &[SCRAM_PLUS, SCRAM] } else { &[SCRAM] }
    }

    fn binds(&self) -> bool {
        match &self.state {
            State::Start { server, .. } => server.supports_channel_binding(),
            State::Challenged(_) | State::Ended => false,
        }
    }

    /// Takes SASLInitialResponse; gives the data of AuthenticationSASLContinue.
    pub fn client_first(&mut self, mechanism: &str, data: &[u8]) -> PgResult<Vec<u8>> {
        if !self.mechanisms().contains(&mechanism) {
            return Err(PgError::protocol(
                "client selected an invalid SASL authentication mechanism",
            ));
        }
        check_length(data)?;
        check_flag(mechanism == SCRAM_PLUS, self.binds(), data)?;
        let State::Start { server, secret } = std::mem::replace(&mut self.state, State::Ended)
        else {
            return Err(PgError::protocol("unexpected SASL message"));
        };
        let (answer, next) = server
            .on_client_first_message_with_secret(data, secret)
            .map_err(|error| self.refusal(&error))?;
        self.state = State::Challenged(Box::new(next));
        Ok(answer.into_bytes())
    }

    /// Takes SASLResponse; gives the data of AuthenticationSASLFinal. `Ok` means logged in.
    pub fn client_final(&mut self, data: &[u8]) -> PgResult<Vec<u8>> {
        check_length(data)?;
        let State::Challenged(challenge) = std::mem::replace(&mut self.state, State::Ended) else {
            return Err(PgError::protocol("unexpected SASL message"));
        };
        let answer =
            challenge.on_client_final_message(data).map_err(|error| self.refusal(&error))?;
        // No proof can fit a made-up key; were one found, it still opens nothing.
        if self.known { Ok(answer.into_bytes()) } else { Err(wrong_password(&self.user)) }
    }

    /// What the client hears. The library's words may quote the message and stay here.
    fn refusal(&self, error: &PgWireError) -> PgError {
        match error {
            PgWireError::InvalidPassword(_) => wrong_password(&self.user),
            PgWireError::InvalidScramMessage(why) if why == "Channel binding mismatch" => {
                PgError::fatal(SqlState::InvalidAuthorization, "SCRAM channel binding check failed")
            }
            PgWireError::InvalidScramMessage(why) if why == "Nonce mismatch" => {
                PgError::protocol("invalid SCRAM response").detail("Nonce does not match.")
            }
            _ => PgError::protocol("malformed SCRAM message"),
        }
    }
}

/// The one answer to a wrong password, an unknown user and a user without a password.
pub fn wrong_password(user: &str) -> PgError {
    let message = format!("password authentication failed for user \"{user}\"");
    PgError::fatal(SqlState::InvalidPassword, message)
}

fn check_length(data: &[u8]) -> PgResult<()> {
    if data.len() > SASL_MESSAGE_MAX_BYTES {
        return Err(PgError::protocol("malformed SCRAM message").detail("It is too long."));
    }
    Ok(())
}

/// The flag that opens the client's message must fit the mechanism: `p=` with -PLUS only. `y` says
/// that the client could bind and thinks we cannot, which is a downgrade if we offered it.
fn check_flag(plus: bool, offered: bool, data: &[u8]) -> PgResult<()> {
    let malformed = |detail: &str| PgError::protocol("malformed SCRAM message").detail(detail);
    match data.first() {
        Some(b'p') if plus => Ok(()),
        Some(b'p') => Err(malformed(
            "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message \
             includes channel binding data.",
        )),
        Some(b'n' | b'y') if plus => Err(malformed(
            "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include \
             channel binding data.",
        )),
        Some(b'y') if offered => Err(PgError::fatal(
            SqlState::InvalidAuthorization,
            "SCRAM channel binding negotiation error",
        )
        .detail(
            "The client supports SCRAM channel binding but thinks the server does not.  However, \
             this server does support channel binding.",
        )),
        _ => Ok(()),
    }
}
