//! The words of a date or time. In: a text as people and programs write it. Out: the fields found
//! in it, checked one by one. Which of them a type needs, and in which zone they are, is decided
//! in `datetime`.

use super::zone::{Zone, offset_seconds, zone_named};
use crate::encode::DateOrder;

/// Why a text is no date or time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// It does not read as one.
    Syntax,
    /// A field has a value it cannot have.
    Field,
    /// The same, where another order of day and month might help.
    Order,
    /// An offset of 16 hours or more.
    Offset,
    /// A zone that does not exist.
    Zone(String),
}

/// Words that are a whole value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Infinity,
    NegativeInfinity,
    Epoch,
    Now,
    Today,
    Tomorrow,
    Yesterday,
}

/// What a text says.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// A word in place of a date.
    pub(super) word: Option<Word>,
    /// Year (0 is 1 BC), month, day.
    pub(super) date: Option<(i64, u32, u32)>,
    /// Microseconds of the day.
    pub(super) time: Option<i64>,
    /// The zone.
    pub(super) zone: Option<Zone>,
}

/// A number of a date with how many digits it had, or the name of a month.
#[derive(Clone, Copy)]
enum Part {
    Number(i64, usize),
    Month(u32),
}

struct Scanner<'a> {
    rest: &'a str,
    order: DateOrder,
    fields: Fields,
    /// The parts of the date in the order they came.
    parts: Vec<Part>,
    after_t: bool,
    /// A packed number is a time even without a date before it.
    time_only: bool,
    before_christ: bool,
    afternoon: Option<bool>,
}

/// Reads a date, a time, or both in any order. `time_only` tells that a time is wanted.
pub(super) fn scan(text: &str, order: DateOrder, time_only: bool) -> Result<Fields, Bad> {
    let mut scanner = Scanner {
        rest: text,
        order,
        fields: Fields::default(),
        parts: Vec::new(),
        after_t: false,
        time_only,
        before_christ: false,
        afternoon: None,
    };
    loop {
        scanner.rest =
            scanner.rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        match scanner.rest.bytes().next() {
            None => break,
            Some(b'0'..=b'9') => scanner.number()?,
            Some(b'+' | b'-') => scanner.signed()?,
            Some(b) if b.is_ascii_alphabetic() => scanner.word()?,
            Some(_) => return Err(Bad::Syntax),
        }
    }
    scanner.finish()
}

/// Takes the bytes that fit off the front; they are all ASCII.
fn take<'a>(rest: &mut &'a str, fits: impl Fn(u8) -> bool) -> &'a str {
    let end = rest.bytes().position(|b| !b.is_ascii() || !fits(b)).unwrap_or(rest.len());
    let (taken, tail) = rest.split_at(end);
    *rest = tail;
    taken
}

/// A number of a field.
pub(super) fn value(digits: &str) -> Result<i64, Bad> {
    digits.parse().map_err(|_| Bad::Field)
}

