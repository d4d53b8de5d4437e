//! The C struct of a context, and where a thread keeps the one that it has entered.
//!
//! A context is a reference to an immutable map of its variables; a copy of it is a new context with the same
//! map. The layouts are those of the Python that this is built for. [`prepare`] compares them with what is
//! there: nothing is followed before all that leads to it has proved right, and nothing is used if anything
//! is elsewhere.

use std::cell::Cell;
use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyException;
use pyo3::ffi;
use pyo3::prelude::*;

use super::Context;
use crate::ffi::Object;
use crate::ffi::fields::Field;

/// `PyContext`
#[repr(C)]
struct Fields {
    head: ffi::PyObject,
    /// What was entered before it; borrowed.
    previous: Cell<*mut ffi::PyObject>,
    /// The map.
    variables: Field,
    weak_references: Cell<*mut ffi::PyObject>,
    entered: Cell<c_int>,
}

/// Where a `PyThreadState` has the context that the thread has entered.
const ENTERED: usize = if cfg!(Py_3_15) {
    232
} else if cfg!(Py_3_12) {
    208
} else {
    224
};

/// Whether it all is as it stands here. Said once, when the module is imported.
static KNOWN: AtomicBool = AtomicBool::new(false);

pub(super) fn is_known() -> bool {
    KNOWN.load(Ordering::Relaxed)
}

/// Takes a look at contexts of this interpreter.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    let fits = match fits(py) {
        Err(error) if error.is_instance_of::<PyException>(py) => false,
        result => result?,
    };
    KNOWN.store(fits, Ordering::Relaxed);
    Ok(())
}

fn fits(py: Python<'_>) -> PyResult<bool> {
    // Of other machines we know nothing; free-threaded, others may change a context while we look.
    if cfg!(any(Py_GIL_DISABLED, not(target_pointer_width = "64"))) {
        return Ok(false);
    }
    // SAFETY: the class of contexts, which lives as long as the interpreter.
    let size = unsafe { ffi::PyContext_Type.tp_basicsize } as usize;
    if size != size_of::<Fields>() {
        return Ok(false);
    }
    let module = py.import("contextvars")?;
    let class = module.getattr("Context")?;
    let variable = module.getattr("ContextVar")?.call1(("probe",))?;
    let original = class.call0()?;
    original.call_method1("run", (variable.getattr("set")?, true))?;
    let copied = original.call_method0("copy")?;
    let (original, copy) = (Context::known(original.into()), Context::known(copied.into()));
    let (fields, empty) = (fields_of(&copy), Context::known(class.call0()?.into()));
    let at_rest = || fields.previous.get().is_null() && fields.entered.get() == 0;
    let shared = fields.variables.as_ptr() == fields_of(&original).variables.as_ptr();
    if fields.variables.is_empty() || !shared || !at_rest() || !fields.weak_references.get().is_null() {
        return Ok(false);
    }
    let weak = Object::weak(copy.object().bind(py))?;
    let before = entered(py);
    copy.enter(py)?;
    let inside = fields.previous.get() == before && fields.entered.get() == 1;
    let inside = inside && entered(py) == copy.object().as_ptr();
    copy.leave_after(py, || Ok(()))?;
    if !inside || entered(py) != before || !at_rest() || fields.weak_references.get() != weak.as_ptr() {
        return Ok(false);
    }
    // All that can be read has proved right. What we write Python must read.
    let other = fields_of(&empty);
    let distinct = !other.variables.is_empty() && other.variables.as_ptr() != fields.variables.as_ptr();
    if !distinct || empty.object().bind(py).contains(&variable)? {
        return Ok(false);
    }
    let old = other.variables.replace(py, fields.variables.get(py));
    let found = empty.object().bind(py).contains(&variable);
    drop(other.variables.replace(py, old));
    Ok(found? && !empty.object().bind(py).contains(&variable)?)
}

/// The context that this thread has entered, borrowed; null if it has none.
fn entered(_: Python<'_>) -> *mut ffi::PyObject {
    // SAFETY: the state of this thread, which is attached, is larger than that: `prepare` only compares what
    // it finds there, and nobody else asks if it is no context.
    unsafe { ffi::PyThreadState_Get().cast::<u8>().add(ENTERED).cast::<*mut ffi::PyObject>().read() }
}

fn fields_of(context: &Context) -> &Fields {
    // SAFETY: a live context. It is as large as the struct, each field of which is a word that may have any
    // value; who follows one asks `is_known` first.
    unsafe { &*context.object().as_ptr().cast() }
}

/// The map of the context that this thread has entered; if it has one, and we know where.
#[inline]
pub(super) fn current_variables(py: Python<'_>) -> Option<Object> {
    if !is_known() {
        return None;
    }
    let entered = entered(py);
    if entered.is_null() {
        return None;
    }
    // SAFETY: the thread keeps it for as long as it is entered.
    unsafe { &*entered.cast::<Fields>() }.variables.get(py)
}

/// A context's map; if we know where.
pub(super) fn variables(py: Python<'_>, context: &Context) -> Option<Object> {
    if is_known() { fields_of(context).variables.get(py) } else { None }
}

/// Exchanges a context's map, of which it must have one; for those who got one here.
pub(super) fn exchange_variables(py: Python<'_>, context: &Context, variables: Object) -> Option<Object> {
    fields_of(context).variables.replace(py, Some(variables))
}

/// Whether it is nobody's but the caller's, and has not been entered.
#[inline]
pub(super) fn is_unshared(context: &Context) -> bool {
    let fields = fields_of(context);
    is_known()
        && context.object().references() == 1
        && fields.entered.get() == 0
        && fields.weak_references.get().is_null()
        && !fields.variables.is_empty()
}
