//! The session settings that change how values look, and the wire's two formats.
//! In: what SET decided. Out: plain values the writers and the readers are bound to. It parses no
//! setting: that is the session's work.

use chrono::{DateTime, FixedOffset, LocalResult, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::{OffsetName, Tz};

use crate::error::{PgError, PgResult, SqlState};

/// How a value travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// As PostgreSQL prints it.
    #[default]
    Text,
    /// As `typsend` writes it.
    Binary,
}

impl Format {
    /// The format with this code in Bind.
    pub fn from_code(code: i16) -> PgResult<Self> {
        match code {
            0 => Ok(Self::Text),
            1 => Ok(Self::Binary),
            _ => Err(PgError::new(
                SqlState::InvalidParameterValue,
                format!("unsupported format code: {code}"),
            )),
        }
    }

    /// Its code in RowDescription.
    pub const fn code(self) -> i16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }
}

/// The first half of `DateStyle`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DateStyle {
    /// 1997-12-17 07:37:16-08
    #[default]
    Iso,
    /// 12/17/1997 07:37:16.00 PST
    Sql,
    /// Wed Dec 17 07:37:16 1997 PST
    Postgres,
    /// 17.12.1997 07:37:16.00 PST
    German,
}

/// The second half of `DateStyle`: how 1/2/3 is read, and printed by the styles that follow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DateOrder {
    /// Month, day, year.
    #[default]
    Mdy,
    /// Day, month, year.
    Dmy,
    /// Year, month, day.
    Ymd,
}

/// `IntervalStyle`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IntervalStyle {
    /// 1 year 2 mons 3 days 04:05:06
    #[default]
    Postgres,
    /// @ 1 year 2 mons 3 days 4 hours 5 mins 6 secs
    PostgresVerbose,
    /// +1-2 +3 +4:05:06
    SqlStandard,
    /// P1Y2M3DT4H5M6S
    Iso8601,
}

/// `TimeZone`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionZone {
    /// A zone of the IANA data base.
    Named(Tz),
    /// A fixed offset.
    Fixed(FixedOffset),
}

impl SessionZone {
    /// Coordinated universal time.
    pub const UTC: Self = Self::Named(Tz::UTC);

    /// The offset if it never changes, so that the hot path need not look it up.
    pub fn constant_offset(&self) -> Option<i32> {
        match self {
            Self::Named(Tz::UTC) => Some(0),
            Self::Named(_) => None,
            Self::Fixed(offset) => Some(offset.local_minus_utc()),
        }
    }

    /// Seconds east of Greenwich at a moment, in seconds since 1970.
    pub fn offset_at(&self, unix_secs: i64) -> i32 {
        match self {
            Self::Fixed(offset) => offset.local_minus_utc(),
            Self::Named(tz) => {
                tz.offset_from_utc_datetime(&clamped(unix_secs)).fix().local_minus_utc()
            }
        }
    }

    /// The zone's abbreviation at a moment ("PST"), which for zones without one is the offset
    /// ("-03", "+0630"); `None` for a fixed offset.
    pub fn abbreviation_at(&self, unix_secs: i64) -> Option<String> {
        let Self::Named(tz) = self else { return None };
        let offset = tz.offset_from_utc_datetime(&clamped(unix_secs));
        if let Some(name) = offset.abbreviation() {
            return Some(name.to_owned());
        }
        let seconds = offset.fix().local_minus_utc();
        let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
        let sign = if seconds < 0 { '-' } else { '+' };
        let minutes = if minutes == 0 { String::new() } else { format!("{minutes:02}") };
        Some(format!("{sign}{hours:02}{minutes}"))
    }

    /// Seconds east of Greenwich at a local time, in seconds of that local time since 1970.
    /// As in PostgreSQL, a time that a spring-forward skipped has the offset before it, and one
    /// that a fall-back repeated has the offset after it.
    pub fn offset_of_local(&self, local_secs: i64) -> i32 {
        let Self::Named(tz) = self else { return self.offset_at(local_secs) };
        let local = clamped(local_secs);
        match tz.offset_from_local_datetime(&local) {
            LocalResult::Single(offset) | LocalResult::Ambiguous(_, offset) => {
                offset.fix().local_minus_utc()
            }
            LocalResult::None => {
                // A day earlier is before the gap and after any other transition.
                let before = local.checked_sub_signed(TimeDelta::days(1)).unwrap_or(local);
                match tz.offset_from_local_datetime(&before) {
                    LocalResult::Single(o) | LocalResult::Ambiguous(_, o) => {
                        o.fix().local_minus_utc()
                    }
                    LocalResult::None => 0,
                }
            }
        }
    }
}

/// The moment as chrono has it; far outside its years, the nearest one it has.
fn clamped(unix_secs: i64) -> NaiveDateTime {
    // Chrono's years end at 262142; no zone has rules that differ between there and here.
    const LIMIT: i64 = 250_000 * 31_556_952;
    DateTime::from_timestamp(unix_secs.clamp(-LIMIT, LIMIT), 0).unwrap_or_default().naive_utc()
}

/// Everything of the session that decides how a value looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatOptions {
    /// `DateStyle`, output format.
    pub date_style: DateStyle,
    /// `DateStyle`, order of fields.
    pub date_order: DateOrder,
    /// `IntervalStyle`.
    pub interval_style: IntervalStyle,
    /// `extra_float_digits`.
    pub extra_float_digits: i32,
    /// `TimeZone`.
    pub time_zone: SessionZone,
    /// `bytea_output`: hex, else escape.
    pub bytea_hex: bool,
}

impl Default for FormatOptions {
    fn default() -> Self {
        Self {
            date_style: DateStyle::Iso,
            date_order: DateOrder::Mdy,
            interval_style: IntervalStyle::Postgres,
            extra_float_digits: 1,
            time_zone: SessionZone::UTC,
            bytea_hex: true,
        }
    }
}
