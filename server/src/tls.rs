//! TLS for the server: certificate and key from PEM files, read again when they change.
//! In: two paths. Out: [`Identity`], what the next connection shows. It never answers in clear
//! text: with TLS configured, a certificate that cannot be read means the last good one.

#[cfg(test)]
pub(crate) mod tests;

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;
use x509_certificate::X509Certificate;

use crate::auth::base64;
use crate::error::{PgError, PgResult, SqlState};

/// The protocol name for direct TLS (registered with IANA): a client of another protocol must not
/// be able to make a server talk Postgres inside its TLS session.
pub const ALPN: &[u8] = b"postgresql";

/// How often new connections look whether the files changed.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The largest PEM file that is read: a chain of some certificates has 10 KiB.
const PEM_MAX_BYTES: u64 = 1 << 20;

/// A certificate and what proves it: both of the same moment.
#[derive(Clone)]
pub struct Identity {
    acceptor: TlsAcceptor,
    certificate_pem: Arc<Vec<u8>>,
}

impl Identity {
    /// Performs handshakes.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// The server's own certificate, as SCRAM's channel binding wants it.
    pub fn certificate_pem(&self) -> Arc<Vec<u8>> {
        Arc::clone(&self.certificate_pem)
    }
}

/// Where they are.
#[derive(Clone, Debug)]
pub struct Files {
    /// The server's certificate and its chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// What certificates of clients must come from; none: clients are asked for none.
    pub client_ca: Option<PathBuf>,
}

/// The server's TLS.
pub struct Tls {
    files: Files,
    current: Mutex<Current>,
}

struct Current {
    identity: Identity,
    /// What the files held when last read, good or broken: a broken pair is reported once.
    seen: Result<Pair, String>,
    checked: Instant,
}

/// The bytes of certificate and key. Compared whole, since two writes within one tick of the file
/// system's clock leave the same size and time; it is some kilobytes once a second at most.
#[derive(Clone, PartialEq, Eq)]
struct Pair {
    cert: Vec<u8>,
    key: Vec<u8>,
    /// What certificates of clients must come from.
    client_ca: Option<Vec<u8>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("cert", &self.files.cert).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files; an error names the one that is wrong.
    pub fn open(files: Files) -> PgResult<Self> {
        let wrong = |why| PgError::fatal(SqlState::InvalidParameterValue, why);
        let pair = read_pair(&files).map_err(wrong)?;
        let identity = identity(&pair, &files).map_err(wrong)?;
        let current = Current { identity, seen: Ok(pair), checked: Instant::now() };
        Ok(Self { files, current: Mutex::new(current) })
    }

    /// What a new connection shows: take it once and use both its halves, since a reload may
    /// come between. Looks at the files at most once a second.
    pub fn current(&self) -> Identity {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.checked.elapsed() >= CHECK_EVERY {
            self.refresh(&mut current);
        }
        current.identity.clone()
    }

    /// The acceptor of [`Tls::current`], for a connection that does no channel binding.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.current().acceptor()
    }

    /// The certificate of [`Tls::current`].
    pub fn certificate_pem(&self) -> Arc<Vec<u8>> {
        self.current().certificate_pem()
    }

    /// Looks at the files now (SIGHUP).
    pub fn reload(&self) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut current);
    }

    fn refresh(&self, current: &mut Current) {
        current.checked = Instant::now();
        let seen = read_pair(&self.files);
        if seen == current.seen {
            return;
        }
        let read = seen.clone().and_then(|pair| identity(&pair, &self.files));
        current.seen = seen;
        match read {
            Ok(identity) => {
                current.identity = identity;
                let cert = self.files.cert.display();
                tracing::info!(%cert, "the TLS certificate was read again");
            }
            // Between writing the certificate and the key the pair does not match: the next
            // check sees the other half and reads both again.
            Err(why) => tracing::warn!("{why}; the certificate in use stays"),
        }
    }
}

/// Refuses a direct TLS session that was not made for Postgres.
pub fn require_alpn(session: &rustls::ServerConnection) -> PgResult<()> {
    if session.alpn_protocol() == Some(ALPN) {
        return Ok(());
    }
    let message = "received direct SSL connection request without ALPN protocol negotiation";
    Err(PgError::protocol(message))
}

fn read_pair(files: &Files) -> Result<Pair, String> {
    check_private(&files.key)?;
    let client_ca = files.client_ca.as_deref().map(read).transpose()?;
    Ok(Pair { cert: read(&files.cert)?, key: read(&files.key)?, client_ca })
}

fn identity(pair: &Pair, files: &Files) -> Result<Identity, String> {
    let (cert, key) = (&files.cert, &files.key);
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pair.cert)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{} is not a PEM certificate: {error}", cert.display()))?;
    let Some(own) = chain.first() else {
        return Err(format!("{} holds no certificate", cert.display()));
    };
    let certificate_pem = Arc::new(pem(own));
    let secret = PrivateKeyDer::from_pem_slice(&pair.key)
        .map_err(|error| format!("{} is not a PEM private key: {error}", key.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients = client_verifier(pair, files, &provider)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| format!("cannot set up TLS: {error}"))?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, secret)
        .map_err(|error| {
            format!("{} and {} do not go together: {error}", cert.display(), key.display())
        })?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Clients do not resume sessions (libpq turns tickets off), and a server without stored
    // sessions has none to leak.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Identity { acceptor: TlsAcceptor::from(Arc::new(config)), certificate_pem })
}

/// A client may show a certificate; one that does not come from the CA ends the handshake.
fn client_verifier(
    pair: &Pair,
    files: &Files,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let (Some(pem), Some(path)) = (&pair.client_ca, &files.client_ca) else {
        return Ok(WebPkiClientVerifier::no_client_auth());
    };
    let wrong = |why: String| format!("{} is no list of PEM certificates: {why}", path.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .allow_unauthenticated()
        .build()
        .map_err(|error| wrong(error.to_string()))
}

/// The name in the certificate that a client showed; none without one.
pub fn client_name(session: &rustls::ServerConnection) -> Option<String> {
    let own = session.peer_certificates()?.first()?;
    X509Certificate::from_der(own.as_ref()).ok()?.subject_common_name()
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(PEM_MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// As PostgreSQL: a key that others can read is no secret. One of root's may be readable by a
/// group, as distributions install them.
fn check_private(key: &Path) -> Result<(), String> {
    let shown = key.display();
    let meta = fs::metadata(key).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let open_to_others = if meta.uid() == 0 { 0o027 } else { 0o077 };
    if meta.mode() & open_to_others != 0 {
        return Err(format!("the private key {shown} can be read by others: chmod 600 it"));
    }
    Ok(())
}

fn pem(certificate: &CertificateDer<'_>) -> Vec<u8> {
    let body = base64::encode(certificate);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text.into_bytes()
}
