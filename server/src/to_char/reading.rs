//! Texts read by a template: the other way of `to_char`. In: a text and a template of dates and
//! times. Out: a moment without a zone. The rules are those of PostgreSQL's `to_timestamp`: what
//! stands behind the end of either is not looked at, blanks before a field are skipped, and any
//! separator stands for any other.

use chrono::{Datelike, Duration, NaiveDate, NaiveDateTime, Weekday};

use super::moment::Piece;
use crate::error::{PgError, PgResult, SqlState};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// The Julian day of 0001-01-01, less one.
const JULIAN_OF_ERA: i64 = 1_721_425;

/// What was read. Without a year it is 1 BC, as in PostgreSQL.
#[derive(Debug, Default)]
struct Fields {
    year: Option<i64>,
    iso_year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    week: Option<i64>,
    week_of_month: Option<i64>,
    iso_week: Option<i64>,
    iso_day: Option<i64>,
    julian: Option<i64>,
    hour: i64,
    is_of_twelve: bool,
    afternoon: Option<bool>,
    minute: i64,
    second: i64,
    of_day: Option<i64>,
    micros: i64,
}

/// Reads a text.
///
/// # Errors
/// 22007 for what is no value of its field, 22008 for a moment that there is not; none inside when
/// the template has a field that cannot be read.
pub(super) fn read(text: &str, pieces: &[Piece]) -> Option<PgResult<NaiveDateTime>> {
    let mut fields = Fields::default();
    let mut rest = text;
    for (at, piece) in pieces.iter().enumerate() {
        if rest.is_empty() {
            break;
        }
        match piece {
            Piece::Literal(literal) => rest = skip(literal, rest),
            Piece::Field(name, unfilled) => {
                let is_bounded = !unfilled && matches!(pieces.get(at + 1), Some(Piece::Field(..)));
                match fields.take(name, is_bounded, rest.trim_start())? {
                    Ok(left) => rest = left,
                    Err(error) => return Some(Err(error)),
                }
            }
        }
    }
    let out_of_range = || {
        let message = format!("date/time field value out of range: \"{text}\"");
        PgError::new(SqlState::DatetimeOverflow, message)
    };
    Some(fields.moment().unwrap_or_else(|| Err(out_of_range())))
}

/// What a literal of the template covers of the text.
fn skip<'a>(literal: &str, text: &'a str) -> &'a str {
    let mut rest = text;
    for wanted in literal.chars() {
        if wanted.is_alphanumeric() {
            let mut chars = rest.chars();
            chars.next();
            rest = chars.as_str();
            continue;
        }
        rest = rest.trim_start();
        let is_separator = |c: char| !c.is_alphanumeric() && c != '+' && c != '-' || c == wanted;
        if rest.chars().next().is_some_and(|c| is_separator(c) || c == '-') {
            rest = &rest[rest.chars().next().map_or(0, char::len_utf8)..];
        }
    }
    rest
}

