//! A session's settings: values and their life. In: SET, RESET, the start packet. Out: values as
//! SHOW prints them. What exists and what a value may be is in [`super::variables`].

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use crate::encode::{DateOrder, DateStyle, FormatOptions, IntervalStyle, SessionZone};
use crate::error::{PgError, PgResult, SqlState};
use crate::meta::Oid;
use crate::pg_catalog::{MOBULA, RAY};
use crate::session::limits::Limits;
use crate::session::variables::{self, Variable};

type Values = BTreeMap<&'static str, String>;

/// Where the oids of roles are kept beside their names: a name may come to mean another role.
const ROLE_OID: &str = "role.oid";
const SESSION_OID: &str = "session_authorization.oid";
/// Who the session is.
const IDENTITY: [&str; 5] =
    ["role", ROLE_OID, "session_authorization", SESSION_OID, "is_superuser"];

/// The settings of one session. Only what differs from a default is stored.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    /// What RESET returns to, beyond the defaults: from the start packet and the server.
    base: Values,
    values: Values,
    /// The values a ROLLBACK returns to.
    before: Option<Values>,
    /// What SET LOCAL replaced, to return at the end of the transaction.
    local: BTreeMap<&'static str, Option<String>>,
    /// What its role may not go beyond.
    limits: Limits,
    /// What every statement asks for, read from the values once; empty after each change.
    read: OnceLock<Read>,
}

/// Values as the server uses them.
#[derive(Debug, Clone)]
struct Read {
    format: FormatOptions,
    durations: [Option<Duration>; DURATIONS.len()],
}

/// The settings that [`Variables::duration`] knows.
const DURATIONS: [&str; 3] =
    ["statement_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout"];

impl Variables {
    /// Sets a value that RESET returns to.
    ///
    /// # Errors
    /// As [`Variables::set`].
    pub fn set_base(&mut self, name: &str, value: &str) -> PgResult<()> {
        let (variable, value) = check(name, value)?;
        self.limits.check(variable.name, &value)?;
        self.base.insert(variable.name, value);
        self.changed();
        Ok(())
    }

    /// From here on a role's settings are its limits, too.
    pub fn limit(&mut self, settings: &BTreeMap<String, String>) {
        self.limits = Limits::of(settings);
    }

    /// Sets a value that no client may choose, such as the role's name.
    pub fn set_fixed(&mut self, name: &'static str, value: String) {
        self.base.insert(name, value);
        self.changed();
    }

    /// SET and SET LOCAL. The stored value, as SHOW prints it.
    ///
    /// # Errors
    /// 42704 for an unknown name, 22023 for a value it cannot have, 55P02 for one that is fixed.
    pub fn set(&mut self, name: &str, value: &str, local: bool) -> PgResult<Variable> {
        let (variable, value) = check(name, value)?;
        self.limits.check(variable.name, &value)?;
        self.put(variable.name, value, local);
        Ok(*variable)
    }

    fn put(&mut self, name: &'static str, value: String, local: bool) {
        let old = self.values.insert(name, value);
        self.changed();
        if local {
            self.local.entry(name).or_insert(old);
        } else {
            self.local.remove(name);
        }
    }

    /// SET ROLE: from here on the session has the rights of that role.
    pub fn set_role(&mut self, name: &str, oid: Oid, is_superuser: bool, local: bool) {
        self.put("role", name.to_owned(), local);
        self.put(ROLE_OID, oid.to_string(), local);
        self.put_superuser(is_superuser, local);
    }

    /// SET SESSION AUTHORIZATION; SET ROLE has been taken back.
    pub fn set_session_role(&mut self, name: &str, oid: Oid, is_superuser: bool, local: bool) {
        self.put("session_authorization", name.to_owned(), local);
        self.put(SESSION_OID, oid.to_string(), local);
        self.set_role("none", oid, is_superuser, local);
    }

    fn put_superuser(&mut self, is_superuser: bool, local: bool) {
        self.put("is_superuser", if is_superuser { "on" } else { "off" }.to_owned(), local);
    }

    /// The role that logged in; SET SESSION AUTHORIZATION DEFAULT returns to it.
    pub fn log_in(&mut self, name: &str, oid: Oid, is_superuser: bool) {
        self.set_fixed("session_authorization", name.to_owned());
        self.set_fixed(SESSION_OID, oid.to_string());
        self.set_fixed(ROLE_OID, oid.to_string());
        let word = if is_superuser { "on" } else { "off" };
        self.set_fixed("is_superuser", word.to_owned());
    }

