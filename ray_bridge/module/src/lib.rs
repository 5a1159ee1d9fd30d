//! The Rust half of Ray's Python processes. In a worker it runs tasks; in the driver it is where
//! the server's calls arrive. Python holds the references and talks to Ray.

mod bridge;
mod buffers;
mod token;
mod worker;

use pyo3::prelude::*;

/// As in the server: many threads build batches.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The module `mobula_ray._native`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(token::wants_token, module)?)?;
    module.add_function(wrap_pyfunction!(worker::run_task, module)?)?;
    module.add_function(wrap_pyfunction!(bridge::serve, module)?)
}
