//! Intervals in PostgreSQL's four styles and in binary.
//! In: months, days and microseconds, each with its own sign. Out: text or bytes. It follows
//! `EncodeInterval` of PostgreSQL step by step, since clients parse its odd signs.

use std::fmt::Write as _;

use bytes::BytesMut;

use super::datetime::push_fraction;
use super::number::StackText;
use super::options::IntervalStyle;

/// PostgreSQL's interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    /// Years are twelve of them.
    pub(crate) months: i32,
    /// Days, not folded into months.
    pub(crate) days: i32,
    /// The time, not folded into days.
    pub(crate) micros: i64,
}

/// Four numbers of 11 digits, hours of 10 and all words fit easily.
type Text = StackText<160>;

/// The fields the styles print; all of `hour` to `micros` have the same sign.
#[derive(Clone, Copy)]
struct Fields {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
}

impl Fields {
    fn of(it: Interval) -> Self {
        Self {
            year: i64::from(it.months / 12),
            month: i64::from(it.months % 12),
            day: i64::from(it.days),
            hour: it.micros / 3_600_000_000,
            minute: it.micros / 60_000_000 % 60,
            second: it.micros / 1_000_000 % 60,
            micros: it.micros % 1_000_000,
        }
    }

    fn all(&self) -> [i64; 7] {
        [self.year, self.month, self.day, self.hour, self.minute, self.second, self.micros]
    }

    fn time(&self) -> [i64; 4] {
        [self.hour, self.minute, self.second, self.micros]
    }

    fn time_is_negative(&self) -> bool {
        self.time().iter().any(|f| *f < 0)
    }

    fn has_time(&self) -> bool {
        self.time().iter().any(|f| *f != 0)
    }

    fn negated(&self) -> Self {
        Self {
            year: -self.year,
            month: -self.month,
            day: -self.day,
            hour: -self.hour,
            minute: -self.minute,
            second: -self.second,
            micros: -self.micros,
        }
    }

    /// `:MM:SS.ffffff` without signs.
    fn push_minutes(&self, text: &mut Text) {
        text.push(b':');
        text.push_2(self.minute.unsigned_abs() as u32);
        text.push(b':');
        text.push_2(self.second.unsigned_abs() as u32);
        push_fraction(self.micros.unsigned_abs() as u32, text);
    }

    /// `S.ffffff` without sign or filling zero.
    fn push_seconds(&self, text: &mut Text) {
        push_int(self.second.abs(), text);
        push_fraction(self.micros.unsigned_abs() as u32, text);
    }
}

fn push_int(number: i64, text: &mut Text) {
    text.extend(itoa::Buffer::new().format(number).as_bytes());
}

/// An interval in a style.
pub(crate) fn put_interval(it: Interval, style: IntervalStyle, out: &mut BytesMut) {
    let fields = Fields::of(it);
    let mut text = Text::new();
    match style {
        IntervalStyle::Postgres => push_postgres(&fields, &mut text),
        IntervalStyle::PostgresVerbose => push_verbose(&fields, &mut text),
        IntervalStyle::SqlStandard => push_sql(&fields, &mut text),
        IntervalStyle::Iso8601 => push_iso(&fields, &mut text),
    }
    out.extend_from_slice(text.as_bytes());
}

/// The binary interval: microseconds, days, months.
#[inline]
pub(crate) fn put_interval_binary(it: Interval, out: &mut BytesMut) {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&it.micros.to_be_bytes());
    bytes[8..12].copy_from_slice(&it.days.to_be_bytes());
    bytes[12..].copy_from_slice(&it.months.to_be_bytes());
    out.extend_from_slice(&bytes);
}

