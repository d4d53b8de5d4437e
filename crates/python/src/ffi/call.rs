//! Calls without intermediate tuples.

use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::{Arg, Object};

/// As many positional arguments as a call from here ever has.
const MOST: usize = 4;

/// `callable(*arguments)`, for at most four arguments.
pub(crate) fn call(py: Python<'_>, callable: &Object, arguments: &[&Object]) -> PyResult<Object> {
    debug_assert!(arguments.len() <= MOST);
    // The free place in front lets a bound method put its object there.
    let mut list = [ptr::null_mut(); MOST + 1];
    for (place, argument) in list[1..].iter_mut().zip(arguments) {
        *place = argument.as_ptr();
    }
    let count = arguments.len().min(MOST) | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET;
    // SAFETY: the list holds that many live objects behind one free place; the result is new, or an error is
    // set.
    unsafe {
        let result =
            ffi::PyObject_Vectorcall(callable.as_ptr(), list.as_ptr().add(1), count, ptr::null_mut());
        Object::from_result(py, result)
    }
}

/// `callable(*arguments)` with those that come before the first that is missing.
#[inline(always)]
pub(crate) fn call_with(
    py: Python<'_>,
    callable: &Object,
    arguments: &[Option<Object>; 3],
) -> PyResult<Object> {
    let [a, b, c] =
        arguments.each_ref().map(|object| object.as_ref().map_or(ptr::null_mut(), Object::as_ptr));
    let list = [ptr::null_mut(), a, b, c];
    let count = match (a.is_null(), b.is_null(), c.is_null()) {
        (true, _, _) => 0,
        (_, true, _) => 1,
        (_, _, true) => 2,
        _ => 3,
    };
    let count = count | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET;
    // SAFETY: the list holds that many live objects behind one free place; the result is new, or an error is
    // set.
    unsafe {
        let result =
            ffi::PyObject_Vectorcall(callable.as_ptr(), list.as_ptr().add(1), count, ptr::null_mut());
        Object::from_result(py, result)
    }
}

/// `callable(*arguments)` with a ready-made tuple.
pub(crate) fn call_tuple(py: Python<'_>, callable: &Object, arguments: &Object) -> PyResult<Object> {
    // SAFETY: both references keep what they name; what is no tuple is an error. The result is new, or an error
    // is set.
    unsafe { Object::from_result(py, ffi::PyObject_CallObject(callable.as_ptr(), arguments.as_ptr())) }
}

/// `callable(*positional, **keywords)`: `values` are `positional` ones, then one for each of `names`.
pub(crate) fn call_named(
    callable: &Bound<'_, PyAny>,
    values: &[Arg<'_>],
    positional: usize,
    names: Option<&Bound<'_, PyAny>>,
) -> PyResult<Object> {
    let py = callable.py();
    let keywords = names.map_or(Ok(0), |names| names.len())?;
    assert!(positional + keywords == values.len(), "a call needs a value for each name");
    let names = names.map_or(ptr::null_mut(), Bound::as_ptr);
    // SAFETY: as many live objects as the call says; `Arg` has the layout of a pointer. The result is new, or
    // an error is set.
    unsafe {
        let result = ffi::PyObject_Vectorcall(callable.as_ptr(), values.as_ptr().cast(), positional, names);
        Object::from_result(py, result)
    }
}

/// `object.name(*arguments)`, for at most four arguments.
pub(crate) fn call_method(
    py: Python<'_>,
    object: &Object,
    name: &Bound<'_, PyString>,
    arguments: &[&Object],
) -> PyResult<Object> {
    debug_assert!(arguments.len() <= MOST);
    let mut list = [ptr::null_mut(); MOST + 1];
    list[0] = object.as_ptr();
    for (place, argument) in list[1..].iter_mut().zip(arguments) {
        *place = argument.as_ptr();
    }
    let count = arguments.len().min(MOST) + 1;
    // SAFETY: the list holds the object and that many arguments, which their references keep; the result is
    // new, or an error is set.
    unsafe {
        let result = ffi::PyObject_VectorcallMethod(name.as_ptr(), list.as_ptr(), count, ptr::null_mut());
        Object::from_result(py, result)
    }
}
