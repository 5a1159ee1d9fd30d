//! Startup packet and SCRAM login. In: a reader at the startup packet. Out: a session and its place
//! among all, or a FATAL error that says no more than a stranger may know.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use pgwire::messages::startup::Authentication;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Ends, send};
use crate::auth::{DATABASE, ScramExchange, Verifier};
use crate::error::{PgError, PgResult, SqlState};
use crate::limits::{
    SASL_MESSAGE_MAX_BYTES, STARTUP_PACKET_MAX_BYTES, STARTUP_PARAMETERS_MAX_COUNT,
};
use crate::meta::Role;
use crate::meta::acl::Privilege;
use crate::rights::Rights;
use crate::session::settings::Variables;
use crate::session::variables::amounts::MILLIS;
use crate::session::{Identity, Session};
use crate::sessions::{Full, Registration, Who};
use crate::shared::Shared;
use crate::wire::backend;
use crate::wire::frame::FrameReader;
use crate::wire::frontend::{Message, bad_encoding, read};

/// The newest minor version of protocol 3 that is spoken.
const MINOR_NEWEST: u16 = 2;

/// What a client says of itself.
#[derive(Debug, Default)]
struct Startup {
    minor: u16,
    parameters: Vec<(String, String)>,
}

/// What is known of a login, whatever becomes of it.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    /// The role that was asked for.
    pub(super) user: String,
    /// How it proves who it is.
    pub(super) method: String,
}

/// Logs a client in; none when it left.
pub(super) async fn log_in<R, W>(
    shared: &Arc<Shared>,
    reader: &mut FrameReader<R>,
    writer: &mut W,
    certificate: Option<Arc<Vec<u8>>>,
    (peer, local): Ends,
    attempt: &mut Attempt,
) -> PgResult<Option<(Session, Registration)>>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let Some(frame) = reader.untyped(STARTUP_PACKET_MAX_BYTES).await? else { return Ok(None) };
    let startup = parse(frame.body)?;
    let (minor, unknown) = startup.negotiated();
    if minor != startup.minor || !unknown.is_empty() {
        let mut out = BytesMut::new();
        backend::negotiate_version(&mut out, minor, &unknown);
        send(writer, &out).await?;
    }
    let user = startup.get("user").unwrap_or_default().to_owned();
    if user.is_empty() {
        let message = "no PostgreSQL user name specified in startup packet";
        return Err(PgError::fatal(SqlState::InvalidAuthorization, message));
    }
    attempt.user.clone_from(&user);
    // Whoever stands between may have been the one to say that there is no TLS here.
    if shared.tls.is_some() && certificate.is_none() && !peer.ip().to_canonical().is_loopback() {
        let message = format!("logins from host \"{}\" must be encrypted", peer.ip());
        return Err(PgError::fatal(SqlState::InvalidAuthorization, message)
            .hint("Connect with sslmode=require or better."));
    }
    authenticate(shared, reader, writer, certificate.as_deref(), attempt).await?;
    let database = startup.get("database").unwrap_or(&user);
    if database != DATABASE {
        let message = format!("database \"{database}\" does not exist");
        let hint = format!("The database is \"{DATABASE}\".");
        return Err(PgError::fatal(SqlState::InvalidCatalogName, message).hint(hint));
    }
    let who = Who { user: user.clone(), peer, local, is_encrypted: certificate.is_some() };
    let (role, registration) = register(shared, who, minor)?;
    let variables = variables(shared, &startup, &role)?;
    let mut out = BytesMut::new();
    backend::authentication(&mut out, &Authentication::Ok);
    send(writer, &out).await?;
    let identity = Identity { pid: registration.pid(), user, peer: peer.to_string() };
    Ok(Some((Session::new(identity, variables), registration)))
}

