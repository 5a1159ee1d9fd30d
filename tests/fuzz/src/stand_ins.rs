//! What the login uses of the rest of the server and of other crates, as little as it needs. In:
//! calls of `net/startup.rs` and `net/login.rs`. Out: answers that let both run to their ends.
//! There is one user, `u`; any password message of the right shape is right; TLS is in clear.

use crate::error::{PgError, PgResult, SqlState};

/// `planner::depth`.
pub mod depth {
    /// limits.rs checks stacks against it, which is not of interest here.
    pub const DEPTH_MAX: usize = 1;
}

/// `pgwire::messages`.
pub mod messages {
    /// `pgwire::messages::startup`.
    pub mod startup {
        /// The requests of a login.
        pub enum Authentication {
            /// Logged in.
            Ok,
            /// The mechanisms.
            SASL(Vec<String>),
            /// The challenge.
            SASLContinue(bytes::Bytes),
            /// The server's proof.
            SASLFinal(bytes::Bytes),
        }
    }
}

/// SCRAM without cryptography.
pub mod auth {
    use super::{PgError, PgResult};

    /// What the catalog keeps of a password.
    pub struct Verifier;

    impl Verifier {
        /// Always one.
        pub fn parse(_: &str) -> Option<Self> {
            Some(Self)
        }
    }

    /// Counts its two steps.
    pub struct ScramExchange {
        known: bool,
        steps: u8,
    }

    impl ScramExchange {
        /// Begins.
        pub fn new(_: &str, verifier: Option<&Verifier>, _: &(), _: Option<&[u8]>) -> Self {
            Self { known: verifier.is_some(), steps: 0 }
        }

        /// What is offered.
        pub fn mechanisms(&self) -> &'static [&'static str] {
            &["SCRAM-SHA-256"]
        }

        /// Takes any data of an offered mechanism.
        pub fn client_first(&mut self, mechanism: &str, data: &[u8]) -> PgResult<Vec<u8>> {
            assert_eq!(self.steps, 0, "the first step is done once");
            self.steps = 1;
            if self.mechanisms().contains(&mechanism) {
                Ok(data.to_vec())
            } else {
                Err(PgError::protocol("client selected an invalid mechanism"))
            }
        }

        /// Lets in who is known.
        pub fn client_final(&mut self, data: &[u8]) -> PgResult<Vec<u8>> {
            assert_eq!(self.steps, 1, "the last step follows the first");
            self.steps = 2;
            let refused = super::SqlState::InvalidPassword;
            if self.known { Ok(data.to_vec()) } else { Err(PgError::fatal(refused, "refused")) }
        }
    }
}

/// Sessions among each other.
pub mod sessions {
    use std::net::SocketAddr;

    /// Who logs in.
    #[expect(missing_docs)]
    pub struct Who {
        pub user: String,
        pub peer: SocketAddr,
        pub local: Option<SocketAddr>,
        pub is_encrypted: bool,
    }

    /// A session's place.
    pub struct Registration;

    impl Registration {
        /// Its number.
        pub fn pid(&self) -> i32 {
            1
        }
    }
}

/// Why sessions end.
pub mod cancel {
    use super::{PgError, SqlState};

    /// Why a session ends.
    pub enum Reason {
        /// The client left.
        ClientGone,
    }

    impl Reason {
        /// The error that nobody reads.
        pub fn error(self) -> PgError {
            PgError::fatal(SqlState::ConnectionFailure, "connection to client lost")
        }
    }
}

/// Sessions.
pub mod session {
    /// Who.
    pub struct Identity {
        /// Its number.
        pub pid: i32,
        /// Its user.
        pub user: String,
        /// Its address.
        pub peer: String,
    }

    /// Only its settings.
    pub struct Session;

    impl Session {
        /// Begins.
        pub fn new(who: Identity, _: settings::Variables) -> Self {
            assert!(!who.user.is_empty() && !who.peer.is_empty() && who.pid > 0, "nobody");
            Self
        }
    }

    /// What settings may be.
    pub mod variables {
        /// Of times.
        pub mod amounts {
            /// Milliseconds.
            pub static MILLIS: Measure = Measure;

            /// A unit.
            pub struct Measure;

            impl Measure {
                /// A number as it is.
                pub fn show(&self, number: i64) -> String {
                    number.to_string()
                }
            }
        }
    }

    /// Settings.
    pub mod settings {
        use super::super::{PgError, PgResult, SqlState};

        /// Takes every name but the empty one.
        #[derive(Default)]
        pub struct Variables {
            set: usize,
        }

        impl Variables {
            /// From outside.
            pub fn set_base(&mut self, name: &str, value: &str) -> PgResult<()> {
                assert!(!value.contains('\0'), "a text ends at its zero");
                let unknown = || PgError::new(SqlState::UndefinedObject, "unrecognized parameter");
                self.set += 1;
                if name.is_empty() { Err(unknown()) } else { Ok(()) }
            }

