//! `asyncio.Task(…)`: calls of a class of asyncio's that is written in C, answered by us while asyncio's
//! names are ours.
//!
//! The class stays what it is, under whatever name, and so do the classes below it: calls of the very class
//! alone look at the slot that is exchanged (`tp_vectorcall`, which nobody inherits), and asyncio leaves it
//! empty. Written under Python's lock, which whoever calls the class has.

use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

use super::ending::outlive_interpreter;
use super::method::enter;
use super::{Arguments, Object};

/// Who answers calls of a class of asyncio's.
pub(crate) trait Named {
    /// Nothing where asyncio's own answers: on another loop, and to refuse.
    fn make(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Option<Object>>;
}

/// From now on `T` answers calls of the class, or asyncio's own does again.
pub(crate) fn answer<T: Named>(class: &Bound<'_, PyType>, ours: bool) {
    let class = class.as_type_ptr();
    // SAFETY: a live type, of which nobody else writes the slot: asyncio has none there, and the names are
    // put and restored under a lock of theirs.
    unsafe {
        match (*class).tp_vectorcall {
            None if ours => (*class).tp_vectorcall = Some(called::<T>),
            Some(known) if !ours && ptr::fn_addr_eq(known, called::<T> as ffi::vectorcallfunc) => {
                (*class).tp_vectorcall = None;
            }
            _ => {}
        }
    }
}

unsafe extern "C" fn called<T: Named>(
    class: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter on an attached thread for a call of the class, whose arguments it
    // keeps.
    unsafe {
        let py = Python::assume_attached();
        let arguments = Arguments::new(values, ffi::PyVectorcall_NARGS(count), names);
        enter(py, || match T::make(py, arguments)? {
            Some(made) => Ok(made.into_ptr()),
            None => call_stock(py, class, arguments).map(Object::into_ptr),
        })
    }
}

/// What the interpreter does for a class whose slot is empty.
///
/// # Safety
/// A live class.
unsafe fn call_stock(
    py: Python<'_>,
    class: *mut ffi::PyObject,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    // Perhaps the thread has nothing else of ours.
    outlive_interpreter();
    let (values, positional, names) = arguments.raw_parts();
    let tuple = PyTuple::new(py, values[..positional].iter().map(|value| value.bind(py)))?;
    let keywords = names.map(|_| PyDict::new(py));
    if let (Some(keywords), Some(names)) = (&keywords, names) {
        for (name, value) in names.bind(py).cast::<PyTuple>()?.iter().zip(&values[positional..]) {
            keywords.set_item(name, value.bind(py))?;
        }
    }
    let keywords = keywords.as_ref().map_or(ptr::null_mut(), Bound::as_ptr);
    // SAFETY: the slot of `type` is there; a live class, a tuple, and a dictionary or nothing. The result is
    // new, or an error is set.
    unsafe {
        let call = (*ptr::addr_of!(ffi::PyType_Type)).tp_call;
        let made = call.map_or(ptr::null_mut(), |call| call(class, tuple.as_ptr(), keywords));
        Object::from_result(py, made)
    }
}
