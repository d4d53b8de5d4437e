//! `Condition`: those who wait let go of a lock, and take it again when they are notified.
//!
//! The lock is anybody's. The condition's own `locked`, `acquire` and `release` are the lock's, attributes of
//! the instance, and are called by name.

use std::sync::atomic::{AtomicBool, Ordering};

use ironloop_trace::{ObjectKind, Reason};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::block;
use super::core::{Family, Hook, PrimitiveCore};
use super::waiting::ENTERS;
use crate::ffi::call::call_method;
use crate::ffi::class::ClassKind;
use crate::ffi::function::set_methods;
use crate::ffi::hooks::Hooks;
use crate::ffi::imports;
use crate::ffi::intern::intern;
use crate::ffi::raise::{raised, set_context};
use crate::ffi::resumable::{Input, Step};
use crate::ffi::{Arguments, Object, owned};
use crate::waiting::awaiting::Awaited;
use crate::waiting::staged::{self, Stages, Transition};
use crate::waiting::waiter::Waiter;

#[pyclass(extends = PrimitiveCore, subclass, frozen, module = "ironloop._ironloop")]
pub(crate) struct ConditionCore;

static FAMILY: Family = Family {
    hooks: Hooks::new(&[&[(Hook::GetLoop, "_get_loop"), (Hook::Wake, "_notify")]]),
    value: "_value",
    kind: ObjectKind::Condition,
    reason: Reason::Condition,
    is_lazy: false,
};

/// Whether a notification that is lost by a cancellation goes to the next, and the cancellation is raised as
/// it came: as asyncio does since some release of Python 3.12.
static PASSES_ON: AtomicBool = AtomicBool::new(true);

fn passes_on() -> bool {
    PASSES_ON.load(Ordering::Relaxed)
}

/// `Condition.wait()`: whatever happens while it waits, it ends with the lock taken again.
enum ConditionWait {
    Asked { condition: Object },
    InLine { condition: Object, waiter: Waiter },
    Acquiring { condition: Object, acquiring: Awaited, failures: Failures },
}

owned!(enum ConditionWait {
    Asked { condition },
    InLine { condition, waiter },
    Acquiring { condition, acquiring, failures };
});

/// What the wait is to fail with, once the lock is taken again.
#[derive(Default)]
struct Failures {
    /// What the wait itself has failed with.
    error: Option<Object>,
    /// The last cancellation while the lock was to be taken.
    cancelled: Option<Object>,
}

owned!(Failures { visits: error, cancelled; });

impl Stages for ConditionWait {
    const QUALIFIED_NAME: &'static str = "Condition.wait";

    fn kind() -> &'static ClassKind {
        static KIND: ClassKind = ClassKind::new();
        &KIND
    }

    fn resume(self, py: Python<'_>, sent: Option<Object>) -> PyResult<Transition<Self>> {
        match self {
            Self::Asked { condition } => Self::begin(py, condition),
            Self::InLine { condition, waiter } => {
                let step = waiter.resume(py, sent);
                Self::settle(py, condition, waiter, step)
            }
            Self::Acquiring { condition, acquiring, failures } => {
                let step = acquiring.resume(py, Input::Next(sent));
                Self::acquire(py, condition, Some((acquiring, step)), failures)
            }
        }
    }

    fn throw(self, py: Python<'_>, error: PyErr) -> PyResult<Transition<Self>> {
        match self {
            Self::Asked { .. } => Err(error),
            Self::InLine { condition, waiter } => Self::settle(py, condition, waiter, Err(error)),
            Self::Acquiring { condition, acquiring, failures } => {
                let step = acquiring.resume(py, Input::Throw(error));
                Self::acquire(py, condition, Some((acquiring, step)), failures)
            }
        }
    }

    fn awaits(&self, py: Python<'_>) -> Option<Object> {
        match self {
            Self::Asked { .. } => None,
            Self::InLine { waiter, .. } => Some(waiter.awaited().clone_ref(py)),
            Self::Acquiring { acquiring, .. } => Some(acquiring.object().clone_ref(py)),
        }
    }

    fn subject(&self, py: Python<'_>) -> Option<Object> {
        match self {
            Self::Asked { condition } | Self::InLine { condition, .. } => Some(condition.clone_ref(py)),
            // It is the lock's coroutine that waits.
            Self::Acquiring { .. } => None,
        }
    }
}

