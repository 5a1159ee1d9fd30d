//! TLS for tests: a certificate for localhost and a client that trusts nothing else. In: a folder.
//! Out: files, flags for the server, an encrypted stream.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::wire::{Stream, Wire};

// Self-signed, for localhost, made for these tests and used nowhere else.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBmDCCAT6gAwIBAgIUTCdLaXSEGtvomapn21iyXO/KF3kwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjIwNTY0N1oYDzIxMjYxMDI5
MjA1NjQ3WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATNoUy1c1zm0rLHZ2rAbQBsaLxCXNYt+YhhLXB3T2tL1QiqZXtlKZAm
VXSWyYvPYl3Xhq6dwxtGLonK5IVPy77yo2wwajAdBgNVHQ4EFgQUJQyTjiOC//fo
bIHiwc3nXrpNSi0wHwYDVR0jBBgwFoAUJQyTjiOC//fobIHiwc3nXrpNSi0wGgYD
VR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMAwGA1UdEwEB/wQCMAAwCgYIKoZIzj0E
AwIDSAAwRQIhAN7qpAhGqtMZ7F0sPeTofaoyvDUtXHKjtHVOJSh+j4P0AiB23urV
yxjhZfFADKeV72WW0BpH884mHsVoCZ0rZhWSXQ==
-----END CERTIFICATE-----
";
const KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgSpjEUM1t7/ML5370
/DksjTLhJckTIP6TjnRBm5HMNN+hRANCAATNoUy1c1zm0rLHZ2rAbQBsaLxCXNYt
+YhhLXB3T2tL1QiqZXtlKZAmVXSWyYvPYl3Xhq6dwxtGLonK5IVPy77y
-----END PRIVATE KEY-----
";

/// Writes certificate and key below `folder`; the flags that make a server use them.
pub fn flags(folder: &Path) -> Vec<String> {
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    fs::write(&cert, CERTIFICATE).expect("a certificate file");
    let mut file = fs::File::options();
    let file = file.write(true).create(true).truncate(true).mode(0o600).open(&key);
    file.and_then(|mut file| file.write_all(KEY.as_bytes())).expect("a key file");
    let flag = |name: &str, path: &Path| [name.to_owned(), path.to_string_lossy().into_owned()];
    [flag("--tls-cert", &cert), flag("--tls-key", &key)].concat()
}

/// A TLS session over a connection, with these application protocols offered.
///
/// # Errors
/// When the handshake fails.
pub async fn encrypt(wire: Wire, protocols: &[&[u8]]) -> std::io::Result<Wire> {
    let mut roots = RootCertStore::empty();
    let own = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).expect("a certificate");
    roots.add(own).expect("a trusted certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from("localhost").expect("a name");
    let stream: Box<dyn Stream> = wire.into_stream();
    let encrypted = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    Ok(Wire::over(Box::new(encrypted)))
}
