//! Rows about the database and the settings of the session that asks.
//!
//! In: the view. Out: sparse rows. What sessions do is in `session_rows`, roles in `role_rows`.
//! Refuses to know relations.

use chrono::{Offset, TimeZone, Utc};
use chrono_tz::{OffsetComponents, OffsetName, TZ_VARIANTS};

use super::CatalogView;
use super::cells::{Cell, Sparse};
use crate::session::settings::Shown;

/// `pg_char_to_encoding('UTF8')`; texts are UTF-8 everywhere.
pub(super) const UTF8: i32 = 6;
/// Oid of the tablespace `pg_default`.
const PG_DEFAULT_OID: u32 = 1663;

/// `pg_database`: the one there is.
pub(super) fn pg_database(view: &CatalogView) -> Vec<Sparse<'_>> {
    let now = view.rights.snapshot();
    vec![vec![
        ("oid", view.database_oid.into()),
        ("datname", view.database.as_str().into()),
        ("datdba", now.database_owner().0.into()),
        ("encoding", UTF8.into()),
        ("datlocprovider", "c".into()),
        ("datallowconn", true.into()),
        ("datconnlimit", (-1).into()),
        ("dattablespace", PG_DEFAULT_OID.into()),
        ("datcollate", "C".into()),
        ("datctype", "C".into()),
        ("datacl", view.acl(now.database_acl())),
    ]]
}

/// `pg_settings`.
pub(super) fn pg_settings(view: &CatalogView) -> Vec<Sparse<'_>> {
    view.settings.iter().map(setting).collect()
}

fn setting(shown: &Shown) -> Sparse<'static> {
    let Some(variable) = shown.variable else {
        return vec![
            ("name", shown.name.as_ref().into()),
            ("setting", shown.value.as_ref().into()),
            ("category", "Customized Options".into()),
            ("context", "user".into()),
            ("vartype", "string".into()),
            ("source", if shown.is_set { "session" } else { "default" }.into()),
            ("reset_val", shown.reset.as_ref().into()),
            ("pending_restart", false.into()),
        ];
    };
    let (least, most) = variable.range().unzip();
    let words = variable.words().map(|words| words.iter().copied().map(Cell::from).collect());
    let source = match shown.is_set {
        true => "session",
        false if shown.reset == variable.default => "default",
        false => "client",
    };
    vec![
        ("name", variable.reported.unwrap_or(variable.name).into()),
        ("setting", variable.in_unit(&shown.value).into()),
        ("unit", variable.unit().into()),
        ("category", variable.category.into()),
        ("short_desc", variable.about.into()),
        ("context", variable.context.into()),
        ("vartype", variable.type_word().into()),
        ("source", source.into()),
        ("min_val", least.into()),
        ("max_val", most.into()),
        ("enumvals", words.map_or(Cell::Null, Cell::List)),
        ("boot_val", variable.in_unit(variable.default).into()),
        ("reset_val", variable.in_unit(&shown.reset).into()),
        ("pending_restart", false.into()),
    ]
}

/// `pg_timezone_names`, as of now.
pub(super) fn pg_timezone_names() -> Vec<Sparse<'static>> {
    let now = Utc::now().naive_utc();
    let shown = |zone: &chrono_tz::Tz| {
        let offset = zone.offset_from_utc_datetime(&now);
        let seconds = i64::from(offset.fix().local_minus_utc());
        vec![
            ("name", zone.name().into()),
            ("abbrev", offset.abbreviation().into()),
            ("utc_offset", Cell::Int(seconds)),
            ("is_dst", (!offset.dst_offset().is_zero()).into()),
        ]
    };
    TZ_VARIANTS.iter().map(shown).collect()
}
