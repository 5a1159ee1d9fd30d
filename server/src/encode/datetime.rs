//! Dates, times and timestamps in PostgreSQL's styles and in binary.
//! In: days, or microseconds, since 1970. Out: text or bytes. It does without chrono, whose years
//! are too few and whose formatting is many times slower.

use bytes::BytesMut;
use datafusion::arrow::datatypes::TimeUnit;

use super::calendar::{Civil, civil, plain_date, plain_timestamp};
use super::cell::{Unwritable, Written};
use super::number::StackText;
use super::options::{DateOrder, DateStyle, FormatOptions, SessionZone};

/// Microseconds of a day.
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;
/// Days from 1970-01-01 to PostgreSQL's 2000-01-01.
pub(crate) const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * DAY_MICROS;

/// The longest is `Mon Dec 31 23:59:59.999999 294276 +15:59:59 BC`.
type Text = StackText<64>;

/// How a date is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DateForm {
    /// 2020-01-31 10:00:00
    Iso,
    /// 2020-01-31T10:00:00, as in JSON.
    Xsd,
    /// 01/31/2020, or day first.
    Sql { day_first: bool },
    /// 01-31-2020 or Fri Jan 31 10:00:00 2020, or day first.
    Postgres { day_first: bool },
    /// 31.01.2020
    German,
}

impl DateForm {
    /// The layout a session asked for.
    pub(crate) fn of(options: &FormatOptions) -> Self {
        let day_first = options.date_order == DateOrder::Dmy;
        match options.date_style {
            DateStyle::Iso => Self::Iso,
            DateStyle::Sql => Self::Sql { day_first },
            DateStyle::Postgres => Self::Postgres { day_first },
            DateStyle::German => Self::German,
        }
    }
}

/// A year counted within its era, in at least four digits.
#[inline]
fn push_year(year: i64, text: &mut Text) {
    let counted = if year > 0 { year } else { 1 - year };
    if counted < 10_000 {
        text.push_2(counted as u32 / 100);
        text.push_2(counted as u32 % 100);
    } else {
        text.extend(itoa::Buffer::new().format(counted).as_bytes());
    }
}

#[inline]
fn push_date(date: Civil, form: DateForm, text: &mut Text) {
    let (first, second, separator) = match form {
        DateForm::Iso | DateForm::Xsd => {
            push_year(date.year, text);
            text.push(b'-');
            text.push_2(date.month);
            text.push(b'-');
            text.push_2(date.day);
            return;
        }
        DateForm::Sql { day_first: true } => (date.day, date.month, b'/'),
        DateForm::Sql { day_first: false } => (date.month, date.day, b'/'),
        DateForm::Postgres { day_first: true } => (date.day, date.month, b'-'),
        DateForm::Postgres { day_first: false } => (date.month, date.day, b'-'),
        DateForm::German => (date.day, date.month, b'.'),
    };
    text.push_2(first);
    text.push(separator);
    text.push_2(second);
    text.push(separator);
    push_year(date.year, text);
}

/// `HH:MM:SS[.ffffff]`, the fraction without trailing zeros.
#[inline]
fn push_time(micros: i64, text: &mut Text) {
    let (seconds, fraction) = ((micros / 1_000_000) as u32, (micros % 1_000_000) as u32);
    text.push_2(seconds / 3600);
    text.push(b':');
    text.push_2(seconds / 60 % 60);
    text.push(b':');
    text.push_2(seconds % 60);
    push_fraction(fraction, text);
}

/// `.ffffff` without trailing zeros; nothing for 0.
#[inline]
pub(crate) fn push_fraction<const N: usize>(micros: u32, text: &mut StackText<N>) {
    if micros != 0 {
        text.push(b'.');
        text.push_2(micros / 10_000);
        text.push_2(micros / 100 % 100);
        text.push_2(micros % 100);
        text.trim_zeros();
    }
}

const ERA: &[u8] = b" BC";

