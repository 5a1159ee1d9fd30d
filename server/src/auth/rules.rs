//! Who may connect from where, and how they show who they are: lines as in PostgreSQL's
//! `pg_hba.conf`, the first that fits decides. In: lines, and a client that is not known yet. Out:
//! a method. It knows no socket and no role; who is a member of whom is asked of the caller.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::DATABASE;
use crate::error::{PgError, SqlState};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    text: String,
    encryption: Encryption,
    users: Vec<Users>,
    /// None for any address.
    network: Option<IpNet>,
    method: Method,
}

/// Whether a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encryption {
    /// `host`.
    Either,
    /// `hostssl`.
    Needed,
    /// `hostnossl`.
    Absent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Users {
    All,
    Named(String),
    /// `+role`: its members, and the role itself.
    MembersOf(String),
}

/// How a client shows who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By a password that it does not tell.
    Scram,
    /// By a certificate with its name, which the TLS handshake has checked.
    Certificate,
    /// Not at all: it is refused.
    Reject,
}

/// A client before it has shown who it is.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Where it comes from.
    pub address: IpAddr,
    /// Whether the connection is encrypted.
    pub is_encrypted: bool,
    /// Who it says it is.
    pub user: &'a str,
}

impl Rule {
    /// The line, as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How a client shows who it is.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Whether only encrypted connections can fit.
    pub fn needs_encryption(&self) -> bool {
        self.encryption == Encryption::Needed
    }

    fn fits(&self, caller: &Caller<'_>, is_member: impl Fn(&str) -> bool) -> bool {
        let encryption = match self.encryption {
            Encryption::Either => true,
            Encryption::Needed => caller.is_encrypted,
            Encryption::Absent => !caller.is_encrypted,
        };
        let address = caller.address.to_canonical();
        let user = |users: &Users| match users {
            Users::All => true,
            Users::Named(name) => name == caller.user,
            Users::MembersOf(role) => role == caller.user || is_member(role),
        };
        encryption
            && self.network.is_none_or(|network| network.contains(&address))
            && self.users.iter().any(user)
    }
}

/// How this client is to show who it is.
///
/// # Errors
/// 28000 when no line fits, or one that rejects it.
pub fn method(
    rules: &[Rule],
    caller: &Caller<'_>,
    is_member: impl Fn(&str) -> bool,
) -> Result<Method, PgError> {
    let found = rules.iter().find(|rule| rule.fits(caller, &is_member));
    let words = match found.map(Rule::method) {
        Some(Method::Reject) => "pg_hba.conf rejects connection for",
        Some(method) => return Ok(method),
        None => "no pg_hba.conf entry for",
    };
    let encryption = if caller.is_encrypted { "SSL encryption" } else { "no encryption" };
    let (address, user) = (caller.address.to_canonical(), caller.user);
    let message = format!(
        "{words} host \"{address}\", user \"{user}\", database \"{DATABASE}\", {encryption}"
    );
    Err(PgError::fatal(SqlState::InvalidAuthorization, message)
        .hint("The lines are the server's setting hba."))
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<_> = text.split_whitespace().collect();
        let [kind, databases, users, address, method] = words.as_slice() else {
            return Err(format!("\"{text}\" is not TYPE DATABASE USER ADDRESS METHOD"));
        };
        let encryption = match *kind {
            "host" => Encryption::Either,
            "hostssl" => Encryption::Needed,
            "hostnossl" => Encryption::Absent,
            other => return Err(format!("\"{other}\" is not host, hostssl or hostnossl")),
        };
        if !databases.split(',').all(|name| ["all", DATABASE].contains(&name)) {
            return Err(format!("\"{databases}\" is not all or {DATABASE}, the only database"));
        }
        let method = match *method {
            "scram-sha-256" => Method::Scram,
            "cert" if encryption == Encryption::Needed => Method::Certificate,
            "cert" => return Err("cert is for hostssl alone".to_owned()),
            "reject" => Method::Reject,
            other => return Err(format!("\"{other}\" is not scram-sha-256, cert or reject")),
        };
        Ok(Self {
            text: words.join(" "),
            encryption,
            users: users.split(',').map(read_users).collect(),
            network: read_network(address)?,
            method,
        })
    }
}

fn read_users(word: &str) -> Users {
    match word.strip_prefix('+') {
        Some(role) => Users::MembersOf(role.trim_matches('"').to_owned()),
        None if word == "all" => Users::All,
        None => Users::Named(word.trim_matches('"').to_owned()),
    }
}

fn read_network(word: &str) -> Result<Option<IpNet>, String> {
    if word == "all" {
        return Ok(None);
    }
    let single = || word.parse::<IpAddr>().ok().map(IpNet::from);
    let network = word.parse().ok().or_else(single);
    network.map(Some).ok_or_else(|| format!("\"{word}\" is not all, an address or a network"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(
        rules: &[&str],
        address: &str,
        is_encrypted: bool,
        user: &str,
    ) -> Result<Method, String> {
        let rules: Vec<Rule> = rules.iter().map(|text| text.parse().expect("a rule")).collect();
        let address = address.parse().expect("an address");
        let caller = Caller { address, is_encrypted, user };
        method(&rules, &caller, |role| role == "team" && user == "ann").map_err(|e| e.message)
    }

    #[test]
    fn the_first_that_fits_decides() {
        let rules = [
            "host all +team 10.0.0.0/8 reject",
            "hostssl mobula ann,bob all scram-sha-256",
            "hostssl all robot 192.168.0.1 cert",
            "hostnossl all all 127.0.0.1/32 scram-sha-256",
        ];
        let ask = |address, is_encrypted, user| ask(&rules, address, is_encrypted, user);
        assert!(ask("10.1.2.3", true, "ann").expect_err("rejected").starts_with("pg_hba.conf rej"));
        assert_eq!(ask("10.1.2.3", true, "bob"), Ok(Method::Scram));
        assert_eq!(ask("11.1.2.3", true, "ann"), Ok(Method::Scram));
        assert_eq!(ask("192.168.0.1", true, "robot"), Ok(Method::Certificate));
        assert_eq!(ask("::ffff:127.0.0.1", false, "eve"), Ok(Method::Scram));
        let words = "no pg_hba.conf entry for host \"127.0.0.1\", user \"eve\", \
                     database \"mobula\", SSL encryption";
        assert_eq!(ask("127.0.0.1", true, "eve").expect_err("none"), words);
        assert!(ask("192.168.0.2", true, "robot").is_err());
        assert!(ask("11.0.0.1", false, "bob").is_err());
    }

    #[test]
    fn lines_that_are_none() {
        for text in [
            "",
            "local all all all scram-sha-256",
            "host all all all trust",
            "host all all all cert",
            "host other all all scram-sha-256",
            "host all all 10.0.0.0/33 scram-sha-256",
            "host all all all",
            "host all all all scram-sha-256 map=x",
        ] {
            assert!(text.parse::<Rule>().is_err(), "{text}");
        }
    }
}
