//! Which settings exist: an allow-list. In: a name, a value as written. Out: the setting, the value
//! as PostgreSQL prints it. What is not here cannot be set, but for settings of clients' own, which
//! have a point in their names; `datafusion.*` is not for users.

pub mod amounts;
mod described;
mod table;
mod zones;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::error::{PgError, PgResult, SqlState};
use amounts::{BYTES, MILLIS, Measure};
pub use zones::session_zone;
use zones::{date_style, zone};

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// on or off, in PostgreSQL's many spellings.
    Bool,
    /// A whole number in a range.
    Integer(i64, i64),
    /// A number in a range.
    Real(f64, f64),
    /// A time or an amount of memory or data, in a range.
    Amount(&'static Measure, i64, i64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text.
    Text,
    /// A time zone.
    Zone,
    /// A date style and an order.
    DateStyle,
    /// UTF8 and its spellings: the only encoding there is.
    Encoding,
    /// Set to its default, and to nothing else.
    Only,
    /// Shown, never set.
    Fixed,
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name in lower case.
    pub name: &'static str,
    /// The name ParameterStatus has for it; none when changes are not reported.
    pub reported: Option<&'static str>,
    /// What it may be.
    pub kind: Kind,
    /// Its value when nothing sets it.
    pub default: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Where PostgreSQL files it.
    pub category: &'static str,
    /// Who may change it and when: `user`, `superuser`, `internal` ...
    pub context: &'static str,
}

/// The PostgreSQL version this server behaves as.
pub const SERVER_VERSION: &str = "16.3";

/// Every setting, by name.
pub static VARIABLES: LazyLock<Vec<Variable>> = LazyLock::new(|| {
    let filed = |variable: &Variable| match described::FILED.get(variable.name) {
        Some(filed) => Variable { category: filed.category, context: filed.context, ..*variable },
        None => *variable,
    };
    let mut all: Vec<_> = table::TABLE.iter().map(filed).chain(described::variables()).collect();
    all.sort_unstable_by_key(|variable| variable.name);
    all
});

static BY_NAME: LazyLock<HashMap<&'static str, &'static Variable>> =
    LazyLock::new(|| VARIABLES.iter().map(|variable| (variable.name, variable)).collect());

/// Prefixes of names that no client can make a setting of its own with.
const RESERVED: [&str; 3] = ["mobula", "datafusion", "ray"];
/// Of the name of a client's own setting.
const NAME_MAX_BYTES: usize = 256;

/// A setting by its name, in any case.
///
/// # Errors
/// 42704, with the nearest name as a hint.
pub fn find(name: &str) -> PgResult<&'static Variable> {
    if let Some(variable) = BY_NAME.get(name) {
        return Ok(variable);
    }
    let lower = name.to_lowercase();
    let lower = match lower.as_str() {
        "time zone" | "time.zone" => "timezone",
        other => other,
    };
    BY_NAME.get(lower).copied().ok_or_else(|| {
        let error = unknown(name);
        let names = VARIABLES.iter().map(|variable| variable.name.to_owned());
        match planner::resolve::nearest(lower, names) {
            Some(near) => error.hint(format!("Perhaps you meant \"{near}\".")),
            None => error,
        }
    })
}

/// 42704.
pub fn unknown(name: &str) -> PgError {
    let message = format!("unrecognized configuration parameter \"{name}\"");
    PgError::new(SqlState::UndefinedObject, message)
}

/// The name, in lower case, of a setting of a client's own: `app.user`.
pub fn own_name(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let is_word = |part: &str| {
        let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        part.starts_with(|c: char| c.is_alphabetic() || c == '_') && part.chars().all(plain)
    };
    let (first, rest) = lower.split_once('.')?;
    let fits = lower.len() <= NAME_MAX_BYTES && !RESERVED.contains(&first);
    (fits && is_word(first) && rest.split('.').all(is_word)).then_some(lower)
}

