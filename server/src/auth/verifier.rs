//! What a password is checked against: stored key and server key, never the password.
//! In: a password once, or PostgreSQL's text form. Out: [`Verifier`]. It knows no message.

use std::fmt;

use pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, ScramSecret, gen_salted_password};

use super::base64;
use crate::meta::Secret;

/// SHA-256 is this long.
const KEY_BYTES: usize = 32;
/// PostgreSQL's SCRAM_DEFAULT_SALT_LEN.
const SALT_BYTES: usize = 16;
/// More would let a stored text make a client, and us, derive for minutes.
const ITERATIONS_MAX: usize = 10_000_000;

/// A SCRAM-SHA-256 verifier, in text `SCRAM-SHA-256$4096:<salt>$<stored key>:<server key>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    iterations: usize,
    salt: Vec<u8>,
    stored_key: [u8; KEY_BYTES],
    server_key: [u8; KEY_BYTES],
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// A new verifier for `password`, with a fresh salt. Takes some milliseconds of CPU.
pub fn make_verifier(password: &str) -> Verifier {
    Verifier::derive(password, &rand::random::<[u8; SALT_BYTES]>(), SCRAM_ITERATIONS)
}

impl Verifier {
    /// The verifier of `password` with this salt and count.
    fn derive(password: &str, salt: &[u8], iterations: usize) -> Self {
        let salted = gen_salted_password(password, salt, iterations);
        let (stored_key, server_key) = keys(salted);
        Self { iterations, salt: salt.to_vec(), stored_key, server_key }
    }

    /// Reads the text form; none if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("SCRAM-SHA-256$")?;
        let (head, tail) = rest.split_once('$')?;
        let (iterations, salt) = head.split_once(':')?;
        let (stored_key, server_key) = tail.split_once(':')?;
        let iterations = iterations.parse().ok()?;
        if !(1..=ITERATIONS_MAX).contains(&iterations) {
            return None;
        }
        let key = |text: &str| base64::decode(text)?.try_into().ok();
        Some(Self {
            iterations,
            salt: base64::decode(salt).filter(|salt| !salt.is_empty())?,
            stored_key: key(stored_key)?,
            server_key: key(server_key)?,
        })
    }

    /// The text form, to be stored.
    pub fn text(&self) -> Secret {
        Secret::new(format!(
            "SCRAM-SHA-256${}:{}${}:{}",
            self.iterations,
            base64::encode(&self.salt),
            base64::encode(&self.stored_key),
            base64::encode(&self.server_key)
        ))
    }

    /// Whether `password` is the right one. Takes some milliseconds of CPU; logins do not need it.
    pub fn fits(&self, password: &str) -> bool {
        let other = Self::derive(password, &self.salt, self.iterations);
        // All bytes are looked at whatever the first ones are.
        let pairs = self.stored_key.iter().zip(&other.stored_key);
        pairs.fold(0, |differing, (left, right)| differing | (left ^ right)) == 0
    }

    /// In the library's form.
    pub(super) fn secret(&self) -> ScramSecret {
        ScramSecret::Verifier {
            salt: self.salt.clone(),
            iterations: self.iterations,
            stored_key: self.stored_key.to_vec(),
            server_key: self.server_key.to_vec(),
        }
    }
}

/// Stored key and server key of a salted password.
fn keys(salted: Vec<u8>) -> ([u8; KEY_BYTES], [u8; KEY_BYTES]) {
    let secret = ScramSecret::verifier_from_salted_password(Vec::new(), salted, SCRAM_ITERATIONS);
    let array = |key: Vec<u8>| key.try_into().unwrap_or([0; KEY_BYTES]);
    match secret {
        ScramSecret::Verifier { stored_key, server_key, .. } => {
            (array(stored_key), array(server_key))
        }
        // The constructor makes the other variant only; zero keys fit no password.
        ScramSecret::SaltedPassword { .. } => ([0; KEY_BYTES], [0; KEY_BYTES]),
    }
}

/// The secret of a data directory from which the verifiers of unknown users are made: a stranger
/// who asks twice sees the same salt twice, as with a known user.
#[derive(Clone)]
pub struct MockSecret(Secret);

impl fmt::Debug for MockSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MockSecret(<hidden>)")
    }
}

impl MockSecret {
    /// A new one, of 256 bits, as text to be stored.
    pub fn random() -> Self {
        Self(Secret::new(base64::encode_url(&rand::random::<[u8; 32]>())))
    }

    /// One that was stored.
    pub fn stored(text: String) -> Self {
        Self(Secret::new(text))
    }

    /// The text to store.
    pub fn text(&self) -> &str {
        self.0.expose()
    }

    /// The verifier of a user that is not there: a function of this secret and the name.
    pub(super) fn verifier(&self, user: &str) -> Verifier {
        let mut salt = self.mac(&format!("salt:{user}"));
        salt.truncate(SALT_BYTES);
        let (stored_key, server_key) = keys(self.mac(&format!("key:{user}")));
        Verifier { iterations: SCRAM_ITERATIONS, salt, stored_key, server_key }
    }

    /// HMAC-SHA-256 of `text` (and a constant) under this secret: PBKDF2 with one iteration is
    /// just that.
    fn mac(&self, text: &str) -> Vec<u8> {
        gen_salted_password(self.0.expose(), text.as_bytes(), 1)
    }
}
