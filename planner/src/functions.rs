//! Functions that PostgreSQL has and DataFusion has not, or has otherwise. In: nothing. Out:
//! functions to register. Those that need a session or the catalog are the server's.

mod rank;
mod similar;

use std::sync::Arc;

use datafusion::execution::SessionState;
use datafusion::logical_expr::{ScalarUDF, WindowUDF};

/// Scalar functions.
pub fn scalar() -> Vec<Arc<ScalarUDF>> {
    vec![Arc::new(ScalarUDF::from(similar::SimilarToEscape::new()))]
}

/// The ranking window functions with PostgreSQL's `bigint` results.
pub(crate) fn ranks(state: &SessionState) -> Vec<Arc<WindowUDF>> {
    rank::NAMES.iter().filter_map(|name| rank::signed(state, name)).collect()
}
