//! Intervals from text: PostgreSQL's words, SQL's `1-2 3 4:05:06`, ISO 8601's `P1DT2H`.
//! In: a text. Out: months, days and nanoseconds. As in PostgreSQL a fraction of a unit goes down
//! to the next smaller ones, and words are read from the right.

use datafusion::arrow::datatypes::IntervalMonthDayNano;

use super::clock::fraction_micros;
use crate::encode::IntervalStyle;
use crate::error::{PgError, PgResult, SqlState};

/// An interval being summed up, in units wide enough for every text.
#[derive(Default)]
struct Sum {
    months: i128,
    days: i128,
    micros: i128,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Months(i128),
    Days(i128),
    Micros(i128),
}

/// Stands for a time among the units seen: hours, minutes and seconds at once.
const CLOCK: Unit = Unit::Micros(0);
const SECOND: i128 = 1_000_000;
const DAY: i128 = 86_400 * SECOND;

/// Reads an interval in any style; `style` decides only what a leading minus of SQL's is about.
pub(super) fn parse(text: &str, style: IntervalStyle) -> PgResult<IntervalMonthDayNano> {
    let trimmed = text.trim();
    let sum = match trimmed.strip_prefix(['P', 'p']) {
        Some(iso) => iso_8601(iso),
        None => words(trimmed, style),
    };
    let sum = sum.ok_or_else(|| {
        PgError::new(
            SqlState::InvalidDatetimeFormat,
            format!("invalid input syntax for type interval: \"{text}\""),
        )
    })?;
    finished(&sum).ok_or_else(|| {
        PgError::new(
            SqlState::DatetimeOverflow,
            format!("interval field value out of range: \"{text}\""),
        )
    })
}

fn finished(sum: &Sum) -> Option<IntervalMonthDayNano> {
    Some(IntervalMonthDayNano::new(
        i32::try_from(sum.months).ok()?,
        i32::try_from(sum.days).ok()?,
        i64::try_from(sum.micros.checked_mul(1000)?).ok()?,
    ))
}

/// A number with sign: what stands before the point, and the fraction, both with the sign.
#[derive(Clone, Copy)]
struct Number {
    whole: i128,
    fraction: f64,
}

fn number(text: &str) -> Option<Number> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if unsigned.is_empty() || unsigned == "." || !digits(whole) || !digits(fraction) {
        return None;
    }
    // 18 digits keep every product below within i128.
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse::<i64>().ok()?.into() };
    let fraction: f64 = format!("0.{fraction}0").parse().ok()?;
    let (whole, fraction) = if negative { (-whole, -fraction) } else { (whole, fraction) };
    Some(Number { whole, fraction })
}

impl Sum {
    fn add(&mut self, number: Number, unit: Unit) {
        match unit {
            Unit::Months(1) => {
                self.months += number.whole;
                self.add_days(number.fraction * 30.0);
            }
            Unit::Months(size) => {
                let rest = (number.fraction * size as f64).round_ties_even();
                self.months += number.whole * size + rest as i128;
            }
            Unit::Days(size) => {
                self.days += number.whole * size;
                self.add_days(number.fraction * size as f64);
            }
            Unit::Micros(size) => {
                let rest = (number.fraction * size as f64).round_ties_even();
                self.micros += number.whole * size + rest as i128;
            }
        }
    }

    /// Days with a fraction, whose whole part stays days.
    fn add_days(&mut self, days: f64) {
        self.days += days.trunc() as i128;
        self.micros += (days.fract() * DAY as f64).round_ties_even() as i128;
    }

    fn negate(&mut self) {
        *self = Self { months: -self.months, days: -self.days, micros: -self.micros };
    }
}

fn unit_named(word: &str) -> Option<Unit> {
    Some(match word.to_ascii_lowercase().as_str() {
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecond" | "microsecon"
        | "microseconds" => Unit::Micros(1),
        "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecond" | "milliseconds"
        | "millisecon" => Unit::Micros(1000),
        "s" | "sec" | "secs" | "second" | "seconds" => Unit::Micros(SECOND),
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Micros(60 * SECOND),
        "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Micros(3600 * SECOND),
        "d" | "day" | "days" => Unit::Days(1),
        "w" | "week" | "weeks" => Unit::Days(7),
        "mon" | "mons" | "month" | "months" => Unit::Months(1),
        "y" | "yr" | "yrs" | "year" | "years" => Unit::Months(12),
        "dec" | "decs" | "decade" | "decades" => Unit::Months(120),
        "c" | "cent" | "century" | "centuries" => Unit::Months(1200),
        "mil" | "mils" | "millennia" | "millennium" => Unit::Months(12_000),
        _ => return None,
    })
}

