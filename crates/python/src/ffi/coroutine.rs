//! Native coroutines: `sleep`, `Queue.get` and their like.
//!
//! To Python a native coroutine is a `collections.abc.Coroutine`: it is awaited once, may be made a task, thrown into and closed,
//! and warns if nobody has awaited it.

use std::ffi::{CStr, c_int, c_void};
use std::sync::atomic::{AtomicU8, Ordering};

use pyo3::exceptions::{PyRuntimeError, PyStopIteration, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::class::{NO_GETTER, Pool};
use super::intern::intern;
use super::method::enter;
use super::raise::{set_context, value_of};
use super::resumable::{Input, Resumable, Step, end, resumable_methods, resumable_slots};
use super::{Class, Instance, Native, Object, Visit};

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
    fn is_open(&self) -> bool {
        self.stage() != Stage::Ended
    }

    /// Runs `body` for the next step. An error thrown in before the first step ends the coroutine; `first` tells that step
    /// from the others.
    fn drive(
        &self,
        py: Python<'_>,
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
                // Such a coroutine of Python code converts it by that code since Python 3.12, which does not run.
                return Err(if cfg!(Py_3_12) { error } else { stop_converted(py, error) });
            }
            Input::Next(Some(_)) if first => {
                let text = "can't send non-None value to a just-started coroutine";
                return Err(PyTypeError::new_err(text));
            }
            input => input,
        };
        self.set(Stage::Running);
        let result = body(first, input);
        self.set(if matches!(result, Ok(Step::Yield(_))) { Stage::Suspended } else { Stage::Ended });
        match result {
            Err(error) => Err(stop_converted(py, error)),
            step => step,
        }
    }
}

/// What leaves a coroutine as a `StopIteration` would be its result to whoever awaits it (PEP 479).
#[cold]
#[inline(never)]
fn stop_converted(py: Python<'_>, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyStopIteration>(py) {
        return error;
    }
    let converted = PyRuntimeError::new_err("coroutine raised StopIteration");
    set_context(&value_of(py, &converted), value_of(py, &error));
    converted.set_cause(py, Some(error));
    converted
}

/// The class of one kind of coroutine, and the memory of its dead instances.
pub(crate) struct Kind {
    class: Class,
    pool: Pool,
}

impl Kind {
    pub(crate) const fn new() -> Self {
        Self { class: Class::new(), pool: Pool::new() }
    }
}