impl Fields {
    /// Takes a field off the text; none for one that cannot be read.
    fn take<'a>(
        &mut self,
        name: &str,
        is_bounded: bool,
        text: &'a str,
    ) -> Option<PgResult<&'a str>> {
        let upper = name.to_uppercase();
        let taken = match upper.as_str() {
            "MONTH" | "MON" => named(name, text, &MONTHS, upper == "MON").map(|(month, rest)| {
                self.month = Some(month);
                rest
            }),
            "DAY" | "DY" => named(name, text, &DAYS, upper == "DY").map(|(_, rest)| rest),
            "AM" | "PM" | "A.M." | "P.M." => half(name, text).map(|(afternoon, rest)| {
                (self.afternoon, self.is_of_twelve) = (Some(afternoon), true);
                rest
            }),
            "TZ" | "CC" => return None,
            _ => {
                let most = if is_bounded { width(&upper) } else { usize::MAX };
                number(name, text, most).map(|(value, digits, rest)| {
                    self.set(&upper, value, digits);
                    rest
                })
            }
        };
        Some(taken)
    }

    fn set(&mut self, name: &str, value: i64, digits: usize) {
        match name {
            "YYYY" => self.year = Some(if digits < 4 { nearest(value, digits) } else { value }),
            "YYY" | "YY" | "Y" => self.year = Some(nearest(value, digits)),
            "IYYY" => self.iso_year = Some(value),
            "IYY" | "IY" | "I" => self.iso_year = Some(nearest(value, digits)),
            "MM" => self.month = Some(value),
            "DD" => self.day = Some(value),
            "DDD" => self.day_of_year = Some(value),
            "WW" => self.week = Some(value),
            "W" => self.week_of_month = Some(value),
            "IW" => self.iso_week = Some(value),
            "ID" => self.iso_day = Some(value),
            "J" => self.julian = Some(value),
            "HH" | "HH12" => (self.hour, self.is_of_twelve) = (value, true),
            "HH24" => self.hour = value,
            "MI" => self.minute = value,
            "SS" => self.second = value,
            "SSSS" | "SSSSS" => self.of_day = Some(value),
            "MS" => self.micros += scaled(value, digits, 3) * 1_000,
            "US" => self.micros += scaled(value, digits, 6),
            // A quarter and the day of a week say nothing beside the others.
            _ => {}
        }
    }

    /// None for a moment that there is not.
    fn moment(&self) -> Option<PgResult<NaiveDateTime>> {
        let mut hour = self.hour;
        if self.is_of_twelve {
            if !(1..=12).contains(&hour) {
                let message = format!("hour \"{hour}\" is invalid for the 12-hour clock");
                let error = PgError::new(SqlState::InvalidDatetimeFormat, message);
                return Some(Err(error.hint("Use the 24-hour clock, or an hour from 1 to 12.")));
            }
            match self.afternoon {
                Some(true) if hour < 12 => hour += 12,
                Some(false) if hour == 12 => hour = 0,
                _ => {}
            }
        }
        let (mut minute, mut second) = (self.minute, self.second);
        if let Some(of_day) = self.of_day {
            (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        }
        let part = |value: i64| u32::try_from(value).ok();
        // 24:00:00 and 23:59:60 are the moments after.
        let whole = hour == 24 && minute == 0 && second == 0;
        let leap = second == 60;
        let clock = if whole { 0 } else { hour };
        let time = self.date()?.and_hms_opt(
            part(clock)?,
            part(minute)?,
            part(if leap { 0 } else { second })?,
        )?;
        let more = Duration::days(i64::from(whole)) + Duration::minutes(i64::from(leap));
        Some(Ok(time.checked_add_signed(more + Duration::microseconds(self.micros))?))
    }

    fn date(&self) -> Option<NaiveDate> {
        let part = |value: i64| u32::try_from(value).ok();
        if let Some(julian) = self.julian {
            return NaiveDate::from_num_days_from_ce_opt((julian - JULIAN_OF_ERA).try_into().ok()?);
        }
        if let Some(year) = self.iso_year {
            let day = part(self.iso_day.unwrap_or(1))?;
            let day = Weekday::try_from(u8::try_from(day.checked_sub(1)?).ok()?).ok()?;
            let week = part(self.iso_week.unwrap_or(1))?;
            return NaiveDate::from_isoywd_opt(year.try_into().ok()?, week, day);
        }
        let year = i32::try_from(self.year.unwrap_or(0)).ok()?;
        let of_year = self.day_of_year.or(self.week.map(|week| (week - 1) * 7 + 1));
        if let (Some(of_year), None) = (of_year, self.month) {
            return NaiveDate::from_yo_opt(year, part(of_year)?);
        }
        let of_month = self.week_of_month.map(|week| (week - 1) * 7 + 1);
        let (month, day) = (self.month.unwrap_or(1), self.day.or(of_month).unwrap_or(1));
        let date = NaiveDate::from_ymd_opt(year, part(month)?, part(day)?)?;
        (date.year() == year).then_some(date)
    }
}

/// A year of fewer than four digits is the one nearest to 2020.
fn nearest(year: i64, digits: usize) -> i64 {
    match year {
        _ if digits > 3 => year,
        0..70 => year + 2000,
        70..100 => year + 1900,
        100..520 => year + 2000,
        _ => year + 1000,
    }
}

/// Digits behind a point.
fn scaled(value: i64, digits: usize, places: usize) -> i64 {
    let missing = places.saturating_sub(digits).try_into().unwrap_or(0);
    value * 10_i64.pow(missing)
}

/// Digits of a field that another follows without a separator.
fn width(name: &str) -> usize {
    match name {
        "YYYY" | "IYYY" => 4,
        "YYY" | "IYY" | "DDD" | "MS" => 3,
        "Y" | "I" | "D" | "ID" | "Q" | "W" => 1,
        "SSSS" | "SSSSS" => 5,
        "US" => 6,
        "J" => usize::MAX,
        _ => 2,
    }
}