/// A date, in days since 1970; the two ends of the type are the infinities.
#[inline]
pub(crate) fn put_date(days: i32, form: DateForm, out: &mut BytesMut) {
    if form == DateForm::Iso
        && let Some(plain) = plain_date(i64::from(days))
    {
        out.extend_from_slice(&plain);
        return;
    }
    let mut text = Text::new();
    match days {
        i32::MAX => text.extend(b"infinity"),
        i32::MIN => text.extend(b"-infinity"),
        _ => {
            let date = civil(i64::from(days));
            push_date(date, form, &mut text);
            if date.year <= 0 {
                text.extend(ERA);
            }
        }
    }
    out.extend_from_slice(text.as_bytes());
}

/// The binary date: days since 2000.
#[inline]
pub(crate) fn put_date_binary(days: i32, out: &mut BytesMut) -> Written {
    let shifted = match days {
        i32::MAX | i32::MIN => days,
        _ => days.checked_sub(EPOCH_DAYS).ok_or(Unwritable::Moment)?,
    };
    out.extend_from_slice(&shifted.to_be_bytes());
    Ok(())
}

/// A time of day, in microseconds; 24:00:00 is one.
#[inline]
pub(crate) fn put_time(micros: i64, out: &mut BytesMut) -> Written {
    if !(0..=DAY_MICROS).contains(&micros) {
        return Err(Unwritable::Moment);
    }
    let mut text = Text::new();
    push_time(micros, &mut text);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// The binary time: microseconds of the day.
#[inline]
pub(crate) fn put_time_binary(micros: i64, out: &mut BytesMut) -> Written {
    if !(0..=DAY_MICROS).contains(&micros) {
        return Err(Unwritable::Moment);
    }
    out.extend_from_slice(&micros.to_be_bytes());
    Ok(())
}

/// Microseconds of a count of `unit`, towards the past; the infinities of the coarser units stay
/// what they are.
#[inline]
pub(crate) fn micros_of(value: i64, unit: TimeUnit) -> Result<i64, Unwritable> {
    let factor = match unit {
        TimeUnit::Microsecond => return Ok(value),
        TimeUnit::Nanosecond => return Ok(value.div_euclid(1000)),
        TimeUnit::Millisecond => 1000,
        TimeUnit::Second => 1_000_000,
    };
    match value {
        i64::MAX | i64::MIN => Ok(value),
        _ => value.checked_mul(factor).ok_or(Unwritable::Moment),
    }
}

/// How a timestamp is printed: layout, and the zone if it has one.
#[derive(Clone, Copy)]
pub(crate) struct StampForm {
    form: DateForm,
    zone: Option<SessionZone>,
    /// What the zone adds, and how it prints in ISO style, where that never changes.
    constant: Option<(i32, StackText<9>)>,
}

impl StampForm {
    /// Without a zone the timestamp is local time as it is.
    pub(crate) fn new(form: DateForm, zone: Option<SessionZone>) -> Self {
        let offset = zone.map_or(Some(0), |z| z.constant_offset());
        let constant = offset.map(|offset| {
            let mut tail = StackText::new();
            if zone.is_some() {
                push_offset(offset, form, &mut tail);
            }
            (offset, tail)
        });
        Self { form, zone, constant }
    }

    /// The offset at a moment.
    #[inline]
    fn offset_at(&self, micros: i64) -> i32 {
        match (&self.constant, self.zone) {
            (Some((offset, _)), _) => *offset,
            (None, Some(zone)) => zone.offset_at(micros.div_euclid(1_000_000)),
            (None, None) => 0,
        }
    }
}

/// A timestamp, in microseconds since 1970.
#[inline]
pub(crate) fn put_timestamp(micros: i64, how: &StampForm, out: &mut BytesMut) {
    match micros {
        i64::MAX => out.extend_from_slice(b"infinity"),
        i64::MIN => out.extend_from_slice(b"-infinity"),
        _ => put_finite_timestamp(micros, how, out),
    }
}

#[inline]
fn put_finite_timestamp(micros: i64, how: &StampForm, out: &mut BytesMut) {
    let offset = how.offset_at(micros);
    let local = micros.saturating_add(i64::from(offset) * 1_000_000);
    let (days, time) = (local.div_euclid(DAY_MICROS), local.rem_euclid(DAY_MICROS));
    if how.form == DateForm::Iso
        && let Some((plain, length)) = plain_timestamp(days, time)
    {
        out.extend_from_slice(&plain[..length]);
        if let Some((_, tail)) = &how.constant {
            out.extend_from_slice(tail.as_bytes());
        } else {
            let mut tail = StackText::<9>::new();
            push_offset(offset, how.form, &mut tail);
            out.extend_from_slice(tail.as_bytes());
        }
        return;
    }
    let mut text = Text::new();
    let date = civil(days);
    match how.form {
        DateForm::Postgres { day_first } => push_words(date, days, time, day_first, &mut text),
        form => {
            push_date(date, form, &mut text);
            text.push(if form == DateForm::Xsd { b'T' } else { b' ' });
            push_time(time, &mut text);
        }
    }
    if let Some(zone) = how.zone {
        push_zone(offset, micros, zone, how.form, &mut text);
    }
    if date.year <= 0 {
        text.extend(ERA);
    }
    out.extend_from_slice(text.as_bytes());
}

/// `Wed Dec 17 07:37:16 1997`, or with `17 Dec`.
fn push_words(date: Civil, days: i64, time: i64, day_first: bool, text: &mut Text) {
    const DAYS: [&[u8]; 7] = [b"Thu ", b"Fri ", b"Sat ", b"Sun ", b"Mon ", b"Tue ", b"Wed "];
    const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = &MONTHS[date.month as usize * 3 - 3..date.month as usize * 3];
    text.extend(DAYS[days.rem_euclid(7) as usize]);
    if day_first {
        text.push_2(date.day);
        text.push(b' ');
        text.extend(month);
    } else {
        text.extend(month);
        text.push(b' ');
        text.push_2(date.day);
    }
    text.push(b' ');
    push_time(time, text);
    text.push(b' ');
    push_year(date.year, text);
}

/// The zone: an abbreviation in the styles that have one, else the offset.
fn push_zone(offset: i32, micros: i64, zone: SessionZone, form: DateForm, text: &mut Text) {
    if !matches!(form, DateForm::Iso | DateForm::Xsd) {
        if let Some(name) = zone.abbreviation_at(micros.div_euclid(1_000_000)) {
            text.push(b' ');
            text.extend(name.as_bytes());
            return;
        }
        if matches!(form, DateForm::Postgres { .. }) {
            text.push(b' ');
        }
    }
    push_offset(offset, form, text);
}

/// `+HH`, with minutes and seconds where it has them.
#[inline]
fn push_offset<const N: usize>(offset: i32, form: DateForm, text: &mut StackText<N>) {
    let size = offset.unsigned_abs();
    text.push(if offset < 0 { b'-' } else { b'+' });
    text.push_2(size / 3600);
    // Only an offset with minutes shows them, except in JSON.
    if !size.is_multiple_of(3600) || form == DateForm::Xsd {
        text.push(b':');
        text.push_2(size / 60 % 60);
    }
    if !size.is_multiple_of(60) {
        text.push(b':');
        text.push_2(size % 60);
    }
}

/// The binary timestamp: microseconds since 2000.
#[inline]
pub(crate) fn put_timestamp_binary(micros: i64, out: &mut BytesMut) -> Written {
    let shifted = match micros {
        i64::MAX | i64::MIN => micros,
        _ => micros.checked_sub(EPOCH_MICROS).ok_or(Unwritable::Moment)?,
    };
    out.extend_from_slice(&shifted.to_be_bytes());
    Ok(())
}