    /// The role whose rights the session has.
    pub fn role(&self) -> Oid {
        self.oid(ROLE_OID)
    }

    /// The role the session is of.
    pub fn session_role(&self) -> Oid {
        self.oid(SESSION_OID)
    }

    /// The role that logged in.
    pub fn login_role(&self) -> Oid {
        read_oid(self.base.get(SESSION_OID))
    }

    fn oid(&self, name: &'static str) -> Oid {
        read_oid(self.values.get(name).or_else(|| self.base.get(name)))
    }

    /// RESET name.
    ///
    /// # Errors
    /// 42704 for an unknown name.
    pub fn reset(&mut self, name: &str) -> PgResult<Variable> {
        let variable = variables::find(name)?;
        variable.changeable()?;
        self.values.remove(variable.name);
        self.changed();
        Ok(*variable)
    }

    /// RESET ALL: who the session is stays.
    pub fn reset_all(&mut self) {
        self.values.retain(|name, _| IDENTITY.contains(name));
        self.changed();
    }

    /// DISCARD ALL: as after login.
    pub fn discard(&mut self) {
        self.values.clear();
        self.changed();
    }

    /// The value as SHOW prints it.
    pub fn get(&self, variable: &Variable) -> String {
        let stored = self.values.get(variable.name).or_else(|| self.base.get(variable.name));
        stored.cloned().unwrap_or_else(|| variable.default.to_owned())
    }

    /// The value of a setting by name.
    ///
    /// # Errors
    /// 42704 for an unknown name.
    pub fn show(&self, name: &str) -> PgResult<String> {
        Ok(self.get(variables::find(name)?))
    }

    /// A transaction begins.
    pub fn begin(&mut self) {
        self.before = Some(self.values.clone());
        self.local.clear();
    }

    /// A transaction ends: ROLLBACK takes every SET back, COMMIT only SET LOCAL.
    pub fn end(&mut self, committed: bool) {
        match self.before.take() {
            Some(before) if !committed => self.values = before,
            _ => {
                for (name, old) in std::mem::take(&mut self.local) {
                    match old {
                        Some(old) => self.values.insert(name, old),
                        None => self.values.remove(name),
                    };
                }
            }
        }
        self.local.clear();
        self.changed();
    }

    /// The value of a setting that exists.
    pub fn value(&self, name: &'static str) -> String {
        self.show(name).unwrap_or_default()
    }

    /// One of [`DURATIONS`]; none when off.
    pub fn duration(&self, name: &'static str) -> Option<Duration> {
        let index = DURATIONS.iter().position(|known| *known == name)?;
        self.read().durations[index]
    }

    /// How values are printed.
    pub fn format_options(&self) -> FormatOptions {
        self.read().format
    }

    fn read(&self) -> &Read {
        self.read.get_or_init(|| {
            let duration = |name| {
                let millis = variables::parse_millis(&self.value(name))?;
                (millis > 0).then(|| Duration::from_millis(millis))
            };
            Read { format: self.read_format(), durations: DURATIONS.map(duration) }
        })
    }

    fn changed(&mut self) {
        self.read = OnceLock::new();
    }

    /// Schemas searched for an unqualified name, in order, without `pg_catalog`, and without
    /// `mobula`, which is not searched though it has the name of a role.
    pub fn search_path(&self, user: &str) -> Vec<String> {
        let path = self.value("search_path");
        let names = path.split(',').map(str::trim).filter(|name| !name.is_empty());
        names
            .map(|name| match name.strip_prefix('"').and_then(|n| n.strip_suffix('"')) {
                Some("$user") => user.to_owned(),
                Some(quoted) => quoted.replace("\"\"", "\""),
                None => name.to_lowercase(),
            })
            .filter(|name| !["pg_catalog", MOBULA, RAY].contains(&name.as_str()))
            .collect()
    }

