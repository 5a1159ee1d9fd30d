//! Which settings exist: an allow-list. In: a name, a value as written. Out: the setting, the value
//! as PostgreSQL prints it. What is not here cannot be set; `datafusion.*` is not for users.

use crate::encode::SessionZone;
use crate::error::{PgError, PgResult, SqlState};

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// on or off, in PostgreSQL's many spellings.
    Bool,
    /// A whole number in a range.
    Integer(i64, i64),
    /// A time, 0 for off; counted in milliseconds.
    Millis,
    /// An amount of memory or of data, at most so much; counted in bytes.
    Bytes(u64),
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
}

/// The PostgreSQL version this server behaves as.
pub const SERVER_VERSION: &str = "16.3";

const fn plain(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    about: &'static str,
) -> Variable {
    Variable { name, reported: None, kind, default, about }
}

const fn told(
    name: &'static str,
    reported: &'static str,
    kind: Kind,
    default: &'static str,
    about: &'static str,
) -> Variable {
    Variable { name, reported: Some(reported), kind, default, about }
}

use Kind::{Bool, Bytes, Encoding, Fixed, Integer, Millis, Text, Word, Zone};

const ISOLATION: &[&str] =
    &["read committed", "repeatable read", "serializable", "read uncommitted"];
const LEVELS: &[&str] =
    &["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"];

/// Every setting, by name.
pub const VARIABLES: &[Variable] = &[
    told("application_name", "application_name", Text, "", "Name of the client's program."),
    plain("bytea_output", Word(&["hex", "escape"]), "hex", "How bytea is printed."),
    plain("check_function_bodies", Bool, "on", "Accepted; there are no function bodies."),
    told("client_encoding", "client_encoding", Encoding, "UTF8", "The encoding of all text."),
    plain("client_min_messages", Word(LEVELS), "notice", "Least level of notices sent."),
    plain("constraint_exclusion", Word(&["partition", "on", "off"]), "partition", "Accepted."),
    told("datestyle", "DateStyle", Kind::DateStyle, "ISO, MDY", "How dates are printed and read."),
    plain("default_table_access_method", Fixed, "parquet", "How tables made here are stored."),
    plain("default_tablespace", Text, "", "Accepted."),
    plain("default_transaction_isolation", Word(ISOLATION), "read committed", "Accepted."),
    told(
        "default_transaction_read_only",
        "default_transaction_read_only",
        Bool,
        "off",
        "Accepted.",
    ),
    plain("default_transaction_deferrable", Bool, "off", "Accepted."),
    plain("extra_float_digits", Integer(-15, 3), "1", "Digits of floats beyond the usual."),
    plain(
        "idle_in_transaction_session_timeout",
        Millis,
        "0",
        "Ends a session idle in a transaction.",
    ),
    plain("idle_session_timeout", Millis, "0", "Ends an idle session."),
    told("in_hot_standby", "in_hot_standby", Fixed, "off", "Never."),
    told("integer_datetimes", "integer_datetimes", Fixed, "on", "Always."),
    told(
        "intervalstyle",
        "IntervalStyle",
        Word(&["postgres", "postgres_verbose", "sql_standard", "iso_8601"]),
        "postgres",
        "How intervals are printed.",
    ),
    told("is_superuser", "is_superuser", Fixed, "off", "Whether the role may do everything."),
    plain("jit", Bool, "off", "Accepted."),
    plain("lc_collate", Fixed, "C", "Text compares by its bytes."),
    plain("lc_ctype", Fixed, "C.UTF-8", "Classes of characters."),
    plain("lc_messages", Text, "C", "Accepted."),
    plain("lc_monetary", Text, "C", "Accepted."),
    plain("lc_numeric", Text, "C", "Accepted."),
    plain("lc_time", Text, "C", "Accepted."),
    plain("lock_timeout", Millis, "0", "Accepted; nothing is locked."),
    plain("max_connections", Fixed, "10000", "Sessions at the same time."),
    plain("max_identifier_length", Fixed, "63", "Bytes of a name."),
    plain("max_index_keys", Fixed, "32", "There are no indexes."),
    plain(
        "mobula.broadcast_bytes",
        Bytes(1 << 30),
        "4MB",
        "Size of a build side that staged tasks read whole, at most, when it is found small.",
    ),
    plain(
        "mobula.local_threshold",
        Bytes(1 << 60),
        "64MB",
        "Size of files; on Ray, a query that reads less runs in the server.",
    ),
    plain("mobula.max_cpus", Integer(0, 1 << 20), "0", "CPUs a query has at a time; 0: all."),
    plain(
        "mobula.max_scan_bytes",
        Bytes(1 << 60),
        "0",
        "Size of files that one query may read; 0: any.",
    ),
    plain("mobula.runner", Word(&["local", "staged", "ray"]), "local", "What runs queries."),
    plain("mobula.lose_outputs", Bool, "off", "Loses outputs of staged tasks; a test."),
    plain("mobula.repeat_tasks", Bool, "off", "Runs staged tasks twice; compares."),
    plain("mobula.stage_tasks", Integer(0, 1_024), "0", "Tasks of a stage, at most; 0: by slots."),
    plain("mobula.task_partitions", Integer(0, 256), "0", "Partitions of a task; 0: by slots."),
    plain("port", Fixed, "5432", "Where the server listens."),
    plain("quote_all_identifiers", Bool, "off", "Accepted."),
    plain("row_security", Bool, "on", "Accepted."),
    plain("role", Fixed, "none", "What SET ROLE chose."),
    told("search_path", "search_path", Text, "\"$user\", public", "Where names are looked up."),
    told("server_encoding", "server_encoding", Fixed, "UTF8", "The encoding of all text."),
    told("server_version", "server_version", Fixed, SERVER_VERSION, "The PostgreSQL behaved as."),
    plain("server_version_num", Fixed, "160003", "The same as a number."),
    told("session_authorization", "session_authorization", Fixed, "", "The role that logged in."),
    plain("ssl", Fixed, "off", "Whether TLS is offered."),
    told(
        "standard_conforming_strings",
        "standard_conforming_strings",
        Fixed,
        "on",
        "A backslash is a character.",
    ),
    plain("statement_timeout", Millis, "0", "Cancels a statement."),
    plain("synchronize_seqscans", Bool, "on", "Accepted."),
    plain(
        "synchronous_commit",
        Word(&["on", "off", "local", "remote_write", "remote_apply"]),
        "on",
        "Accepted; every change is durable.",
    ),
    told("timezone", "TimeZone", Zone, "Etc/UTC", "The session's time zone."),
    plain("transaction_deferrable", Bool, "off", "Accepted."),
    plain("transaction_isolation", Word(ISOLATION), "read committed", "Accepted."),
    plain("transaction_read_only", Bool, "off", "Accepted."),
    plain("transaction_timeout", Millis, "0", "Accepted."),
    plain("wal_level", Fixed, "replica", "There is no log."),
    plain("work_mem", Text, "4MB", "Accepted; memory is shared by all queries."),
    plain("xmloption", Word(&["content", "document"]), "content", "Accepted."),
];

