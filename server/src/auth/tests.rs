//! Login: what succeeds, what fails, and that failures look the same.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use pgwire::api::auth::sasl::scram::gen_salted_password;

use super::*;
use crate::error::Severity;
use crate::meta::Meta;

/// RFC 7677's example, as PostgreSQL would store it.
const PENCIL: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==\
                      $WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=\
                      :wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

/// A client, with a SHA-256 of another maker than the server's half.
mod client {
    use super::*;

    fn sha256(parts: &[&[u8]]) -> [u8; 32] {
        let provider = rustls::crypto::ring::default_provider();
        let mut suites = provider.cipher_suites.iter().filter_map(|suite| match suite {
            rustls::SupportedCipherSuite::Tls13(suite) => Some(suite.common.hash_provider),
            rustls::SupportedCipherSuite::Tls12(_) => None,
        });
        let hash = suites.find(|hash| hash.output_len() == 32).unwrap();
        let mut context = hash.start();
        parts.iter().for_each(|part| context.update(part));
        context.finish().as_ref().try_into().unwrap()
    }

    fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
        let mut block = [0; 64];
        block[..key.len()].copy_from_slice(key);
        let inner = sha256(&[&block.map(|byte| byte ^ 0x36), message]);
        sha256(&[&block.map(|byte| byte ^ 0x5c), &inner])
    }

    /// The client-final message for a password; `c` is the channel binding.
    pub fn final_message(password: &str, bare: &str, server_first: &str, c: &str) -> String {
        let field =
            |name: &str| server_first.split(',').find_map(|part| part.strip_prefix(name)).unwrap();
        let salt = base64::decode(field("s=")).unwrap();
        let salted = gen_salted_password(password, &salt, field("i=").parse().unwrap());
        let client_key = hmac(&salted, b"Client Key");
        let without_proof = format!("c={c},r={}", field("r="));
        let auth_message = format!("{bare},{server_first},{without_proof}");
        let signature = hmac(&sha256(&[&client_key]), auth_message.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(k, s)| k ^ s).collect();
        format!("{without_proof},p={}", base64::encode(&proof))
    }
}

fn mock() -> MockSecret {
    MockSecret::stored("a secret of the data directory".into())
}

fn login(verifier: Option<&Verifier>, password: &str) -> PgResult<Vec<u8>> {
    let mut exchange = ScramExchange::new("u", verifier, &mock(), None);
    assert_eq!(exchange.mechanisms(), [SCRAM]);
    let bare = "n=,r=clientnonce";
    let first = exchange.client_first(SCRAM, format!("n,,{bare}").as_bytes())?;
    let first = String::from_utf8(first).unwrap();
    assert!(first.starts_with("r=clientnonce"));
    let last = client::final_message(password, bare, &first, "biws");
    exchange.client_final(last.as_bytes())
}

#[test]
fn the_known_vector_is_derived_and_printed() {
    let verifier = Verifier::parse(PENCIL).unwrap();
    assert_eq!(verifier.text().expose(), PENCIL);
    assert!(verifier.fits("pencil"));
    assert!(!verifier.fits("Pencil"));
    assert!(login(Some(&verifier), "pencil").unwrap().starts_with(b"v="));
}

#[test]
fn text_that_is_no_verifier_is_refused() {
    let broken = [
        "",
        "md5abc",
        "SCRAM-SHA-256$",
        "SCRAM-SHA-256$0:c2FsdA==$a:b",
        "SCRAM-SHA-256$4096:$:",
        &PENCIL[..PENCIL.len() - 1],
        &PENCIL.replace("4096", "99999999999"),
    ];
    for text in broken {
        assert!(Verifier::parse(text).is_none(), "{text}");
    }
}