impl Scanner<'_> {
    fn number(&mut self) -> Result<(), Bad> {
        let whole = self.rest;
        let digits = take(&mut self.rest, |b| b.is_ascii_digit());
        let next = self.rest.bytes().next();
        // "Jan 5 2020" has a number of four digits too: the year, while one is missing.
        let date_is_read = self.parts.len() == 3 || (self.time_only && self.parts.is_empty());
        let wants_time = self.fields.time.is_none() && (self.after_t || date_is_read);
        match next {
            Some(b':') => {
                self.rest = whole;
                let clock =
                    take(&mut self.rest, |b| b.is_ascii_digit() || matches!(b, b':' | b'.'));
                self.set_time(clock_micros(clock)?)
            }
            // HHMMSS.ffffff, after a date or without one
            Some(b'.') if digits.len() == 6 => {
                take(&mut self.rest, |b| b == b'.');
                let fraction = take(&mut self.rest, |b| b.is_ascii_digit());
                self.set_time(packed_clock(digits)? + fraction_micros(fraction)?)
            }
            Some(delimiter @ (b'-' | b'/' | b'.')) if self.parts.is_empty() && !self.after_t => {
                self.parts.push(Part::Number(value(digits)?, digits.len()));
                self.delimited(delimiter)
            }
            _ if wants_time && (self.after_t || matches!(digits.len(), 4 | 6)) => {
                self.set_time(packed_clock(digits)?)
            }
            _ => self.plain(digits),
        }
    }

    /// A number on its own: a packed date, or a part of one with the month in letters.
    fn plain(&mut self, digits: &str) -> Result<(), Bad> {
        let packed = self.parts.is_empty() && digits.len() >= 6;
        if !packed {
            if self.parts.len() == 3 {
                return Err(Bad::Syntax);
            }
            self.parts.push(Part::Number(value(digits)?, digits.len()));
            return Ok(());
        }
        let (year, rest) = digits.split_at(digits.len() - 4);
        let (month, day) = rest.split_at(2);
        let year = if year.len() == 2 { with_century(value(year)?) } else { value(year)? };
        self.parts.push(Part::Number(year, 4));
        self.parts.push(Part::Month(value(month)? as u32));
        self.parts.push(Part::Number(value(day)?, 2));
        Ok(())
    }

    /// The second and third part of a date written in one piece.
    fn delimited(&mut self, delimiter: u8) -> Result<(), Bad> {
        while self.parts.len() < 3 {
            if take(&mut self.rest, |b| b == delimiter).len() != 1 {
                return Err(Bad::Syntax);
            }
            let letters = take(&mut self.rest, |b| b.is_ascii_alphabetic());
            let digits = take(&mut self.rest, |b| b.is_ascii_digit() && letters.is_empty());
            self.parts.push(match (letters, digits) {
                ("", "") => return Err(Bad::Syntax),
                ("", digits) => Part::Number(value(digits)?, digits.len()),
                (letters, _) => Part::Month(month_number(letters).ok_or(Bad::Syntax)?),
            });
        }
        Ok(())
    }

    fn set_time(&mut self, micros: i64) -> Result<(), Bad> {
        match self.fields.time.replace(micros) {
            None => Ok(()),
            Some(_) => Err(Bad::Syntax),
        }
    }

    fn set_zone(&mut self, zone: Zone) -> Result<(), Bad> {
        match self.fields.zone.replace(zone) {
            None => Ok(()),
            Some(_) => Err(Bad::Syntax),
        }
    }

    /// An offset, or an infinity.
    fn signed(&mut self) -> Result<(), Bad> {
        let negative = self.rest.starts_with('-');
        self.rest = &self.rest[1..];
        if take(&mut self.rest, |b| b.is_ascii_alphabetic()).eq_ignore_ascii_case("infinity") {
            let word = if negative { Word::NegativeInfinity } else { Word::Infinity };
            self.fields.word = Some(word);
            return Ok(());
        }
        let text = take(&mut self.rest, |b| b.is_ascii_digit() || b == b':');
        let size = offset_seconds(text)?;
        self.set_zone(Zone::Offset(if negative { -size } else { size }))
    }

    fn word(&mut self) -> Result<(), Bad> {
        let whole = self.rest;
        let word = take(&mut self.rest, |b| b.is_ascii_alphabetic()).to_ascii_lowercase();
        if let Some(month) = month_number(&word) {
            self.parts.push(Part::Month(month));
            if let Some(delimiter @ (b'-' | b'/' | b'.')) = self.rest.bytes().next()
                && self.parts.len() == 1
            {
                return self.delimited(delimiter);
            }
            return Ok(());
        }
        match word.as_str() {
            "t" => self.after_t = true,
            "z" | "utc" | "gmt" | "zulu" | "ut" => return self.set_zone(Zone::Offset(0)),
            "bc" => self.before_christ = true,
            "ad" => {}
            "am" => self.afternoon = Some(false),
            "pm" => self.afternoon = Some(true),
            "allballs" => {
                self.set_time(0)?;
                return self.set_zone(Zone::Offset(0));
            }
            "infinity" => self.fields.word = Some(Word::Infinity),
            "epoch" => self.fields.word = Some(Word::Epoch),
            "now" => self.fields.word = Some(Word::Now),
            "today" => self.fields.word = Some(Word::Today),
            "tomorrow" => self.fields.word = Some(Word::Tomorrow),
            "yesterday" => self.fields.word = Some(Word::Yesterday),
            _ if is_weekday(&word) => {}
            _ => {
                self.rest = whole;
                let name = take(&mut self.rest, |b| {
                    b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+')
                });
                return self.set_zone(zone_named(name)?);
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Fields, Bad> {
        if self.fields.word.is_some() && !self.parts.is_empty() {
            return Err(Bad::Syntax);
        }
        if let Some(afternoon) = self.afternoon {
            const HOUR: i64 = 3_600_000_000;
            let time = self.fields.time.ok_or(Bad::Syntax)?;
            let hour = time / HOUR;
            if hour > 12 {
                return Err(Bad::Field);
            }
            let base = if hour == 12 { time - 12 * HOUR } else { time };
            self.fields.time = Some(if afternoon { base + 12 * HOUR } else { base });
        }
        if !self.parts.is_empty() {
            self.fields.date = Some(self.resolve()?);
        }
        Ok(self.fields)
    }

    /// Which part is the year, the month and the day.
    fn resolve(&self) -> Result<(i64, u32, u32), Bad> {
        use Part::{Month, Number};
        let [a, b, c] = self.parts.as_slice() else { return Err(Bad::Syntax) };
        let year_first = |width: usize| width > 2 || self.order == DateOrder::Ymd;
        let (year, month, day) = match (*a, *b, *c) {
            (Number(y, w), Month(m), Number(d, 1 | 2)) if year_first(w) => ((y, w), m.into(), d),
            (Number(d, _), Month(m), Number(y, w)) => ((y, w), m.into(), d),
            (Month(m), Number(y, w @ 3..), Number(d, _)) => ((y, w), m.into(), d),
            (Month(m), Number(d, _), Number(y, w)) => ((y, w), m.into(), d),
            (Number(y, w @ 3..), Number(d, _), Month(m)) => ((y, w), m.into(), d),
            (Number(d, _), Number(y, w), Month(m)) => ((y, w), m.into(), d),
            (Number(y, w), Number(m, _), Number(d, _)) if year_first(w) => ((y, w), m, d),
            (Number(d, _), Number(m, _), Number(y, w)) if self.order == DateOrder::Dmy => {
                ((y, w), m, d)
            }
            (Number(m, _), Number(d, _), Number(y, w)) => ((y, w), m, d),
            _ => return Err(Bad::Syntax),
        };
        let year = match year {
            (0, 3..) => return Err(Bad::Field),
            (y, _) if self.before_christ => 1 - y,
            (y, 1 | 2) => with_century(y),
            (y, _) => y,
        };
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return Err(Bad::Order);
        }
        let (month, day) = (month as u32, day as u32);
        if day > days_in_month(year, month) {
            return Err(Bad::Field);
        }
        Ok((year, month, day))
    }
}

/// What a year of two digits means.
fn with_century(year: i64) -> i64 {
    if year < 70 { year + 2000 } else { year + 1900 }
}

fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn month_number(word: &str) -> Option<u32> {
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
    let word = word.to_ascii_lowercase();
    let is = |full: &&str| {
        word == **full || word == full[..3] || (word == "sept" && full[..4] == *"sept")
    };
    MONTHS.iter().position(is).map(|place| place as u32 + 1)
}

fn is_weekday(word: &str) -> bool {
    const DAYS: [&str; 7] =
        ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
    ["tues", "wednes", "thur", "thurs"].contains(&word)
        || DAYS.iter().any(|full| word == *full || word == &full[..3])
}

/// Hours, minutes, seconds of a time of day, in microseconds.
fn checked_clock(hour: i64, minute: i64, second: i64, micros: i64) -> Result<i64, Bad> {
    let total = ((hour * 60 + minute) * 60 + second) * 1_000_000 + micros;
    // A leap second and the end of the day are times.
    let fits = minute <= 59 && second <= 60 && total <= 86_400_000_000 && hour <= 24;
    if fits { Ok(total) } else { Err(Bad::Field) }
}

/// `HH:MM`, `HH:MM:SS[.ffffff]`, or `MM:SS.ffffff`.
fn clock_micros(text: &str) -> Result<i64, Bad> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let micros = fraction_micros(fraction)?;
    let parts = clock.split(':').map(value).collect::<Result<Vec<_>, _>>();
    match *parts.map_err(|_| Bad::Syntax)?.as_slice() {
        [minute, second] if !fraction.is_empty() => checked_clock(0, minute, second, micros),
        [hour, minute] => checked_clock(hour, minute, 0, 0),
        [hour, minute, second] => checked_clock(hour, minute, second, micros),
        _ => Err(Bad::Syntax),
    }
}

/// `HH`, `HHMM` or `HHMMSS`.
fn packed_clock(digits: &str) -> Result<i64, Bad> {
    let part = |from: usize| digits.get(from..from + 2).map_or(Ok(0), value);
    match digits.len() {
        2 | 4 | 6 => checked_clock(part(0)?, part(2)?, part(4)?, 0),
        _ => Err(Bad::Syntax),
    }
}

/// The digits behind the point of seconds, rounded to microseconds.
pub(super) fn fraction_micros(digits: &str) -> Result<i64, Bad> {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Bad::Syntax);
    }
    let padded = format!("{digits:0<7}");
    let (micros, next) = padded.split_at(6);
    let round_up = next.as_bytes()[0] >= b'5';
    Ok(micros.parse::<i64>().map_err(|_| Bad::Syntax)? + i64::from(round_up))
}
