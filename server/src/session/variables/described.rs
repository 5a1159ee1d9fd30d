//! PostgreSQL's own settings. In: `postgres.tsv`, made by `tests/py/make_settings.py` from a real
//! server. Out: those that are taken and change nothing here, those that have only one value, and
//! how all of them are filed. Knows nothing of sessions.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::amounts::Measure;
use super::{Kind, Variable};

/// Where PostgreSQL files a setting.
#[derive(Debug)]
pub(super) struct Filed {
    pub(super) category: &'static str,
    pub(super) context: &'static str,
}

/// Of every setting that both have, by name.
pub(super) static FILED: LazyLock<HashMap<&'static str, Filed>> = LazyLock::new(|| {
    let filed = |row: Row| (row.name, Filed { category: row.category, context: row.context });
    rows().map(filed).collect()
});

/// Those that the server itself has no use for.
pub(super) fn variables() -> impl Iterator<Item = Variable> {
    rows().filter_map(|row| {
        let (kind, about) = match row.mode {
            "accepted" => (row.kind(), "Accepted; it changes nothing here."),
            "default" => (Kind::Only, "Only its default is supported."),
            "shown" => (Kind::Fixed, "Shown for clients that ask."),
            _ => return None,
        };
        let shown =
            kind.normalized(row.default, row.default).unwrap_or_else(|| row.default.to_owned());
        // Made once, for as long as the process lives.
        let default = if shown == row.default { row.default } else { &*shown.leak() };
        Some(Variable {
            name: row.name,
            reported: None,
            kind,
            default,
            about,
            category: row.category,
            context: row.context,
        })
    })
}

struct Row {
    name: &'static str,
    mode: &'static str,
    context: &'static str,
    category: &'static str,
    vartype: &'static str,
    unit: &'static str,
    default: &'static str,
    least: &'static str,
    most: &'static str,
    words: &'static str,
}

fn rows() -> impl Iterator<Item = Row> {
    include_str!("postgres.tsv").lines().filter_map(|line| {
        let mut fields = line.split('\t');
        let mut next = || fields.next();
        Some(Row {
            name: next()?,
            mode: next()?,
            context: next()?,
            category: next()?,
            vartype: next()?,
            unit: next()?,
            default: next()?,
            least: next()?,
            most: next()?,
            words: next()?,
        })
    })
}

impl Row {
    fn kind(&self) -> Kind {
        let whole = |text: &str| text.parse().unwrap_or(0);
        let real = |text: &str| text.parse().unwrap_or(0.0);
        match (self.vartype, Measure::named(self.unit)) {
            ("bool", _) => Kind::Bool,
            ("integer", Some(unit)) => Kind::Amount(unit, whole(self.least), whole(self.most)),
            ("integer", None) => Kind::Integer(whole(self.least), whole(self.most)),
            ("real", _) => Kind::Real(real(self.least), real(self.most)),
            ("enum", _) => Kind::Word(self.words.split(',').collect::<Vec<_>>().leak()),
            _ => Kind::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_it_may_have() {
        assert!(variables().count() > 90);
        for variable in variables().filter(|variable| !matches!(variable.kind, Kind::Fixed)) {
            let shown = variable.checked(variable.default);
            assert_eq!(shown.as_deref(), Ok(variable.default), "{}", variable.name);
        }
    }
}
