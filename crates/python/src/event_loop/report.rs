//! What becomes of exceptions that nobody else catches.

use crate::ffi::intern::intern;
use crate::ffi::raise::value_of;
use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::loop_core::LoopCore;
use crate::event_loop::task;
use crate::ffi::Object;

impl LoopCore {
    /// `SystemExit` and `KeyboardInterrupt` leave the loop; all else is for the exception handler.
    pub(crate) fn passes_through(py: Python<'_>, error: &PyErr) -> bool {
        error.is_instance_of::<PySystemExit>(py) || error.is_instance_of::<PyKeyboardInterrupt>(py)
    }

    /// A handle's callback has raised.
    pub(super) fn callback_failed(slf: &Bound<'_, Self>, handle: &Object, error: PyErr) -> PyResult<()> {
        let py = slf.py();
        if Self::passes_through(py, &error) {
            return Err(error);
        }
        task::vacate(slf)?;
        slf.call_method1(intern!(py, "_callback_failed"), (handle.bind(py), value_of(py, &error).bind(py)))
            .map(drop)
    }

    /// `call_exception_handler` with a message, the exception and what it is about.
    pub(crate) fn report(
        slf: &Bound<'_, Self>,
        message: &str,
        error: PyErr,
        about: &[(&str, Option<&Object>)],
    ) -> PyResult<()> {
        let py = slf.py();
        if Self::passes_through(py, &error) {
            return Err(error);
        }
        let context = PyDict::new(py);
        context.set_item("message", message)?;
        context.set_item("exception", value_of(py, &error).bind(py))?;
        for (name, object) in about {
            if let Some(object) = object {
                context.set_item(name, object.bind(py))?;
            }
        }
        slf.call_method1(intern!(py, "call_exception_handler"), (context,)).map(drop)
    }
}
