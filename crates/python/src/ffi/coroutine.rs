//! Native objects that are resumed as coroutines are: the iterators of futures, and `sleep`, `Queue.get` and their like.
//!
//! To Python a native coroutine is a `collections.abc.Coroutine`: it is awaited once, may be made a task, thrown into and closed,
//! and warns if nobody has awaited it.

use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU8, Ordering};

use pyo3::exceptions::{PyGeneratorExit, PyRuntimeError, PyStopIteration, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTraceback, PyType};

use super::class::NO_GETTER;
use super::method::{call_instance, definition};
use super::stop::stop_with;
use super::{Arguments, Instance, Native, Object};

/// What a resumed object is given.
pub(crate) enum Input {
    Next,
    Throw(PyErr),
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

pub(crate) trait Resumable: Native {
    fn resume(py: Python<'_>, instance: &Instance<Self>, input: Input) -> PyResult<Step>;
}

/// Where a coroutine stands.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Stage {
    Created,
    Suspended,
    Running,
    Ended,
}

/// The life of a coroutine.
pub(crate) struct Life(AtomicU8);

impl Life {
    pub(crate) const fn new() -> Self {
        Self(AtomicU8::new(Stage::Created as u8))
    }

    fn stage(&self) -> Stage {
        match self.0.load(Ordering::Relaxed) {
            0 => Stage::Created,
            1 => Stage::Suspended,
            2 => Stage::Running,
            _ => Stage::Ended,
        }
    }

    fn set(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Relaxed);
    }

    /// Whether it needs a last word when it is dropped.
    pub(crate) fn is_open(&self) -> bool {
        self.stage() != Stage::Ended
    }

    /// Runs `body` for the next step. An error thrown in before the first step ends the coroutine; `first` tells that step
    /// from the others.
    pub(crate) fn drive(
        &self,
        input: Input,
        body: impl FnOnce(bool, Input) -> PyResult<Step>,
    ) -> PyResult<Step> {
        let first = match self.stage() {
            Stage::Running => return Err(PyValueError::new_err("coroutine already executing")),
            Stage::Ended => {
                return Err(PyRuntimeError::new_err("cannot reuse already awaited coroutine"));
            }
            Stage::Created => true,
            Stage::Suspended => false,
        };
        let input = match input {
            Input::Throw(error) if first => {
                self.set(Stage::Ended);
                return Err(error);
            }
            input => input,
        };
        self.set(Stage::Running);
        let result = body(first, input);
        self.set(if matches!(result, Ok(Step::Yield(_))) { Stage::Suspended } else { Stage::Ended });
        result
    }
}

/// A native coroutine.
pub(crate) trait Coroutine: Resumable {
    /// As asyncio's own: `sleep`, `Queue.get`.
    const QUALIFIED_NAME: &'static str;

    fn life(&self) -> &Life;

    /// The same for a class that serves several methods.
    fn qualified_name(&self) -> &'static str {
        Self::QUALIFIED_NAME
    }
}

/// What `Native::finalize` of a coroutine does: a warning if it never began; what waits is closed.
pub(crate) fn finalize<C: Coroutine>(instance: &Instance<C>, py: Python<'_>) {
    let outcome = match instance.life().stage() {
        Stage::Created => {
            instance.life().set(Stage::Ended);
            warn_never_awaited(py, instance.qualified_name())
        }
        Stage::Suspended => end(py, instance),
        Stage::Running | Stage::Ended => Ok(()),
    };
    if let Err(error) = outcome {
        error.write_unraisable(py, Some(instance.object().bind(py)));
    }
}

fn warn_never_awaited(py: Python<'_>, name: &str) -> PyResult<()> {
    let text = format!("coroutine '{name}' was never awaited");
    let category = py.get_type::<pyo3::exceptions::PyRuntimeWarning>();
    crate::imports::warn(py)?.call1((text, category)).map(drop)
}

