//! `await` inside of a native coroutine, of whatever can be awaited.

use pyo3::exceptions::{PyAttributeError, PyTypeError};
use pyo3::prelude::*;

use crate::delegate;
use crate::ffi::Object;
use crate::ffi::asyncio::is_coroutine;
use crate::ffi::call::call_method;
use crate::ffi::intern::intern;
use crate::ffi::resumable::{Input, Step};

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
        delegate::resume(py, &self.0, input)
    }

    /// For the garbage collector.
    pub(crate) fn object(&self) -> &Object {
        &self.0
    }
}