/// Whoever has shown who they are may still not connect, or not now.
fn register(shared: &Shared, who: Who, minor: u16) -> PgResult<(Arc<Role>, Registration)> {
    let snapshot = shared.meta.snapshot();
    let user = who.user.clone();
    // It may have been dropped while its password was checked.
    let role = snapshot.role(&user).filter(|role| role.login).cloned();
    let role = role.ok_or_else(|| {
        PgError::fatal(SqlState::InvalidPassword, format!("role \"{user}\" is gone"))
    })?;
    if !Rights::of(&snapshot, role.oid).database(Privilege::Connect) {
        let message = format!("permission denied for database \"{DATABASE}\"");
        return Err(PgError::fatal(SqlState::InsufficientPrivilege, message)
            .detail("User does not have CONNECT privilege."));
    }
    let settings = &shared.settings;
    let kept = if role.superuser { 0 } else { settings.superuser_reserved_connections };
    let most = settings.max_connections.saturating_sub(kept);
    let secret_bytes = if minor >= MINOR_NEWEST { 32 } else { 4 };
    let own = usize::try_from(role.connection_limit).ok().filter(|_| !role.superuser);
    let too_many = |message| PgError::fatal(SqlState::TooManyConnections, message);
    match shared.sessions.register(who, role.oid, secret_bytes, most, own) {
        Ok(registration) => Ok((role, registration)),
        Err(Full::All) => Err(too_many("sorry, too many clients already".to_owned())),
        Err(Full::Role) => Err(too_many(format!("too many connections for role \"{user}\""))),
    }
}

impl Startup {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The minor version to speak, and the protocol options not known here.
    fn negotiated(&self) -> (u16, Vec<String>) {
        let minor = if self.minor == 1 { 0 } else { self.minor.min(MINOR_NEWEST) };
        let keys = self.parameters.iter().map(|(key, _)| key);
        (minor, keys.filter(|key| key.starts_with("_pq_.")).cloned().collect())
    }
}

fn parse(mut body: Bytes) -> PgResult<Startup> {
    let (major, minor) = (body.get_u16(), body.get_u16());
    if major != 3 {
        let message = format!(
            "unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.{MINOR_NEWEST}"
        );
        return Err(PgError::fatal(SqlState::FeatureNotSupported, message));
    }
    let mut startup = Startup { minor, parameters: vec![] };
    loop {
        let name = text(&mut body)?;
        if name.is_empty() {
            break;
        }
        let value = text(&mut body)?;
        if startup.parameters.len() == STARTUP_PARAMETERS_MAX_COUNT {
            let message = "too many parameters in startup packet";
            return Err(PgError::fatal(SqlState::ProtocolViolation, message));
        }
        startup.parameters.push((name, value));
    }
    if body.has_remaining() {
        let message = "invalid startup packet layout: expected terminator as last byte";
        return Err(PgError::protocol(message));
    }
    Ok(startup)
}

fn text(body: &mut Bytes) -> PgResult<String> {
    let end = body.iter().position(|byte| *byte == 0);
    let end = end.ok_or_else(|| PgError::protocol("invalid startup packet layout"))?;
    let text = body.split_to(end);
    body.advance(1);
    String::from_utf8(text.to_vec()).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        PgError { severity: crate::error::Severity::Fatal, ..bad_encoding(&text, valid) }
    })
}

async fn authenticate<R, W>(
    shared: &Shared,
    reader: &mut FrameReader<R>,
    writer: &mut W,
    certificate: Option<&Vec<u8>>,
    attempt: &mut Attempt,
) -> PgResult<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let snapshot = shared.meta.snapshot();
    let now = chrono::Utc::now().timestamp_micros();
    let fits =
        |role: &&Arc<Role>| role.login && role.valid_until_micros.is_none_or(|end| now < end);
    let user = attempt.user.as_str();
    let role = snapshot.role(user).filter(fits);
    let verifier = role.and_then(|role| Verifier::parse(role.verifier.as_ref()?.expose()));
    let certificate = certificate.map(Vec::as_slice);
    let mut exchange = ScramExchange::new(user, verifier.as_ref(), &shared.mock, certificate);
    let names = exchange.mechanisms().iter().map(|name| (*name).to_owned()).collect();
    ask(writer, &Authentication::SASL(names)).await?;
    let mut first = password(reader).await?;
    let mechanism = text(&mut first)?;
    if exchange.mechanisms().contains(&mechanism.as_str()) {
        attempt.method.clone_from(&mechanism);
    }
    let length = first.try_get_i32().map_err(|_| PgError::protocol("invalid SASL message"))?;
    if usize::try_from(length) != Ok(first.len()) {
        return Err(PgError::protocol("invalid SASL message"));
    }
    let challenge = exchange.client_first(&mechanism, &first)?;
    ask(writer, &Authentication::SASLContinue(challenge.into())).await?;
    let last = password(reader).await?;
    let answer = exchange.client_final(&last)?;
    ask(writer, &Authentication::SASLFinal(answer.into())).await
}