#[test]
fn the_right_password_logs_in_and_nothing_else_does() {
    let verifier = make_verifier("correct horse");
    assert_ne!(verifier.text(), make_verifier("correct horse").text());
    assert!(login(Some(&verifier), "correct horse").is_ok());
    let wrong = login(Some(&verifier), "battery staple").unwrap_err();
    let unknown = login(None, "battery staple").unwrap_err();
    assert_eq!(wrong, unknown);
    assert_eq!((wrong.severity, wrong.state), (Severity::Fatal, SqlState::InvalidPassword));
    assert_eq!(wrong.message, "password authentication failed for user \"u\"");
}

#[test]
fn an_unknown_user_has_the_same_salt_each_time() {
    let salt = |user: &str, verifier: Option<&Verifier>| {
        let mut exchange = ScramExchange::new(user, verifier, &mock(), None);
        let first = exchange.client_first(SCRAM, b"n,,n=,r=x").unwrap();
        let first = String::from_utf8(first).unwrap();
        first.split_once(",s=").unwrap().1.to_owned()
    };
    assert_eq!(salt("a", None), salt("a", None));
    assert_ne!(salt("a", None), salt("b", None));
    let real = make_verifier("x");
    assert_eq!(salt("a", None).len(), salt("a", Some(&real)).len());
}

#[test]
fn messages_out_of_form_are_fatal() {
    let verifier = make_verifier("x");
    let new = || ScramExchange::new("u", Some(&verifier), &mock(), None);
    let first = |mechanism: &str, data: &[u8]| new().client_first(mechanism, data).unwrap_err();
    let errors = [
        first("SCRAM-SHA-512", b"n,,n=,r=x"),
        first(SCRAM_PLUS, b"p=tls-server-end-point,,n=,r=x"),
        first(SCRAM, b"p=tls-server-end-point,,n=,r=x"),
        first(SCRAM, b""),
        first(SCRAM, b"n,,\xff"),
        first(SCRAM, &[b'n'; SASL_MESSAGE_MAX_BYTES + 1]),
        new().client_final(b"c=biws,r=x,p=").unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.severity, Severity::Fatal, "{error}");
        assert_eq!(error.state, SqlState::ProtocolViolation, "{error}");
    }
    // A client that can bind to a server that cannot says `y`: no downgrade without TLS.
    assert!(new().client_first(SCRAM, b"y,,n=,r=x").is_ok());
}

#[test]
fn a_second_try_needs_a_new_connection() {
    let verifier = make_verifier("x");
    let mut exchange = ScramExchange::new("u", Some(&verifier), &mock(), None);
    exchange.client_first(SCRAM, b"n,,n=,r=x").unwrap();
    assert!(exchange.client_first(SCRAM, b"n,,n=,r=x").is_err());
    let mut exchange = ScramExchange::new("u", Some(&verifier), &mock(), None);
    exchange.client_first(SCRAM, b"n,,n=,r=x").unwrap();
    let nonsense = b"c=biws,r=other,p=AAAA";
    assert_eq!(
        exchange.client_final(nonsense).unwrap_err().detail.unwrap(),
        "Nonce does not match."
    );
    assert_eq!(exchange.client_final(nonsense).unwrap_err().message, "unexpected SASL message");
}

