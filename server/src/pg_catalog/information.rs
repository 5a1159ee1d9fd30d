//! Rows of `information_schema`.
//!
//! In: the view. Out: sparse rows of `tables`, `columns`, `schemata`, `views` and of the few
//! relations that name the database itself; those about rights, routines and keys are beside this.
//! All others (domains, triggers ...) have their columns and no rows.
//! Refuses to list the system's own relations, but those of `mobula`: the standard shows what a
//! user may work with.

use std::sync::{Arc, LazyLock};

use super::cells::Sparse;
use super::layout::{
    BOOTSTRAP_OID, MOBULA, PG_CATALOG, RAY, RELATIONS, SYSTEM_SCHEMAS, SystemRelation,
};
use super::{
    CatalogView, RelationKind, RelationRow, information_rights, information_routines, keys,
    type_names,
};
use crate::types::{self, ColumnType, oid};

/// The views of `mobula`, as if they were users'.
static OURS: LazyLock<Vec<RelationRow>> = LazyLock::new(|| {
    let ours = RELATIONS.iter().filter(|relation| [MOBULA, RAY].contains(&relation.schema));
    let row = |relation: &SystemRelation| RelationRow {
        oid: relation.oid,
        schema_oid: relation.schema_oid(),
        name: relation.name.to_owned(),
        kind: RelationKind::View,
        columns: Arc::clone(&relation.arrow),
        definition: None,
        location: None,
        owner_oid: BOOTSTRAP_OID,
    };
    ours.map(row).collect()
});

/// Everything that is listed.
pub(super) fn relations(view: &CatalogView) -> impl Iterator<Item = &RelationRow> {
    view.relations.iter().chain(OURS.iter())
}

/// The rows of that relation, or `None` if it never has any.
pub(super) fn rows<'a>(name: &str, view: &'a CatalogView) -> Option<Vec<Sparse<'a>>> {
    Some(match name {
        "tables" => relations(view).map(|row| table(view, row)).collect(),
        "columns" => relations(view).flat_map(|row| columns(view, row)).collect(),
        "schemata" => schemata(view),
        "views" => {
            let views = relations(view).filter(|row| row.kind == RelationKind::View);
            views.map(|row| view_row(view, row)).collect()
        }
        "character_sets" => vec![vec![
            ("character_set_name", "UTF8".into()),
            ("character_repertoire", "UCS".into()),
            ("form_of_use", "UTF8".into()),
            ("default_collate_catalog", view.database.as_str().into()),
            ("default_collate_schema", PG_CATALOG.into()),
            ("default_collate_name", "C".into()),
        ]],
        "information_schema_catalog_name" => {
            vec![vec![("catalog_name", view.database.as_str().into())]]
        }
        other => {
            let rights = information_rights::rows(other, view);
            let routines = || information_routines::rows(other, view);
            return rights.or_else(routines).or_else(|| keys::information(other, view));
        }
    })
}

/// The three columns that most relations begin with.
pub(super) fn prefix<'a>(view: &'a CatalogView, row: &'a RelationRow) -> Sparse<'a> {
    vec![
        ("table_catalog", view.database.as_str().into()),
        ("table_schema", view.schema_name(row.schema_oid).into()),
        ("table_name", row.name.as_str().into()),
    ]
}

/// The standard's truth values.
pub(super) fn yes_or_no(yes: bool) -> &'static str {
    if yes { "YES" } else { "NO" }
}

fn table<'a>(view: &'a CatalogView, row: &'a RelationRow) -> Sparse<'a> {
    let is_table = row.kind == RelationKind::Table;
    let mut cells = prefix(view, row);
    cells.push(("table_type", if is_table { "BASE TABLE" } else { "VIEW" }.into()));
    cells.push(("is_insertable_into", yes_or_no(is_table).into()));
    cells.push(("is_typed", "NO".into()));
    cells
}

fn view_row<'a>(view: &'a CatalogView, row: &'a RelationRow) -> Sparse<'a> {
    let mut cells = prefix(view, row);
    cells.push(("view_definition", row.definition.as_deref().into()));
    cells.push(("check_option", "NONE".into()));
    let never = [
        "is_updatable",
        "is_insertable_into",
        "is_trigger_updatable",
        "is_trigger_deletable",
        "is_trigger_insertable_into",
    ];
    cells.extend(never.map(|name| (name, "NO".into())));
    cells
}

