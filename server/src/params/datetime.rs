//! Dates, times and timestamps from text. In: a text, the session's date order and zone.
//! Out: days or microseconds since 1970, or PostgreSQL's error. The words are read in `clock`.

use chrono::Utc;

use super::clock::{Bad, Fields, Word, scan};
use super::zone::Zone;
use crate::encode::{DAY_MICROS, FormatOptions, SessionZone};
use crate::error::{PgError, PgResult, SqlState};

/// The first and last day of PostgreSQL's dates: 4713-11-24 BC and 5874897-12-31.
const DATES: std::ops::RangeInclusive<i64> = -2_440_588..=2_145_042_905;

/// A date, in days since 1970.
pub(super) fn date(text: &str, options: &FormatOptions) -> PgResult<i32> {
    let (name, fields) = ("date", read(text, "date", options)?);
    let days = match fields.word {
        Some(Word::Infinity) => return Ok(i32::MAX),
        Some(Word::NegativeInfinity) => return Ok(i32::MIN),
        Some(word) => local_of(word, options).div_euclid(DAY_MICROS),
        None => days_of(&fields).ok_or_else(|| syntax(name, text))?,
    };
    let days = Some(days).filter(|d| DATES.contains(d)).and_then(|d| i32::try_from(d).ok());
    days.ok_or_else(|| beyond(name, text))
}

/// A time of day, in microseconds; a date or zone beside it does not matter.
pub(super) fn time(text: &str, options: &FormatOptions) -> PgResult<i64> {
    let fields = read(text, "time", options)?;
    match (fields.word, fields.time) {
        (None, Some(time)) => Ok(time),
        (Some(Word::Now), None) => Ok(local_of(Word::Now, options).rem_euclid(DAY_MICROS)),
        _ => Err(syntax("time", text)),
    }
}

/// A timestamp, in microseconds since 1970; a zone in it does not matter.
pub(super) fn timestamp(text: &str, options: &FormatOptions) -> PgResult<i64> {
    let fields = read(text, "timestamp", options)?;
    match endless(&fields) {
        Some(end) => Ok(end),
        None => in_range(local_micros(&fields, "timestamp", text, options)?, "timestamp", text),
    }
}

/// A moment, in microseconds since 1970 in Greenwich; without a zone the session's is meant.
pub(super) fn timestamptz(text: &str, options: &FormatOptions) -> PgResult<i64> {
    let name = "timestamp with time zone";
    let fields = read(text, name, options)?;
    if let Some(end) = endless(&fields) {
        return Ok(end);
    }
    if fields.word == Some(Word::Epoch) {
        return Ok(0);
    }
    let local = local_micros(&fields, name, text, options)?;
    let seconds = local.div_euclid(1_000_000);
    let offset = match fields.zone {
        Some(Zone::Offset(offset)) => offset,
        Some(Zone::Named(tz)) => SessionZone::Named(tz).offset_of_local(seconds),
        None => options.time_zone.offset_of_local(seconds),
    };
    let micros = local.checked_sub(i64::from(offset) * 1_000_000);
    in_range(micros.ok_or_else(|| beyond("timestamp", text))?, "timestamp", text)
}

fn read(text: &str, type_name: &str, options: &FormatOptions) -> PgResult<Fields> {
    scan(text, options.date_order, type_name == "time").map_err(|bad| match bad {
        Bad::Syntax => syntax(type_name, text),
        Bad::Field => field_overflow(text),
        Bad::Order => {
            field_overflow(text).hint("Perhaps you need a different \"datestyle\" setting.")
        }
        Bad::Offset => PgError::new(
            SqlState::DatetimeOverflow,
            format!("time zone displacement out of range: \"{text}\""),
        ),
        Bad::Zone(zone) => PgError::new(
            SqlState::InvalidParameterValue,
            format!("time zone \"{zone}\" not recognized"),
        ),
    })
}

fn endless(fields: &Fields) -> Option<i64> {
    match fields.word? {
        Word::Infinity => Some(i64::MAX),
        Word::NegativeInfinity => Some(i64::MIN),
        _ => None,
    }
}

/// Microseconds since 1970 as the clock on the wall shows them.
fn local_micros(
    fields: &Fields,
    type_name: &str,
    text: &str,
    options: &FormatOptions,
) -> PgResult<i64> {
    let time = fields.time.unwrap_or(0);
    match fields.word {
        Some(word) => Ok(local_of(word, options) + time),
        None => {
            let days = days_of(fields).ok_or_else(|| syntax(type_name, text))?;
            let micros = days.checked_mul(DAY_MICROS).and_then(|m| m.checked_add(time));
            micros.ok_or_else(|| beyond("timestamp", text))
        }
    }
}

/// What a word means in the session's zone, in microseconds of local time.
fn local_of(word: Word, options: &FormatOptions) -> i64 {
    let now = Utc::now().timestamp_micros();
    let offset = options.time_zone.offset_at(now.div_euclid(1_000_000));
    let local = now + i64::from(offset) * 1_000_000;
    let today = local - local.rem_euclid(DAY_MICROS);
    match word {
        Word::Now => local,
        Word::Today => today,
        Word::Tomorrow => today + DAY_MICROS,
        Word::Yesterday => today - DAY_MICROS,
        Word::Epoch => 0,
        Word::Infinity => i64::MAX,
        Word::NegativeInfinity => i64::MIN,
    }
}

fn in_range(micros: i64, type_name: &str, text: &str) -> PgResult<i64> {
    // Timestamps begin with the dates. PostgreSQL's end with the year 294276, 29 years after ours.
    let fits = micros >= DATES.start() * DAY_MICROS && micros < i64::MAX;
    if fits { Ok(micros) } else { Err(beyond(type_name, text)) }
}

/// Days since 1970 (H. Hinnant's `days_from_civil`).
fn days_of(fields: &Fields) -> Option<i64> {
    let (year, month, day) = fields.date?;
    // Far beyond both ends of every type, and safe to multiply.
    let year = year.clamp(-10_000_000, 10_000_000);
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted_month = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

fn syntax(type_name: &str, text: &str) -> PgError {
    PgError::new(
        SqlState::InvalidDatetimeFormat,
        format!("invalid input syntax for type {type_name}: \"{text}\""),
    )
}

fn field_overflow(text: &str) -> PgError {
    PgError::new(
        SqlState::DatetimeOverflow,
        format!("date/time field value out of range: \"{text}\""),
    )
}

fn beyond(type_name: &str, text: &str) -> PgError {
    PgError::new(SqlState::DatetimeOverflow, format!("{type_name} out of range: \"{text}\""))
}
