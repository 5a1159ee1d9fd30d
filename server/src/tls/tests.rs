//! TLS: what is shown, when it is read again, and that a broken pair changes nothing.

use std::os::unix::fs::PermissionsExt;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};

use super::*;

// Self-signed, for localhost, made for these tests and used nowhere else.
pub(crate) const CERT_1: &str = "\
-----BEGIN CERTIFICATE-----
MIIBUTCB+KADAgECAhRJyfmMaGWo4vgASfqSf3sAPJLSQjAKBggqhkjOPQQDAjAU
MRIwEAYDVQQDDAlsb2NhbGhvc3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEw
MDAwMDBaMBQxEjAQBgNVBAMMCWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49
AwEHA0IABH78xfLsYUus5RQKwL88uHcc+RGkI3z9Emv2mYQY7pLmn3Lrzl3ypvA5
27GSJK6SzDChQ4zKAjS5c8/DT5WwnemjJjAkMBQGA1UdEQQNMAuCCWxvY2FsaG9z
dDAMBgNVHRMBAf8EAjAAMAoGCCqGSM49BAMCA0gAMEUCIQCIN+kkA4YiC6n5F8n4
H1L6Khm7x315fSvjvhHMIcH4PQIgWYgo1EjBGjwuf6GCH7+oPI151E4BRlMusOjD
p1S7hzc=
-----END CERTIFICATE-----
";
const KEY_1: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg9kf+z3OS8ph4RgGQ
H6+oHG2dt7t2NGKy+UJ/9Aus6G6hRANCAAR+/MXy7GFLrOUUCsC/PLh3HPkRpCN8
/RJr9pmEGO6S5p9y685d8qbwOduxkiSukswwoUOMygI0uXPPw0+VsJ3p
-----END PRIVATE KEY-----
";
const CERT_2: &str = "\
-----BEGIN CERTIFICATE-----
MIIBUTCB+KADAgECAhQIUwT+aRIR2pJTxnpAntd54ZkzVTAKBggqhkjOPQQDAjAU
MRIwEAYDVQQDDAlsb2NhbGhvc3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEw
MDAwMDBaMBQxEjAQBgNVBAMMCWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49
AwEHA0IABCGIcDDedvdZspdW0mAX6HkFx3dUD9GYtqvmZx8OCCiKNMqHLdci0cdP
+Nk/LeYo6IQwM3YjiRNMXn9ZQofWaJmjJjAkMBQGA1UdEQQNMAuCCWxvY2FsaG9z
dDAMBgNVHRMBAf8EAjAAMAoGCCqGSM49BAMCA0gAMEUCIHXlBog3gUC5+95QdAnv
0ll3ZwmSYpBOj5u8CKgiYzatAiEAlCdrKkXUFOSj6E2iABtU6Qs9e8oy0ksgQYdC
Q3JUroY=
-----END CERTIFICATE-----
";
const KEY_2: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgmDHxlCsWfWE32h7E
arLg4iIrF1/1yJVzZdnAi4/ERPahRANCAAQhiHAw3nb3WbKXVtJgF+h5Bcd3VA/R
mLar5mcfDggoijTKhy3XItHHT/jZPy3mKOiEMDN2I4kTTF5/WUKH1miZ
-----END PRIVATE KEY-----
";

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("mobula-tls-{:x}", rand::random::<u64>()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, cert: &str, key: &str) {
        fs::write(self.0.join("cert.pem"), cert).unwrap();
        let path = self.0.join("key.pem");
        fs::write(&path, key).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn open(&self) -> PgResult<Tls> {
        let (cert, key) = (self.0.join("cert.pem"), self.0.join("key.pem"));
        Tls::open(Files { cert, key, client_ca: None })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A handshake in memory with a client that trusts `root` and speaks `alpn`.
fn shake(tls: &Tls, root: &str, alpn: &[&[u8]]) -> Result<ServerConnection, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name)?;
    let mut server = ServerConnection::new(Arc::clone(tls.acceptor().config()))?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets()?;
        bytes.clear();
        server.write_tls(&mut bytes).unwrap();
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok(server)
}

#[test]
fn a_handshake_shows_the_certificate() {
    let folder = Folder::new();
    folder.write(CERT_1, KEY_1);
    let tls = folder.open().unwrap();
    assert_eq!(tls.certificate_pem().as_slice(), CERT_1.as_bytes());
    assert!(shake(&tls, CERT_1, &[]).is_ok());
    assert!(shake(&tls, CERT_2, &[]).is_err());
}

#[test]
fn direct_tls_needs_the_protocol_name() {
    let folder = Folder::new();
    folder.write(CERT_1, KEY_1);
    let tls = folder.open().unwrap();
    assert!(require_alpn(&shake(&tls, CERT_1, &[b"postgresql"]).unwrap()).is_ok());
    assert!(require_alpn(&shake(&tls, CERT_1, &[]).unwrap()).is_err());
    assert!(shake(&tls, CERT_1, &[b"http/1.1"]).is_err());
}

#[test]
fn changed_files_are_read_and_broken_ones_are_not_used() {
    let folder = Folder::new();
    folder.write(CERT_1, KEY_1);
    let tls = folder.open().unwrap();
    folder.write(CERT_2, KEY_2);
    tls.reload();
    assert!(shake(&tls, CERT_2, &[]).is_ok());
    assert_eq!(tls.certificate_pem().as_slice(), CERT_2.as_bytes());
    // A certificate without its key, as between two copies; nonsense; nothing.
    for (cert, key) in [(CERT_1, KEY_2), ("nonsense", KEY_2), ("", "")] {
        folder.write(cert, key);
        tls.reload();
        assert!(shake(&tls, CERT_2, &[]).is_ok());
    }
    fs::remove_file(folder.0.join("cert.pem")).unwrap();
    tls.reload();
    assert!(shake(&tls, CERT_2, &[]).is_ok());
    folder.write(CERT_1, KEY_1);
    tls.reload();
    assert!(shake(&tls, CERT_1, &[]).is_ok());
}

#[test]
fn new_connections_notice_within_a_second() {
    let folder = Folder::new();
    folder.write(CERT_1, KEY_1);
    let tls = folder.open().unwrap();
    folder.write(CERT_2, KEY_2);
    std::thread::sleep(CHECK_EVERY + Duration::from_millis(50));
    assert_eq!(tls.certificate_pem().as_slice(), CERT_2.as_bytes());
}

#[test]
fn what_cannot_work_is_refused_at_the_start() {
    let folder = Folder::new();
    folder.write(CERT_1, KEY_2);
    assert!(folder.open().unwrap_err().message.contains("do not go together"));
    folder.write(CERT_1, CERT_1);
    assert!(folder.open().unwrap_err().message.contains("is not a PEM private key"));
    folder.write("", KEY_1);
    assert!(folder.open().unwrap_err().message.contains("holds no certificate"));
    folder.write(CERT_1, KEY_1);
    let key = folder.0.join("key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o604)).unwrap();
    assert!(folder.open().unwrap_err().message.contains("chmod 600"));
    fs::remove_file(key).unwrap();
    assert!(folder.open().unwrap_err().message.contains("cannot read"));
}
