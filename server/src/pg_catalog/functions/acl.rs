//! Access control lists: what `aclexplode` and `acldefault` tell.
//!
//! In: a list as text, `{alice=arw/bob,=r/bob}`; an object's letter and owner. Out: who gave what
//! to whom, a list for each of the four columns, which the planner's rewrite puts side by side.
//! Refuses to know whether any of it is enforced.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StructArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{DataFusionError, Result, internal_err};

use super::arrays::{flat, list_array, lists};
use super::by_type::TypeFunction;
use super::refusal;
use super::rows::Kind::{Int, Text};
use super::rows::{Arg, Function, strict};
use crate::error::SqlState;
use crate::pg_catalog::CatalogView;
use crate::pg_catalog::cells::Cell;
use crate::pg_catalog::layout::typed_field;
use crate::pg_catalog::lookup::{quote_ident, split_name};

pub(super) const FUNCTIONS: &[Function] = &[
    strict("mobula_acl_grantor", &[Text], "_oid", |v, a| column(v, a, |g| g.grantor.into())),
    strict("mobula_acl_grantee", &[Text], "_oid", |v, a| column(v, a, |g| g.grantee.into())),
    strict("mobula_acl_privilege", &[Text], "_text", |v, a| column(v, a, |g| g.privilege.into())),
    strict("mobula_acl_grantable", &[Text], "_bool", |v, a| column(v, a, |g| g.grantable.into())),
    strict("acldefault", &[Text, Int], "_aclitem", default),
];

/// Those four columns as one list of rows.
pub(super) const ROWS: TypeFunction = TypeFunction {
    name: "mobula_acl_rows",
    least_arguments: 4,
    most_arguments: 4,
    returns: |_| Ok(Field::new_list("", Field::new_list_field(row_type(), true), true)),
    call: rows,
};

fn row_type() -> DataType {
    DataType::Struct(Fields::from(vec![
        typed_field("grantor", "oid", true),
        typed_field("grantee", "oid", true),
        typed_field("privilege_type", "text", true),
        typed_field("is_grantable", "bool", true),
    ]))
}

fn rows(args: &[ArrayRef], _: &[FieldRef], of_type: &DataType) -> Result<ArrayRef> {
    let columns = args.iter().map(|array| flat(&lists(array)?)).collect::<Result<Vec<_>>>()?;
    let lengths = columns[0].1.clone();
    let DataType::Struct(fields) = row_type() else {
        return internal_err!("rows of an access control list are no struct");
    };
    let typed = columns.into_iter().zip(&fields);
    let typed = typed.map(|((values, _), field)| Ok(cast(&values, field.data_type())?));
    let typed = typed.collect::<Result<Vec<_>>>()?;
    list_array(Arc::new(StructArray::try_new(fields, typed, None)?), lengths, of_type)
}

/// Letters and words of the privileges, in the order in which PostgreSQL lists them.
const PRIVILEGES: [(char, &str); 14] = [
    ('a', "INSERT"),
    ('r', "SELECT"),
    ('w', "UPDATE"),
    ('d', "DELETE"),
    ('D', "TRUNCATE"),
    ('x', "REFERENCES"),
    ('t', "TRIGGER"),
    ('X', "EXECUTE"),
    ('U', "USAGE"),
    ('C', "CREATE"),
    ('T', "TEMPORARY"),
    ('c', "CONNECT"),
    ('s', "SET"),
    ('A', "ALTER SYSTEM"),
];

/// One privilege that one role gave to another, or to all (oid 0).
struct Grant {
    grantor: u32,
    grantee: u32,
    privilege: &'static str,
    grantable: bool,
}

fn column(view: &CatalogView, args: &[Arg<'_>], of: fn(&Grant) -> Cell) -> Result<Cell> {
    let text = args[0].text();
    let Some(inner) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else {
        return Err(malformed(format!("malformed array literal: \"{text}\"")));
    };
    let items = split_items(inner);
    let grants = items.iter().map(|item| grants(view, item)).collect::<Result<Vec<_>>>()?;
    Ok(Cell::List(grants.iter().flatten().map(of).collect()))
}

fn malformed(message: String) -> DataFusionError {
    refusal(SqlState::InvalidTextRepresentation, message)
}

/// The items of an array's text, without their quotes.
fn split_items(inner: &str) -> Vec<String> {
    let mut items = vec![];
    let mut item = String::new();
    let (mut quoted, mut chars) = (false, inner.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => item.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => items.push(std::mem::take(&mut item)),
            c => item.push(c),
        }
    }
    if !inner.is_empty() {
        items.push(item);
    }
    items
}

/// What `alice=ar*/bob` says.
fn grants(view: &CatalogView, item: &str) -> Result<Vec<Grant>> {
    let parts = item.split_once('=').and_then(|(to, rest)| Some((to, rest.split_once('/')?)));
    let Some((grantee, (letters, grantor))) = parts else {
        return Err(malformed(format!("invalid input syntax for type aclitem: \"{item}\"")));
    };
    let (grantee, grantor) = (role_oid(view, grantee), role_oid(view, grantor));
    let given = PRIVILEGES.iter().filter_map(|&(letter, privilege)| {
        let at = letters.find(letter)?;
        let grantable = letters[at + 1..].starts_with('*');
        Some(Grant { grantor, grantee, privilege, grantable })
    });
    Ok(given.collect())
}

/// The oid of a role, 0 for all roles; a role that is gone is written as its oid.
fn role_oid(view: &CatalogView, written: &str) -> u32 {
    let Some(name) = split_name(written).and_then(|parts| parts.into_iter().next()) else {
        return 0;
    };
    let found = view.roles.iter().find(|role| role.name == name).map(|role| role.oid.0);
    found.or_else(|| name.parse().ok()).unwrap_or(0)
}

/// What an object's owner and all others may do where nothing was granted or revoked.
fn default(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let (of_all, of_owner) = match args[0].text() {
        "c" | "p" => ("", ""),
        "r" => ("", "arwdDxt"),
        "s" => ("", "rwU"),
        "d" => ("Tc", "CTc"),
        "f" => ("X", "X"),
        "l" | "T" => ("U", "U"),
        "L" => ("", "rw"),
        "n" => ("", "UC"),
        "t" => ("", "C"),
        "F" | "S" => ("", "U"),
        other => {
            return Err(malformed(format!("unrecognized object type abbreviation: {other}")));
        }
    };
    let oid = args[1].oid();
    let owner = view.role_name(oid).map_or_else(|| oid.to_string(), quote_ident);
    let all = (!of_all.is_empty()).then(|| format!("={of_all}/{owner}"));
    let own = (!of_owner.is_empty()).then(|| format!("{owner}={of_owner}/{owner}"));
    Ok(Cell::List(all.into_iter().chain(own).map(Cell::Text).collect()))
}