fn schemata(view: &CatalogView) -> Vec<Sparse<'_>> {
    let system = SYSTEM_SCHEMAS.map(|(_, name)| (name, BOOTSTRAP_OID));
    let user = view.schemas.iter().map(|row| (row.name.as_str(), row.owner_oid));
    let is_new = |row: &(&str, u32)| system.iter().all(|known| known.0 != row.0);
    let all = system.into_iter().chain(user.filter(is_new));
    all.map(|(name, owner)| {
        vec![
            ("catalog_name", view.database.as_str().into()),
            ("schema_name", name.into()),
            ("schema_owner", view.role_name(owner).into()),
        ]
    })
    .collect()
}

fn columns<'a>(view: &'a CatalogView, row: &'a RelationRow) -> Vec<Sparse<'a>> {
    let fields = row.columns.fields().iter().enumerate();
    let column = |(at, field): (usize, &'a Arc<_>)| {
        let field: &datafusion::arrow::datatypes::Field = field;
        let of_type = types::pg_type_of(field);
        let mut cells = prefix(view, row);
        cells.push(("column_name", field.name().as_str().into()));
        cells.push(("ordinal_position", (at as i64 + 1).into()));
        cells.push(("is_nullable", yes_or_no(field.is_nullable()).into()));
        cells.push(("dtd_identifier", (at + 1).to_string().into()));
        cells.extend(sizes(of_type));
        cells.extend(names(view, of_type));
        let updatable = row.kind == RelationKind::Table;
        cells.push(("is_self_referencing", "NO".into()));
        cells.push(("is_identity", "NO".into()));
        cells.push(("identity_cycle", "NO".into()));
        cells.push(("is_generated", "NEVER".into()));
        cells.push(("is_updatable", yes_or_no(updatable).into()));
        cells
    };
    fields.map(column).collect()
}

/// How a column's type is called.
fn names(view: &CatalogView, of_type: ColumnType) -> Sparse<'_> {
    let row = type_names::by_oid(of_type.oid);
    let is_array = row.is_some_and(|row| row.element != 0 && row.array == 0);
    let word = match is_array {
        true => "ARRAY".to_owned(),
        false => type_names::format_type(of_type.oid, None),
    };
    vec![
        ("data_type", word.into()),
        ("udt_catalog", view.database.as_str().into()),
        ("udt_schema", PG_CATALOG.into()),
        ("udt_name", row.map(|row| row.name).into()),
    ]
}

/// What the standard tells of a type's sizes.
fn sizes(of_type: ColumnType) -> Sparse<'static> {
    let modifier = of_type.typmod.checked_sub(4).filter(|_| of_type.typmod >= 4);
    let number = |precision: i32, radix: i32, scale: Option<i32>| {
        vec![
            ("numeric_precision", precision.into()),
            ("numeric_precision_radix", radix.into()),
            ("numeric_scale", scale.into()),
        ]
    };
    match of_type.oid {
        oid::INT2 => number(16, 2, Some(0)),
        oid::INT4 => number(32, 2, Some(0)),
        oid::INT8 => number(64, 2, Some(0)),
        oid::FLOAT4 => number(24, 2, None),
        oid::FLOAT8 => number(53, 2, None),
        oid::NUMERIC => match modifier {
            Some(both) => number((both >> 16) & 0xffff, 10, Some(((both & 0x7ff) ^ 1024) - 1024)),
            None => vec![("numeric_precision_radix", 10.into())],
        },
        oid::VARCHAR | oid::BPCHAR => {
            let length = modifier.or((of_type.oid == oid::BPCHAR).then_some(1));
            // A character of UTF-8 takes four bytes at most; without a limit it is a gigabyte.
            let bytes = length.map_or(1 << 30, |length| length.saturating_mul(4));
            vec![
                ("character_maximum_length", length.into()),
                ("character_octet_length", bytes.into()),
            ]
        }
        oid::TEXT => vec![("character_octet_length", (1 << 30).into())],
        oid::DATE => vec![("datetime_precision", 0.into())],
        oid::TIME | oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::INTERVAL => {
            let digits = if of_type.typmod >= 0 { of_type.typmod & 0xffff } else { 6 };
            vec![("datetime_precision", digits.min(6).into())]
        }
        _ => vec![],
    }
}
