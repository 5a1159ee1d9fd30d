//! Amounts with units: times, memory. In: a text such as "2s", "64MB" or "100". Out: a number of
//! the unit a setting is counted in; and such a number as PostgreSQL prints it. Knows no setting.

/// What a setting is counted in.
#[derive(Debug)]
pub struct Measure {
    /// The unit, as pg_settings has it; it may be left out.
    pub unit: &'static str,
    /// Its size, in the smallest unit of its kind.
    size: u64,
    units: Units,
}

type Units = &'static [(&'static str, u64)];

const TIMES: Units = &[
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("min", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];
const SIZES: Units =
    &[("B", 1), ("kB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("TB", 1 << 40)];

/// Milliseconds.
pub static MILLIS: Measure = Measure { unit: "ms", size: 1_000, units: TIMES };
/// Seconds.
pub static SECONDS: Measure = Measure { unit: "s", size: 1_000_000, units: TIMES };
/// Bytes.
pub static BYTES: Measure = Measure { unit: "B", size: 1, units: SIZES };
/// Kibibytes.
pub static KILOBYTES: Measure = Measure { unit: "kB", size: 1 << 10, units: SIZES };
/// PostgreSQL's blocks.
pub static BLOCKS: Measure = Measure { unit: "8kB", size: 8 << 10, units: SIZES };

impl Measure {
    /// The measure with that unit.
    pub fn named(unit: &str) -> Option<&'static Self> {
        [&MILLIS, &SECONDS, &BYTES, &KILOBYTES, &BLOCKS].into_iter().find(|m| m.unit == unit)
    }

    /// A text as a number of this unit, rounded.
    pub fn parse(&self, text: &str) -> Option<i64> {
        let text = text.trim();
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1.0, digits),
            None => (1.0, text),
        };
        let split = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
        let (number, unit) = digits.split_at(split);
        let number = sign * number.parse::<f64>().ok()?;
        let counted = match unit.trim() {
            "" => number,
            unit => {
                let (_, factor) = self.units.iter().find(|(name, _)| *name == unit)?;
                number * *factor as f64 / self.size as f64
            }
        };
        (counted.abs() < i64::MAX as f64).then_some(counted.round() as i64)
    }

    /// A number of this unit in the largest unit without a rest.
    pub fn show(&self, number: i64) -> String {
        let whole = i128::from(number) * i128::from(self.size);
        let divides = |(_, factor): &&(&str, u64)| whole % i128::from(*factor) == 0;
        match self.units.iter().rev().find(divides) {
            Some((unit, factor)) if number > 0 => format!("{}{unit}", whole / i128::from(*factor)),
            _ => number.to_string(),
        }
    }

    /// The units, for a hint.
    pub fn hint(&self) -> String {
        let names: Vec<_> = self.units.iter().map(|(name, _)| *name).collect();
        format!("a number and one of {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_as_postgres_reads_and_prints_them() {
        for (measure, text, number, shown) in [
            (&MILLIS, "2s", 2_000, "2s"),
            (&MILLIS, "1500us", 2, "2ms"),
            (&MILLIS, "2 min", 120_000, "2min"),
            (&MILLIS, "-1", -1, "-1"),
            (&MILLIS, "0", 0, "0"),
            (&KILOBYTES, "4096", 4_096, "4MB"),
            (&KILOBYTES, "1GB", 1 << 20, "1GB"),
            (&BLOCKS, "524288", 524_288, "4GB"),
            (&BLOCKS, "1", 1, "8kB"),
            (&BYTES, "1.5GB", 1_536 << 20, "1536MB"),
            (&BYTES, "1001", 1_001, "1001B"),
            (&SECONDS, "1h", 3_600, "1h"),
        ] {
            assert_eq!(measure.parse(text), Some(number), "{text}");
            assert_eq!(measure.show(number), shown);
        }
        for text in ["", "soon", "1minus", "64 MiB", "-", "1e400"] {
            assert_eq!(MILLIS.parse(text), None, "{text}");
        }
    }
}
