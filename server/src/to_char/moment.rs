//! Templates of dates and times. In: a template, microseconds since 1970 and, for a timestamp with
//! time zone, the session's zone. Out: text as PostgreSQL's `to_char` writes it in English.

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};

use crate::encode::SessionZone;

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Copied.
    Literal(String),
    /// A field, and whether `FM` stands before it.
    Field(&'static str, bool),
}

/// Every field, longer names first; `!` begins those of PostgreSQL's that are refused.
const FIELDS: &[&str] = &[
    "!A.D.", "!B.C.", "!a.d.", "!b.c.", "!Y,YYY", "!y,yyy", "SSSSS", "MONTH", "Month", "month",
    "A.M.", "P.M.", "a.m.", "p.m.", "HH12", "HH24", "hh12", "hh24", "IYYY", "iyyy", "YYYY", "yyyy",
    "!IDDD", "!iddd", "SSSS", "ssss", "!FF1", "!FF2", "!FF3", "!FF4", "!FF5", "!FF6", "DDD", "ddd",
    "IYY", "iyy", "YYY", "yyy", "MON", "Mon", "mon", "DAY", "Day", "day", "!TZH", "!TZM", "AM",
    "PM", "am", "pm", "!AD", "!BC", "!ad", "!bc", "CC", "cc", "DD", "dd", "DY", "Dy", "dy", "!FX",
    "HH", "hh", "ID", "id", "IW", "iw", "IY", "iy", "MI", "mi", "MM", "mm", "MS", "ms", "!OF",
    "!RM", "!rm", "!SP", "SS", "ss", "TZ", "tz", "US", "us", "WW", "ww", "YY", "yy", "D", "d", "I",
    "i", "J", "j", "Q", "q", "W", "w", "Y", "y",
];

/// Cuts a template; none for one with a field that is not supported.
pub(super) fn parse(pattern: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            rest = quoted(&rest[1..], &mut literal);
            continue;
        }
        if let Some(tail) = rest.strip_prefix("\\\"") {
            literal.push('"');
            rest = tail;
            continue;
        }
        let unfilled = rest.strip_prefix("FM").or(rest.strip_prefix("fm"));
        let fields = unfilled.unwrap_or(rest);
        let find = |field: &&&str| fields.starts_with(field.trim_start_matches('!'));
        let Some(field) = FIELDS.iter().find(find) else {
            if unfilled.is_some() || rest.starts_with("TM") {
                return None;
            }
            literal.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        rest = &fields[field.trim_start_matches('!').len()..];
        // An ordinal's suffix belongs to the field before it.
        if field.starts_with('!') || rest.starts_with("TH") || rest.starts_with("th") {
            return None;
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Field(field, unfilled.is_some()));
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Some(pieces)
}

/// Copies what stands in quotes; a backslash takes the next character as it is.
fn quoted<'a>(text: &'a str, literal: &mut String) -> &'a str {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return &text[at + 1..],
            '\\' => literal.extend(chars.next().map(|(_, c)| c)),
            c => literal.push(c),
        }
    }
    ""
}

/// A moment by a template.
pub(super) fn format(pieces: &[Piece], micros: i64, zone: Option<&SessionZone>) -> String {
    let seconds = micros.div_euclid(1_000_000);
    let offset = zone.map_or(0, |zone| zone.offset_at(seconds));
    let local = micros.saturating_add(i64::from(offset) * 1_000_000);
    let time = DateTime::from_timestamp_micros(local).unwrap_or_default().naive_utc();
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => text.push_str(literal),
            Piece::Field(name @ ("TZ" | "tz"), _) => {
                let name_of = |zone: &SessionZone| zone.abbreviation_at(seconds);
                let zone = zone.map(|zone| name_of(zone).unwrap_or_else(|| signed(offset)));
                let zone = zone.unwrap_or_default();
                text.push_str(&if *name == "tz" { zone.to_lowercase() } else { zone });
            }
            Piece::Field(name, unfilled) => field(name, *unfilled, &time, &mut text),
        }
    }
    text
}

fn signed(offset: i32) -> String {
    let (hours, minutes) = (offset.abs() / 3600, offset.abs() / 60 % 60);
    let sign = if offset < 0 { '-' } else { '+' };
    if minutes == 0 {
        format!("{sign}{hours:02}")
    } else {
        format!("{sign}{hours:02}:{minutes:02}")
    }
}

