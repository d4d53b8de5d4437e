//! pyo3-async-runtimes' API over ironloop's, for crates that are written for it: one line of
//! `[patch.crates-io]` puts this in its place.
//!
//! Futures are polled by Tokio's workers, at once, as they are there. What is new is the way back: who ends a
//! future sends its outcome [home](ironloop::python::Home), and the loop's own thread makes a Python object of
//! it. No worker attaches to Python for that, and nothing is asked of a loop that is closed, or of an
//! interpreter that ends. In a child that was forked the runtime is made anew.
//!
//! Not here: `async_std`, and the test harness (`testing`).

#![forbid(unsafe_code)]

#[cfg(feature = "async-std-runtime")]
compile_error!(
    "ironloop's pyo3-async-runtimes has Tokio only: leave this crate unpatched, or use tokio-runtime"
);
#[cfg(feature = "testing")]
compile_error!("ironloop's pyo3-async-runtimes has no test harness: run these tests unpatched");

mod answer;
mod call;
pub mod err;
pub mod generic;
mod locals;
#[cfg(feature = "unstable-streams")]
mod stream;
#[cfg(feature = "tokio-runtime")]
pub mod tokio;
mod way;

pub use answer::into_future_with_locals;
pub use locals::{TaskLocals, get_running_loop};

use pyo3::prelude::*;

/// A module with [`err::RustPanic`], to be added to one's own.
#[pymodule]
fn pyo3_async_runtimes(py: Python<'_>, module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("RustPanic", py.get_type::<err::RustPanic>())
}