/// Splits words and numbers that stand together ("1d"), and drops "@".
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    for piece in text.split_ascii_whitespace() {
        let mut rest = piece.strip_prefix('@').unwrap_or(piece);
        while !rest.is_empty() {
            let alphabetic = rest.starts_with(|c: char| c.is_alphabetic());
            let end = rest.find(|c: char| c.is_alphabetic() != alphabetic).unwrap_or(rest.len());
            let (token, tail) = rest.split_at(end);
            tokens.push(token);
            rest = tail;
        }
    }
    tokens
}

fn words(text: &str, style: IntervalStyle) -> Option<Sum> {
    let mut tokens = tokens(text);
    let ago = tokens.last().is_some_and(|t| t.eq_ignore_ascii_case("ago"));
    if ago {
        tokens.pop();
    }
    if tokens.is_empty() {
        return None;
    }
    // In SQL's own style a leading minus is about the whole, unless another sign says otherwise.
    let all_negative = style == IntervalStyle::SqlStandard
        && tokens[0].starts_with('-')
        && !tokens[1..].iter().any(|t| t.starts_with(['-', '+']));
    let mut sum = Sum::default();
    let mut unit = None;
    // What a number without a unit counts: seconds, or days before a time.
    let mut implied = Some(Unit::Micros(SECOND));
    let mut seen = Vec::new();
    for (place, token) in tokens.iter().enumerate().rev() {
        if token.starts_with(|c: char| c.is_alphabetic()) {
            // A unit needs a number before it.
            if unit.replace(unit_named(token)?).is_some() || place == 0 {
                return None;
            }
            continue;
        }
        let negated = all_negative && place > 0;
        if token.contains(':') {
            if unit.is_some() || seen.iter().any(|u| matches!(u, Unit::Micros(_))) {
                return None;
            }
            let micros = clock(token)?;
            sum.micros += if negated { -micros } else { micros };
            seen.push(CLOCK);
            implied = Some(Unit::Days(1));
        } else if token.trim_start_matches(['-', '+']).contains('-') {
            if unit.is_some() {
                return None;
            }
            let months = years_months(token)?;
            sum.months += if negated { -months } else { months };
            seen.push(Unit::Months(1));
        } else {
            let found = unit.take().or(implied.take())?;
            // After a time, neither hours nor minutes nor seconds are missing.
            let clashes = matches!(found, Unit::Micros(SECOND..)) && seen.contains(&CLOCK);
            if clashes || seen.contains(&found) {
                return None;
            }
            let mut value = number(token)?;
            if negated {
                value = Number { whole: -value.whole, fraction: -value.fraction };
            }
            sum.add(value, found);
            seen.push(found);
            implied = None;
        }
    }
    if unit.is_some() {
        return None;
    }
    if ago {
        sum.negate();
    }
    Some(sum)
}

/// `[-]H:MM[:SS[.ffffff]]` or `[-]MM:SS.ffffff`, in microseconds.
fn clock(text: &str) -> Option<i128> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let micros = i128::from(fraction_micros(fraction).ok()?);
    let parts: Vec<i128> = whole
        .split(':')
        .map(|p| p.parse::<u64>().ok().filter(|n| *n < 1 << 40).map(i128::from))
        .collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match *parts.as_slice() {
        [minutes, seconds] if !fraction.is_empty() => (0, minutes, seconds),
        [hours, minutes] => (hours, minutes, 0),
        [hours, minutes, seconds] => (hours, minutes, seconds),
        _ => return None,
    };
    if minutes > 59 || seconds > 60 {
        return None;
    }
    let total = (hours * 3600 + minutes * 60 + seconds) * SECOND + micros;
    Some(if text.starts_with('-') { -total } else { total })
}

/// `[-]Y-M`, in months.
fn years_months(text: &str) -> Option<i128> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (years, months) = unsigned.split_once('-')?;
    let count = |t: &str| t.parse::<u32>().ok().map(i128::from);
    let (years, months) = (count(years)?, count(months).filter(|m| *m < 12)?);
    let total = years * 12 + months;
    Some(if text.starts_with('-') { -total } else { total })
}

/// What follows the `P`: numbers with a letter, those after `T` of time.
fn iso_8601(text: &str) -> Option<Sum> {
    let mut sum = Sum::default();
    let (mut rest, mut in_time, mut count) = (text, false, 0);
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix(['T', 't']).filter(|_| !in_time) {
            (rest, in_time) = (tail, true);
            continue;
        }
        let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let letter = rest.as_bytes()[end].to_ascii_uppercase();
        let unit = match (letter, in_time) {
            (b'Y', false) => Unit::Months(12),
            (b'M', false) => Unit::Months(1),
            (b'W', false) => Unit::Days(7),
            (b'D', false) => Unit::Days(1),
            (b'H', true) => Unit::Micros(3600 * SECOND),
            (b'M', true) => Unit::Micros(60 * SECOND),
            (b'S', true) => Unit::Micros(SECOND),
            _ => return None,
        };
        sum.add(number(&rest[..end])?, unit);
        rest = &rest[end + 1..];
        count += 1;
    }
    (count > 0).then_some(sum)
}