impl ConditionWait {
    fn begin(py: Python<'_>, condition: Object) -> PyResult<Transition<Self>> {
        let slf = condition.bind(py);
        if !is_locked(slf)? {
            return Err(PyRuntimeError::new_err("cannot wait on un-acquired lock"));
        }
        let core = slf.cast::<PrimitiveCore>()?;
        let made = if passes_on() {
            let waiter = PrimitiveCore::make_waiter(core)?;
            block::release_by_name(slf)?;
            Ok(waiter)
        } else {
            block::release_by_name(slf)?;
            PrimitiveCore::make_waiter(core)
        };
        let joined = made.and_then(|waiter| core.get().waiters.join(py, &waiter).map(|()| waiter));
        match joined {
            Ok(waiter) => {
                let step = waiter.wait(py);
                Self::settle(py, condition, waiter, step)
            }
            Err(error) => Self::acquire(py, condition, None, Failures::of(py, error)),
        }
    }

    /// What the waiter says.
    fn settle(
        py: Python<'_>,
        condition: Object,
        waiter: Waiter,
        step: PyResult<Step>,
    ) -> PyResult<Transition<Self>> {
        if let Ok(Step::Yield(yielded)) = step {
            return Ok(Transition::Yield(yielded, Self::InLine { condition, waiter }));
        }
        let left = core_of(condition.bind(py))?.get().waiters.leave(py, &waiter);
        let failures = left.and(step).map_or_else(|error| Failures::of(py, error), |_| Failures::default());
        Self::acquire(py, condition, None, failures)
    }

    /// Takes the lock, whatever happens: who cancels has to wait until it is taken. `begun` is an attempt
    /// that goes on.
    fn acquire(
        py: Python<'_>,
        condition: Object,
        begun: Option<(Awaited, PyResult<Step>)>,
        mut failures: Failures,
    ) -> PyResult<Transition<Self>> {
        let mut attempt = begun.map_or_else(|| attempt(py, &condition), Ok);
        loop {
            match attempt {
                Ok((acquiring, Ok(Step::Yield(yielded)))) => {
                    return Ok(Transition::Yield(
                        yielded,
                        Self::Acquiring { condition, acquiring, failures },
                    ));
                }
                Ok((_, Ok(Step::Return(_)))) => return Self::end(py, &condition, failures.into_error(py)?),
                Ok((_, Err(error))) | Err(error) => {
                    if !error.matches(py, imports::cancelled_error(py)?)? {
                        return Self::end(py, &condition, Some(error));
                    }
                    failures.cancelled = Some(error.into_value(py).into());
                }
            }
            attempt = self::attempt(py, &condition);
        }
    }

    fn end(py: Python<'_>, condition: &Object, error: Option<PyErr>) -> PyResult<Transition<Self>> {
        let Some(error) = error else {
            return Ok(Transition::Return(Object::truth(py, true)));
        };
        if passes_on() {
            // This one may have been notified, and nobody would know.
            wake(core_of(condition.bind(py))?, None)?;
        }
        Err(error)
    }
}

impl Failures {
    fn of(py: Python<'_>, error: PyErr) -> Self {
        Self { error: Some(error.into_value(py).into()), cancelled: None }
    }

    fn into_error(self, py: Python<'_>) -> PyResult<Option<PyErr>> {
        let Some(cancelled) = self.cancelled else {
            return Ok(self.error.map(|error| PyErr::from_value(error.bind(py).clone())));
        };
        let cancelled = if passes_on() { cancelled } else { imports::cancelled_error(py)?.call0()?.into() };
        // It came while the other one was being handled.
        match self.error {
            Some(error) => set_context(&cancelled, error),
            None => return Ok(Some(raised(py, &cancelled))),
        }
        Ok(Some(PyErr::from_value(cancelled.bind(py).clone())))
    }
}

