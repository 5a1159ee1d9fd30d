//! Time zones and date styles as settings. In: what a client wrote. Out: the zone or style it
//! names, and the words to show for it.

use crate::encode::SessionZone;

pub(super) fn zone(value: &str) -> Option<String> {
    if value.eq_ignore_ascii_case("default") || value.eq_ignore_ascii_case("local") {
        return Some("Etc/UTC".to_owned());
    }
    session_zone(value).map(|(_, name)| name)
}

/// A zone by its name in any case, or by its offset from UTC in hours, with the name to show.
pub fn session_zone(value: &str) -> Option<(SessionZone, String)> {
    let named = |zone: &&chrono_tz::Tz| zone.name().eq_ignore_ascii_case(value);
    if let Some(zone) = chrono_tz::TZ_VARIANTS.iter().find(named) {
        return Some((SessionZone::Named(*zone), zone.name().to_owned()));
    }
    let seconds = offset_seconds(value)?;
    let offset = chrono::FixedOffset::east_opt(seconds)?;
    // PostgreSQL shows an offset as a POSIX zone, whose sign is the other way round.
    Some((SessionZone::Fixed(offset), value.to_owned()))
}

/// "+05:30", "-8", "5.5" as seconds east of UTC.
fn offset_seconds(value: &str) -> Option<i32> {
    let (sign, digits) = match value.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, value.strip_prefix('+').unwrap_or(value)),
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (hours.parse().ok()?, minutes.parse().ok()?),
        None => (digits.parse::<f64>().ok()?, 0.0),
    };
    let seconds: f64 = (hours * 60.0 + minutes) * 60.0;
    (0.0..86_400.0).contains(&seconds).then_some(sign * seconds as i32)
}

pub(super) fn date_style(value: &str) -> Option<String> {
    let (mut style, mut order) = ("ISO", "MDY");
    for word in value.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word {
            "iso" => style = "ISO",
            "sql" => style = "SQL",
            "postgres" => style = "Postgres",
            "german" => style = "German",
            "mdy" | "us" | "noneuro" | "noneuropean" => order = "MDY",
            "dmy" | "euro" | "european" => order = "DMY",
            "ymd" => order = "YMD",
            "default" => (style, order) = ("ISO", "MDY"),
            _ => return None,
        }
    }
    Some(format!("{style}, {order}"))
}
