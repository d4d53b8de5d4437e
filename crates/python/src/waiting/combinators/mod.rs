//! Several awaitables at once: `gather`, `wait`, `shield`, `as_completed`; and `ensure_future` and
//! `create_task`, which they begin with.
//!
//! Each is told of its futures by one [`observer::Observer`], which stands in all of them: a child costs no
//! object beyond its task. Futures may be of any class. What is not plain (a future of a loop that does not
//! run here, odd arguments) is left to asyncio's own function.

mod as_completed;
mod awaiter;
mod children;
mod gather;
mod gathering;
mod shield;
mod tasks;
mod wait;

use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::event_loop::running::natively;
use crate::ffi::Object;
use crate::ffi::function::{Body, Function};
use crate::ffi::imports;
use crate::ffi::observer;

/// Adds the functions.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    observer::add_class::<gathering::Gather>(py)?;
    observer::add_class::<wait::Countdown>(py)?;
    observer::add_class::<shield::Shield>(py)?;
    wait::add_class(py)?;
    as_completed::add_classes(py)?;
    let functions: [(&str, Body, &Object); 6] = [
        ("gather", natively!(gather::gather), imports::stock_gather(py)?),
        ("wait", natively!(wait::wait), imports::stock_wait(py)?),
        ("shield", natively!(shield::shield), imports::stock_shield(py)?),
        ("as_completed", natively!(as_completed::as_completed), imports::stock_as_completed(py)?),
        ("ensure_future", natively!(tasks::ensure_future), imports::stock_ensure_future(py)?),
        ("create_task", natively!(tasks::create_task), imports::stock_create_task(py)?),
    ];
    for (name, body, stock) in functions {
        let function = Function::make(py, body, stock.clone_ref(py))?;
        module.add(name, function.bind(py))?;
    }
    Ok(())
}

/// Adds the class of what `gather` returns, below asyncio's future.
pub(crate) fn add_classes(py: Python<'_>, base: &Bound<'_, PyType>) -> PyResult<()> {
    gathering::add_class(py, base)
}
