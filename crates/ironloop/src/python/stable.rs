//! What the stable ABI has since Python 3.10, declared here: PyO3 hides it from a module that is built for an
//! older one (`abi3-py39`). Such a module needs 3.10 where it runs.

use std::ffi::{c_int, c_ulong};

use pyo3::ffi::PyObject;

/// The slot of a class for [`PyIter_Send`].
pub(super) const AM_SEND: c_int = 81;

/// A flag of a class: it has no constructor.
pub(super) const DISALLOW_INSTANTIATION: c_ulong = 1 << 7;

/// CPython's `PySendResult`.
#[repr(C)]
pub(super) enum Sent {
    /// The coroutine has returned.
    Returned = 0,
    /// An exception is set.
    Failed = -1,
    /// The coroutine yields.
    Yielded = 1,
}

unsafe extern "C" {
    /// Resumes an iterator; the result is a new reference, or null.
    pub(super) fn PyIter_Send(
        iterator: *mut PyObject,
        value: *mut PyObject,
        result: *mut *mut PyObject,
    ) -> Sent;
}
