//! Several awaitables at once: `gather`, `wait`, `shield`, `as_completed`; and `ensure_future` and `create_task`, which they
//! begin with.
//!
//! Each is told of its futures by one [`observer::Observer`], which stands in all of them: a child costs no object beyond its task.
//! Futures may be of any class. What is not plain (a future of a loop that does not run here, odd arguments) is
//! left to asyncio's own function.

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

use crate::event_loop::LoopCore;
use crate::ffi::function::{Body, Function};
use crate::ffi::imports;
use crate::ffi::observer;
use crate::ffi::{Arguments, Object};

/// Adds the functions.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    type Native = fn(&Bound<'_, LoopCore>, Arguments<'_>) -> PyResult<Object>;
    let py = module.py();
    observer::add_class::<gathering::Gather>(py)?;
    observer::add_class::<wait::Countdown>(py)?;
    observer::add_class::<shield::Shield>(py)?;
    wait::add_class(py)?;
    as_completed::add_classes(py)?;
    let functions: [(&str, Native, &Object); 6] = [
        ("gather", gather::gather, imports::stock_gather(py)?),
        ("wait", wait::wait, imports::stock_wait(py)?),
        ("shield", shield::shield, imports::stock_shield(py)?),
        ("as_completed", as_completed::as_completed, imports::stock_as_completed(py)?),
        ("ensure_future", tasks::ensure_future, imports::stock_ensure_future(py)?),
        ("create_task", tasks::create_task, imports::stock_create_task(py)?),
    ];
    for (name, native, stock) in functions {
        let function = Function::make(py, Body::Native(native), stock.clone_ref(py))?;
        module.add(name, function.bind(py))?;
    }
    Ok(())
}

/// Adds the class of what `gather` returns, below asyncio's future.
pub(crate) fn add_classes(py: Python<'_>, base: &Bound<'_, PyType>) -> PyResult<()> {
    gathering::add_class(py, base)
}
