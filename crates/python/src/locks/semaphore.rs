//! `Semaphore` and `BoundedSemaphore`: so many may hold it, and those who wait have it in their order.
//!
//! A release goes to the first waiter, and is taken off the value at once; a newcomer waits behind those who wait.

use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::core::PrimitiveCore;
use super::waiting::{Answer, Primitive, Wait};
use super::{block, truth, with_methods};
use crate::cell::LoopCell;
use crate::ffi::coroutine::Kind;
use crate::ffi::intern::intern;
use crate::ffi::{Arguments, Object};
use crate::imports;
use crate::running::{Waiter, set_result};

/// A number of holders. Programs write `Semaphore(math.inf)` too.
#[derive(Clone, Copy, FromPyObject, IntoPyObject)]
enum Count {
    Whole(i64),
    Real(f64),
}

impl Count {
    fn is_zero(self) -> bool {
        matches!(self, Self::Whole(0) | Self::Real(0.0))
    }

    fn is_positive(self) -> bool {
        match self {
            Self::Whole(number) => number > 0,
            Self::Real(number) => number > 0.0,
        }
    }

    fn is_negative(self) -> bool {
        !self.is_zero() && !self.is_positive()
    }

    fn plus(self, difference: i8) -> Self {
        match self {
            Self::Whole(number) => Self::Whole(number.saturating_add(difference.into())),
            Self::Real(number) => Self::Real(number + f64::from(difference)),
        }
    }

    fn reaches(self, bound: Self) -> bool {
        match (self, bound) {
            (Self::Whole(value), Self::Whole(bound)) => value >= bound,
            (value, bound) => value.as_real() >= bound.as_real(),
        }
    }

    fn as_real(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Real(number) => number,
        }
    }
}

#[pyclass(extends = PrimitiveCore, subclass, frozen, module = "ironloop._ironloop")]
pub(crate) struct SemaphoreCore {
    value: LoopCell<Count>,
    /// That of a `BoundedSemaphore`.
    bound: LoopCell<Option<Count>>,
}

static ACQUIRE: Kind = Kind::new();

/// Whether asyncio's semaphore lets in all who may, whoever leaves the queue: as it does since some release of Python 3.12.
/// Before, who is woken wakes one more, and who is cancelled wakes one if it had been woken.
static LETS_ALL_IN: AtomicBool = AtomicBool::new(true);

impl Primitive for SemaphoreCore {
    const COROUTINE: &'static CStr = c"ironloop.semaphore_acquire";
    const WAITS: &'static str = "Semaphore.acquire";

    fn kind() -> &'static Kind {
        &ACQUIRE
    }

    fn take(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let locked = if slf.as_super().get().methods.are_native(slf)? {
            is_locked(slf)?
        } else {
            slf.call_method0(intern!(slf.py(), "locked"))?.is_truthy()?
        };
        if !locked {
            slf.get().add(-1);
        }
        Ok(!locked)
    }

    fn woken(slf: &Bound<'_, Self>) -> PyResult<()> {
        if LETS_ALL_IN.load(Ordering::Relaxed) {
            return let_all_in(slf);
        }
        if slf.get().value().is_positive() {
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
            slf.get().add(1);
            if !all {
                return wake_next(slf).map(drop);
            }
        }
        if all { let_all_in(slf) } else { Ok(()) }
    }
}

impl SemaphoreCore {
    fn value(&self) -> Count {
        self.value.with(|value| *value)
    }

    fn add(&self, difference: i8) {
        self.value.with(|value| *value = value.plus(difference));
    }
}

fn is_locked(slf: &Bound<'_, SemaphoreCore>) -> PyResult<bool> {
    Ok(slf.get().value().is_zero() || !slf.as_super().get().waiters.all_cancelled(slf.py())?)
}

/// False if nobody waits that is not woken yet.
fn wake_next(slf: &Bound<'_, SemaphoreCore>) -> PyResult<bool> {
    let py = slf.py();
    let Some(future) = slf.as_super().get().waiters.first_pending(py)? else {
        return Ok(false);
    };
    slf.get().add(-1);
    set_result(py, &future, truth(py, true))?;
    Ok(true)
}

