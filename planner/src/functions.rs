//! Functions that PostgreSQL has and DataFusion has not, or has otherwise. In: nothing. Out:
//! functions to register. Those that need a session or the catalog are the server's.

mod clock;
mod numeric_cut;
mod rank;
mod rint;
mod similar;

use std::sync::Arc;

use datafusion::execution::SessionState;
use datafusion::logical_expr::{ScalarUDF, WindowUDF};

pub(crate) use numeric_cut::named as numeric_cut;

/// Scalar functions.
pub fn scalar() -> Vec<Arc<ScalarUDF>> {
    let mut functions = vec![
        Arc::new(ScalarUDF::from(similar::SimilarToEscape::new())),
        Arc::new(ScalarUDF::from(clock::Now::new())),
        Arc::new(ScalarUDF::from(clock::Clock::new())),
        rint(),
    ];
    functions.extend(numeric_cut::all());
    functions
}

/// Rounds a float half to even.
pub(crate) fn rint() -> Arc<ScalarUDF> {
    Arc::clone(&rint::RINT)
}

/// The ranking window functions with PostgreSQL's `bigint` results.
pub(crate) fn ranks(state: &SessionState) -> Vec<Arc<WindowUDF>> {
    rank::NAMES.iter().filter_map(|name| rank::signed(state, name)).collect()
}
