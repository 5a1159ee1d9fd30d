//! Who a session is, kept among its settings so that ROLLBACK and savepoints take it back alike.

use super::Variables;
use crate::meta::Oid;

/// Where the oids of roles are kept beside their names: a name may come to mean another role. No
/// client can make a setting of its own of these.
const ROLE_OID: &str = "role:oid";
const SESSION_OID: &str = "session_authorization:oid";
/// Who the session is.
pub(super) const IDENTITY: [&str; 5] =
    ["role", ROLE_OID, "session_authorization", SESSION_OID, "is_superuser"];

impl Variables {
    /// SET ROLE: from here on the session has the rights of that role.
    pub fn set_role(&mut self, name: &str, oid: Oid, is_superuser: bool, local: bool) {
        self.put_fixed("role", name.to_owned(), local);
        self.put_fixed(ROLE_OID, oid.to_string(), local);
        self.put_fixed("is_superuser", on_or_off(is_superuser), local);
    }

    /// SET SESSION AUTHORIZATION; SET ROLE has been taken back.
    pub fn set_session_role(&mut self, name: &str, oid: Oid, is_superuser: bool, local: bool) {
        self.put_fixed("session_authorization", name.to_owned(), local);
        self.put_fixed(SESSION_OID, oid.to_string(), local);
        self.set_role("none", oid, is_superuser, local);
    }

    fn put_fixed(&mut self, name: &'static str, value: String, local: bool) {
        self.put(name.into(), Some(value), local);
    }

    /// The role that logged in; SET SESSION AUTHORIZATION DEFAULT returns to it.
    pub fn log_in(&mut self, name: &str, oid: Oid, is_superuser: bool) {
        self.set_fixed("session_authorization", name.to_owned());
        self.set_fixed(SESSION_OID, oid.to_string());
        self.set_fixed(ROLE_OID, oid.to_string());
        self.set_fixed("is_superuser", on_or_off(is_superuser));
    }

    /// The role whose rights the session has.
    pub fn role(&self) -> Oid {
        read_oid(self.stored(ROLE_OID))
    }

    /// The role the session is of.
    pub fn session_role(&self) -> Oid {
        read_oid(self.stored(SESSION_OID))
    }

    /// The role that logged in.
    pub fn login_role(&self) -> Oid {
        read_oid(self.base.get(SESSION_OID))
    }
}

/// No role has oid 0: who has it may do nothing.
fn read_oid(text: Option<&String>) -> Oid {
    Oid(text.and_then(|text| text.parse().ok()).unwrap_or(0))
}

fn on_or_off(is_on: bool) -> String {
    if is_on { "on" } else { "off" }.to_owned()
}
