//! `Lock`: held or free, and given to those who wait in their order.

use ironloop_trace::{ObjectKind, Reason};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::block::{self, Block};
use super::core::{Family, Hook, PrimitiveCore};
use super::value::Value;
use super::waiting::{self, Primitive};
use crate::ffi::class::ClassKind;
use crate::ffi::function::set_methods;
use crate::ffi::hooks::Hooks;
use crate::ffi::imports;
use crate::ffi::intern::intern;
use crate::ffi::{Arguments, ExactClass, Object};
use crate::waiting::waiter::{Waiter, future_is_done, set_result};

#[pyclass(extends = PrimitiveCore, subclass, frozen, module = "ironloop._ironloop")]
pub(crate) struct LockCore;

static FAMILY: Family = Family {
    hooks: Hooks::new(&[&[
        (Hook::GetLoop, "_get_loop"),
        (Hook::Wake, "_wake_up_first"),
        (Hook::Acquire, "acquire"),
        (Hook::Release, "release"),
        (Hook::Locked, "locked"),
    ]]),
    value: "_locked",
    kind: ObjectKind::Lock,
    reason: Reason::Lock,
    is_lazy: true,
};

static ACQUIRE: [ClassKind; 2] = [ClassKind::new(), ClassKind::new()];
static EXACT: ExactClass<LockCore> = ExactClass::new();

impl Primitive for LockCore {
    const WAITS: &'static str = "Lock.acquire";

    fn kinds() -> &'static [ClassKind; 2] {
        &ACQUIRE
    }

    fn exact() -> &'static ExactClass<Self> {
        &EXACT
    }

    fn take(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let lock = slf.as_super();
        let free = !PrimitiveCore::is_on(lock)? && lock.get().waiters.all_cancelled(slf.py())?;
        if free {
            lock.get().set_value(Value::Truth(true));
        }
        Ok(free)
    }

    fn woken(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.as_super().get().set_value(Value::Truth(true));
        Ok(())
    }

    fn failed(slf: &Bound<'_, Self>, _waiter: &Waiter, error: &PyErr) -> PyResult<()> {
        // The lock may have been meant for this one: the next has to know.
        let py = slf.py();
        if error.matches(py, imports::cancelled_error(py)?)? && !PrimitiveCore::is_on(slf.as_super())? {
            return wake_first(slf);
        }
        Ok(())
    }
}

impl Block for LockCore {
    const RELEASES: &'static str = "Lock.release";
    const LOCKED: &'static str = "Lock.locked";

    fn give_back(slf: &Bound<'_, Self>) -> PyResult<()> {
        if !PrimitiveCore::is_on(slf.as_super())? {
            return Err(PyRuntimeError::new_err("Lock is not acquired."));
        }
        slf.as_super().get().set_value(Value::Truth(false));
        wake_first(slf)
    }

    fn locked(slf: &Bound<'_, Self>) -> PyResult<Object> {
        PrimitiveCore::shown_value(slf.as_super()).map(Object::from)
    }
}

/// Only the first one: if it is done already, it will have its turn.
fn wake_first(slf: &Bound<'_, LockCore>) -> PyResult<()> {
    let py = slf.py();
    if !PrimitiveCore::is_intact(slf.as_super(), Hook::Wake) {
        return slf.call_method0(intern!(py, "_wake_up_first")).map(drop);
    }
    match slf.as_super().get().waiters.first(py)? {
        Some(future) if !future_is_done(py, &future)? => set_result(py, &future, Object::truth(py, true)),
        _ => Ok(()),
    }
}

fn initialize(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (lock, arguments) = arguments.split_receiver()?;
    let [] = arguments.exactly(py, "Lock.__init__", [])?;
    lock.bind(py).cast::<LockCore>()?.as_super().get().begin(Value::Truth(false));
    Ok(Object::none(py))
}

#[pymethods]
impl LockCore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyClassInitializer<Self> {
        PyClassInitializer::from(PrimitiveCore::new(&FAMILY)).add_subclass(Self)
    }

    #[getter(_locked)]
    fn value<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        PrimitiveCore::shown_value(slf.as_super())
    }

    #[setter(_locked)]
    fn set_value(slf: &Bound<'_, Self>, locked: &Bound<'_, PyAny>) {
        slf.as_super().get().set_value(Value::of(locked));
    }
}

/// Gives `Lock` its methods.
#[pyfunction]
fn native_lock(class: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    EXACT.learn(&class)?;
    set_methods(&class, &[("__init__", initialize)])?;
    set_methods(&class, &block::methods::<LockCore>())?;
    FAMILY.hooks.learn(&[&class])?;
    Ok(class)
}

pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    waiting::prepare_block::<LockCore>(module.py())?;
    module.add_class::<LockCore>()?;
    module.add_function(wrap_pyfunction!(native_lock, module)?)
}
