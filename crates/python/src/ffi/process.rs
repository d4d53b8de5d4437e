//! The module's place in the process.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

/// Takes the process for the interpreter that imports the module, or says why that cannot be.
///
/// The classes, and what is cached, are of the process: those of another interpreter would be used as this
/// one's, and a second set of classes would take the place of the one that objects are made of.
pub(crate) fn claim(_py: Python<'_>) -> PyResult<()> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    // SAFETY: the thread is attached (`_py`), so it has an interpreter; the other call reads one variable of
    // the process.
    let is_main = unsafe { ffi::PyInterpreterState_Get() == ffi::PyInterpreterState_Main() };
    let refusal = if !is_main {
        "ironloop works in the main interpreter only, and this is a sub-interpreter"
    } else if TAKEN.swap(true, Ordering::Relaxed) {
        "ironloop was imported in this process before, and cannot be imported anew: keep its modules in sys.modules"
    } else {
        return Ok(());
    };
    Err(PyImportError::new_err(refusal))
}