impl Variable {
    /// Refuses to change what is fixed.
    ///
    /// # Errors
    /// 55P02.
    pub fn changeable(&self) -> PgResult<()> {
        if !matches!(self.kind, Kind::Fixed) {
            return Ok(());
        }
        let message = format!("parameter \"{}\" cannot be changed", self.name);
        Err(PgError::new(SqlState::CantChangeRuntimeParam, message))
    }

    /// Refuses to change what is for superusers.
    ///
    /// # Errors
    /// 42501.
    pub fn permitted(&self, is_superuser: bool) -> PgResult<()> {
        if is_superuser || self.context != "superuser" {
            return Ok(());
        }
        let message = format!("permission denied to set parameter \"{}\"", self.name);
        Err(PgError::new(SqlState::InsufficientPrivilege, message))
    }

    /// The value as it is stored and shown.
    ///
    /// # Errors
    /// 22023 for one that it cannot have, 0A000 for one that would have to change something.
    pub fn checked(&self, value: &str) -> PgResult<String> {
        if let Some(value) = self.kind.normalized(value, self.default) {
            return Ok(value);
        }
        let name = self.name;
        if matches!(self.kind, Kind::Only) {
            let what = format!("the value \"{value}\" of parameter \"{name}\"");
            return Err(PgError::unsupported(what));
        }
        if let Some(message) = self.outside(value) {
            return Err(PgError::new(SqlState::InvalidParameterValue, message));
        }
        let message = format!("invalid value for parameter \"{name}\": \"{value}\"");
        let error = PgError::new(SqlState::InvalidParameterValue, message);
        Err(match self.available() {
            Some(values) => error.hint(format!("Available values: {values}.")),
            None => error,
        })
    }

    /// What is wrong with a number, when it is only its size.
    fn outside(&self, value: &str) -> Option<String> {
        let (least, most) = self.range()?;
        let number = match self.kind {
            Kind::Amount(measure, ..) => format!("{} {}", measure.parse(value)?, measure.unit),
            Kind::Integer(..) => value.trim().parse::<i64>().ok()?.to_string(),
            _ => real(value.trim().parse().ok()?),
        };
        Some(format!(
            "{number} is outside the valid range for parameter \"{}\" ({least} .. {most})",
            self.name
        ))
    }

    /// The words it may be, for a hint.
    fn available(&self) -> Option<String> {
        match self.kind {
            Kind::Word(words) => Some(words.join(", ")),
            Kind::Encoding => Some("UTF8".to_owned()),
            Kind::Amount(measure, ..) => Some(measure.hint()),
            _ => None,
        }
    }

    /// A value as pg_settings shows it: what has a unit is a number of that one.
    pub fn in_unit(&self, value: &str) -> String {
        match self.kind {
            Kind::Amount(measure, ..) => measure.parse(value).map(|number| number.to_string()),
            _ => None,
        }
        .unwrap_or_else(|| value.to_owned())
    }

    /// The unit of that number.
    pub fn unit(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Amount(measure, ..) => Some(measure.unit),
            _ => None,
        }
    }

    /// The least and the largest value, for pg_settings.
    pub fn range(&self) -> Option<(String, String)> {
        match self.kind {
            Kind::Integer(least, most) | Kind::Amount(_, least, most) => {
                Some((least.to_string(), most.to_string()))
            }
            Kind::Real(least, most) => Some((least.to_string(), real(most))),
            _ => None,
        }
    }

    /// The words it may be, for pg_settings.
    pub fn words(&self) -> Option<&'static [&'static str]> {
        if let Kind::Word(words) = self.kind { Some(words) } else { None }
    }

    /// PostgreSQL's word for its type, for pg_settings.
    pub fn type_word(&self) -> &'static str {
        match self.kind {
            Kind::Bool => "bool",
            Kind::Integer(..) | Kind::Amount(..) => "integer",
            Kind::Real(..) => "real",
            Kind::Word(_) => "enum",
            _ => "string",
        }
    }
}