async fn ask<W: AsyncWrite + Unpin>(writer: &mut W, message: &Authentication) -> PgResult<()> {
    let mut out = BytesMut::new();
    backend::authentication(&mut out, message);
    send(writer, &out).await
}

async fn password<R: AsyncRead + Unpin>(reader: &mut FrameReader<R>) -> PgResult<Bytes> {
    match reader.message(SASL_MESSAGE_MAX_BYTES).await? {
        Some(frame) => match read(frame)? {
            Message::Password(body) => Ok(body),
            _ => Err(PgError::protocol("expected a password message")),
        },
        None => Err(crate::cancel::Reason::ClientGone.error()),
    }
}

/// The session's settings: the server's, then its role's, then those of the startup packet.
fn variables(shared: &Shared, startup: &Startup, role: &Role) -> PgResult<Variables> {
    let mut variables = Variables::default();
    let millis = |duration: std::time::Duration| duration.as_millis().to_string();
    let settings = &shared.settings;
    variables.set_base("mobula.runner", settings.runner.word())?;
    variables.set_base("statement_timeout", &millis(settings.statement_timeout))?;
    variables.set_base("idle_session_timeout", &millis(settings.idle_session_timeout))?;
    variables.set_base(
        "idle_in_transaction_session_timeout",
        &millis(settings.idle_in_transaction_session_timeout),
    )?;
    variables.log_in(&role.name, role.oid, role.superuser);
    let least = settings.log_min_duration_statement.0.map(|time| time.as_millis());
    let least = least.and_then(|millis| i64::try_from(millis).ok()).unwrap_or(-1);
    variables.set_fixed("log_min_duration_statement", MILLIS.show(least));
    for (name, value) in &role.settings {
        // One that was checked when it was set may be refused by a later version.
        if let Err(error) = variables.set_trusted(name, value) {
            tracing::warn!(role = role.name, setting = name, %error, "not applied");
        }
    }
    if !role.superuser {
        variables.limit(&role.settings);
    }
    variables.set_fixed("listen_addresses", settings.listen.host.clone());
    let reserved = settings.superuser_reserved_connections;
    variables.set_fixed("superuser_reserved_connections", reserved.to_string());
    variables.set_fixed("max_connections", settings.max_connections.to_string());
    variables.set_fixed("port", settings.listen.port.to_string());
    variables.set_fixed("ssl", if shared.tls.is_some() { "on" } else { "off" }.to_owned());
    for (name, value) in &startup.parameters {
        match name.as_str() {
            "user" | "database" => {}
            "replication" => {
                if !["false", "off", "no", "0"].contains(&value.as_str()) {
                    return Err(PgError::fatal(
                        SqlState::FeatureNotSupported,
                        "replication is not supported",
                    ));
                }
            }
            "options" => apply_options(&mut variables, value)?,
            name if name.starts_with("_pq_.") => {}
            name => variables.set_base(name, value)?,
        }
    }
    Ok(variables)
}

/// `-c name=value` and `--name=value`, with backslashes before blanks that belong to a value.
fn apply_options(variables: &mut Variables, options: &str) -> PgResult<()> {
    let mut words = words(options).into_iter();
    while let Some(word) = words.next() {
        let setting = match word.as_str() {
            "-c" => words.next(),
            other => other.strip_prefix("-c").or(other.strip_prefix("--")).map(str::to_owned),
        };
        let pair = setting.as_deref().and_then(|setting| setting.split_once('='));
        let Some((name, value)) = pair else {
            let message = format!("invalid command-line argument for server process: {word}");
            return Err(PgError::fatal(SqlState::SyntaxError, message));
        };
        variables.set_base(&name.replace('-', "_"), value)?;
    }
    Ok(())
}

fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => words.last_mut().into_iter().for_each(|word| word.extend(characters.next())),
            c if c.is_whitespace() => words.push(String::new()),
            c => words.last_mut().into_iter().for_each(|word| word.push(c)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_a_limit() {
        let packet = |count| {
            let mut body = vec![0, 3, 0, 0];
            body.extend(b"a\0\0".repeat(count));
            body.push(0);
            parse(Bytes::from(body))
        };
        let most = packet(STARTUP_PARAMETERS_MAX_COUNT).expect("few enough");
        assert_eq!(most.parameters.len(), STARTUP_PARAMETERS_MAX_COUNT);
        assert!(packet(STARTUP_PARAMETERS_MAX_COUNT + 1).is_err());
    }
}
