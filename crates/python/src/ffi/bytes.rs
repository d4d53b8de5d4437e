//! `bytes` in and out.

use std::slice;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::{Arg, Object};

/// Bytes that wait to be sent: a `bytes` object, whose content never moves and never changes.
pub(crate) struct Chunk(Object);

impl Chunk {
    /// The argument itself, without a copy, if it is exactly `bytes`.
    pub(crate) fn from_bytes(py: Python<'_>, argument: Arg<'_>) -> Option<Self> {
        // SAFETY: a live object.
        let exact = unsafe { ffi::PyBytes_CheckExact(argument.as_ptr()) } != 0;
        exact.then(|| Self(argument.to_object(py)))
    }

    /// `bytes(object)`, for anything with a buffer; no copy of what is exactly `bytes`.
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        // SAFETY: a live object; the result is new, or an error is set.
        unsafe { Object::from_result(object.py(), ffi::PyBytes_FromObject(object.as_ptr())) }.map(Self)
    }

    pub(crate) fn object(&self) -> &Object {
        &self.0
    }

    pub(crate) fn copy_of(py: Python<'_>, bytes: &[u8]) -> Self {
        Self(PyBytes::new(py, bytes).into())
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `from_bytes`, `of` and `copy_of` let in nothing but bytes objects, which are immutable and kept alive by us.
        unsafe {
            let start = ffi::PyBytes_AsString(self.0.as_ptr()).cast::<u8>();
            slice::from_raw_parts(start, ffi::PyBytes_Size(self.0.as_ptr()) as usize)
        }
    }
}