fn field(name: &str, unfilled: bool, time: &NaiveDateTime, text: &mut String) {
    if let Some(word) = word(name, time) {
        // The full names are as wide as the longest of them.
        let width = if unfilled || !matches!(name.len(), 5) && !is_day(name) { 0 } else { 9 };
        text.push_str(&format!("{word:<width$}"));
        return;
    }
    let (value, width) = number(&name.to_uppercase(), time);
    let width = if unfilled { 0 } else { width };
    text.push_str(&format!("{value:0width$}"));
}

fn is_day(name: &str) -> bool {
    name.eq_ignore_ascii_case("day")
}

/// Fields of letters, in the case they are written in.
fn word(name: &str, time: &NaiveDateTime) -> Option<String> {
    let full = match name.to_uppercase().as_str() {
        "MONTH" => time.format("%B").to_string(),
        "MON" => time.format("%b").to_string(),
        "DAY" => time.format("%A").to_string(),
        "DY" => time.format("%a").to_string(),
        "AM" | "PM" if time.hour() < 12 => "AM".to_owned(),
        "AM" | "PM" => "PM".to_owned(),
        "A.M." | "P.M." if time.hour() < 12 => "A.M.".to_owned(),
        "A.M." | "P.M." => "P.M.".to_owned(),
        _ => return None,
    };
    let lower = |c: char| c.is_lowercase();
    Some(match (name.starts_with(lower), name[1..].contains(lower)) {
        (true, _) => full.to_lowercase(),
        (false, true) => full,
        (false, false) => full.to_uppercase(),
    })
}

/// Fields of digits: the number, and how many digits it has at least.
fn number(name: &str, time: &NaiveDateTime) -> (i64, usize) {
    let (year, week) = (i64::from(time.year()), time.iso_week());
    // There is no year 0: before 1 comes 1 BC.
    let year = if year <= 0 { 1 - year } else { year };
    let iso_year = i64::from(week.year());
    let micros = i64::from(time.nanosecond() / 1000);
    let weekday = time.weekday();
    let (value, width) = match name {
        "YYYY" => (year, 4),
        "YYY" => (year % 1000, 3),
        "YY" => (year % 100, 2),
        "Y" => (year % 10, 1),
        "IYYY" => (iso_year, 4),
        "IYY" => (iso_year % 1000, 3),
        "IY" => (iso_year % 100, 2),
        "I" => (iso_year % 10, 1),
        "CC" => ((year + 99) / 100, 2),
        "Q" => (i64::from(time.quarter()), 1),
        "MM" => (i64::from(time.month()), 2),
        "WW" => (i64::from(time.ordinal0() / 7 + 1), 2),
        "W" => (i64::from(time.day0() / 7 + 1), 1),
        "IW" => (i64::from(week.week()), 2),
        "DDD" => (i64::from(time.ordinal()), 3),
        "DD" => (i64::from(time.day()), 2),
        "D" => (i64::from(weekday.num_days_from_sunday()) + 1, 1),
        "ID" => (i64::from(weekday.number_from_monday()), 1),
        // Days of our era to those since 4714 BC.
        "J" => (i64::from(time.num_days_from_ce()) + 1_721_425, 1),
        "HH" | "HH12" => (i64::from(time.hour12().1), 2),
        "HH24" => (i64::from(time.hour()), 2),
        "MI" => (i64::from(time.minute()), 2),
        "SS" => (i64::from(time.second()), 2),
        "SSSS" | "SSSSS" => (i64::from(time.num_seconds_from_midnight()), 1),
        "MS" => (micros / 1000, 3),
        _ => (micros, 6),
    };
    (value, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pattern: &str) -> Option<String> {
        // 2020-05-07 09:08:07.123456, a Thursday.
        parse(pattern).map(|pieces| format(&pieces, 1_588_842_487_123_456, None))
    }

    #[test]
    fn formats_as_postgres() {
        let cases = [
            ("YYYY-MM-DD HH24:MI:SS.US", "2020-05-07 09:08:07.123456"),
            ("FMDay, FMMonth FMDD", "Thursday, May 7"),
            ("Month|DAY|dy|mon", "May      |THURSDAY |thu|may"),
            ("HH:MI AM \"at\" Q WW IW IYYY J", "09:08 AM at 2 19 19 2020 2458977"),
            ("YY D ID DDD MS SSSS", "20 5 4 128 123 32887"),
        ];
        for (pattern, want) in cases {
            assert_eq!(shown(pattern).as_deref(), Some(want), "{pattern}");
        }
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for pattern in ["DDth", "DDTH", "RM", "FX", "FF3", "TMMonth", "FM"] {
            assert_eq!(shown(pattern), None, "{pattern}");
        }
    }
}