fn let_all_in(slf: &Bound<'_, SemaphoreCore>) -> PyResult<()> {
    while slf.get().value().is_positive() && wake_next(slf)? {}
    Ok(())
}

fn give_back(semaphore: &Bound<'_, PyAny>) -> PyResult<()> {
    let slf = semaphore.cast::<SemaphoreCore>()?;
    if let Some(bound) = slf.get().bound.with(|bound| *bound) {
        if slf.get().value().reaches(bound) {
            return Err(PyValueError::new_err("BoundedSemaphore released too many times"));
        }
    }
    slf.get().add(1);
    wake_next(slf).map(drop)
}

/// `__init__(self, value=1)` of both.
fn begin(py: Python<'_>, arguments: Arguments<'_>, function: &str, bounded: bool) -> PyResult<Object> {
    let (semaphore, arguments) = arguments.split_receiver()?;
    let [value] = arguments.bind(py, function, ["value"], 0)?;
    let value = value.map_or(Ok(Count::Whole(1)), |value| value.bind(py).extract())?;
    if value.is_negative() {
        return Err(PyValueError::new_err("Semaphore initial value must be >= 0"));
    }
    let semaphore = semaphore.bind(py);
    let core = semaphore.cast::<SemaphoreCore>()?.get();
    core.value.with(|old| *old = value);
    core.bound.with(|bound| *bound = bounded.then_some(value));
    semaphore.cast::<PrimitiveCore>()?.get().waiters.forget();
    Ok(Object::none(py))
}

fn initialize(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    begin(py, arguments, "Semaphore.__init__", false)
}

fn initialize_bounded(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    begin(py, arguments, "BoundedSemaphore.__init__", true)
}

fn locked(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let semaphore = arguments.only_receiver("Semaphore.locked")?.bind(py);
    Ok(truth(py, is_locked(&*semaphore.cast()?)?))
}

fn acquire(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let semaphore = arguments.only_receiver("Semaphore.acquire")?.bind(py);
    Wait::make(&*semaphore.cast::<SemaphoreCore>()?, Answer::True)
}

fn release(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let semaphore = arguments.only_receiver("Semaphore.release")?.bind(py);
    give_back(&semaphore)?;
    Ok(Object::none(py))
}

fn enter(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let semaphore = arguments.only_receiver(block::ENTERS)?.bind(py);
    block::enter(&*semaphore.cast::<SemaphoreCore>()?)
}

fn exit(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    block::exit(py, arguments, give_back)
}

#[pymethods]
impl SemaphoreCore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyClassInitializer<Self> {
        let core = Self { value: LoopCell::new(Count::Whole(1)), bound: LoopCell::new(None) };
        PyClassInitializer::from(PrimitiveCore::default()).add_subclass(core)
    }

    #[getter(_value)]
    fn get_value(&self) -> Count {
        self.value()
    }

    #[setter(_value)]
    fn set_value(&self, value: Count) {
        self.value.with(|old| *old = value);
    }

    #[getter(_bound_value)]
    fn bound_value(&self) -> Option<Count> {
        self.bound.with(|bound| *bound)
    }

    #[setter(_bound_value)]
    fn set_bound_value(&self, bound: Count) {
        self.bound.with(|old| *old = Some(bound));
    }
}

/// Gives `Semaphore` its methods.
#[pyfunction]
fn native_semaphore(class: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    // This Python's answer tells its generation: it says whether somebody was woken, or nothing.
    let says = class.getattr("_stands_for")?.call0()?.call_method0("_wake_up_next")?;
    LETS_ALL_IN.store(!says.is_none(), Ordering::Relaxed);
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

/// Gives `BoundedSemaphore`, which is below `Semaphore`, the methods that differ.
#[pyfunction]
fn native_bounded_semaphore(class: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    with_methods(class, &[("__init__", initialize_bounded), ("release", release)])
}

pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    Wait::<SemaphoreCore>::prepare(module.py())?;
    module.add_class::<SemaphoreCore>()?;
    module.add_function(wrap_pyfunction!(native_semaphore, module)?)?;
    module.add_function(wrap_pyfunction!(native_bounded_semaphore, module)?)
}
