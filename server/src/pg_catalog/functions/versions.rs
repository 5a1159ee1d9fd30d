//! Numbers of transactions, as the hidden columns of the catalogs have them.
//!
//! In: the view. Out: its version as the number of the transaction that made every row, so that a
//! client that asks what changed since it looked is shown everything once anything did.
//! Refuses to know which change made which row.

use datafusion::common::Result;

use super::rows::Kind::Int;
use super::rows::{Arg, Function, strict};
use crate::pg_catalog::CatalogView;
use crate::pg_catalog::cells::Cell;

/// The first number that PostgreSQL gives to a transaction.
const FIRST: u64 = 3;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("mobula_xmin", &[], "xid", |view, _| Ok(number(view).into())),
    strict("mobula_no_xid", &[], "xid", |_, _| Ok(0.into())),
    strict("mobula_xid_age", &[Int], "int4", age),
];

fn number(view: &CatalogView) -> u32 {
    u32::try_from(FIRST + view.version).unwrap_or(u32::MAX)
}

/// How many changes ago; those below the first number are older than any, as in PostgreSQL.
fn age(view: &CatalogView, args: &[Arg<'_>]) -> Result<Cell> {
    let since = args[0].int();
    if since < FIRST as i64 {
        return Ok(i32::MAX.into());
    }
    let changes = i64::from(number(view)) - since;
    let limit = i64::from(i32::MAX);
    Ok(Cell::Int(changes.clamp(-limit, limit)))
}
