//! `await` inside of a native coroutine, of whatever can be awaited.

use pyo3::prelude::*;

use crate::delegate;
use crate::ffi::Object;
use crate::ffi::resumable::{Input, Step};

/// The iterator of one `await`.
pub(crate) struct Awaited(Object);

impl Awaited {
    /// A `TypeError` if it cannot be awaited.
    pub(crate) fn of(py: Python<'_>, awaitable: Object) -> PyResult<Self> {
        delegate::iterator_of(py, &awaitable).map(Self)
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
