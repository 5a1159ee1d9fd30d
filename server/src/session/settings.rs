//! A session's settings: values and their life. In: SET, RESET, the start packet. Out: values as
//! SHOW prints them. What exists and what a value may be is in [`super::variables`].

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::encode::{DateOrder, DateStyle, FormatOptions, IntervalStyle, SessionZone};
use crate::error::PgResult;
use crate::meta::Oid;
use crate::pg_catalog::{MOBULA, RAY};
use crate::session::limits::Limits;
use crate::session::variables::{self, VARIABLES, Variable};

/// A setting's name: one of the server's, or of a client's own.
type Name = Cow<'static, str>;
type Values = BTreeMap<Name, String>;

/// A setting as others see it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// What is known of it; none for a client's own.
    pub variable: Option<&'static Variable>,
    /// Its name in lower case.
    pub name: Name,
    /// Its value, as SHOW prints it.
    pub value: Cow<'static, str>,
    /// The value RESET would give it.
    pub reset: Cow<'static, str>,
    /// Whether the session set it.
    pub is_set: bool,
}

/// All settings, by name.
pub type AllShown = Arc<Vec<Shown>>;

/// Where the oids of roles are kept beside their names: a name may come to mean another role. No
/// client can make a setting of its own of these.
const ROLE_OID: &str = "role:oid";
const SESSION_OID: &str = "session_authorization:oid";
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
    local: BTreeMap<Name, Option<String>>,
    /// What its role may not go beyond.
    limits: Limits,
    /// What every statement asks for, read from the values once; empty after each change.
    read: OnceLock<Read>,
    /// The same for who asks for all of them.
    shown: OnceLock<AllShown>,
}