/// A native coroutine. It is not tracked by the garbage collector when it is made, so that its memory can come from the pool: one
/// that may become part of a cycle, mostly when it begins to wait, is to be given to `derived::track`.
pub(crate) trait Coroutine: Send + Sync + Sized + 'static {
    /// The class, with its module.
    const NAME: &'static CStr;
    /// As asyncio's own: `sleep`, `Queue.get`.
    const QUALIFIED_NAME: &'static str;

    fn kind() -> &'static Kind;

    fn life(&self) -> &Life;

    /// The same for a class that serves several methods.
    fn qualified_name(&self) -> &'static str {
        Self::QUALIFIED_NAME
    }

    /// Takes a step, which may be the first. An error that is thrown in before it is not seen here.
    fn advance(py: Python<'_>, coroutine: &Instance<Self>, first: bool, input: Input) -> PyResult<Step>;

    /// Shows the garbage collector every reference that the payload owns. Runs no Python.
    fn traverse(&self, visit: &mut Visit<'_>) -> c_int;

    /// Drops the references that may be part of a cycle.
    fn clear(&self, py: Python<'_>);

    fn make(self, py: Python<'_>) -> PyResult<Instance<Self>> {
        Self::kind().class.instantiate(py, self)
    }
}

impl<C: Coroutine> Native for C {
    const NAME: &'static CStr = C::NAME;
    const DOC: &'static CStr = c"A coroutine of ironloop.";
    const OPEN: bool = false;
    const TRACKED: bool = false;
    const FINALIZES: bool = true;

    fn class() -> &'static Class {
        &C::kind().class
    }

    fn traverse(&self, visit: &mut Visit<'_>) -> c_int {
        C::traverse(self, visit)
    }

    fn clear(&self, py: Python<'_>) {
        C::clear(self, py);
    }

    fn needs_finalizer(&self) -> bool {
        self.life().is_open()
    }

    fn finalize(instance: &Instance<Self>, py: Python<'_>) {
        finalize(instance, py);
    }

    fn pool(&self) -> Option<&Pool> {
        Some(&C::kind().pool)
    }
}

impl<C: Coroutine> Resumable for C {
    fn is_over(&self) -> bool {
        !self.life().is_open()
    }

    fn resume(py: Python<'_>, coroutine: &Instance<Self>, input: Input) -> PyResult<Step> {
        coroutine.life().drive(py, input, |first, input| C::advance(py, coroutine, first, input))
    }
}

/// Makes the class of a kind of coroutine, when the module is made.
pub(crate) fn add_class<C: Coroutine>(py: Python<'_>) -> PyResult<()> {
    let (methods, getters) = (resumable_methods::<C>(), coroutine_getters::<C>());
    C::class().create_hidden::<C>(py, &methods, &getters, &coroutine_slots::<C>())
}

/// A warning if it never began; what waits is closed.
fn finalize<C: Coroutine>(instance: &Instance<C>, py: Python<'_>) {
    let outcome = match instance.life().stage() {
        // Whoever keeps the warning may await it still.
        Stage::Created => warn_never_awaited(py, instance.object(), instance.qualified_name()),
        Stage::Suspended => end(py, instance),
        Stage::Running | Stage::Ended => Ok(()),
    };
    if let Err(error) = outcome {
        error.write_unraisable(py, Some(instance.object().bind(py)));
    }
}

fn warn_never_awaited(py: Python<'_>, coroutine: &Object, name: &str) -> PyResult<()> {
    let text = format!("coroutine '{name}' was never awaited");
    let category = py.get_type::<pyo3::exceptions::PyRuntimeWarning>();
    let (stacklevel, source) = (1, coroutine.bind(py));
    crate::imports::warn(py)?.call1((text, category, stacklevel, source)).map(drop)
}

/// The slots of an object that is resumed, which is its own awaitable.
fn coroutine_slots<C: Coroutine>() -> Vec<ffi::PyType_Slot> {
    let mut slots = resumable_slots::<C>();
    slots.push(ffi::PyType_Slot { slot: ffi::Py_am_await, pfunc: awaited::<C> as *mut c_void });
    slots.push(ffi::PyType_Slot { slot: ffi::Py_tp_repr, pfunc: repr as *mut c_void });
    slots
}

/// It is its own iterator, for one who awaits it.
unsafe extern "C" fn awaited<C: Coroutine>(coroutine: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter on an attached thread with an instance of the class.
    unsafe {
        enter(Python::assume_attached(), || {
            Instance::<C>::borrowed(&coroutine, |instance| match instance.life().stage() {
                Stage::Suspended => Err(PyRuntimeError::new_err("coroutine is being awaited already")),
                _ => Ok(ffi::Py_NewRef(coroutine)),
            })
        })
    }
}

/// As of the interpreter's own coroutines.
unsafe extern "C" fn repr(coroutine: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter on an attached thread with a live object.
    unsafe {
        let py = Python::assume_attached();
        enter(py, || {
            let name = Bound::from_borrowed_ptr(py, coroutine).getattr(intern!(py, "__qualname__"))?;
            Ok(PyString::new(py, &format!("<coroutine object {name} at {coroutine:p}>")).into_ptr())
        })
    }
}

/// `__name__` and `__qualname__` of a coroutine.
fn coroutine_getters<C: Coroutine>() -> Vec<ffi::PyGetSetDef> {
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

/// Whether the object is one of these coroutines: what they have in common is how they show themselves.
///
/// # Safety
/// A live object.
pub(super) unsafe fn is_native(object: *mut ffi::PyObject) -> bool {
    // SAFETY: the caller's.
    let shows = unsafe { (*ffi::Py_TYPE(object)).tp_repr };
    shows.is_some_and(|shows| std::ptr::fn_addr_eq(shows, repr as ffi::reprfunc))
}
