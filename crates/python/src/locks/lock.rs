//! `Lock`: held or free, and given to those who wait in their order.

use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::core::PrimitiveCore;
use super::waiting::{Answer, Primitive, Wait};
use super::{block, truth, with_methods};
use crate::ffi::coroutine::Kind;
use crate::ffi::{Arguments, Object};
use crate::imports;
use crate::running::{Waiter, future_is_done, set_result};

#[pyclass(extends = PrimitiveCore, subclass, frozen, module = "ironloop._ironloop")]
#[derive(Default)]
pub(crate) struct LockCore {
    locked: AtomicBool,
}

static ACQUIRE: Kind = Kind::new();

impl Primitive for LockCore {
    const COROUTINE: &'static CStr = c"ironloop.lock_acquire";
    const WAITS: &'static str = "Lock.acquire";

    fn kind() -> &'static Kind {
        &ACQUIRE
    }

    fn take(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let lock = slf.get();
        let free = !lock.is_locked() && slf.as_super().get().waiters.all_cancelled(slf.py())?;
        if free {
            lock.set(true);
        }
        Ok(free)
    }

    fn woken(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.get().set(true);
        Ok(())
    }

    fn failed(slf: &Bound<'_, Self>, _waiter: &Waiter, error: &PyErr) -> PyResult<()> {
        // The lock may have been meant for this one: the next has to know.
        let py = slf.py();
        if !slf.get().is_locked() && error.matches(py, imports::cancelled_error(py)?)? {
            return wake_first(slf);
        }
        Ok(())
    }
}

impl LockCore {
    fn is_locked(&self) -> bool {
        self.locked.load(Ordering::Relaxed)
    }

    fn set(&self, locked: bool) {
        self.locked.store(locked, Ordering::Relaxed);
    }
}

/// Only the first one: if it is done already, it will have its turn.
fn wake_first(slf: &Bound<'_, LockCore>) -> PyResult<()> {
    let py = slf.py();
    match slf.as_super().get().waiters.first(py) {
        Some(future) if !future_is_done(py, &future)? => set_result(py, &future, truth(py, true)),
        _ => Ok(()),
    }
}

fn give_back(lock: &Bound<'_, PyAny>) -> PyResult<()> {
    let lock = lock.cast::<LockCore>()?;
    if !lock.get().is_locked() {
        return Err(PyRuntimeError::new_err("Lock is not acquired."));
    }
    lock.get().set(false);
    wake_first(lock)
}

fn initialize(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (lock, arguments) = arguments.split_receiver()?;
    let [] = arguments.exactly(py, "Lock.__init__", [])?;
    let lock = lock.bind(py);
    lock.cast::<LockCore>()?.get().set(false);
    lock.cast::<PrimitiveCore>()?.get().waiters.forget();
    Ok(Object::none(py))
}

fn locked(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let lock = arguments.only_receiver("Lock.locked")?.bind(py);
    Ok(truth(py, lock.cast::<LockCore>()?.get().is_locked()))
}

fn acquire(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let lock = arguments.only_receiver("Lock.acquire")?.bind(py);
    Wait::make(&*lock.cast::<LockCore>()?, Answer::True)
}

fn release(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let lock = arguments.only_receiver("Lock.release")?.bind(py);
    give_back(&lock)?;
    Ok(Object::none(py))
}

fn enter(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let lock = arguments.only_receiver(block::ENTERS)?.bind(py);
    block::enter(&*lock.cast::<LockCore>()?)
}

fn exit(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    block::exit(py, arguments, give_back)
}

#[pymethods]
impl LockCore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyClassInitializer<Self> {
        PyClassInitializer::from(PrimitiveCore::default()).add_subclass(Self::default())
    }

    #[getter(_locked)]
    fn locked(&self) -> bool {
        self.is_locked()
    }

    #[setter(_locked)]
    fn set_locked(&self, locked: bool) {
        self.set(locked);
    }
}

/// Gives `Lock` its methods.
#[pyfunction]
fn native_lock(class: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    with_methods(
        class,
        &[
            ("__init__", initialize),
            ("locked", locked),
            ("acquire", acquire),
            ("release", release),
            ("__aenter__", enter),
            ("__aexit__", exit),
        ],
    )
}

pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    Wait::<LockCore>::prepare(module.py())?;
    module.add_class::<LockCore>()?;
    module.add_function(wrap_pyfunction!(native_lock, module)?)
}
