//! Exceptions as objects.

use pyo3::ffi;
use pyo3::prelude::*;

use super::Object;

/// What `raise exception` does: the one that is being handled becomes its context.
pub(crate) fn raised(py: Python<'_>, exception: &Object) -> PyErr {
    // SAFETY: a live exception.
    unsafe { ffi::PyErr_SetObject(ffi::Py_TYPE(exception.as_ptr()).cast(), exception.as_ptr()) };
    PyErr::fetch(py)
}

/// `exception.__traceback__`
pub(crate) fn traceback_of(py: Python<'_>, exception: &Object) -> Option<Object> {
    // SAFETY: a live exception; the result is new, or there is none.
    unsafe {
        let traceback = ffi::PyException_GetTraceback(exception.as_ptr());
        (!traceback.is_null()).then(|| Object::from_owned(py, traceback))
    }
}

/// `exception.__traceback__ = traceback`
pub(crate) fn set_traceback(exception: &Object, traceback: Option<Object>) {
    // SAFETY: a live exception, and a traceback or None.
    unsafe {
        let traceback = traceback.as_ref().map_or_else(|| ffi::Py_None(), Object::as_ptr);
        ffi::PyException_SetTraceback(exception.as_ptr(), traceback);
    }
}

/// `exception.__context__ = context`
pub(crate) fn set_context(exception: &Object, context: Object) {
    if exception.as_ptr() != context.as_ptr() {
        // SAFETY: live exceptions; the reference to the context is given away.
        unsafe { ffi::PyException_SetContext(exception.as_ptr(), context.into_ptr()) };
    }
}

/// The exception, with its traceback, which Python 3.11 keeps apart from it until then.
pub(crate) fn value_of(py: Python<'_>, error: &PyErr) -> Object {
    error.clone_ref(py).into_value(py).into()
}
