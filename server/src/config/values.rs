//! The types a setting can have: how each is read from text and written as TOML.
//! In: [`Raw`] text of any layer. Out: typed values, or half a sentence that says what is wrong.
//! It knows no key and no layer.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::auth::Rule;

/// A value before its type is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raw {
    /// One value, as text.
    Text(String),
    /// Several: a repeated flag, a TOML array.
    List(Vec<String>),
}

/// How a key is written on the command line and in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One value.
    One,
    /// A flag that needs no value.
    Switch,
    /// One path; in the file it is relative to the file.
    Path,
    /// Any number of paths.
    Paths,
    /// Any number of lines.
    Lines,
}

/// A type that settings can have.
pub trait Setting: Sized {
    /// How it is written.
    const SHAPE: Shape = Shape::One;
    /// Reads one value.
    fn parse(text: &str) -> Result<Self, String>;
    /// Reads a value of any layer.
    fn read(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Text(text) => Self::parse(text.trim()),
            Raw::List(_) => Err("takes one value, not a list".into()),
        }
    }
    /// The value as TOML that [`Setting::read`] reads back.
    fn toml(&self) -> String;
}

/// Quotes text as a TOML basic string.
pub fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

impl Setting for String {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
    fn toml(&self) -> String {
        quoted(self)
    }
}

impl Setting for bool {
    const SHAPE: Shape = Shape::Switch;
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "true" | "on" | "yes" | "1" => Ok(true),
            "false" | "off" | "no" | "0" => Ok(false),
            _ => Err(format!("{text:?} is neither true nor false")),
        }
    }
    fn toml(&self) -> String {
        self.to_string()
    }
}

impl Setting for f64 {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("{text:?} is not a number"))
    }
    fn toml(&self) -> String {
        format!("{self:?}")
    }
}

impl Setting for usize {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("{text:?} is not a whole number"))
    }
    fn toml(&self) -> String {
        self.to_string()
    }
}

impl Setting for PathBuf {
    const SHAPE: Shape = Shape::Path;
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the path is empty".into());
        }
        std::path::absolute(text).map_err(|error| format!("{text:?} is not a path: {error}"))
    }
    fn toml(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

/// A path that may be absent: written as an empty string.
impl Setting for Option<PathBuf> {
    const SHAPE: Shape = Shape::Path;
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { PathBuf::parse(text).map(Some) }
    }
    fn toml(&self) -> String {
        self.as_ref().map_or_else(|| quoted(""), Setting::toml)
    }
}

impl Setting for Vec<PathBuf> {
    const SHAPE: Shape = Shape::Paths;
    fn parse(text: &str) -> Result<Self, String> {
        // As in PATH: the environment has no other way to say several.
        text.split(':').filter(|part| !part.is_empty()).map(PathBuf::parse).collect()
    }
    fn read(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Text(text) => Self::parse(text),
            Raw::List(parts) => parts.iter().map(|part| PathBuf::parse(part)).collect(),
        }
    }
    fn toml(&self) -> String {
        let parts: Vec<_> = self.iter().map(Setting::toml).collect();
        format!("[{}]", parts.join(", "))
    }
}

impl Setting for Vec<Rule> {
    const SHAPE: Shape = Shape::Lines;
    fn parse(text: &str) -> Result<Self, String> {
        // The environment has no other way to say several.
        text.split([';', '\n']).filter(|line| !line.trim().is_empty()).map(str::parse).collect()
    }
    fn read(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Text(text) => Self::parse(text),
            Raw::List(lines) => lines.iter().map(|line| line.parse()).collect(),
        }
    }
    fn toml(&self) -> String {
        let lines: Vec<_> = self.iter().map(|rule| quoted(rule.text())).collect();
        format!("[{}]", lines.join(", "))
    }
}

/// A number of bytes, written with a unit: "8GiB". As in PostgreSQL kB, MB, GB and TB are powers
/// of 1024 too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// Splits "12.5GiB" into the number and the unit.
fn number_and_unit(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number = text.get(..end)?.parse().ok()?;
    Some((number, text.get(end..)?.trim()))
}

impl Setting for ByteSize {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a size such as \"512MiB\" or \"8GiB\"");
        let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
        let shift = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "kib" | "kb" | "k" => 10,
            "mib" | "mb" | "m" => 20,
            "gib" | "gb" | "g" => 30,
            "tib" | "tb" | "t" => 40,
            _ => return Err(wrong()),
        };
        let bytes = number * (1_u64 << shift) as f64;
        // Above 2^53 a float no longer holds every byte; nothing here is that large.
        if bytes > (1_u64 << 53) as f64 {
            return Err(format!("{text:?} is more than any machine has"));
        }
        Ok(Self(bytes as u64))
    }
    fn toml(&self) -> String {
        quoted(&self.to_string())
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        for (shift, unit) in units {
            if self.0 >= 1 << shift && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}B", self.0)
    }
}

/// "10s", "250ms"; 0 without a unit is off.
impl Setting for Duration {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a time such as \"250ms\", \"10s\" or \"5min\"");
        let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
        let seconds = match unit {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "min" | "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            "" if number == 0.0 => 0.0,
            "" => return Err(format!("{text:?} needs a unit: us, ms, s, min, h or d")),
            _ => return Err(wrong()),
        };
        Self::try_from_secs_f64(number * seconds).map_err(|_| format!("{text:?} is too long"))
    }
    fn toml(&self) -> String {
        let text = match (self.as_micros(), self.as_millis(), self.as_secs()) {
            (0, ..) => "0".to_owned(),
            (micros, ..) if micros % 1_000 != 0 => format!("{micros}us"),
            (_, millis, _) if millis % 1_000 != 0 => format!("{millis}ms"),
            (.., seconds) => format!("{seconds}s"),
        };
        quoted(&text)
    }
}

/// A time from which on something is done; none for never: "off" or, as in PostgreSQL, "-1".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold(pub Option<Duration>);

impl Setting for Threshold {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "off" | "-1" => Ok(Self(None)),
            text => Duration::parse(text).map(|time| Self(Some(time))),
        }
    }
    fn toml(&self) -> String {
        self.0.map_or_else(|| quoted("off"), |time| time.toml())
    }
}

/// Where the server listens: a host name or address, and a port (0: any free one).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// Name or address, an IPv6 one without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl ListenAddress {
    /// Whether only this machine can reach it. A name other than `localhost` counts as reachable:
    /// what it resolves to may change after this check.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Setting for ListenAddress {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not HOST:PORT such as \"127.0.0.1:5432\"");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        if host.is_empty() || (bare.is_none() && host.contains(':')) {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port: port.parse().map_err(|_| wrong())? })
    }
    fn toml(&self) -> String {
        quoted(&self.to_string())
    }
}

/// What runs the queries (architecture: runners).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// The engine inside this process.
    Local,
    /// Stages on a cluster inside this process.
    Staged,
    /// Stages on a Ray cluster.
    Ray,
}

impl Runner {
    /// The word that is written for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Staged => "staged",
            Self::Ray => "ray",
        }
    }
}

impl Setting for Runner {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "local" => Ok(Self::Local),
            "staged" => Ok(Self::Staged),
            "ray" => Ok(Self::Ray),
            _ => Err(format!("{text:?} is not one of local, staged, ray")),
        }
    }
    fn toml(&self) -> String {
        quoted(self.word())
    }
}