fn push_postgres(it: &Fields, text: &mut Text) {
    let (mut empty, mut after_negative) = (true, false);
    for (value, unit) in [(it.year, "year"), (it.month, "mon"), (it.day, "day")] {
        if value != 0 {
            let gap = if empty { "" } else { " " };
            let sign = if after_negative && value > 0 { "+" } else { "" };
            let plural = if value == 1 { "" } else { "s" };
            // Writing into a stack text cannot fail; so below.
            let _ = write!(text, "{gap}{sign}{value} {unit}{plural}");
            (empty, after_negative) = (false, value < 0);
        }
    }
    if empty || it.has_time() {
        if !empty {
            text.push(b' ');
        }
        if it.time_is_negative() {
            text.push(b'-');
        } else if after_negative {
            text.push(b'+');
        }
        let _ = write!(text, "{:02}", it.hour.abs());
        it.push_minutes(text);
    }
}

fn push_verbose(it: &Fields, text: &mut Text) {
    text.push(b'@');
    // The first field decides whether the whole is "ago", and the signs of the others.
    let (mut empty, mut ago) = (true, false);
    let units = [
        (it.year, "year"),
        (it.month, "mon"),
        (it.day, "day"),
        (it.hour, "hour"),
        (it.minute, "min"),
    ];
    for (value, unit) in units {
        if value != 0 {
            let shown = if empty {
                ago = value < 0;
                value.abs()
            } else if ago {
                -value
            } else {
                value
            };
            let plural = if shown == 1 { "" } else { "s" };
            let _ = write!(text, " {shown} {unit}{plural}");
            empty = false;
        }
    }
    if it.second != 0 || it.micros != 0 {
        text.push(b' ');
        if it.second < 0 || it.micros < 0 {
            if empty {
                ago = true;
            } else if !ago {
                text.push(b'-');
            }
        } else if ago {
            text.push(b'-');
        }
        it.push_seconds(text);
        text.extend(if it.second.abs() == 1 && it.micros == 0 { b" sec" } else { b" secs" });
        empty = false;
    }
    if empty {
        text.extend(b" 0");
    }
    if ago {
        text.extend(b" ago");
    }
}

fn push_sql(it: &Fields, text: &mut Text) {
    let negative = it.all().iter().any(|f| *f < 0);
    let positive = it.all().iter().any(|f| *f > 0);
    let has_months = it.year != 0 || it.month != 0;
    let has_days = it.day != 0 || it.has_time();
    if !negative && !positive {
        text.push(b'0');
        return;
    }
    if (negative && positive) || (has_months && has_days) {
        // Not an interval of the standard: every part with its sign.
        let sign = |minus: bool| if minus { '-' } else { '+' };
        let _ = write!(
            text,
            "{}{}-{} {}{} {}{}",
            sign(it.year < 0 || it.month < 0),
            it.year.abs(),
            it.month.abs(),
            sign(it.day < 0),
            it.day.abs(),
            sign(it.time_is_negative()),
            it.hour.abs()
        );
        it.push_minutes(text);
        return;
    }
    let it = if negative { it.negated() } else { *it };
    if negative {
        text.push(b'-');
    }
    if has_months {
        let _ = write!(text, "{}-{}", it.year, it.month);
        return;
    }
    if it.day != 0 {
        let _ = write!(text, "{} ", it.day);
    }
    push_int(it.hour, text);
    it.push_minutes(text);
}

fn push_iso(it: &Fields, text: &mut Text) {
    if it.all().iter().all(|f| *f == 0) {
        text.extend(b"PT0S");
        return;
    }
    let part = |value: i64, unit: u8, text: &mut Text| {
        if value != 0 {
            push_int(value, text);
            text.push(unit);
        }
    };
    text.push(b'P');
    part(it.year, b'Y', text);
    part(it.month, b'M', text);
    part(it.day, b'D', text);
    if !it.has_time() {
        return;
    }
    text.push(b'T');
    part(it.hour, b'H', text);
    part(it.minute, b'M', text);
    if it.second != 0 || it.micros != 0 {
        if it.second < 0 || it.micros < 0 {
            text.push(b'-');
        }
        it.push_seconds(text);
        text.push(b'S');
    }
}
