//! `timeout`, `timeout_at`, and the class that they make.
//!
//! Entering, leaving in time, and rescheduling on a loop of ours are native. All else is asyncio's own code,
//! inherited: it finds the state under the names that it has given it.

mod block;
mod core;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyFloat, PyType};

use crate::event_loop::LoopCore;
use crate::event_loop::running::natively;
use crate::ffi::function::{Function, set_methods};
use crate::ffi::imports;
use crate::ffi::object::new_instance;
use crate::ffi::{Arguments, Object};
pub(crate) use block::leave;
use core::{HOOKS, TimeoutCore};

static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// `ironloop.Timeout`
fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    let class = CLASS.get(py).ok_or_else(|| PyRuntimeError::new_err("ironloop.timeouts is not imported"))?;
    Ok(class.bind(py))
}

fn make(py: Python<'_>, when: Option<Object>) -> PyResult<Object> {
    let made = new_instance(class(py)?)?;
    made.bind(py).cast::<TimeoutCore>()?.get().inner.with(|inner| inner.when = when);
    Ok(made)
}

/// `timeout(delay)`, while a loop of ours runs.
fn timeout(owner: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = owner.py();
    let [delay] = arguments.exactly(py, "timeout", ["delay"])?;
    if delay.is_none() {
        return make(py, None);
    }
    let (now, delay) = (LoopCore::time(owner)?, delay.bind(py));
    let when = match delay.cast_exact::<PyFloat>() {
        Ok(delay) => PyFloat::new(py, now + delay.value()).into(),
        Err(_) => PyFloat::new(py, now).add(delay)?.into(),
    };
    make(py, Some(when))
}

/// `timeout_at(when)`, while a loop of ours runs.
fn timeout_at(owner: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = owner.py();
    let [when] = arguments.exactly(py, "timeout_at", ["when"])?;
    make(py, Some(when.to_object(py)).filter(|when| !when.bind(py).is_none()))
}

/// Gives the class its native methods, and remembers it.
#[pyfunction]
fn native_timeout<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyType>> {
    let py = class.py();
    set_methods(class, &block::METHODS)?;
    HOOKS.learn(&[class])?;
    // A second import of the package in one process keeps the first.
    let _ = CLASS.set(py, class.clone().unbind());
    Ok(class.clone())
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    block::add_classes(py)?;
    module.add_class::<TimeoutCore>()?;
    module.add_function(wrap_pyfunction!(native_timeout, module)?)?;
    let stock = imports::stock_timeout_function(py)?.clone_ref(py);
    module.add("timeout", Function::make(py, natively!(timeout), stock)?.bind(py))?;
    let stock = imports::stock_timeout_at(py)?.clone_ref(py);
    module.add("timeout_at", Function::make(py, natively!(timeout_at), stock)?.bind(py))
}
