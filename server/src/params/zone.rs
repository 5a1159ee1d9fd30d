//! Zones in a date or time. In: an offset, an abbreviation or a name of the IANA data base.
//! Out: what it is. When a named zone has which offset is for `encode::SessionZone` to say.

use std::str::FromStr;

use chrono_tz::Tz;

use super::clock::{Bad, value};

/// The zone a text names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// Seconds east of Greenwich.
    Offset(i32),
    /// A named zone.
    Named(Tz),
}

/// A zone of the data base, or one of the abbreviations of PostgreSQL's default list that have
/// only one meaning in practice.
pub(super) fn zone_named(name: &str) -> Result<Zone, Bad> {
    const ABBREVIATIONS: [(&str, i32); 24] = [
        ("est", -5),
        ("edt", -4),
        ("cst", -6),
        ("cdt", -5),
        ("mst", -7),
        ("mdt", -6),
        ("pst", -8),
        ("pdt", -7),
        ("akst", -9),
        ("akdt", -8),
        ("hst", -10),
        ("wet", 0),
        ("west", 1),
        ("bst", 1),
        ("cet", 1),
        ("cest", 2),
        ("eet", 2),
        ("eest", 3),
        ("msk", 3),
        ("jst", 9),
        ("kst", 9),
        ("aest", 10),
        ("aedt", 11),
        ("nzst", 12),
    ];
    let abbreviation = ABBREVIATIONS.iter().find(|(word, _)| name.eq_ignore_ascii_case(word));
    if let Some((_, hours)) = abbreviation {
        return Ok(Zone::Offset(hours * 3600));
    }
    if let Ok(tz) = Tz::from_str(name) {
        return Ok(Zone::Named(tz));
    }
    let found = chrono_tz::TZ_VARIANTS.iter().find(|tz| tz.name().eq_ignore_ascii_case(name));
    match found {
        Some(tz) => Ok(Zone::Named(*tz)),
        // What has no slash may be any word.
        None if name.contains('/') => Err(Bad::Zone(name.to_owned())),
        None => Err(Bad::Syntax),
    }
}

/// `HH`, `HHMM`, `HH:MM` or `HH:MM:SS`.
pub(super) fn offset_seconds(text: &str) -> Result<i32, Bad> {
    let parts: Vec<&str> = text.split(':').collect();
    let (hours, minutes, seconds) = match parts.as_slice() {
        [""] => return Err(Bad::Syntax),
        [packed] if packed.len() > 2 => {
            let (hours, minutes) = packed.split_at(packed.len() - 2);
            (value(hours)?, value(minutes)?, 0)
        }
        [hours] => (value(hours)?, 0, 0),
        [hours, minutes] => (value(hours)?, value(minutes)?, 0),
        [hours, minutes, seconds] => (value(hours)?, value(minutes)?, value(seconds)?),
        _ => return Err(Bad::Syntax),
    };
    if hours > 15 || minutes > 59 || seconds > 59 {
        return Err(Bad::Offset);
    }
    Ok((hours * 3600 + minutes * 60 + seconds) as i32)
}