fn end<R: Resumable>(py: Python<'_>, instance: &Instance<R>) -> PyResult<()> {
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

/// The slots of an object that is resumed by `next` and by `PyIter_Send`.
pub(crate) fn resumable_slots<R: Resumable>() -> Vec<ffi::PyType_Slot> {
    let slot = |slot, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    vec![
        slot(ffi::Py_tp_iternext, next::<R> as *mut c_void),
        slot(ffi::Py_am_send, send_slot::<R> as *mut c_void),
        // `yield from coroutine.__await__()` asks for it.
        itself_slot(ffi::Py_tp_iter),
    ]
}

/// The same, of a coroutine: it is its own awaitable.
pub(crate) fn coroutine_slots<C: Coroutine>() -> Vec<ffi::PyType_Slot> {
    let mut slots = resumable_slots::<C>();
    slots.push(itself_slot(ffi::Py_am_await));
    slots
}

pub(crate) fn itself_slot(slot: std::ffi::c_int) -> ffi::PyType_Slot {
    ffi::PyType_Slot { slot, pfunc: itself as *mut c_void }
}

pub(crate) fn resumable_methods<R: Resumable>() -> Vec<ffi::PyMethodDef> {
    vec![
        definition(c"send", c"send($self, value, /)\n--\n\nResumes it; see coroutine.send.", send::<R>),
        definition(
            c"throw",
            c"throw($self, type, value=None, traceback=None, /)\n--\n\nRaises in it; see coroutine.throw.",
            throw::<R>,
        ),
        definition(c"close", c"close($self)\n--\n\nEnds it; see coroutine.close.", close::<R>),
    ]
}

/// `__name__` and `__qualname__` of a coroutine.
pub(crate) fn coroutine_getters<C: Coroutine>() -> Vec<ffi::PyGetSetDef> {
    let getter = |name: &'static CStr, get: ffi::getter| ffi::PyGetSetDef {
        name: name.as_ptr(),
        get: Some(get),
        ..NO_GETTER
    };
    vec![getter(c"__name__", name::<C>), getter(c"__qualname__", qualified_name::<C>)]
}

unsafe extern "C" fn name<C: Coroutine>(
    coroutine: *mut ffi::PyObject,
    _closure: *mut c_void,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter on an attached thread with an instance of the class.
    unsafe {
        let whole = Instance::<C>::borrowed(&coroutine, |coroutine| coroutine.qualified_name());
        let name = whole.rsplit('.').next().unwrap_or(whole);
        PyString::new(Python::assume_attached(), name).into_ptr()
    }
}

unsafe extern "C" fn qualified_name<C: Coroutine>(
    coroutine: *mut ffi::PyObject,
    _closure: *mut c_void,
) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe {
        let name = Instance::<C>::borrowed(&coroutine, |coroutine| coroutine.qualified_name());
        PyString::new(Python::assume_attached(), name).into_ptr()
    }
}

/// Entries of the method table, generic over the class.
macro_rules! generic_method {
    ($name:ident, $body:ident) => {
        unsafe extern "C" fn $name<R: Resumable>(
            receiver: *mut ffi::PyObject,
            values: *const *mut ffi::PyObject,
            count: ffi::Py_ssize_t,
            names: *mut ffi::PyObject,
        ) -> *mut ffi::PyObject {
            // SAFETY: called by the interpreter for a method of this class.
            unsafe { call_instance::<R>(receiver, values, count, names, $body::<R>) }
        }
    };
}

generic_method!(send, send_method);
generic_method!(throw, throw_method);
generic_method!(close, close_method);

/// Whether the object is one of these coroutines.
///
/// # Safety
/// A live object.
pub(super) unsafe fn is_native(object: *mut ffi::PyObject) -> bool {
    // SAFETY: the caller's.
    let methods = unsafe { (*ffi::Py_TYPE(object)).tp_as_async };
    // SAFETY: null, or the type's table.
    !methods.is_null()
        && unsafe { (*methods).am_await }
            .is_some_and(|own| std::ptr::fn_addr_eq(own, itself as ffi::unaryfunc))
}

unsafe extern "C" fn itself(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter with a live object.
    unsafe { ffi::Py_NewRef(object) }
}

/// A panic becomes an exception, as everywhere.
unsafe fn resume<R: Resumable>(object: *mut ffi::PyObject, input: Input) -> PyResult<Step> {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    // SAFETY: the caller's: an attached thread, and a live instance of the class.
    unsafe {
        let py = Python::assume_attached();
        catch_unwind(AssertUnwindSafe(|| {
            Instance::<R>::borrowed(&object, |instance| R::resume(py, instance, input))
        }))
        .unwrap_or_else(|_| Err(pyo3::panic::PanicException::new_err("panic in Rust code")))
    }
}

unsafe extern "C" fn next<R: Resumable>(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter on an attached thread with an instance of the class.
    unsafe {
        let py = Python::assume_attached();
        match resume::<R>(object, Input::Next) {
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
    _value: *mut ffi::PyObject,
    result: *mut *mut ffi::PyObject,
) -> ffi::PySendResult {
    // SAFETY: as above; `result` is the caller's place for the answer.
    unsafe {
        let py = Python::assume_attached();
        match resume::<R>(object, Input::Next) {
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

fn send_method<R: Resumable>(
    py: Python<'_>,
    instance: &Instance<R>,
    _arguments: Arguments<'_>,
) -> PyResult<Object> {
    R::resume(py, instance, Input::Next).and_then(|step| answer(py, step))
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

fn close_method<R: Resumable>(py: Python<'_>, instance: &Instance<R>, _: Arguments<'_>) -> PyResult<Object> {
    end(py, instance)?;
    Ok(Object::none(py))
}
