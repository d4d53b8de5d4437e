//! Where the program's own code is that runs now: the innermost line that is neither asyncio's nor ours.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::Object;
use super::intern::intern;

/// A file's name, the string object that its code has, and a line in it.
pub(crate) fn caller(py: Python<'_>) -> Option<(Object, i32)> {
    // SAFETY: the interpreter's lock is held; the frame that runs is lent, and is taken with a reference.
    let frame = unsafe { Bound::<PyAny>::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) };
    let mut frame = frame?;
    while !is_the_programs(&frame) {
        // SAFETY: it is a frame, and what comes back is a reference of ours, or nothing.
        let back = unsafe {
            Bound::<PyAny>::from_owned_ptr_or_opt(py, ffi::PyFrame_GetBack(frame.as_ptr().cast()).cast())
        };
        frame = back?;
    }
    // SAFETY: it is a frame; its code is a reference of ours.
    let (code, line) = unsafe {
        let raw = frame.as_ptr().cast();
        (
            Bound::<PyAny>::from_owned_ptr_or_opt(py, ffi::PyFrame_GetCode(raw).cast())?,
            ffi::PyFrame_GetLineNumber(raw),
        )
    };
    let file = code.getattr(intern!(py, "co_filename")).ok()?;
    Some((file.into(), line))
}

/// Whether a frame's code is neither asyncio's nor ours.
pub(crate) fn is_the_programs(frame: &Bound<'_, PyAny>) -> bool {
    let globals = frame.getattr(intern!(frame.py(), "f_globals")).ok();
    let globals = globals.as_ref().and_then(|globals| globals.cast::<PyDict>().ok());
    let name = globals.and_then(|globals| globals.get_item(intern!(frame.py(), "__name__")).ok().flatten());
    let Some(name) = name.as_ref().and_then(|name| name.cast::<PyString>().ok()) else { return true };
    let name = name.to_string_lossy();
    !matches!(name.split('.').next(), Some("asyncio" | "ironloop"))
}
