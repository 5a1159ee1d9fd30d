//! A session's settings: values and their life. In: SET, RESET, the start packet. Out: values as
//! SHOW prints them. What exists and what a value may be is in [`super::variables`].

mod identity;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::encode::{DateOrder, DateStyle, FormatOptions, IntervalStyle, SessionZone};
use crate::error::PgResult;
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
        self.values.retain(|name, _| identity::IDENTITY.contains(&name.as_ref()));
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

    /// The setting that says what a transaction begins with.
    fn default_of(name: &str) -> Option<&'static str> {
        Some(match name {
            "transaction_deferrable" => "default_transaction_deferrable",
            "transaction_isolation" => "default_transaction_isolation",
            "transaction_read_only" => "default_transaction_read_only",
            _ => return None,
        })
    }

    fn stored(&self, name: &str) -> Option<&String> {
        let own = self.values.get(name).or_else(|| self.base.get(name));
        own.or_else(|| self.stored(Self::default_of(name)?))
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
mod tests;