            /// From the server.
            pub fn set_fixed(&mut self, _: &'static str, _: String) {
                self.set += 1;
            }
        }
    }
}

/// What connections share.
pub mod shared {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::sessions::{Registration, Who};

    /// The server's parts.
    pub struct Shared {
        /// Settings.
        pub settings: Settings,
        /// Roles.
        pub meta: Meta,
        /// Sessions.
        pub sessions: Sessions,
        /// For unknown users.
        pub mock: (),
        /// TLS, when configured.
        pub tls: Option<super::tls::Tls>,
    }

    impl Shared {
        /// A server, with TLS or without.
        pub fn new(tls: bool) -> Self {
            let settings = Settings {
                superuser_reserved_connections: 3,
                max_connections: 100,
                statement_timeout: Duration::ZERO,
                idle_session_timeout: Duration::ZERO,
                idle_in_transaction_session_timeout: Duration::ZERO,
                log_min_duration_statement: Threshold(None),
                listen: Listen { host: String::new(), port: 5432 },
            };
            let sessions = Sessions::default();
            let tls = tls.then_some(super::tls::Tls);
            Self { settings, meta: Meta, sessions, mock: (), tls }
        }
    }

    /// As in the server.
    #[expect(missing_docs)]
    pub struct Settings {
        pub superuser_reserved_connections: usize,
        pub max_connections: usize,
        pub statement_timeout: Duration,
        pub idle_session_timeout: Duration,
        pub idle_in_transaction_session_timeout: Duration,
        pub log_min_duration_statement: Threshold,
        pub listen: Listen,
    }

    /// From when on.
    pub struct Threshold(pub Option<Duration>);

    /// Where the server listens.
    pub struct Listen {
        /// The address.
        pub host: String,
        /// The port.
        pub port: u16,
    }

    /// One role.
    pub struct Meta;

    impl Meta {
        /// Itself.
        pub fn snapshot(&self) -> &Self {
            self
        }

        /// The role `u`.
        pub fn role(&self, name: &str) -> Option<Role> {
            let role = Role { superuser: false, login: true, verifier: Some(Secret) };
            (name == "u").then_some(role)
        }
    }

    /// A role.
    pub struct Role {
        /// May do all.
        pub superuser: bool,
        /// May log in.
        pub login: bool,
        /// The password's.
        pub verifier: Option<Secret>,
    }

    /// A text that is not shown.
    pub struct Secret;

    impl Secret {
        /// Shows it.
        pub fn expose(&self) -> &'static str {
            ""
        }
    }

    /// Notes cancel requests.
    #[derive(Default)]
    pub struct Sessions {
        /// The numbers and secrets that were told.
        pub canceled: Mutex<Vec<(i32, Vec<u8>)>>,
    }

    impl Sessions {
        /// There is always room.
        pub fn register(&self, who: Who, _: usize, _: usize) -> Option<Registration> {
            assert!(!who.user.is_empty() && who.local.is_none(), "nobody");
            Some(Registration)
        }

        /// Notes it.
        pub fn cancel(&self, pid: i32, secret: &[u8]) {
            self.canceled.lock().expect("one thread").push((pid, secret.to_vec()));
        }
    }
}

/// A handshake that always works.
pub mod tls {
    use std::sync::Arc;

    use super::PgResult;
    use super::server::TlsStream;

    /// Itself the identity and the acceptor.
    #[derive(Clone, Copy)]
    pub struct Tls;

    impl Tls {
        /// The certificate in use.
        pub fn current(self) -> Self {
            self
        }

        /// What does handshakes.
        pub fn acceptor(self) -> Self {
            self
        }

        /// What binds a channel.
        pub fn certificate_pem(self) -> Arc<Vec<u8>> {
            Arc::default()
        }

        /// The bytes after a handshake are the next ones as they are.
        pub async fn accept<S>(self, socket: S) -> Result<TlsStream<S>, std::fmt::Error> {
            Ok(TlsStream(socket))
        }
    }

    /// Every client names the protocol.
    pub fn require_alpn((): &()) -> PgResult<()> {
        Ok(())
    }
}

/// `tokio_rustls::server`.
pub mod server {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio_real::io::{AsyncRead, AsyncWrite, ReadBuf};

    /// Passes everything on.
    pub struct TlsStream<S>(pub(super) S);

    impl<S> TlsStream<S> {
        /// The socket and the state of TLS.
        pub fn get_ref(&self) -> (&S, &()) {
            (&self.0, &())
        }
    }

    impl<S: AsyncRead + Unpin> AsyncRead for TlsStream<S> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            out: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(context, out)
        }
    }

    impl<S: AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(context, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(context)
        }

        fn poll_shutdown(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(context)
        }
    }
}