/// The first step of `await condition.acquire()`.
fn attempt(py: Python<'_>, condition: &Object) -> PyResult<(Awaited, PyResult<Step>)> {
    let acquiring = Awaited::of(py, &call_method(py, condition, intern!(py, "acquire"), &[])?)?;
    let step = acquiring.resume(py, Input::Next(None));
    Ok((acquiring, step))
}

fn core_of<'a, 'py>(condition: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PrimitiveCore>> {
    Ok(condition.cast::<PrimitiveCore>()?)
}

/// `self._notify(n)`; one if nothing is said.
fn wake(condition: &Bound<'_, PrimitiveCore>, number: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    let py = condition.py();
    if passes_on() && !PrimitiveCore::is_intact(condition, Hook::Wake) {
        let notify = intern!(py, "_notify");
        return match number {
            Some(number) => condition.call_method1(notify, (number,)),
            None => condition.call_method1(notify, (1,)),
        }
        .map(drop);
    }
    let waiters = &condition.get().waiters;
    let result = Object::truth(py, false);
    match number {
        None => waiters.wake(py, &result, |woken| Ok(woken >= 1)),
        Some(number) => match number.extract::<usize>() {
            Ok(most) => waiters.wake(py, &result, |woken| Ok(woken >= most)),
            // Python compares, if there is anybody.
            Err(_) => waiters.wake(py, &result, |woken| woken.into_pyobject(py)?.ge(number)),
        },
    }
}

fn is_locked(condition: &Bound<'_, PyAny>) -> PyResult<bool> {
    condition.call_method0(intern!(condition.py(), "locked"))?.is_truthy()
}

fn wait(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let condition = arguments.only_receiver(py, "Condition.wait")?.bind(py);
    condition.cast::<ConditionCore>()?;
    staged::make(py, ConditionWait::Asked { condition: (&*condition).into() })
}

fn notify(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (condition, arguments) = arguments.split_receiver()?;
    let [number] = arguments.bind(py, "Condition.notify", ["n"], 0)?;
    let condition = condition.bind(py);
    if !is_locked(&condition)? {
        return Err(PyRuntimeError::new_err("cannot notify on un-acquired lock"));
    }
    wake(core_of(&condition)?, number.map(|number| number.bind(py)).as_deref())?;
    Ok(Object::none(py))
}

fn notify_all(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let condition = arguments.only_receiver(py, "Condition.notify_all")?.bind(py);
    let all = core_of(&condition)?.get().waiters.len(py)?;
    condition.call_method1(intern!(py, "notify"), (all,))?;
    Ok(Object::none(py))
}

fn enter(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    block::enter_by_name(&arguments.only_receiver(py, ENTERS)?.bind(py))
}

#[pymethods]
impl ConditionCore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyClassInitializer<Self> {
        PyClassInitializer::from(PrimitiveCore::new(&FAMILY)).add_subclass(Self)
    }
}

/// Gives `Condition` its methods.
#[pyfunction]
fn native_condition(class: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    // The method came with the change.
    let passes_on = class.getattr("_stands_for")?.hasattr("_notify")?;
    PASSES_ON.store(passes_on, Ordering::Relaxed);
    set_methods(
        &class,
        &[
            ("wait", wait),
            ("notify", notify),
            ("notify_all", notify_all),
            ("__aenter__", enter),
            ("__aexit__", block::exit_by_name),
        ],
    )?;
    FAMILY.hooks.learn_some(&[&class], |hook| hook != Hook::Wake || passes_on)?;
    Ok(class)
}

pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    staged::add_class::<ConditionWait>(module.py())?;
    module.add_class::<ConditionCore>()?;
    module.add_function(wrap_pyfunction!(native_condition, module)?)
}
