//! The functions that plans name, and the state plans are made with. In: an engine. Out: what every
//! process that makes or runs plans has: this one, and workers elsewhere.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::SessionState;
use exec::Engine;
use exec::codec::Functions;

use crate::text_output::WireText;

/// The state that every session's planning starts from.
///
/// # Errors
/// A function that cannot be registered; a bug.
pub fn base_state(engine: &Engine) -> Result<SessionState> {
    let (config, runtime) = (engine.session_config(), Arc::clone(engine.runtime()));
    planner::session::base_state(config, runtime, Arc::new(WireText))
}

/// The functions of that state.
///
/// # Errors
/// As [`base_state`].
pub fn all(engine: &Engine) -> Result<Functions> {
    base_state(engine).map(|state| planner::session::functions_of(&state))
}
