//! `Semaphore` and `BoundedSemaphore`: so many may hold it, and those who wait have it in their order.
//!
//! A release goes to the first waiter, and is taken off the value at once; a newcomer waits behind those who
//! wait.

use std::sync::atomic::{AtomicBool, Ordering};

use ironloop_trace::{ObjectKind, Reason};
use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::pyclass::CompareOp;
use pyo3::types::{PyDict, PyTuple};

use super::block::{self, Block};
use super::core::{Family, Hook, PrimitiveCore};
use super::value::Value;
use super::waiting::{self, Primitive};
use crate::ffi::cell::LoopCell;
use crate::ffi::class::ClassKind;
use crate::ffi::function::set_methods;
use crate::ffi::hooks::Hooks;
use crate::ffi::imports;
use crate::ffi::intern::intern;
use crate::ffi::{Arguments, Clear, ExactClass, Object, owned, traverse_class};
use crate::waiting::waiter::{Waiter, set_result};

#[pyclass(extends = PrimitiveCore, subclass, frozen, module = "ironloop._ironloop")]
pub(crate) struct SemaphoreCore {
    /// Only a `BoundedSemaphore` has one.
    upper: LoopCell<Value>,
}

owned!(SemaphoreCore { clears: upper; });

static FAMILY: Family = Family {
    hooks: Hooks::new(&[
        &[
            (Hook::GetLoop, "_get_loop"),
            (Hook::Wake, "_wake_up_next"),
            (Hook::Acquire, "acquire"),
            (Hook::Release, "release"),
            (Hook::Locked, "locked"),
        ],
        &[(Hook::ReleaseBounded, "release")],
    ]),
    value: "_value",
    kind: ObjectKind::Semaphore,
    reason: Reason::Semaphore,
    is_lazy: true,
};

static ACQUIRE: [ClassKind; 2] = [ClassKind::new(), ClassKind::new()];
static EXACT: ExactClass<SemaphoreCore> = ExactClass::new();

/// Whether asyncio's semaphore lets in all who may, whoever leaves the queue: as it does since some release
/// of Python 3.12. Before, who is woken wakes one more, and who is cancelled wakes one if it had been woken.
static LETS_ALL_IN: AtomicBool = AtomicBool::new(true);

impl Primitive for SemaphoreCore {
    const WAITS: &'static str = "Semaphore.acquire";

    fn kinds() -> &'static [ClassKind; 2] {
        &ACQUIRE
    }

    fn exact() -> &'static ExactClass<Self> {
        &EXACT
    }

    fn take(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let locked = if PrimitiveCore::is_intact(slf.as_super(), Hook::Locked) {
            is_locked(slf)?
        } else {
            slf.call_method0(intern!(slf.py(), "locked"))?.is_truthy()?
        };
        if !locked {
            count_down(slf)?;
        }
        Ok(!locked)
    }

    fn woken(slf: &Bound<'_, Self>) -> PyResult<()> {
        if LETS_ALL_IN.load(Ordering::Relaxed) {
            return let_all_in(slf);
        }
        if value_is(slf, CompareOp::Gt)? {
            wake_next(slf)?;
        }
        Ok(())
    }

    fn failed(slf: &Bound<'_, Self>, waiter: &Waiter, error: &PyErr) -> PyResult<()> {
        let py = slf.py();
        let all = LETS_ALL_IN.load(Ordering::Relaxed);
        let is_cancelled = error.matches(py, imports::cancelled_error(py)?)?;
        // Woken and cancelled: what it was given goes to somebody else.
        if is_cancelled && !waiter.is_cancelled(py)? && (!all || waiter.is_done(py)?) {
            count_up(slf)?;
            if !all {
                return wake_next(slf).map(drop);
            }
        }
        if all { let_all_in(slf) } else { Ok(()) }
    }
}

impl Block for SemaphoreCore {
    const RELEASES: &'static str = "Semaphore.release";
    const LOCKED: &'static str = "Semaphore.locked";

    fn give_back(slf: &Bound<'_, Self>) -> PyResult<()> {
        if is_at_bound(slf)? {
            return Err(PyValueError::new_err("BoundedSemaphore released too many times"));
        }
        count_up(slf)?;
        wake_next(slf).map(drop)
    }

    fn locked(slf: &Bound<'_, Self>) -> PyResult<Object> {
        Ok(Object::truth(slf.py(), is_locked(slf)?))
    }
}

/// How the value compares with 0.
fn value_is(slf: &Bound<'_, SemaphoreCore>, how: CompareOp) -> PyResult<bool> {
    match slf.as_super().get().value.with(|value| value.count()) {
        Some(count) => Ok(how.matches(count.cmp(&0))),
        None => PrimitiveCore::shown_value(slf.as_super())?.rich_compare(0, how)?.is_truthy(),
    }
}

fn count_up(slf: &Bound<'_, SemaphoreCore>) -> PyResult<()> {
    let native = change(slf, |count| count.checked_add(1));
    if native { Ok(()) } else { replace_value(slf, |value| value.add(1)) }
}

fn count_down(slf: &Bound<'_, SemaphoreCore>) -> PyResult<()> {
    let native = change(slf, |count| count.checked_sub(1));
    if native { Ok(()) } else { replace_value(slf, |value| value.sub(1)) }
}

/// Whether it could be done without asking Python.
fn change(slf: &Bound<'_, SemaphoreCore>, change: impl FnOnce(i64) -> Option<i64>) -> bool {
    slf.as_super().get().value.with(|value| {
        let Some(count) = value.count().and_then(change) else { return false };
        *value = Value::Count(count);
        true
    })
}

