//! How an iterator that is no generator returns a value: by `StopIteration`.
//!
//! Each await of a native object that gives a value ends so, and the interpreter takes the exception apart at
//! once. Up to Python 3.11 the value alone will do. Later ones want an instance: ours come from a pool.

#[cfg(Py_3_12)]
use std::{ffi::c_void, mem::ManuallyDrop};

use pyo3::ffi;
use pyo3::prelude::*;

use super::Object;
#[cfg(Py_3_12)]
use super::derived::{Derived, DerivedClass, track};

#[cfg(Py_3_12)]
static STOP: DerivedClass = DerivedClass::new();

#[cfg(Py_3_12)]
struct Stop;

#[cfg(Py_3_12)]
super::owned!(Stop { clears nothing; });

#[cfg(Py_3_12)]
impl Derived for Stop {
    const NAME: &'static std::ffi::CStr = c"ironloop.StopIteration";
    const DOC: &'static std::ffi::CStr = c"The end of a native awaitable.";
    type Fields = ffi::PyStopIterationObject;

    fn class() -> &'static DerivedClass {
        &STOP
    }

    fn begin(_: &Self::Fields) -> Self {
        Self
    }

    fn has_last_words(_: &Self::Fields) -> bool {
        false
    }

    fn end(&self, _: &Self::Fields) {}
}

/// Makes the class, where there is one.
#[cfg(Py_3_12)]
pub(crate) fn prepare(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let base = module.py().get_type::<pyo3::exceptions::PyStopIteration>();
    let hidden = PyModule::new(module.py(), "ironloop._ironloop")?;
    let looked_at = ffi::PyType_Slot { slot: ffi::Py_tp_getattro, pfunc: looked_at as *mut c_void };
    STOP.create::<Stop>(&hidden, &base, &[], &[], &[looked_at])
}

/// Somebody has caught it: it has a traceback, which may lead back to it.
#[cfg(Py_3_12)]
unsafe extern "C" fn looked_at(stop: *mut ffi::PyObject, name: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter on an attached thread with an instance of the class.
    unsafe {
        track(&ManuallyDrop::new(Object::from_owned(Python::assume_attached(), stop)));
        ffi::PyObject_GenericGetAttr(stop, name)
    }
}

#[cfg(not(Py_3_12))]
pub(crate) fn prepare(_: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}

/// Sets `StopIteration(value)`; for None nothing need be set.
#[cfg(Py_3_12)]
pub(crate) fn stop_with(py: Python<'_>, value: Object) {
    // SAFETY: an attached thread; the new instance is ours alone, and has the fields of the base.
    unsafe {
        if value.as_ptr() == ffi::Py_None() {
            return;
        }
        match STOP.instantiate::<Stop>(py) {
            Ok(stop) => {
                let stop = stop.into_object().into_ptr();
                let fields = stop.cast::<ffi::PyStopIterationObject>();
                (*fields).args = ffi::PyTuple_New(0);
                (*fields).value = value.into_ptr();
                ffi::PyErr_SetRaisedException(stop);
            }
            Err(error) => error.restore(py),
        }
    }
}

/// The same; not for a value that would be taken apart, or taken for the exception itself.
#[cfg(not(Py_3_12))]
pub(crate) fn stop_with(_py: Python<'_>, value: Object) {
    // SAFETY: an attached thread, live objects.
    unsafe {
        let value = value.as_ptr();
        if value == ffi::Py_None() {
            return;
        }
        if ffi::PyTuple_Check(value) == 0 && ffi::PyExceptionInstance_Check(value) == 0 {
            ffi::PyErr_SetObject(ffi::PyExc_StopIteration, value);
            return;
        }
        let stop = ffi::PyObject_CallOneArg(ffi::PyExc_StopIteration, value);
        if !stop.is_null() {
            ffi::PyErr_SetObject(ffi::PyExc_StopIteration, stop);
            ffi::Py_DECREF(stop);
        }
    }
}
