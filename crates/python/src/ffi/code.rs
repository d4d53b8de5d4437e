//! Whether a Python function still runs the code that it was written with.
//!
//! Some tools (Datadog's) leave a function where it is and exchange its code. Whoever stands for the function
//! natively has to notice.

use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::Object;

/// The code of a function when it was first seen.
pub(crate) enum Code {
    Compiled(Object),
    /// A tool was there before us: the code is the tool's, or the function.
    Exchanged,
}

impl Code {
    pub(crate) fn of(py: Python<'_>, function: &Object) -> PyResult<Self> {
        let code = code_of(function);
        if code.is_null() {
            return Ok(Self::Exchanged);
        }
        // SAFETY: a live object.
        let code = unsafe { Object::from_owned(py, ffi::Py_NewRef(code)) };
        Ok(if is_compiled(py, &code)? { Self::Compiled(code) } else { Self::Exchanged })
    }

    /// Whether the function of which this was made still runs it.
    pub(crate) fn is_run_by(&self, function: &Object) -> bool {
        match self {
            Self::Compiled(code) => code_of(function) == code.as_ptr(),
            Self::Exchanged => false,
        }
    }
}

/// A compiler has no functions among its constants: those are there to call a tool.
fn is_compiled(py: Python<'_>, code: &Object) -> PyResult<bool> {
    let constants = code.bind(py).getattr("co_consts")?;
    // SAFETY: live objects.
    Ok(constants
        .cast::<PyTuple>()?
        .iter()
        .all(|constant| unsafe { ffi::PyFunction_Check(constant.as_ptr()) == 0 }))
}

/// The code of a Python function, or null.
fn code_of(function: &Object) -> *mut ffi::PyObject {
    // SAFETY: a live object; only a function is asked.
    unsafe {
        if ffi::PyFunction_Check(function.as_ptr()) == 0 {
            return ptr::null_mut();
        }
        ffi::PyFunction_GetCode(function.as_ptr())
    }
}