    fn read_format(&self) -> FormatOptions {
        let mut options = FormatOptions::default();
        let style = self.value("datestyle");
        let (output, order) = style.split_once(',').unwrap_or((&style, "MDY"));
        options.date_style = match output.trim() {
            "SQL" => DateStyle::Sql,
            "Postgres" => DateStyle::Postgres,
            "German" => DateStyle::German,
            _ => DateStyle::Iso,
        };
        options.date_order = match order.trim() {
            "DMY" => DateOrder::Dmy,
            "YMD" => DateOrder::Ymd,
            _ => DateOrder::Mdy,
        };
        options.interval_style = match self.value("intervalstyle").as_str() {
            "iso_8601" => IntervalStyle::Iso8601,
            "postgres_verbose" => IntervalStyle::PostgresVerbose,
            "sql_standard" => IntervalStyle::SqlStandard,
            _ => IntervalStyle::Postgres,
        };
        options.extra_float_digits = self.value("extra_float_digits").parse().unwrap_or(1);
        options.bytea_hex = self.value("bytea_output") == "hex";
        let zone = variables::session_zone(&self.value("timezone"));
        options.time_zone = zone.map_or(SessionZone::UTC, |(zone, _)| zone);
        options
    }
}

/// No role has oid 0: who has it may do nothing.
fn read_oid(text: Option<&String>) -> Oid {
    Oid(text.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// A value as a setting would take it.
///
/// # Errors
/// As [`Variables::set`].
pub fn check_value(name: &str, value: &str) -> PgResult<String> {
    check(name, value).map(|(_, value)| value)
}

fn check(name: &str, value: &str) -> PgResult<(&'static Variable, String)> {
    let variable = variables::find(name)?;
    variable.changeable()?;
    let value = variable.normalized(value).ok_or_else(|| {
        let message = format!("invalid value for parameter \"{}\": \"{value}\"", variable.name);
        let error = PgError::new(SqlState::InvalidParameterValue, message);
        match variable.available() {
            Some(values) => error.hint(format!("Available values: {values}.")),
            None => error,
        }
    })?;
    Ok((variable, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rollback_takes_settings_back() {
        let mut variables = Variables::default();
        variables.set("search_path", "a", false).expect("set");
        variables.begin();
        variables.set("search_path", "b", false).expect("set");
        variables.end(false);
        assert_eq!(variables.show("search_path").expect("known"), "a");
        variables.begin();
        variables.set("search_path", "c", true).expect("set");
        variables.set("application_name", "x", false).expect("set");
        variables.end(true);
        assert_eq!(variables.show("search_path").expect("known"), "a");
        assert_eq!(variables.show("application_name").expect("known"), "x");
    }

    #[test]
    fn unknown_and_bad_values_are_told() {
        let mut variables = Variables::default();
        let error = variables.set("no_such", "1", false).expect_err("unknown");
        assert_eq!(error.state, SqlState::UndefinedObject);
        let error = variables.set("statement_timeout", "soon", false).expect_err("bad");
        assert_eq!(error.state, SqlState::InvalidParameterValue);
        let error = variables.set("server_version", "1", false).expect_err("fixed");
        assert_eq!(error.state, SqlState::CantChangeRuntimeParam);
        variables.set("statement_timeout", "2s", false).expect("set");
        assert_eq!(variables.duration("statement_timeout"), Some(Duration::from_secs(2)));
        assert_eq!(variables.show("statement_timeout").expect("known"), "2s");
        variables.begin();
        variables.set("statement_timeout", "3s", true).expect("set");
        assert_eq!(variables.duration("statement_timeout"), Some(Duration::from_secs(3)));
        variables.end(true);
        assert_eq!(variables.duration("statement_timeout"), Some(Duration::from_secs(2)));
        for (given, shown) in
            [("65536", "64kB"), ("1.5GB", "1536MB"), ("1001", "1001B"), ("0", "0")]
        {
            variables.set("mobula.local_threshold", given, false).expect("set");
            assert_eq!(variables.show("mobula.local_threshold").expect("known"), shown);
        }
        let error = variables.set("mobula.local_threshold", "64 MiB", false).expect_err("bad");
        let hint = error.hint.as_deref().expect("a hint");
        assert!(hint.contains("B, kB, MB, GB, TB"), "{hint}");
        for (given, shown) in [("1500us", Some("2ms")), ("2 min", Some("2min")), ("1minus", None)] {
            let set = variables.set("statement_timeout", given, false);
            let got = set.map(|_| variables.show("statement_timeout").expect("known"));
            assert_eq!(got.ok().as_deref(), shown, "{given}");
        }
        variables.reset("statement_timeout").expect("known");
        assert_eq!(variables.duration("statement_timeout"), None);
    }
}
