//! The functions that answer from the catalogs.
//!
//! In: a view. Out: scalar functions under their PostgreSQL names, and a few called `mobula_*`
//! that the planner's rewrite of catalog queries puts in the place of casts and syntax.
//! Refuses to know SQL text: that is the planner's side of the same names.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::logical_expr::ScalarUDF;

use super::CatalogView;
use crate::error::{PgError, SqlState};

mod acl;
mod arrays;
mod by_type;
mod definitions;
mod describe;
mod effects;
mod identifiers;
mod json;
mod locks;
mod names;
mod privileges;
mod procs;
mod reg;
mod rows;
mod session;
mod sizes;
mod versions;
mod visible;

/// All of them, over that view.
pub(super) fn all(view: Arc<CatalogView>) -> Vec<Arc<ScalarUDF>> {
    let tables = [
        acl::FUNCTIONS,
        definitions::FUNCTIONS,
        describe::FUNCTIONS,
        effects::FUNCTIONS,
        locks::FUNCTIONS,
        identifiers::FUNCTIONS,
        privileges::FUNCTIONS,
        procs::FUNCTIONS,
        reg::FUNCTIONS,
        session::FUNCTIONS,
        sizes::FUNCTIONS,
        versions::FUNCTIONS,
        visible::FUNCTIONS,
    ];
    session::note_start();
    let by_row = tables.into_iter().flatten();
    let by_row = by_row.map(|function| rows::udf(function, Arc::clone(&view)));
    let names = std::iter::once(names::udf(Arc::clone(&view)));
    by_row.chain(names).chain(by_type::all()).map(Arc::new).collect()
}

/// An error that a client sees as it is written here.
fn refusal(state: SqlState, message: impl Into<String>) -> DataFusionError {
    DataFusionError::External(Box::new(PgError::new(state, message)))
}