fn wrong(text: &str, name: &str, detail: String) -> PgError {
    let shown: String = text.chars().take(name.len()).collect();
    let message = format!("invalid value \"{shown}\" for \"{name}\"");
    PgError::new(SqlState::InvalidDatetimeFormat, message).detail(detail)
}

/// A number of at most so many digits: its value, how many it has, what follows.
fn number<'a>(name: &str, text: &'a str, most: usize) -> PgResult<(i64, usize, &'a str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count().min(most).min(18);
    let value = text[..digits]
        .parse()
        .map_err(|_| wrong(text, name, "Value must be an integer.".to_owned()))?;
    Ok((value, digits, &text[digits..]))
}

/// The place, from 1, of the name that the text begins with.
fn named<'a>(
    field: &str,
    text: &'a str,
    names: &[&str],
    is_short: bool,
) -> PgResult<(i64, &'a str)> {
    for (name, place) in names.iter().zip(1..) {
        let name = if is_short { &name[..3] } else { name };
        if text.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name)) {
            return Ok((place, &text[name.len()..]));
        }
    }
    let detail = "The given value did not match any of the allowed values for this field.";
    Err(wrong(text, field, detail.to_owned()))
}

/// Whether it is afternoon.
fn half<'a>(field: &str, text: &'a str) -> PgResult<(bool, &'a str)> {
    for (word, afternoon) in [("a.m.", false), ("p.m.", true), ("am", false), ("pm", true)] {
        if text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word)) {
            return Ok((afternoon, &text[word.len()..]));
        }
    }
    let detail = "The given value did not match any of the allowed values for this field.";
    Err(wrong(text, field, detail.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::moment::parse;
    use super::*;

    fn moment(text: &str, pattern: &str) -> Result<String, SqlState> {
        let pieces = parse(pattern).expect(pattern);
        let read = read(text, &pieces).expect(pattern);
        read.map(|moment| moment.to_string()).map_err(|error| error.state)
    }

    #[test]
    fn reads_as_postgres() {
        for (text, pattern, want) in [
            (
                "2024-01-05 10:11:12.000345",
                "YYYY-MM-DD HH24:MI:SS.US",
                "2024-01-05 10:11:12.000345",
            ),
            ("2024-01-05 10:11:12.5", "YYYY-MM-DD HH24:MI:SS.MS", "2024-01-05 10:11:12.500"),
            ("20240105", "YYYYMMDD", "2024-01-05 00:00:00"),
            ("05 Dec 2000", "DD Mon YYYY", "2000-12-05 00:00:00"),
            ("  december  5, 99", "Month DD, YY", "1999-12-05 00:00:00"),
            ("2024/1/5", "YYYY-MM-DD", "2024-01-05 00:00:00"),
            ("12:30 pm 2024", "HH:MI AM YYYY", "2024-01-01 12:30:00"),
            ("12 am 2024", "HH12 am YYYY", "2024-01-01 00:00:00"),
            ("2024 060", "YYYY DDD", "2024-02-29 00:00:00"),
            ("2024-W10-3", "IYYY-\"W\"IW-ID", "2024-03-06 00:00:00"),
            ("2458977", "J", "2020-05-07 00:00:00"),
            ("2024-01-05 24:00:00", "YYYY-MM-DD HH24:MI:SS", "2024-01-06 00:00:00"),
            ("2024-01-05 and more", "YYYY-MM-DD", "2024-01-05 00:00:00"),
            ("2024", "YYYY-MM-DD", "2024-01-01 00:00:00"),
            ("2024-01-05 3661", "YYYY-MM-DD SSSS", "2024-01-05 01:01:01"),
        ] {
            assert_eq!(moment(text, pattern).as_deref(), Ok(want), "{text}, {pattern}");
        }
    }

    #[test]
    fn what_is_none() {
        for (text, pattern, state) in [
            ("2024-13-05", "YYYY-MM-DD", SqlState::DatetimeOverflow),
            ("2023-02-29", "YYYY-MM-DD", SqlState::DatetimeOverflow),
            ("x", "YYYY", SqlState::InvalidDatetimeFormat),
            ("5 foo", "DD Mon", SqlState::InvalidDatetimeFormat),
            ("13", "HH12", SqlState::InvalidDatetimeFormat),
            ("25", "HH24", SqlState::DatetimeOverflow),
        ] {
            assert_eq!(moment(text, pattern), Err(state), "{text}, {pattern}");
        }
        assert!(read("x", &parse("CC").expect("known")).is_none());
    }
}
