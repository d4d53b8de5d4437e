//! Native coroutines: `sleep`, `Queue.get` and their like.
//!
//! To Python a native coroutine is a coroutine: it is awaited once, may be made a task, thrown into, closed
//! and inspected, and warns if nobody has awaited it.

use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicU8, Ordering};

use pyo3::exceptions::{PyRuntimeError, PyStopIteration, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::adopted::is_adopted;
pub(crate) use super::class::ClassKind;
use super::inspection::{self, Inspect, Inspected, Stage};
use super::intern::intern;
use super::memory::Pool;
use super::method::enter;
use super::raise::{set_context, value_of};
use super::resumable::{Input, Resumable, Step, end, next, resumable_methods, send_slot_of};
use super::{Class, Clear, Instance, Native, Object, Traverse, owned, wrapper};

/// The life of a coroutine.
pub(crate) struct Life {
    stage: AtomicU8,
    inspected: Inspected,
}

owned!(Life { clears: inspected; ignores: stage; });

impl Life {
    pub(crate) const fn new() -> Self {
        Self { stage: AtomicU8::new(Stage::Created as u8), inspected: Inspected::new() }
    }

    fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Relaxed) {
            0 => Stage::Created,
            1 => Stage::Suspended,
            2 => Stage::Running,
            _ => Stage::Ended,
        }
    }

    fn set(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// Whether it needs a last word when it is dropped.
    fn is_open(&self) -> bool {
        self.stage() != Stage::Ended
    }

    /// Whether the next step is the first; an error if there is none to take.
    fn is_new(&self) -> PyResult<bool> {
        match self.stage() {
            Stage::Created => Ok(true),
            Stage::Suspended => Ok(false),
            Stage::Running => Err(PyValueError::new_err("coroutine already executing")),
            Stage::Ended => Err(PyRuntimeError::new_err("cannot reuse already awaited coroutine")),
        }
    }

    #[inline]
    fn run(&self, py: Python<'_>, step: impl FnOnce() -> PyResult<Step>) -> PyResult<Step> {
        self.set(Stage::Running);
        let result = step();
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

/// A native coroutine. Its memory comes from a pool. The garbage collector knows it from the beginning:
/// whoever makes one may keep it where it leads, and never await it.
pub(crate) trait Coroutine: Traverse + Clear + Send + Sync + Sized + 'static {
    /// As asyncio's own: `sleep`, `Queue.get`.
    const QUALIFIED_NAME: &'static str;

    fn kind() -> &'static ClassKind;

    fn life(&self) -> &Life;

    /// False where nothing that the payload owns leads anywhere: the collector need not know such a one. As
    /// soon as it owns more it is to be given to `derived::track`.
    fn leads_anywhere(&mut self) -> bool {
        true
    }

    /// Takes a step, which may be the first; with a value if somebody has sent one.
    fn advance(
        py: Python<'_>,
        coroutine: &Instance<Self>,
        first: bool,
        sent: Option<Object>,
    ) -> PyResult<Step>;

    /// Takes a step with an error that is thrown in; not the first.
    fn throw(py: Python<'_>, coroutine: &Instance<Self>, error: PyErr) -> PyResult<Step>;

    /// asyncio's own coroutine, if it does all that this one is there for.
    fn deputy(&self, _py: Python<'_>) -> Option<Object> {
        None
    }

    /// The future or the iterator from which it has what it has yielded, while it is suspended.
    fn awaits(&self, _py: Python<'_>) -> Option<Object> {
        None
    }

    /// The lock, the queue… that it waits for.
    fn subject(&self, _py: Python<'_>) -> Option<Object> {
        None
    }

    fn make(self, py: Python<'_>) -> PyResult<Instance<Self>> {
        let made = Self::kind().class().instantiate(py, self)?;
        if inspection::may_track_origins() {
            inspection::note_origin(py, &made)?;
        }
        Ok(made)
    }
}

impl<C: Coroutine> Native for C {
    const NAME: &'static CStr = c"ironloop.coroutine";
    const DOC: &'static CStr = c"A coroutine of ironloop.";
    const OPEN: bool = false;
    const WEAK: bool = true;
    const TRACKED: bool = false;
    const FINALIZES: bool = true;

    fn class() -> &'static Class {
        C::kind().class()
    }

    fn begins_tracked(&mut self) -> bool {
        self.leads_anywhere()
    }

    fn needs_finalizer(&self) -> bool {
        self.life().is_open()
    }

    fn finalize(instance: &Instance<Self>, py: Python<'_>) {
        finalize(instance, py);
    }

    fn pool(&self) -> Option<&Pool> {
        Some(C::kind().pool())
    }
}

impl<C: Coroutine> Inspect for C {
    const QUALIFIED_NAME: &'static str = C::QUALIFIED_NAME;

    fn inspected(&self) -> &Inspected {
        &self.life().inspected
    }

    fn stage(&self) -> Stage {
        self.life().stage()
    }

    fn deputy(&self, py: Python<'_>) -> Option<Object> {
        Coroutine::deputy(self, py)
    }

    fn awaits(&self, py: Python<'_>) -> Option<Object> {
        Coroutine::awaits(self, py)
    }

    fn subject(&self, py: Python<'_>) -> Option<Object> {
        Coroutine::subject(self, py)
    }
}

impl<C: Coroutine> Resumable for C {
    fn is_over(&self) -> bool {
        !self.life().is_open()
    }

    fn resume(py: Python<'_>, coroutine: &Instance<Self>, input: Input) -> PyResult<Step> {
        let sent = match input {
            Input::Next(sent) => sent,
            Input::Throw(error) => return throw(py, coroutine, error),
        };
        let first = coroutine.life().is_new()?;
        if first && sent.is_some() {
            let text = "can't send non-None value to a just-started coroutine";
            return Err(PyTypeError::new_err(text));
        }
        coroutine.life().run(py, || C::advance(py, coroutine, first, sent))
    }
}

/// An error that is thrown in before the first step ends the coroutine.
// Apart: what it needs would lie in the stack of every step.
#[inline(never)]
fn throw<C: Coroutine>(py: Python<'_>, coroutine: &Instance<C>, error: PyErr) -> PyResult<Step> {
    let life = coroutine.life();
    if life.is_new()? {
        life.set(Stage::Ended);
        // Such a coroutine of Python code converts it by that code since Python 3.12, which does not run.
        return Err(if cfg!(Py_3_12) { error } else { stop_converted(py, error) });
    }
    life.run(py, || C::throw(py, coroutine, error))
}

/// Makes the class of a kind of coroutine, when the module is made.
pub(crate) fn add_class<C: Coroutine>(py: Python<'_>) -> PyResult<()> {
    inspection::learn(py, C::QUALIFIED_NAME)?;
    let (mut methods, getters) = (resumable_methods::<C>(), inspection::getters::<C>(py)?);
    methods.push(wrapper::method());
    C::class().create_hidden::<C>(py, &methods, &getters, &coroutine_slots::<C>())?;
    // To `await` it is its own iterator. It is none to whoever looks at its class, which therefore is made
    // without these slots. SAFETY: a new type, of which there is no instance yet.
    unsafe {
        let kind = C::class().kind();
        // For the interpreter's messages about it.
        (*kind).tp_name = c"coroutine".as_ptr();
        (*kind).tp_iter = Some(iterate);
        (*kind).tp_iternext = Some(next::<C>);
        ffi::PyType_Modified(kind);
    }
    Ok(())
}

/// `yield from coroutine`, where that is allowed.
unsafe extern "C" fn iterate(coroutine: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter on an attached thread with a live object.
    unsafe {
        let py = Python::assume_attached();
        enter(py, || {
            if inspection::may_yield_from(py)? {
                return Ok(ffi::Py_NewRef(coroutine));
            }
            Err(PyTypeError::new_err("'coroutine' object is not iterable"))
        })
    }
}

/// A warning if it never began; what waits is closed.
fn finalize<C: Coroutine>(instance: &Instance<C>, py: Python<'_>) {
    let outcome = match instance.life().stage() {
        // Whoever keeps the warning may await it still.
        Stage::Created => warn_never_awaited(py, instance),
        Stage::Suspended => end(py, instance),
        Stage::Running | Stage::Ended => Ok(()),
    };
    if let Err(error) = outcome {
        error.write_unraisable(py, Some(instance.object().bind(py)));
    }
}

fn warn_never_awaited<C: Coroutine>(py: Python<'_>, instance: &Instance<C>) -> PyResult<()> {
    let coroutine = instance.object();
    if instance.life().inspected.origin(py).is_some() {
        // It says where the coroutine was made.
        let warnings = py.import("warnings")?;
        return warnings.call_method1("_warn_unawaited_coroutine", (coroutine.bind(py),)).map(drop);
    }
    let given = instance.life().inspected.qualified_name(py);
    let given = given.map(|name| name.bind(py).extract::<String>()).transpose()?;
    let name = given.as_deref().unwrap_or(C::QUALIFIED_NAME);
    let text = format!("coroutine '{name}' was never awaited");
    let category = py.get_type::<pyo3::exceptions::PyRuntimeWarning>();
    let (stacklevel, source) = (1, coroutine.bind(py));
    crate::ffi::imports::warn(py)?.call1((text, category, stacklevel, source)).map(drop)
}

fn coroutine_slots<C: Coroutine>() -> [ffi::PyType_Slot; 3] {
    let slot = |slot, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    [
        send_slot_of::<C>(),
        slot(ffi::Py_am_await, awaited::<C> as *mut c_void),
        slot(ffi::Py_tp_repr, repr as *mut c_void),
    ]
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

/// Whether the object is one of these coroutines: what they have in common is how they show themselves.
///
/// # Safety
/// A live object.
unsafe fn is_native(object: *mut ffi::PyObject) -> bool {
    // SAFETY: `is_coroutine` and `awaited_natively` hold an `Object`, which keeps its type.
    let shows = unsafe { (*ffi::Py_TYPE(object)).tp_repr };
    shows.is_some_and(|shows| std::ptr::fn_addr_eq(shows, repr as ffi::reprfunc))
}

/// Whether it is a coroutine of the interpreter's, or a generator.
pub(crate) fn is_interpreted(object: &Object) -> (bool, bool) {
    // SAFETY: a live object.
    unsafe { (ffi::PyCoro_CheckExact(object.as_ptr()) != 0, ffi::PyGen_CheckExact(object.as_ptr()) != 0) }
}

/// Whether this is a coroutine beyond doubt: the interpreter's or one of ours.
pub(crate) fn is_coroutine(object: &Object) -> bool {
    // SAFETY: a live object.
    unsafe {
        ffi::PyCoro_CheckExact(object.as_ptr()) != 0 || is_native(object.as_ptr()) || is_adopted(object)
    }
}

/// The iterator that `await` has of a native coroutine: itself. A `RuntimeError` if it is being awaited.
pub(crate) fn awaited_natively(py: Python<'_>, coroutine: &Object) -> Option<PyResult<Object>> {
    // SAFETY: a live object; of the class, the slot is there, and what it gives is new, or an error is set.
    unsafe {
        let coroutine = coroutine.as_ptr();
        let slots = is_native(coroutine).then(|| (*ffi::Py_TYPE(coroutine)).tp_as_async.as_ref())?;
        let am_await = slots.and_then(|slots| slots.am_await)?;
        Some(Object::from_result(py, am_await(coroutine)))
    }
}
