//! `bytes` that are still being filled. Belongs to the thread that made it.

use std::ffi::c_int;
use std::slice;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::Object;

unsafe extern "C" {
    // PyO3 leaves it out where it knows the limited API only.
    fn _PyBytes_Resize(bytes: *mut *mut ffi::PyObject, length: ffi::Py_ssize_t) -> c_int;
}

/// A `bytes` object that nobody else has seen. Its content is whatever the memory held.
pub(crate) struct Blank(Object);

impl Blank {
    pub(crate) fn new(py: Python<'_>, length: usize) -> PyResult<Self> {
        let length = length as ffi::Py_ssize_t;
        // SAFETY: the result is new, or an error is set. Without a source the content stays to be written.
        unsafe { Object::from_result(py, ffi::PyBytes_FromStringAndSize(std::ptr::null(), length)) }.map(Self)
    }

    /// Only to write to: what has not been written has no value. (Of length 0 the object is everybody's.)
    pub(crate) fn room(&mut self) -> &mut [u8] {
        // SAFETY: `new` made it, and gave it to nobody: it may be written to. The allocator's bytes are read by
        // nobody: the kernel writes, and `finish` keeps what it has written.
        unsafe {
            let start = ffi::PyBytes_AS_STRING(self.0.as_ptr()).cast::<u8>();
            slice::from_raw_parts_mut(start.cast_mut(), ffi::Py_SIZE(self.0.as_ptr()) as usize)
        }
    }

    /// The object, of which so many bytes have been written.
    pub(crate) fn finish<'py>(self, py: Python<'py>, length: usize) -> PyResult<Bound<'py, PyBytes>> {
        assert!(length <= self.0.bind(py).len()?, "more than there was room for");
        let mut bytes = self.0.into_ptr();
        // SAFETY: nobody else has the object, of which we own the reference. To resize it takes that, and leaves
        // one to what it became, or null with an error; `new` made it of exactly that class.
        unsafe {
            if ffi::Py_SIZE(bytes) != length as ffi::Py_ssize_t {
                _PyBytes_Resize(&raw mut bytes, length as ffi::Py_ssize_t);
            }
            Ok(Bound::from_owned_ptr_or_err(py, bytes)?.cast_into_unchecked())
        }
    }
}
