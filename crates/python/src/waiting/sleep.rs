//! `sleep`: a timer and a waiter.

use ironloop_engine::Slot;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyFloat;

use crate::event_loop::running::{Running, probably_native};
use crate::event_loop::{LoopCore, Parts, Timer, future, recorder};
use crate::ffi::call::call;
use crate::ffi::class::ClassKind;
use crate::ffi::derived::may_lead_back;
use crate::ffi::function::{Body, Function};
use crate::ffi::view::View;
use crate::ffi::{Arg, Arguments, Object, Shared, imports, owned};
use crate::waiting::awaiting::Awaited;
use crate::waiting::staged::{self, Stages, Transition};

/// `asyncio.sleep(delay, result)`; on a loop that is not ours asyncio's own coroutine does it.
enum Sleep {
    /// `Asked` -> `Turn`, `Timed`, or delegated.
    Asked { delay: Object, result: Object },
    /// For one turn of the loop, which needs none of its timers.
    Turn { result: Object },
    /// Until the timer of this loop is due.
    Timed { slot: Slot, owner: Shared<LoopCore>, result: Object },
}

owned!(enum Sleep { Asked { delay, result }, Turn { result }, Timed { owner, result; slot }; });

/// What asyncio's own coroutine would call.
const SLEEPS: Parts = Parts::CREATE_FUTURE.and(Parts::CALL_LATER).and(Parts::CALL_AT);

impl Stages for Sleep {
    const QUALIFIED_NAME: &'static str = "sleep";
    const LEADS_ANYWHERE: Option<fn(&Self) -> bool> = Some(Self::leads_anywhere);
    const PAUSES: Option<fn(&Self) -> bool> = Some(|stage| matches!(stage, Self::Turn { .. }));

    fn kind() -> &'static ClassKind {
        static KIND: ClassKind = ClassKind::new();
        &KIND
    }

    fn resume(self, py: Python<'_>, _sent: Option<Object>) -> PyResult<Transition<Self>> {
        match self {
            Self::Asked { delay, result } => Self::begin(py, &delay, result),
            Self::Turn { result } | Self::Timed { result, .. } => Ok(Transition::Return(result)),
        }
    }

    fn throw(self, py: Python<'_>, error: PyErr) -> PyResult<Transition<Self>> {
        if let Self::Timed { slot, owner, .. } = self {
            drop(owner.get(py).unschedule(slot));
        }
        Err(error)
    }

    fn awaits(&self, py: Python<'_>) -> Option<Object> {
        let Self::Timed { slot, owner, .. } = self else { return None };
        // The loop has the future, until it is due.
        owner.get(py).state.with(|state| match state.reactor.engine.timer(*slot) {
            Some(Timer::Sleep(future)) => Some(future.object().clone_ref(py)),
            _ => None,
        })
    }
}

impl Sleep {
    /// The loop does, by the task.
    fn leads_anywhere(&self) -> bool {
        match self {
            Self::Asked { delay, result } => may_lead_back(delay) || may_lead_back(result),
            Self::Turn { result } => may_lead_back(result),
            Self::Timed { .. } => true,
        }
    }

    fn begin(py: Python<'_>, delay: &Object, result: Object) -> PyResult<Transition<Self>> {
        let seconds = seconds_of(py, delay)?;
        if seconds <= 0.0 {
            return Ok(Transition::Yield(Object::none(py), Self::Turn { result }));
        }
        if cfg!(Py_3_13) && seconds.is_nan() {
            return Err(PyValueError::new_err("Invalid delay: NaN (not a number)"));
        }
        let core = match Running::now(py)? {
            Running::Native(core) if LoopCore::keeps(&core, SLEEPS) => core,
            running => {
                running.object()?;
                let coroutine = call(py, imports::stock_sleep(py)?, &[delay, &result])?;
                return Ok(Transition::Delegate(Awaited::by(coroutine)));
            }
        };
        let future = future::create_timed(&core)?;
        let when = LoopCore::time(&core)? + seconds;
        let slot = core.get().schedule(when, Timer::Sleep(future.clone_ref(py)));
        View::of_own(&future).set_blocking(true);
        if core.get().is_watched() {
            recorder::sleeps(&core, seconds);
        }
        Ok(Transition::Yield(future.into_object(), Self::Timed { slot, owner: core.into(), result }))
    }
}

fn seconds_of(py: Python<'_>, delay: &Object) -> PyResult<f64> {
    let delay = delay.bind(py);
    if let Ok(delay) = delay.cast_exact::<PyFloat>() {
        return Ok(delay.value());
    }
    // What cannot be compared fails as it does in asyncio.
    if delay.le(0)? { Ok(0.0) } else { delay.extract() }
}

/// `sleep(delay, result=None)`; where no loop of ours runs asyncio's own.
fn sleep(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    if !probably_native(py)? {
        return arguments.pass_on(py, imports::stock_sleep(py)?);
    }
    // The most common of all calls.
    if let Some([delay]) = arguments.only_positional::<1>() {
        if is_zero(py, delay) {
            return staged::make(py, Sleep::Turn { result: Object::none(py) });
        }
    }
    let [delay, result] = arguments.bind(py, "sleep", ["delay", "result"], 1)?;
    let result = result.map_or_else(|| Object::none(py), |result| result.to_object(py));
    let stage = match delay {
        Some(delay) if is_zero(py, delay) => Sleep::Turn { result },
        delay => {
            let delay = delay.map_or_else(|| Object::none(py), |delay| delay.to_object(py));
            Sleep::Asked { delay, result }
        }
    };
    staged::make(py, stage)
}

/// The number 0 itself: of small ints there is one each.
fn is_zero(py: Python<'_>, delay: Arg<'_>) -> bool {
    static ZERO: PyOnceLock<Object> = PyOnceLock::new();
    ZERO.get_or_init(py, || 0.into_pyobject(py).map_or_else(|never| match never {}, Object::from)).as_ptr()
        == delay.as_ptr()
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    staged::add_class::<Sleep>(py)?;
    let function = Function::make(py, Body::Anywhere(sleep), imports::stock_sleep(py)?.clone_ref(py))?;
    module.add("sleep", function.bind(py))
}