/// Values as the server uses them.
#[derive(Debug, Clone)]
struct Read {
    format: FormatOptions,
    durations: [Option<Duration>; DURATIONS.len()],
    log_least: Option<Duration>,
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
        let (name, value) = self.checked(name, value)?;
        self.base.insert(name, value);
        self.changed();
        Ok(())
    }

    /// Sets a value that RESET returns to, and that someone was allowed to choose for the role.
    ///
    /// # Errors
    /// As [`Variables::set`].
    pub fn set_trusted(&mut self, name: &str, value: &str) -> PgResult<()> {
        let (name, value) = check(name, value, true)?;
        self.base.insert(name, value);
        self.changed();
        Ok(())
    }

    /// From here on a role's settings are its limits, too.
    pub fn limit(&mut self, settings: &BTreeMap<String, String>) {
        self.limits = Limits::of(settings);
    }

    /// What its role may not go beyond.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Sets a value that no client may choose, such as the role's name.
    pub fn set_fixed(&mut self, name: &'static str, value: String) {
        self.base.insert(name.into(), value);
        self.changed();
    }

    /// SET and SET LOCAL.
    ///
    /// # Errors
    /// 42704 for an unknown name, 22023 for a value it cannot have, 42501 for one that only
    /// superusers set, 55P02 for one that is fixed.
    pub fn set(&mut self, name: &str, value: &str, local: bool) -> PgResult<()> {
        let (name, value) = self.checked(name, value)?;
        self.put(name, Some(value), local);
        Ok(())
    }

    /// RESET name; with `local`, until the transaction ends.
    ///
    /// # Errors
    /// As [`Variables::set`].
    pub fn reset(&mut self, name: &str, local: bool) -> PgResult<()> {
        if let Found::Known(variable) = find(name)? {
            variable.changeable()?;
            variable.permitted(self.is_superuser())?;
        }
        self.put(stored_name(name)?, None, local);
        Ok(())
    }

    fn put(&mut self, name: Name, value: Option<String>, local: bool) {
        self.note_own(&name);
        let old = match value {
            Some(value) => self.values.insert(name.clone(), value),
            None => self.values.remove(&name),
        };
        self.changed();
        if local {
            self.local.entry(name).or_insert(old);
        } else {
            self.local.remove(&name);
        }
    }

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

    /// A client's own setting exists from when it was first set, whatever takes that back.
    fn note_own(&mut self, name: &Name) {
        if matches!(name, Cow::Owned(_)) {
            self.base.entry(name.clone()).or_default();
        }
    }

    /// A setting was set for a moment that is over.
    ///
    /// # Errors
    /// 42704 for one that cannot be.
    pub fn know(&mut self, name: &str) -> PgResult<()> {
        let name = stored_name(name)?;
        self.note_own(&name);
        self.changed();
        Ok(())
    }

    fn checked(&self, name: &str, value: &str) -> PgResult<(Name, String)> {
        let (name, value) = check(name, value, self.is_superuser())?;
        self.limits.check(&name, &value)?;
        Ok((name, value))
    }

    fn is_superuser(&self) -> bool {
        self.stored("is_superuser").is_some_and(|value| value == "on")
    }

    /// RESET ALL: who the session is stays.
    pub fn reset_all(&mut self) {
        self.values.retain(|name, _| IDENTITY.contains(&name.as_ref()));
        self.changed();
    }

    /// DISCARD ALL: as after login.
    pub fn discard(&mut self) {
        self.values.clear();
        self.changed();
    }

    /// The value as SHOW prints it.
    pub fn get(&self, variable: &Variable) -> String {
        self.stored(variable.name).map_or(variable.default, String::as_str).to_owned()
    }

    fn stored(&self, name: &str) -> Option<&String> {
        self.values.get(name).or_else(|| self.base.get(name))
    }

    /// The value of a setting by name.
    ///
    /// # Errors
    /// 42704 for an unknown name.
    pub fn show(&self, name: &str) -> PgResult<String> {
        match find(name)? {
            Found::Known(variable) => Ok(self.get(variable)),
            Found::Own(own) => self.stored(&own).cloned().ok_or_else(|| variables::unknown(name)),
        }
    }

    /// All settings, as they are now.
    pub fn all(&self) -> AllShown {
        Arc::clone(self.shown.get_or_init(|| Arc::new(self.read_all())))
    }

    fn read_all(&self) -> Vec<Shown> {
        let shown = |name: Name, variable: Option<&'static Variable>| {
            let default = || variable.map_or("", |variable| variable.default).into();
            let owned = |value: &String| Cow::Owned(value.clone());
            let reset: Cow<_> = self.base.get(&name).map_or_else(default, owned);
            let set = self.values.get(&name).map(owned);
            let is_set = set.is_some();
            Shown { variable, name, value: set.unwrap_or_else(|| reset.clone()), reset, is_set }
        };
        let known = VARIABLES.iter().map(|v| shown(v.name.into(), Some(v)));
        let names = self.base.keys().chain(self.values.keys());
        let own: BTreeSet<_> = names.filter(|name| matches!(name, Cow::Owned(_))).collect();
        known.chain(own.into_iter().map(|name| shown(name.clone(), None))).collect()
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
                        None => self.values.remove(&name),
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

    /// The least time of statements that are logged; none when none are.
    pub fn log_least(&self) -> Option<Duration> {
        self.read().log_least
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
                u64::try_from(millis).ok().map(Duration::from_millis)
            };
            Read {
                format: self.read_format(),
                durations: DURATIONS.map(|name| duration(name).filter(|time| !time.is_zero())),
                log_least: duration("log_min_duration_statement"),
            }
        })
    }

    fn changed(&mut self) {
        self.read = OnceLock::new();
        self.shown = OnceLock::new();
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

fn on_or_off(is_on: bool) -> String {
    if is_on { "on" } else { "off" }.to_owned()
}

/// What a name means.
enum Found {
    Known(&'static Variable),
    Own(String),
}

fn find(name: &str) -> PgResult<Found> {
    match variables::find(name) {
        Ok(variable) => Ok(Found::Known(variable)),
        Err(error) => variables::own_name(name).map(Found::Own).ok_or(error),
    }
}

/// A setting's name as it is stored.
///
/// # Errors
/// 42704 for one that cannot be.
pub fn stored_name(name: &str) -> PgResult<Name> {
    find(name).map(|found| match found {
        Found::Known(variable) => variable.name.into(),
        Found::Own(name) => name.into(),
    })
}

/// A setting's name and value as they are stored, of who may set it.
///
/// # Errors
/// As [`Variables::set`].
pub fn check(name: &str, value: &str, is_superuser: bool) -> PgResult<(Name, String)> {
    match find(name)? {
        Found::Known(variable) => {
            variable.changeable()?;
            variable.permitted(is_superuser)?;
            Ok((variable.name.into(), variable.checked(value)?))
        }
        Found::Own(name) => Ok((name.into(), value.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SqlState;

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
        variables.set("app.user", "7", false).expect("a client's own");
        assert_eq!(variables.show("App.User").as_deref(), Ok("7"));
        assert!(variables.all().iter().any(|shown| shown.name == "app.user" && shown.is_set));
        variables.reset("app.user", false).expect("known");
        assert_eq!(variables.show("app.user").as_deref(), Ok(""));
        assert_eq!(variables.show("app.x").expect_err("unknown").state, SqlState::UndefinedObject);
        let error = variables.set("log_min_duration_statement", "0", false).expect_err("no right");
        assert_eq!(error.state, SqlState::InsufficientPrivilege);
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
        variables.reset("statement_timeout", false).expect("known");
        assert_eq!(variables.duration("statement_timeout"), None);
    }
}
