//! Native objects that are resumed as generators are: the iterators of futures, and coroutines.

use std::ffi::{CStr, c_void};
use std::ptr;

use pyo3::exceptions::{PyGeneratorExit, PyRuntimeError, PyStopIteration, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyTraceback, PyType};

use super::method::{call, get};
use super::stop::stop_with;
use super::{Arguments, Instance, Native, Object};

/// What a resumed object is given.
pub(crate) enum Input {
    /// A value for whoever has yielded, if it is not None: a loop sends none, but a driver between may.
    Next(Option<Object>),
    Throw(PyErr),
}

impl Input {
    /// `send(value)`
    ///
    /// # Safety
    /// On an attached thread, with a live object.
    unsafe fn of(py: Python<'_>, value: *mut ffi::PyObject) -> Self {
        // SAFETY: the slots that call this were given the value by the interpreter, which keeps it; None is
        // only compared.
        unsafe {
            let sent = (value != ffi::Py_None()).then(|| Object::from_owned(py, ffi::Py_NewRef(value)));
            Self::Next(sent)
        }
    }
}

/// How far it came.
pub(crate) enum Step {
    /// It waits for this: a future, or None for one turn of the loop.
    Yield(Object),
    Return(Object),
}

impl Step {
    pub(crate) fn nothing(py: Python<'_>) -> Self {
        Self::Return(Object::none(py))
    }
}

/// `coroutine.send(value)`, of whatever is resumed as generators are.
pub(crate) fn send(py: Python<'_>, coroutine: &Object, value: Option<&Object>) -> PyResult<Step> {
    let mut result = ptr::null_mut();
    // SAFETY: live objects; what comes back is new, or an error is set.
    unsafe {
        let value = value.map_or_else(|| ffi::Py_None(), Object::as_ptr);
        match ffi::PyIter_Send(coroutine.as_ptr(), value, &raw mut result) {
            ffi::PySendResult::PYGEN_NEXT => Ok(Step::Yield(Object::from_owned(py, result))),
            ffi::PySendResult::PYGEN_RETURN => Ok(Step::Return(Object::from_owned(py, result))),
            ffi::PySendResult::PYGEN_ERROR => Err(PyErr::fetch(py)),
        }
    }
}

pub(crate) fn is_generator(object: &Object) -> bool {
    // SAFETY: a live object.
    unsafe { ffi::PyGen_Check(object.as_ptr()) != 0 }
}

pub(crate) trait Resumable: Native {
    /// Whether it has come to its end, and there is nothing to close.
    fn is_over(&self) -> bool {
        false
    }

    fn resume(py: Python<'_>, instance: &Instance<Self>, input: Input) -> PyResult<Step>;
}

/// The slots of an object that is resumed by `next` and by `PyIter_Send`.
pub(crate) fn resumable_slots<R: Resumable>() -> Vec<ffi::PyType_Slot> {
    let slot = |slot, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    vec![
        slot(ffi::Py_tp_iternext, next::<R> as *mut c_void),
        send_slot_of::<R>(),
        // `yield from coroutine.__await__()` asks for it.
        itself_slot(ffi::Py_tp_iter),
    ]
}

pub(super) fn send_slot_of<R: Resumable>() -> ffi::PyType_Slot {
    ffi::PyType_Slot { slot: ffi::Py_am_send, pfunc: send_slot::<R> as *mut c_void }
}

pub(crate) fn itself_slot(slot: std::ffi::c_int) -> ffi::PyType_Slot {
    ffi::PyType_Slot { slot, pfunc: itself as *mut c_void }
}

/// None of them takes keywords, as those of generators and coroutines do not.
pub(crate) fn resumable_methods<R: Resumable>() -> Vec<ffi::PyMethodDef> {
    let method = |name: &'static CStr, doc: &'static CStr, function, flags| ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: function,
        ml_flags: flags,
        ml_doc: doc.as_ptr(),
    };
    vec![
        method(
            c"send",
            c"send($self, value, /)\n--\n\nResumes it; see coroutine.send.",
            ffi::PyMethodDefPointer { PyCFunction: send_method::<R> },
            ffi::METH_O,
        ),
        method(
            c"throw",
            c"throw($self, type, value=None, traceback=None, /)\n--\n\nRaises in it; see coroutine.throw.",
            ffi::PyMethodDefPointer { PyCFunctionFast: throw::<R> },
            ffi::METH_FASTCALL,
        ),
        method(
            c"close",
            c"close($self, /)\n--\n\nEnds it; see coroutine.close.",
            ffi::PyMethodDefPointer { PyCFunction: close::<R> },
            ffi::METH_NOARGS,
        ),
    ]
}

unsafe extern "C" fn send_method<R: Resumable>(
    receiver: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter on an attached thread, for a method of this class, with a live
    // object.
    unsafe {
        get::<R>(receiver, |py, instance| {
            R::resume(py, instance, Input::of(py, value)).and_then(|step| answer(py, step))
        })
    }
}

