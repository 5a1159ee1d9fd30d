//! Limits of a role: what ALTER ROLE ... SET gave it of certain settings, its sessions may tighten
//! and not loosen. In: a setting and a value. Out: nothing, or why not. Superusers have no limits.

use std::collections::BTreeMap;

use crate::error::{PgError, PgResult, SqlState};
use crate::session::variables::{parse_bytes, parse_millis};

/// What to do about a limit.
pub const HINT: &str = "An administrator can change it with ALTER ROLE.";

/// The limits of one role.
#[derive(Debug, Clone, Default)]
pub struct Limits(BTreeMap<&'static str, String>);

/// A setting's name and how its values are read.
type Amount = (&'static str, fn(&str) -> Option<u64>);

/// What can be limited: 0 is no limit, and of two limits the smaller is the tighter.
const AMOUNTS: [Amount; 6] = [
    ("statement_timeout", millis),
    ("idle_session_timeout", millis),
    ("idle_in_transaction_session_timeout", millis),
    ("mobula.max_scan_bytes", parse_bytes),
    ("mobula.max_cpus", |text| text.parse().ok()),
    ("mobula.stage_tasks", |text| text.parse().ok()),
];
/// What an administrator turned on stays on.
const READ_ONLY: &str = "default_transaction_read_only";

fn millis(text: &str) -> Option<u64> {
    parse_millis(text).and_then(|millis| u64::try_from(millis).ok())
}

impl Limits {
    /// Of a role's settings those that limit.
    pub fn of(settings: &BTreeMap<String, String>) -> Self {
        let names = AMOUNTS.iter().map(|(name, _)| *name).chain([READ_ONLY]);
        Self(names.filter_map(|name| Some((name, settings.get(name)?.clone()))).collect())
    }

    /// Refuses a value that is looser than the role's.
    ///
    /// # Errors
    /// 25006 for leaving read-only, 53400 for the others.
    pub fn check(&self, name: &str, value: &str) -> PgResult<()> {
        let of_read_only = [READ_ONLY, "transaction_read_only"].contains(&name);
        if of_read_only && value == "off" && self.is_read_only() {
            let message = "cannot set transaction read-write mode: this role is read-only";
            return Err(PgError::new(SqlState::ReadOnlySqlTransaction, message).hint(HINT));
        }
        let Some((_, parse)) = AMOUNTS.iter().find(|(known, _)| *known == name) else {
            return Ok(());
        };
        let Some(limit) = self.0.get(name) else { return Ok(()) };
        let (most, wanted) = (parse(limit).unwrap_or(0), parse(value).unwrap_or(0));
        if most == 0 || (1..=most).contains(&wanted) {
            return Ok(());
        }
        let message = format!("parameter \"{name}\" of this role is limited to {limit}");
        Err(PgError::new(SqlState::ConfigurationLimit, message).hint(HINT))
    }

    /// Whether the role only reads.
    pub fn is_read_only(&self) -> bool {
        self.0.get(READ_ONLY).is_some_and(|value| value == "on")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_tightened_and_not_loosened() {
        let settings = [("statement_timeout", "5s"), (READ_ONLY, "on"), ("search_path", "a")];
        let limits =
            Limits::of(&settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        for (name, value, state) in [
            ("statement_timeout", "5s", None),
            ("statement_timeout", "10ms", None),
            ("statement_timeout", "6s", Some(SqlState::ConfigurationLimit)),
            ("statement_timeout", "0", Some(SqlState::ConfigurationLimit)),
            ("transaction_read_only", "off", Some(SqlState::ReadOnlySqlTransaction)),
            (READ_ONLY, "on", None),
            ("search_path", "b", None),
            ("mobula.max_cpus", "0", None),
        ] {
            let refused = limits.check(name, value).err().map(|error| error.state);
            assert_eq!(refused, state, "{name} = {value}");
        }
    }
}
