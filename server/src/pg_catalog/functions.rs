//! The functions that answer from the catalogs.
//!
//! In: a view. Out: scalar functions under their PostgreSQL names, and a few called `mobula_*`
//! that the planner's rewrite of catalog queries puts in the place of casts and syntax.
//! Refuses to know SQL text: that is the planner's side of the same names.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::CatalogView;

mod arrays;
mod by_type;
mod describe;
mod effects;
mod json;
mod locks;
mod privileges;
mod procs;
mod reg;
mod rows;
mod session;
mod sizes;
mod visible;

/// All of them, over that view.
pub(super) fn all(view: Arc<CatalogView>) -> Vec<Arc<ScalarUDF>> {
    let tables = [
        describe::FUNCTIONS,
        effects::FUNCTIONS,
        locks::FUNCTIONS,
        privileges::FUNCTIONS,
        procs::FUNCTIONS,
        reg::FUNCTIONS,
        session::FUNCTIONS,
        sizes::FUNCTIONS,
        visible::FUNCTIONS,
    ];
    session::note_start();
    let by_row = tables.into_iter().flatten();
    let by_row = by_row.map(|function| rows::udf(function, Arc::clone(&view)));
    by_row.chain(by_type::all()).map(Arc::new).collect()
}