#[cold]
fn replace_value<'py>(
    slf: &Bound<'py, SemaphoreCore>,
    change: impl FnOnce(Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<()> {
    let value = change(PrimitiveCore::shown_value(slf.as_super())?)?;
    slf.as_super().get().set_value(Value::of(&value));
    Ok(())
}

/// Whether a bounded one has no holder.
fn is_at_bound(slf: &Bound<'_, SemaphoreCore>) -> PyResult<bool> {
    let upper = slf.get().upper.with(|upper| upper.clone_ref(slf.py()));
    if let Value::Missing = upper {
        return Ok(false);
    }
    let value = slf.as_super().get().value.with(|value| value.count());
    match (value, upper.count()) {
        (Some(value), Some(upper)) => Ok(value >= upper),
        _ => PrimitiveCore::shown_value(slf.as_super())?.ge(upper.show(slf, "_bound_value")?),
    }
}

fn is_locked(slf: &Bound<'_, SemaphoreCore>) -> PyResult<bool> {
    Ok(value_is(slf, CompareOp::Eq)? || !slf.as_super().get().waiters.all_cancelled(slf.py())?)
}

/// False if nobody waits that is not woken yet.
fn wake_next(slf: &Bound<'_, SemaphoreCore>) -> PyResult<bool> {
    let py = slf.py();
    if !PrimitiveCore::is_intact(slf.as_super(), Hook::Wake) {
        return slf.call_method0(intern!(py, "_wake_up_next"))?.is_truthy();
    }
    let Some(future) = slf.as_super().get().waiters.first_pending(py)? else {
        return Ok(false);
    };
    count_down(slf)?;
    set_result(py, &future, Object::truth(py, true))?;
    Ok(true)
}

fn let_all_in(slf: &Bound<'_, SemaphoreCore>) -> PyResult<()> {
    while value_is(slf, CompareOp::Gt)? && wake_next(slf)? {}
    Ok(())
}

/// `__init__(self, value=1)` of both.
fn begin(py: Python<'_>, arguments: Arguments<'_>, function: &str, bounded: bool) -> PyResult<Object> {
    let (semaphore, arguments) = arguments.split_receiver()?;
    let [value] = arguments.bind(py, function, ["value"], 0)?;
    let value = value.map(|value| value.bind(py));
    let shared = || value.as_ref().map_or(Value::Count(1), |value| Value::of(value));
    let semaphore = semaphore.bind(py);
    let semaphore = semaphore.cast::<SemaphoreCore>()?;
    if bounded {
        let upper = shared();
        drop(semaphore.get().upper.with(|old| std::mem::replace(old, upper)));
    }
    if value.as_ref().map_or(Ok(false), |value| value.lt(0))? {
        return Err(PyValueError::new_err("Semaphore initial value must be >= 0"));
    }
    semaphore.as_super().get().begin(shared());
    Ok(Object::none(py))
}

fn initialize(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    begin(py, arguments, "Semaphore.__init__", false)
}

fn initialize_bounded(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    begin(py, arguments, "BoundedSemaphore.__init__", true)
}

fn release_bounded(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    block::release_as::<SemaphoreCore>(py, arguments, "BoundedSemaphore.release")
}

#[pymethods]
impl SemaphoreCore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyClassInitializer<Self> {
        let core = Self { upper: LoopCell::new(Value::Missing) };
        PyClassInitializer::from(PrimitiveCore::new(&FAMILY)).add_subclass(core)
    }

    #[getter(_value)]
    fn value<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        PrimitiveCore::shown_value(slf.as_super())
    }

    #[setter(_value)]
    fn set_value(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) {
        slf.as_super().get().set_value(Value::of(value));
    }

    #[getter(_bound_value)]
    fn bound_value<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.get().upper.with(|upper| upper.clone_ref(slf.py())).show(slf, "_bound_value")
    }

    #[setter(_bound_value)]
    fn set_bound_value(&self, bound: &Bound<'_, PyAny>) {
        let bound = Value::of(bound);
        drop(self.upper.with(|old| std::mem::replace(old, bound)));
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        traverse_class(self, &visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        self.clear(py);
    }
}

/// Gives `Semaphore` its methods.
#[pyfunction]
fn native_semaphore(class: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    EXACT.learn(&class)?;
    // This Python's answer tells its generation: it says whether somebody was woken, or nothing.
    let says = class.getattr("_stands_for")?.call0()?.call_method0("_wake_up_next")?;
    LETS_ALL_IN.store(!says.is_none(), Ordering::Relaxed);
    set_methods(&class, &[("__init__", initialize)])?;
    set_methods(&class, &block::methods::<SemaphoreCore>())?;
    Ok(class)
}

/// Gives `BoundedSemaphore`, which is below `Semaphore`, the methods that differ.
#[pyfunction]
fn native_bounded_semaphore(class: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    set_methods(&class, &[("__init__", initialize_bounded), ("release", release_bounded)])?;
    let semaphore = class.getattr("__mro__")?.get_item(1)?;
    FAMILY.hooks.learn(&[&semaphore, &class])?;
    Ok(class)
}

pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    waiting::prepare_block::<SemaphoreCore>(module.py())?;
    module.add_class::<SemaphoreCore>()?;
    module.add_function(wrap_pyfunction!(native_semaphore, module)?)?;
    module.add_function(wrap_pyfunction!(native_bounded_semaphore, module)?)
}