/// A setting by its name, in any case.
///
/// # Errors
/// 42704, with the nearest name as a hint.
pub fn find(name: &str) -> PgResult<&'static Variable> {
    let lower = name.to_lowercase();
    let lower = match lower.as_str() {
        "time zone" | "time.zone" => "timezone",
        other => other,
    };
    VARIABLES.iter().find(|variable| variable.name == lower).ok_or_else(|| {
        let message = format!("unrecognized configuration parameter \"{name}\"");
        let error = PgError::new(SqlState::UndefinedObject, message);
        let names = VARIABLES.iter().map(|variable| variable.name.to_owned());
        match planner::resolve::nearest(lower, names) {
            Some(near) => error.hint(format!("Perhaps you meant \"{near}\".")),
            None => error,
        }
    })
}

impl Variable {
    /// Refuses to change what is fixed.
    ///
    /// # Errors
    /// 55P02.
    pub fn changeable(&self) -> PgResult<()> {
        if !matches!(self.kind, Fixed) {
            return Ok(());
        }
        let message = format!("parameter \"{}\" cannot be changed", self.name);
        Err(PgError::new(SqlState::CantChangeRuntimeParam, message))
    }

    /// The value as it is stored and shown; none when it cannot be.
    pub fn normalized(&self, value: &str) -> Option<String> {
        let value = value.trim();
        let lower = value.to_lowercase();
        match self.kind {
            Bool => match lower.as_str() {
                "on" | "true" | "yes" | "1" | "t" | "y" => Some("on".to_owned()),
                "off" | "false" | "no" | "0" | "f" | "n" => Some("off".to_owned()),
                _ => None,
            },
            Integer(least, most) => {
                let number: i64 = value.parse().ok()?;
                (least..=most).contains(&number).then(|| number.to_string())
            }
            Millis => parse_millis(value).map(|millis| show(millis, MILLIS)),
            Bytes(most) => {
                parse_bytes(value).filter(|bytes| *bytes <= most).map(|bytes| show(bytes, BYTES))
            }
            Word(words) => words.contains(&lower.as_str()).then_some(lower),
            Text => Some(value.to_owned()),
            Zone => zone(value),
            Kind::DateStyle => date_style(&lower),
            Encoding => {
                let plain = lower.replace(['-', '_', '\'', '"'], "");
                let known = ["utf8", "unicode", "sqlascii"].contains(&plain.as_str());
                known.then(|| "UTF8".to_owned())
            }
            Fixed => None,
        }
    }

