//! `await` inside of a native coroutine, of whatever can be awaited.

use pyo3::exceptions::{PyAttributeError, PyStopIteration, PyTypeError};
use pyo3::prelude::*;

use crate::ffi::Object;
use crate::ffi::asyncio::{Resumed, is_coroutine, send};
use crate::ffi::call::{call, call_method};
use crate::ffi::coroutine::{Input, Step};
use crate::ffi::intern::intern;

/// The iterator of one `await`.
pub(crate) struct Awaited(Object);

impl Awaited {
    /// A `TypeError` if it cannot be awaited.
    pub(crate) fn of(py: Python<'_>, awaitable: Object) -> PyResult<Self> {
        if is_coroutine(&awaitable) {
            return Ok(Self(awaitable));
        }
        match call_method(py, &awaitable, intern!(py, "__await__"), &[]) {
            Err(error) if error.is_instance_of::<PyAttributeError>(py) => {
                let kind = awaitable.bind(py).get_type().name()?;
                let text = format!("object {kind} can't be used in 'await' expression");
                Err(PyTypeError::new_err(text))
            }
            iterator => iterator.map(Self),
        }
    }

    /// Resumes it. What it returns, and what it raises, is the outcome of the `await`.
    pub(crate) fn resume(&self, py: Python<'_>, input: Input) -> PyResult<Step> {
        match input {
            Input::Next => Ok(match send(py, &self.0)? {
                Resumed::Yielded(yielded) => Step::Yield(yielded),
                Resumed::Returned(value) => Step::Return(value),
            }),
            Input::Throw(error) => self.throw(py, error),
        }
    }

    fn throw(&self, py: Python<'_>, error: PyErr) -> PyResult<Step> {
        let Some(throw) = self.0.bind(py).getattr_opt(intern!(py, "throw"))? else {
            return Err(error);
        };
        match call(py, &throw.into(), &[&error.into_value(py).into()]) {
            Ok(yielded) => Ok(Step::Yield(yielded)),
            Err(stop) if stop.is_instance_of::<PyStopIteration>(py) => {
                stop.value(py).getattr(intern!(py, "value")).map(|value| Step::Return(value.into()))
            }
            Err(error) => Err(error),
        }
    }

    /// For the garbage collector.
    pub(crate) fn object(&self) -> &Object {
        &self.0
    }
}
