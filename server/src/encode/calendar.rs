//! The calendar: days to years, months and days, and the fixed layout that almost every date has.
//! In: days since 1970, microseconds of a day. Out: numbers, or digits at fixed places. Eras,
//! styles and zones are the business of `datetime`.

/// A day of the proleptic Gregorian calendar; year 0 is 1 BC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: u32,
    pub(super) day: u32,
}

/// Days from 0000-03-01, where leap days are the last of a year, to 1970-01-01.
const SHIFT_DAYS: i64 = 719_468;

/// From days since 1970, for every day there is (H. Hinnant's `civil_from_days`).
pub(super) fn civil(days: i64) -> Civil {
    let shifted = days + SHIFT_DAYS;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097) as u32;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = i64::from(year_of_era) + era * 400 + i64::from(month <= 2);
    Civil { year, month, day }
}

/// The first and last day with a year of four digits in our era.
const PLAIN_DAYS: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;

/// Year, month and day of a plain day, with multiplications in place of most divisions
/// (C. Neri and L. Schneider, "Euclidean affine functions and their application to calendar
/// algorithms", 2022).
#[inline]
fn plain_civil(days: i64) -> (u32, u32, u32) {
    let quarter_days = 4 * (days + SHIFT_DAYS) as u32 + 3;
    let century = quarter_days / 146_097;
    let day_of_century = quarter_days % 146_097 / 4;
    let product = 2_939_745 * u64::from(4 * day_of_century + 3);
    let year_of_century = (product >> 32) as u32;
    let day_of_year = (product as u32) / 2_939_745 / 4;
    let linear = 2141 * day_of_year + 197_913;
    let (shifted_month, day) = (linear >> 16, (linear & 0xffff) / 2141 + 1);
    let next_year = u32::from(day_of_year >= 306);
    (100 * century + year_of_century + next_year, shifted_month - 12 * next_year, day)
}

/// The decimal digits of 0 to 99.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// Puts two digits of a number below 100 at a place.
#[inline]
fn put_pair<const N: usize>(text: &mut [u8; N], at: usize, number: u32) {
    [text[at], text[at + 1]] = PAIRS[(number % 100) as usize];
}

#[inline]
fn put_day<const N: usize>(text: &mut [u8; N], days: i64) {
    let (year, month, day) = plain_civil(days);
    put_pair(text, 0, year / 100);
    put_pair(text, 2, year);
    put_pair(text, 5, month);
    put_pair(text, 8, day);
}

/// `YYYY-MM-DD` of a day whose year has four digits in our era.
#[inline]
pub(super) fn plain_date(days: i64) -> Option<[u8; 10]> {
    let mut text = *b"0000-00-00";
    PLAIN_DAYS.contains(&days).then(|| {
        put_day(&mut text, days);
        text
    })
}

/// `YYYY-MM-DD HH:MM:SS.ffffff` of such a day, and how many bytes are left of it without the
/// zeros at the end of the fraction.
#[inline]
pub(super) fn plain_timestamp(days: i64, micros: i64) -> Option<([u8; 26], usize)> {
    if !PLAIN_DAYS.contains(&days) {
        return None;
    }
    let mut text = *b"0000-00-00 00:00:00.000000";
    put_day(&mut text, days);
    let (seconds, fraction) = ((micros / 1_000_000) as u32, (micros % 1_000_000) as u32);
    put_pair(&mut text, 11, seconds / 3600);
    put_pair(&mut text, 14, seconds / 60 % 60);
    put_pair(&mut text, 17, seconds % 60);
    if fraction == 0 {
        return Some((text, 19));
    }
    put_pair(&mut text, 20, fraction / 10_000);
    put_pair(&mut text, 22, fraction / 100);
    put_pair(&mut text, 24, fraction);
    let zeros = text.iter().rev().take_while(|b| **b == b'0').count();
    Some((text, 26 - zeros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_calendar_agrees_with_the_general_one() {
        for days in PLAIN_DAYS {
            let (year, month, day) = plain_civil(days);
            let expected = civil(days);
            assert_eq!(expected, Civil { year: i64::from(year), month, day });
        }
        assert_eq!(plain_date(*PLAIN_DAYS.start()), Some(*b"0001-01-01"));
        assert_eq!(plain_date(*PLAIN_DAYS.end()), Some(*b"9999-12-31"));
        assert_eq!((plain_date(-719_163), plain_date(2_932_897)), (None, None));
    }
}