    /// The words it may be, for a hint.
    pub fn available(&self) -> Option<String> {
        match self.kind {
            Word(words) => Some(words.join(", ")),
            Encoding => Some("UTF8".to_owned()),
            Millis => Some(in_units(&[MICROS, MILLIS])),
            Bytes(_) => Some(in_units(&[BYTES])),
            _ => None,
        }
    }

    /// A value as pg_settings shows it: what has a unit is a number of that one.
    pub fn in_unit(&self, value: &str) -> (String, Option<&'static str>) {
        let (number, unit) = match self.kind {
            Millis => (parse_millis(value), Some("ms")),
            Bytes(_) => (parse_bytes(value), Some("B")),
            _ => (None, None),
        };
        (number.map_or_else(|| value.to_owned(), |number| number.to_string()), unit)
    }

    /// PostgreSQL's word for its type, for pg_settings.
    pub fn type_word(&self) -> &'static str {
        match self.kind {
            Bool => "bool",
            Integer(..) | Millis | Bytes(_) => "integer",
            Word(_) => "enum",
            _ => "string",
        }
    }
}

fn zone(value: &str) -> Option<String> {
    if value.eq_ignore_ascii_case("default") || value.eq_ignore_ascii_case("local") {
        return Some("Etc/UTC".to_owned());
    }
    session_zone(value).map(|(_, name)| name)
}

/// A zone by its name in any case, or by its offset from UTC in hours, with the name to show.
pub fn session_zone(value: &str) -> Option<(SessionZone, String)> {
    let named = |zone: &&chrono_tz::Tz| zone.name().eq_ignore_ascii_case(value);
    if let Some(zone) = chrono_tz::TZ_VARIANTS.iter().find(named) {
        return Some((SessionZone::Named(*zone), zone.name().to_owned()));
    }
    let seconds = offset_seconds(value)?;
    let offset = chrono::FixedOffset::east_opt(seconds)?;
    // PostgreSQL shows an offset as a POSIX zone, whose sign is the other way round.
    Some((SessionZone::Fixed(offset), value.to_owned()))
}

/// "+05:30", "-8", "5.5" as seconds east of UTC.
fn offset_seconds(value: &str) -> Option<i32> {
    let (sign, digits) = match value.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, value.strip_prefix('+').unwrap_or(value)),
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (hours.parse().ok()?, minutes.parse().ok()?),
        None => (digits.parse::<f64>().ok()?, 0.0),
    };
    let seconds: f64 = (hours * 60.0 + minutes) * 60.0;
    (0.0..86_400.0).contains(&seconds).then_some(sign * seconds as i32)
}

fn date_style(value: &str) -> Option<String> {
    let (mut style, mut order) = ("ISO", "MDY");
    for word in value.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word {
            "iso" => style = "ISO",
            "sql" => style = "SQL",
            "postgres" => style = "Postgres",
            "german" => style = "German",
            "mdy" | "us" | "noneuro" | "noneuropean" => order = "MDY",
            "dmy" | "euro" | "european" => order = "DMY",
            "ymd" => order = "YMD",
            "default" => (style, order) = ("ISO", "MDY"),
            _ => return None,
        }
    }
    Some(format!("{style}, {order}"))
}

/// Units of a setting; the first is the one that it is counted in, and may be left out.
type Units = &'static [(&'static str, u64)];

const MICROS: Units = &[("us", 1)];
const MILLIS: Units =
    &[("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const BYTES: Units =
    &[("B", 1), ("kB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("TB", 1 << 40)];

/// "2s", "500ms", "1min", "100" as milliseconds.
pub fn parse_millis(value: &str) -> Option<u64> {
    let millis =
        parse(value, MILLIS).or_else(|| parse(value, MICROS).map(|micros| micros / 1_000.0))?;
    (millis.round() <= f64::from(i32::MAX)).then_some(millis.round() as u64)
}

/// "64MB", "1.5GB", "100" as bytes.
pub fn parse_bytes(value: &str) -> Option<u64> {
    parse(value, BYTES).map(|bytes| bytes.round() as u64)
}

fn parse(value: &str, units: Units) -> Option<f64> {
    let value = value.trim();
    let split = value.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(value.len());
    let (number, unit) = value.split_at(split);
    let unit = unit.trim();
    let known =
        units.iter().find(|(name, factor)| *name == unit || unit.is_empty() && *factor == 1);
    known.and_then(|(_, factor)| Some(number.parse::<f64>().ok()? * *factor as f64))
}

/// The largest unit without a rest, as PostgreSQL prints it.
fn show(number: u64, units: Units) -> String {
    let whole = |(_, factor): &&(&str, u64)| number > 0 && number.is_multiple_of(*factor);
    match units.iter().rev().find(whole) {
        Some((unit, factor)) => format!("{}{unit}", number / factor),
        None => "0".to_owned(),
    }
}

/// For a hint.
fn in_units(units: &[Units]) -> String {
    let names: Vec<_> = units.iter().copied().flatten().map(|(name, _)| *name).collect();
    format!("a number and one of {}", names.join(", "))
}
