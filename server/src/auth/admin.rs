//! The admin role's password, made at the first start and told in one file.
//! In: the store, the data directory, the address in use. Out: `DATA_DIR/connection` (0600) with
//! the URI, and [`Admin`]. The password itself is nowhere else; the log never has it.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use super::base64;
use super::verifier::{MockSecret, Verifier, make_verifier};
use crate::durable::write_private;
use crate::error::{PgError, PgResult, SqlState};
use crate::meta::{ADMIN_ROLE, Meta, Secret};

/// The file in the data directory that holds the connection URI.
const CONNECTION_FILE: &str = "connection";
/// The stored setting that holds [`MockSecret`].
const MOCK_SECRET: &str = "auth.mock_secret";
/// Random bits of a password: 192, which base64 makes 32 letters.
const PASSWORD_BYTES: usize = 24;
/// The one database of a server.
pub const DATABASE: &str = "mobula";

/// What a start knows about logging in.
pub struct Admin {
    /// The line of the connection file; with the password if it is known.
    pub uri: Secret,
    /// The password was made just now: the URI is to be shown once.
    pub fresh: bool,
    /// For the logins of users that are not there.
    pub mock: MockSecret,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("fresh", &self.fresh).finish_non_exhaustive()
    }
}

/// Sees to it that the admin role can log in and that the connection file says how, with the
/// address in use: called between listening and accepting. `reset` makes a new password.
pub fn prepare_admin(
    meta: &Meta,
    dir: &Path,
    host: &str,
    port: u16,
    reset: bool,
) -> PgResult<Admin> {
    let mock = mock_secret(meta)?;
    let verifier = admin_verifier(meta);
    let fresh = reset || verifier.is_none();
    let password = if fresh {
        Some(base64::encode_url(&rand::random::<[u8; PASSWORD_BYTES]>()))
    } else {
        // It is kept only while it is right: the role's password may have been changed since.
        let told = read_password(dir)?;
        told.filter(|told| verifier.as_ref().is_some_and(|verifier| verifier.fits(told)))
    };
    let uri = connection_uri(ADMIN_ROLE, password.as_deref(), host, port);
    // The file before the verifier: killed in between, the next start finds no verifier and begins
    // again; the other way round nobody would ever have seen the password.
    write_private(dir, CONNECTION_FILE, &format!("{uri}\n")).map_err(|error| {
        let message = format!("cannot write the file {CONNECTION_FILE} in the data directory");
        PgError::fatal(SqlState::IoError, format!("{message}: {error}"))
    })?;
    match &password {
        Some(password) if fresh => store_password(meta, password)?,
        Some(_) => {}
        None => tracing::warn!(
            "the password of role {ADMIN_ROLE} is not in the connection file; start once with \
             --reset-password to make a new one"
        ),
    }
    Ok(Admin { uri: Secret::new(uri), fresh, mock })
}

fn admin_verifier(meta: &Meta) -> Option<Verifier> {
    let snapshot = meta.snapshot();
    let role = snapshot.role(ADMIN_ROLE)?;
    role.verifier.as_ref().and_then(|text| Verifier::parse(text.expose()))
}

fn store_password(meta: &Meta, password: &str) -> PgResult<()> {
    meta.let_log_in(ADMIN_ROLE, true, make_verifier(password).text())
}

fn mock_secret(meta: &Meta) -> PgResult<MockSecret> {
    if let Some(text) = meta.setting(MOCK_SECRET)? {
        return Ok(MockSecret::stored(text));
    }
    let secret = MockSecret::random();
    meta.set_setting(MOCK_SECRET, secret.text())?;
    Ok(secret)
}

/// The password in the connection file of an earlier start, if there is one.
fn read_password(dir: &Path) -> PgResult<Option<String>> {
    let text = match fs::read_to_string(dir.join(CONNECTION_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let message = format!("cannot read the file {CONNECTION_FILE} in the data directory");
            return Err(PgError::fatal(SqlState::IoError, format!("{message}: {error}")));
        }
    };
    let rest = text.strip_prefix("postgresql://").and_then(|rest| rest.strip_prefix(ADMIN_ROLE));
    let password = rest.and_then(|rest| rest.strip_prefix(':')?.split_once('@'));
    Ok(password.map(|(password, _)| password.to_owned()))
}

/// A URI that psql and drivers take. An address that means "all" becomes this machine's own; the
/// password, being of our making, needs no escapes.
pub fn connection_uri(role: &str, password: Option<&str>, host: &str, port: u16) -> String {
    let host = match host {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        other => other,
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let secret = password.map_or_else(String::new, |password| format!(":{password}"));
    format!("postgresql://{role}{secret}@{host}:{port}/{DATABASE}")
}