fn real(number: f64) -> String {
    if number.abs() < 1e15 { number.to_string() } else { format!("{number:e}").replace('e', "e+") }
}

impl Kind {
    /// A value as it is stored and shown; none when it cannot be.
    fn normalized(self, value: &str, default: &str) -> Option<String> {
        let value = value.trim();
        let lower = value.to_lowercase();
        match self {
            Self::Bool => on_or_off(&lower).map(str::to_owned),
            Self::Integer(least, most) => {
                let number: i64 = value.parse().ok()?;
                (least..=most).contains(&number).then(|| number.to_string())
            }
            Self::Real(least, most) => {
                let number: f64 = value.parse().ok()?;
                (least..=most).contains(&number).then(|| real(number))
            }
            Self::Amount(measure, least, most) => {
                let number = measure.parse(value)?;
                (least..=most).contains(&number).then(|| measure.show(number))
            }
            Self::Word(words) if words.contains(&lower.as_str()) => Some(lower),
            Self::Word(words) => {
                on_or_off(&lower).filter(|word| words.contains(word)).map(str::to_owned)
            }
            Self::Text => Some(value.to_owned()),
            Self::Zone => zone(value),
            Self::DateStyle => date_style(&lower),
            Self::Encoding => {
                let plain = lower.replace(['-', '_', '\'', '"'], "");
                let known = ["utf8", "unicode", "sqlascii"].contains(&plain.as_str());
                known.then(|| "UTF8".to_owned())
            }
            Self::Only => {
                let given = on_or_off(&lower).unwrap_or(&lower);
                default.eq_ignore_ascii_case(given).then(|| default.to_owned())
            }
            Self::Fixed => None,
        }
    }
}

fn on_or_off(lower: &str) -> Option<&'static str> {
    match lower {
        "on" | "true" | "yes" | "1" | "t" | "y" => Some("on"),
        "off" | "false" | "no" | "0" | "f" | "n" => Some("off"),
        _ => None,
    }
}

/// "64MB", "1.5GB", "100" as bytes.
pub fn parse_bytes(value: &str) -> Option<u64> {
    BYTES.parse(value).and_then(|bytes| u64::try_from(bytes).ok())
}

/// "2s", "500ms", "1min", "100" as milliseconds; below zero for some that are off.
pub fn parse_millis(value: &str) -> Option<i64> {
    MILLIS.parse(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_clients_have_a_point() {
        assert_eq!(own_name("App.User_Id").as_deref(), Some("app.user_id"));
        assert_eq!(own_name("request.jwt.claims").as_deref(), Some("request.jwt.claims"));
        for name in ["plain", ".x", "x.", "1.2", "a.b c", "datafusion.runtime", "mobula.nope"] {
            assert_eq!(own_name(name), None, "{name}");
        }
    }

    #[test]
    fn what_a_value_may_be() {
        let checked = |name, value| find(name).and_then(|variable| variable.checked(value));
        for (name, value, shown) in [
            ("work_mem", "65536", "64MB"),
            ("jit", "YES", "on"),
            ("synchronous_commit", "true", "on"),
            ("random_page_cost", "1.10", "1.1"),
            ("standard_conforming_strings", "true", "on"),
        ] {
            assert_eq!(checked(name, value).as_deref(), Ok(shown), "{name}");
        }
        for (name, value, state) in [
            ("work_mem", "1kB", SqlState::InvalidParameterValue),
            ("geqo_effort", "11", SqlState::InvalidParameterValue),
            ("transform_null_equals", "on", SqlState::FeatureNotSupported),
            ("nope", "on", SqlState::UndefinedObject),
        ] {
            assert_eq!(checked(name, value).expect_err(name).state, state, "{name}");
        }
        let error = checked("work_mem", "1kB").expect_err("too small");
        let words = "1 kB is outside the valid range for parameter \"work_mem\" (64 .. 2147483647)";
        assert_eq!(error.message, words);
    }
}
