//! `bytes` in and out, and `bytearray`.

use std::slice;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes};

use super::{Arg, Object};

/// A `bytes` object, whose content never moves and never changes.
pub(crate) struct Bytes(Object);

impl Bytes {
    /// The argument itself, without a copy, if it is exactly `bytes`.
    pub(crate) fn exact(py: Python<'_>, argument: Arg<'_>) -> Option<Self> {
        // SAFETY: a live object.
        let exact = unsafe { ffi::PyBytes_CheckExact(argument.as_ptr()) } != 0;
        exact.then(|| Self(argument.to_object(py)))
    }

    /// `bytes(object)`, for anything with a buffer; no copy of what is exactly `bytes`.
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        // SAFETY: a live object; the result is new, or an error is set.
        unsafe { Object::from_result(object.py(), ffi::PyBytes_FromObject(object.as_ptr())) }.map(Self)
    }

    pub(crate) fn new(py: Python<'_>, content: &[u8]) -> Self {
        Self(PyBytes::new(py, content).into())
    }

    /// An object that is one.
    pub(super) fn known(object: Object) -> Self {
        Self(object)
    }

    pub(crate) fn object(&self) -> &Object {
        &self.0
    }

    pub(crate) fn into_object(self) -> Object {
        self.0
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `exact` and `of` let in nothing but bytes objects, which are immutable and kept alive by
        // us.
        unsafe {
            let start = ffi::PyBytes_AS_STRING(self.0.as_ptr()).cast::<u8>();
            slice::from_raw_parts(start, ffi::Py_SIZE(self.0.as_ptr()) as usize)
        }
    }
}

/// A `bytearray` that others may hold, and change, as well.
pub(crate) struct ByteArray(Object);

impl ByteArray {
    pub(crate) fn new(py: Python<'_>, bytes: &[u8]) -> Self {
        Self(PyByteArray::new(py, bytes).into())
    }

    /// The object itself, if it is exactly a `bytearray`.
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> Option<Self> {
        object.cast_exact::<PyByteArray>().ok().map(|array| Self(array.into()))
    }

    pub(crate) fn object(&self) -> &Object {
        &self.0
    }

    /// Whether nobody else refers to it.
    pub(crate) fn is_exclusive(&self) -> bool {
        // SAFETY: a live object.
        unsafe { ffi::Py_REFCNT(self.0.as_ptr()) == 1 }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: a bytearray, by construction. It may change only while this thread runs Python, and the
        // borrow does not last that long.
        unsafe {
            let start = ffi::PyByteArray_AsString(self.0.as_ptr()).cast::<u8>();
            slice::from_raw_parts(start, ffi::PyByteArray_Size(self.0.as_ptr()) as usize)
        }
    }

    /// Raises BufferError while somebody has a view of it. Runs no Python, nor do the others.
    pub(crate) fn append(&mut self, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
        let before = self.bytes().len();
        // SAFETY: this is a bytearray, of which nobody has a view when the call has succeeded; then there is
        // room for that many bytes.
        unsafe {
            if ffi::PyByteArray_Resize(self.0.as_ptr(), (before + bytes.len()) as ffi::Py_ssize_t) < 0 {
                return Err(PyErr::fetch(py));
            }
            let end = ffi::PyByteArray_AsString(self.0.as_ptr()).cast::<u8>().add(before);
            end.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        Ok(())
    }

    /// Raises BufferError as above.
    pub(crate) fn remove_front(&mut self, py: Python<'_>, count: usize) -> PyResult<()> {
        // SAFETY: a bytearray, which is a sequence.
        match unsafe { ffi::PySequence_DelSlice(self.0.as_ptr(), 0, count as ffi::Py_ssize_t) } {
            0 => Ok(()),
            _ => Err(PyErr::fetch(py)),
        }
    }
}