unsafe extern "C" fn throw<R: Resumable>(
    receiver: *mut ffi::PyObject,
    values: *mut *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter for a method of this class, without keywords.
    unsafe { call::<R>(receiver, values, count, ptr::null_mut(), throw_method::<R>) }
}

unsafe extern "C" fn close<R: Resumable>(
    receiver: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter for a method of this class.
    unsafe { get::<R>(receiver, |py, instance| end(py, instance).map(|()| Object::none(py))) }
}

unsafe extern "C" fn itself(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter with a live object.
    unsafe { ffi::Py_NewRef(object) }
}

/// A panic becomes an exception, as everywhere.
unsafe fn resume<R: Resumable>(object: *mut ffi::PyObject, input: Input) -> PyResult<Step> {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    // SAFETY: the slots that call this were called by the interpreter, on an attached thread with an instance
    // of the class.
    unsafe {
        let py = Python::assume_attached();
        catch_unwind(AssertUnwindSafe(|| {
            Instance::<R>::borrowed(&object, |instance| R::resume(py, instance, input))
        }))
        .unwrap_or_else(|_| Err(pyo3::panic::PanicException::new_err("panic in Rust code")))
    }
}

pub(super) unsafe extern "C" fn next<R: Resumable>(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter on an attached thread with an instance of the class.
    unsafe {
        let py = Python::assume_attached();
        match resume::<R>(object, Input::Next(None)) {
            Ok(Step::Yield(yielded)) => yielded.into_ptr(),
            Ok(Step::Return(value)) => {
                stop_with(py, value);
                ptr::null_mut()
            }
            Err(error) => {
                error.restore(py);
                ptr::null_mut()
            }
        }
    }
}

unsafe extern "C" fn send_slot<R: Resumable>(
    object: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    result: *mut *mut ffi::PyObject,
) -> ffi::PySendResult {
    // SAFETY: called by the interpreter on an attached thread with an instance of the class; `result` is the
    // caller's place for the answer.
    unsafe {
        let py = Python::assume_attached();
        match resume::<R>(object, Input::of(py, value)) {
            Ok(Step::Yield(yielded)) => {
                *result = yielded.into_ptr();
                ffi::PySendResult::PYGEN_NEXT
            }
            Ok(Step::Return(value)) => {
                *result = value.into_ptr();
                ffi::PySendResult::PYGEN_RETURN
            }
            Err(error) => {
                error.restore(py);
                *result = ptr::null_mut();
                ffi::PySendResult::PYGEN_ERROR
            }
        }
    }
}

/// A step taken by a method: its value comes as a common `StopIteration`.
fn answer(py: Python<'_>, step: Step) -> PyResult<Object> {
    match step {
        Step::Yield(yielded) => Ok(yielded),
        Step::Return(value) => {
            let stop = py.get_type::<PyStopIteration>();
            let none = value.bind(py).is_none();
            let stop = if none { stop.call0()? } else { stop.call1((value.bind(py),))? };
            Err(PyErr::from_value(stop))
        }
    }
}

fn throw_method<R: Resumable>(
    py: Python<'_>,
    instance: &Instance<R>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [kind, value, traceback] = arguments.bind(py, "throw", ["type", "value", "traceback"], 1)?;
    let kind = kind.map_or_else(|| py.None().into_bound(py), |kind| kind.bind(py).to_owned());
    let value = value.map(|value| value.bind(py).to_owned()).filter(|value| !value.is_none());
    let exception = if kind.is_instance_of::<PyType>() {
        match value {
            None => kind.call0()?,
            Some(value) if value.is_instance(&kind)? => value,
            Some(value) => kind.call1((value,))?,
        }
    } else {
        kind
    };
    if !exception.is_instance_of::<pyo3::exceptions::PyBaseException>() {
        let name = exception.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "exceptions must be classes or instances deriving from BaseException, not {name}"
        )));
    }
    let error = PyErr::from_value(exception);
    if let Some(traceback) = traceback.filter(|traceback| !traceback.is_none()) {
        error.set_traceback(py, Some(traceback.bind(py).to_owned().cast_into::<PyTraceback>()?));
    }
    R::resume(py, instance, Input::Throw(error)).and_then(|step| answer(py, step))
}

/// Closes it.
pub(super) fn end<R: Resumable>(py: Python<'_>, instance: &Instance<R>) -> PyResult<()> {
    if instance.is_over() {
        return Ok(());
    }
    // An instance, not a promise of one: PyO3 could not make it while the interpreter goes down.
    let exit = PyErr::from_value(py.get_type::<PyGeneratorExit>().call0()?);
    match R::resume(py, instance, Input::Throw(exit)) {
        Ok(Step::Yield(_)) => Err(PyRuntimeError::new_err("coroutine ignored GeneratorExit")),
        Ok(Step::Return(_)) => Ok(()),
        Err(error)
            if error.is_instance_of::<PyGeneratorExit>(py) || error.is_instance_of::<PyStopIteration>(py) =>
        {
            Ok(())
        }
        Err(error) => Err(error),
    }
}
