//! `await`: what a native coroutine does with the object that it awaits.

use pyo3::exceptions::{PyGeneratorExit, PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;

use crate::ffi::Object;
use crate::ffi::asyncio::{Resumed, View, is_coroutine, is_native_coroutine, send};
use crate::ffi::call::{call, call_method};
use crate::ffi::intern::intern;
use crate::ffi::resumable::{Input, Step};

/// The iterator of an awaitable. `awaited` is a Python coroutine function that awaits its argument: it knows the rules, and the
/// errors, for all that is not common.
pub(crate) fn iterator_of(py: Python<'_>, awaitable: &Object, awaited: &Object) -> PyResult<Object> {
    if is_native_coroutine(awaitable) {
        return Ok(awaitable.clone_ref(py));
    }
    if is_coroutine(awaitable) {
        if !awaitable.bind(py).getattr(intern!(py, "cr_await"))?.is_none() {
            return Err(PyRuntimeError::new_err("coroutine is being awaited already"));
        }
        return Ok(awaitable.clone_ref(py));
    }
    if View::of(awaitable).is_some() {
        return awaitable.bind(py).try_iter().map(Object::from);
    }
    call(py, awaited, &[awaitable])
}

/// Hands on to the iterator what the coroutine is resumed with.
pub(crate) fn resume(py: Python<'_>, iterator: &Object, input: Input) -> PyResult<Step> {
    match input {
        Input::Next => Ok(match send(py, iterator)? {
            Resumed::Yielded(yielded) => Step::Yield(yielded),
            Resumed::Returned(value) => Step::Return(value),
        }),
        Input::Throw(error) if error.is_instance_of::<PyGeneratorExit>(py) => {
            call_method(py, iterator, intern!(py, "close"), &[])?;
            Err(error)
        }
        Input::Throw(error) => {
            let error = error.into_value(py).into();
            match call_method(py, iterator, intern!(py, "throw"), &[&error]) {
                Ok(yielded) => Ok(Step::Yield(yielded)),
                Err(stop) if stop.is_instance_of::<PyStopIteration>(py) => {
                    stop.value(py).getattr(intern!(py, "value")).map(|value| Step::Return(value.into()))
                }
                Err(error) => Err(error),
            }
        }
    }
}

/// Runs a coroutine that never waits to its end.
pub(crate) fn complete(py: Python<'_>, coroutine: &Object) -> PyResult<Object> {
    match send(py, coroutine)? {
        Resumed::Returned(value) => Ok(value),
        Resumed::Yielded(_) => Err(PyRuntimeError::new_err("a coroutine waits that never waits")),
    }
}
