//! What `coroutine.__await__()` gives to Python code: an iterator that resumes the coroutine, which is no
//! iterator itself.
//!
//! (To the interpreter's `await` a native coroutine is its own iterator, and needs none of these.)

use std::ffi::{CStr, c_void};

use pyo3::ffi;
use pyo3::prelude::*;

use super::intern::intern;
use super::method::enter;
use super::resumable::itself_slot;
use super::{Arguments, Class, Instance, Native, Object, method, owned};

struct Wrapper {
    coroutine: Object,
}

owned!(Wrapper { visits: coroutine; clears nothing; });

static WRAPPER: Class = Class::new();

impl Native for Wrapper {
    const NAME: &'static CStr = c"ironloop.coroutine_wrapper";
    const DOC: &'static CStr = c"An await of a coroutine.";
    const OPEN: bool = false;
    const TRACKED: bool = true;
    const FINALIZES: bool = false;

    fn class() -> &'static Class {
        &WRAPPER
    }
}

/// `coroutine.__await__`, in the place of the one that the class would have of its slot.
pub(super) fn method() -> ffi::PyMethodDef {
    ffi::PyMethodDef {
        ml_name: c"__await__".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: wrap },
        ml_flags: ffi::METH_NOARGS | ffi::METH_COEXIST,
        ml_doc: c"__await__($self, /)\n--\n\nAn iterator to await it by.".as_ptr(),
    }
}

unsafe extern "C" fn wrap(coroutine: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter on an attached thread, for a method of a native coroutine.
    unsafe {
        let py = Python::assume_attached();
        enter(py, || {
            let coroutine = Object::from_owned(py, ffi::Py_NewRef(coroutine));
            Ok(WRAPPER.instantiate(py, Wrapper { coroutine })?.into_object().into_ptr())
        })
    }
}

/// The coroutine that it is around.
///
/// # Safety
/// An instance of the class.
unsafe fn inner(wrapper: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the callers are slots and methods of the class: the interpreter has checked the instance. Its
    // payload is in place as long as it lives.
    unsafe { (*WRAPPER.payload::<Wrapper>(wrapper)).coroutine.as_ptr() }
}

unsafe extern "C" fn next(wrapper: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter with an instance of the class. Native coroutines have the slot.
    unsafe {
        let coroutine = inner(wrapper);
        match (*ffi::Py_TYPE(coroutine)).tp_iternext {
            Some(next) => next(coroutine),
            None => std::ptr::null_mut(),
        }
    }
}

unsafe extern "C" fn send_slot(
    wrapper: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    result: *mut *mut ffi::PyObject,
) -> ffi::PySendResult {
    // SAFETY: called by the interpreter with an instance of the class, and its place for the answer.
    unsafe { ffi::PyIter_Send(inner(wrapper), value, result) }
}

fn send(py: Python<'_>, wrapper: &Instance<Wrapper>, arguments: Arguments<'_>) -> PyResult<Object> {
    pass_on(py, wrapper, intern!(py, "send"), arguments)
}

fn throw(py: Python<'_>, wrapper: &Instance<Wrapper>, arguments: Arguments<'_>) -> PyResult<Object> {
    pass_on(py, wrapper, intern!(py, "throw"), arguments)
}

fn close(py: Python<'_>, wrapper: &Instance<Wrapper>, arguments: Arguments<'_>) -> PyResult<Object> {
    pass_on(py, wrapper, intern!(py, "close"), arguments)
}

fn pass_on(
    py: Python<'_>,
    wrapper: &Instance<Wrapper>,
    name: &Bound<'_, pyo3::types::PyString>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    arguments.pass_on(py, &wrapper.coroutine.bind(py).getattr(name)?.into())
}

pub(crate) fn add_class(py: Python<'_>) -> PyResult<()> {
    let slot = |slot, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let methods = [
        method!(Wrapper, c"send", c"send($self, value, /)\n--\n\nResumes the coroutine.", send),
        method!(
            Wrapper,
            c"throw",
            c"throw($self, type, value=None, traceback=None, /)\n--\n\nRaises in the coroutine.",
            throw
        ),
        method!(Wrapper, c"close", c"close($self, /)\n--\n\nEnds the coroutine.", close),
    ];
    let slots = [
        slot(ffi::Py_tp_iternext, next as *mut c_void),
        slot(ffi::Py_am_send, send_slot as *mut c_void),
        itself_slot(ffi::Py_tp_iter),
    ];
    WRAPPER.create_hidden::<Wrapper>(py, &methods, &[], &slots)
}
