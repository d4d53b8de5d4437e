//! `bytes` that are still being filled, and those that nobody has any more. Belongs to the thread that made it.

use std::ffi::c_int;
use std::slice;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::{Bytes, Object};

unsafe extern "C" {
    // PyO3 leaves it out where it knows the limited API only.
    fn _PyBytes_Resize(bytes: *mut *mut ffi::PyObject, length: ffi::Py_ssize_t) -> c_int;
}

/// A `bytes` object that nobody else has. Its content is whatever the memory held.
pub(crate) struct Blank {
    bytes: Object,
    /// The length that it was made with.
    capacity: usize,
}

impl Blank {
    pub(crate) fn new(py: Python<'_>, length: usize) -> PyResult<Self> {
        // SAFETY: the result is new, or an error is set. Without a source the content stays to be written.
        let bytes = unsafe {
            let made = ffi::PyBytes_FromStringAndSize(std::ptr::null(), length as ffi::Py_ssize_t);
            Object::from_result(py, made)
        }?;
        Ok(Self { bytes, capacity: length })
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether nobody has it any more to whom [`share`](Self::share) has given it.
    #[inline]
    pub(crate) fn is_exclusive(&self) -> bool {
        // SAFETY: a live object. It is shown to nobody who could bring it back (the collector does not know
        // `bytes`), and the interpreter borrows only from references that it has itself: so if ours is the only one,
        // it stays so.
        unsafe { ffi::Py_REFCNT(self.bytes.as_ptr()) == 1 }
    }

    /// Whether there is room for that much, and not much more: who keeps it keeps all of its memory.
    pub(crate) fn fits(&self, length: usize) -> bool {
        length <= self.capacity && length >= self.capacity - self.capacity / 8
    }

    /// Only to write to: what has not been written has no value. (Of length 0 the object is everybody's.)
    ///
    /// Nothing, if somebody has it.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.capacity > 0 && !self.is_exclusive() {
            return &mut [];
        }
        // SAFETY: `new` made it with that much room, and nobody else has it: it may be written to. The allocator's
        // bytes are read by nobody: the kernel writes, and `finish` and `share` show what it has written.
        unsafe {
            let start = ffi::PyBytes_AS_STRING(self.bytes.as_ptr()).cast::<u8>();
            slice::from_raw_parts_mut(start.cast_mut(), self.capacity)
        }
    }

    /// The object, of which so many bytes have been written.
    pub(crate) fn finish<'py>(self, py: Python<'py>, length: usize) -> PyResult<Bound<'py, PyBytes>> {
        assert!(length <= self.capacity, "more than there was room for");
        let mut bytes = self.bytes.into_ptr();
        // SAFETY: nobody else has the object, of which we own the reference. To resize it takes that, and leaves
        // one to what it became, or null with an error; `new` made it of exactly that class.
        unsafe {
            if ffi::Py_SIZE(bytes) != length as ffi::Py_ssize_t {
                _PyBytes_Resize(&raw mut bytes, length as ffi::Py_ssize_t);
            }
            Ok(Bound::from_owned_ptr_or_err(py, bytes)?.cast_into_unchecked())
        }
    }

    /// The same where the memory stays ours as well, and stays as it is.
    #[inline]
    pub(crate) fn share(&mut self, py: Python<'_>, length: usize) -> Bytes {
        assert!(length <= self.capacity && self.is_exclusive(), "more than there was room for");
        let bytes = self.bytes.as_ptr();
        // SAFETY: nobody else has the object, which has so much room and one byte more, for a zero. So it is as new:
        // the hash of what it was before is forgotten.
        unsafe {
            (*bytes.cast::<ffi::PyVarObject>()).ob_size = length as ffi::Py_ssize_t;
            forget_hash(bytes);
            *ffi::PyBytes_AS_STRING(bytes).cast_mut().add(length) = 0;
        }
        Bytes::known(self.bytes.clone_ref(py))
    }
}

/// # Safety
/// Exactly a `bytes` that nobody else has.
#[inline]
#[expect(deprecated)]
unsafe fn forget_hash(bytes: *mut ffi::PyObject) {
    // SAFETY: as the caller says.
    unsafe { (*bytes.cast::<ffi::PyBytesObject>()).ob_shash = -1 };
}
