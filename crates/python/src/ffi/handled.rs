//! The exception that is being handled: what `raise` takes for its context.

use pyo3::ffi;
use pyo3::prelude::*;

use super::Object;

/// Runs `body` as if in an `except` clause that has caught `error`.
pub(crate) fn while_handling<R>(py: Python<'_>, error: &Object, body: impl FnOnce() -> R) -> R {
    // SAFETY: an attached thread and a live exception; what was handled before is handled again afterwards.
    unsafe {
        let before = ffi::PyErr_GetHandledException();
        ffi::PyErr_SetHandledException(error.as_ptr());
        let result = body();
        ffi::PyErr_SetHandledException(before);
        if !before.is_null() {
            drop(Object::from_owned(py, before));
        }
        result
    }
}