#[test]
fn over_tls_the_certificate_is_bound() {
    let verifier = make_verifier("x");
    let pem = crate::tls::tests::CERT_1.as_bytes();
    let new = || ScramExchange::new("u", Some(&verifier), &mock(), Some(pem));
    assert_eq!(new().mechanisms(), [SCRAM_PLUS, SCRAM]);
    assert!(new().client_first(SCRAM_PLUS, b"p=tls-server-end-point,,n=,r=x").is_ok());
    assert!(new().client_first(SCRAM, b"n,,n=,r=x").is_ok());
    let refused = |mechanism: &str, data: &[u8]| new().client_first(mechanism, data).unwrap_err();
    assert_eq!(refused(SCRAM, b"y,,n=,r=x").state, SqlState::InvalidAuthorization);
    assert_eq!(refused(SCRAM_PLUS, b"n,,n=,r=x").state, SqlState::ProtocolViolation);
    assert_eq!(refused(SCRAM_PLUS, b"y,,n=,r=x").state, SqlState::ProtocolViolation);
    assert_eq!(
        refused(SCRAM, b"p=tls-server-end-point,,n=,r=x").state,
        SqlState::ProtocolViolation
    );
    // Another certificate's hash, as a man in the middle would have it.
    let mut exchange = new();
    let bare = "n=,r=x";
    let first = format!("p=tls-server-end-point,,{bare}");
    let first = exchange.client_first(SCRAM_PLUS, first.as_bytes()).unwrap();
    let c = base64::encode(&[b"p=tls-server-end-point,,".as_slice(), &[7; 32]].concat());
    let last = client::final_message("x", bare, &String::from_utf8(first).unwrap(), &c);
    let error = exchange.client_final(last.as_bytes()).unwrap_err();
    assert_eq!(error.message, "SCRAM channel binding check failed");
}

#[test]
fn base64_is_the_standard_one() {
    for (bytes, text) in
        [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
    {
        assert_eq!(base64::encode(bytes.as_bytes()), text);
        assert_eq!(base64::decode(text).unwrap(), bytes.as_bytes());
    }
    for text in ["Z", "Zg", "Zg=", "Zh==", "Z===", "Zm9v====", "Zm-v", "=Zg="] {
        assert!(base64::decode(text).is_none(), "{text}");
    }
    assert_eq!(base64::encode_url(&[0xfb, 0xff]), "-_8");
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("mobula-auth-{:x}", rand::random::<u64>())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn start(folder: &Folder, port: u16, reset: bool) -> (Admin, Option<String>) {
    let meta = Meta::open(&folder.0).unwrap();
    let admin = prepare_admin(&meta, &folder.0, "127.0.0.1", port, reset).unwrap();
    let path = folder.0.join("connection");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let line = std::fs::read_to_string(&path).unwrap();
    assert_eq!(line, format!("{}\n", admin.uri.expose()));
    let end = format!("@127.0.0.1:{port}/mobula\n");
    let password = line.strip_prefix("postgresql://mobula").unwrap().strip_suffix(&end).unwrap();
    let password = password.strip_prefix(':').map(str::to_owned);
    if let Some(password) = &password {
        assert_eq!(password.len(), 32);
        let role = meta.snapshot().role("mobula").cloned().unwrap();
        let verifier = role.verifier.as_ref().unwrap().expose().to_owned();
        assert!(!verifier.contains(password.as_str()));
        assert!(Verifier::parse(&verifier).unwrap().fits(password));
    }
    (admin, password)
}

#[test]
fn the_admin_password_is_made_once_and_follows_the_port() {
    let folder = Folder::new();
    let (admin, first) = start(&folder, 5432, false);
    assert!(admin.fresh && first.is_some());
    let (admin, second) = start(&folder, 6543, false);
    assert!(!admin.fresh);
    assert_eq!(first, second);
    std::fs::remove_file(folder.0.join("connection")).unwrap();
    assert_eq!(start(&folder, 5432, false).1, None);
    assert_eq!(start(&folder, 5432, false).1, None);
    let (admin, third) = start(&folder, 5432, true);
    assert!(admin.fresh && third.is_some() && third != first);
    assert!(!format!("{admin:?}").contains(&third.unwrap()));
}

#[test]
fn uris_name_an_address_that_can_be_reached() {
    let uri = |host: &str| connection_uri("mobula", None, host, 5432);
    assert_eq!(uri("0.0.0.0"), "postgresql://mobula@127.0.0.1:5432/mobula");
    assert_eq!(uri("::"), "postgresql://mobula@[::1]:5432/mobula");
    assert_eq!(
        connection_uri("mobula", Some("x"), "localhost", 1),
        "postgresql://mobula:x@localhost:1/mobula"
    );
}
