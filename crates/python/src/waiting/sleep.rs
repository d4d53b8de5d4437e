//! `sleep`: a timer and a waiter.

use std::ffi::c_int;

use ironloop_engine::Slot;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt};

use crate::event_loop::future;
use crate::event_loop::running::{Running, probably_native};
use crate::event_loop::{LoopCore, Parts, Timer};
use crate::ffi::asyncio::View;
use crate::ffi::call::call;
use crate::ffi::cell::LoopCell;
use crate::ffi::coroutine::{self, Coroutine, Kind, Life};
use crate::ffi::derived::{may_lead_back, track};
use crate::ffi::function::{Body, Function};
use crate::ffi::imports;
use crate::ffi::resumable::{Input, Step};
use crate::ffi::{Arg, Arguments, Instance, Object, Shared, Visit};
use crate::waiting::awaiting;

/// `asyncio.sleep(delay, result)`
pub(crate) struct Sleep {
    life: Life,
    stage: LoopCell<Stage>,
}

enum Stage {
    Asked {
        delay: Object,
        result: Object,
    },
    /// For one turn of the loop, which needs none of its timers.
    Turn {
        result: Object,
    },
    /// Until the timer of this loop is due.
    Timed {
        slot: Slot,
        owner: Shared<LoopCore>,
        result: Object,
    },
    /// On a loop that is not ours asyncio's own coroutine does it.
    Elsewhere(Object),
    Over,
}

/// What asyncio's own coroutine would call.
const SLEEPS: Parts = Parts::CREATE_FUTURE.and(Parts::CALL_LATER).and(Parts::CALL_AT);

static SLEEP: Kind = Kind::new();

impl Coroutine for Sleep {
    const QUALIFIED_NAME: &'static str = "sleep";

    fn kind() -> &'static Kind {
        &SLEEP
    }

    fn life(&self) -> &Life {
        &self.life
    }

    fn leads_anywhere(&mut self) -> bool {
        match self.stage.get_mut() {
            Stage::Asked { delay, result } => may_lead_back(delay) || may_lead_back(result),
            Stage::Turn { result } => may_lead_back(result),
            Stage::Timed { .. } | Stage::Elsewhere(_) | Stage::Over => true,
        }
    }

    fn advance(py: Python<'_>, sleep: &Instance<Self>, first: bool, input: Input) -> PyResult<Step> {
        let yields = first && sleep.stage.with(|stage| matches!(stage, Stage::Turn { .. }));
        if yields {
            return Ok(Step::Yield(Object::none(py)));
        }
        let stage = sleep.stage.with(|stage| std::mem::replace(stage, Stage::Over));
        match (stage, input) {
            (Stage::Asked { delay, result }, Input::Next(_)) => Self::begin(py, sleep, delay, result),
            (Stage::Turn { result } | Stage::Timed { result, .. }, Input::Next(_)) => {
                Ok(Step::Return(result))
            }
            (Stage::Timed { slot, owner, .. }, Input::Throw(error)) => {
                drop(owner.get(py).state.with(|state| state.engine.cancel(slot)));
                Err(error)
            }
            (Stage::Elsewhere(coroutine), input) => sleep.go_on_elsewhere(py, coroutine, input),
            (_, Input::Throw(error)) => Err(error),
            (Stage::Over, Input::Next(_)) => Ok(Step::nothing(py)),
        }
    }

    fn deputy(&self, py: Python<'_>) -> Option<Object> {
        self.stage.with(|stage| match stage {
            Stage::Elsewhere(coroutine) => Some(coroutine.clone_ref(py)),
            _ => None,
        })
    }

    fn awaits(&self, py: Python<'_>) -> Option<Object> {
        let timed = self.stage.with(|stage| match stage {
            Stage::Timed { slot, owner, .. } => Some((*slot, owner.bind(py).clone())),
            _ => None,
        });
        // The loop has the future, until it is due.
        timed.and_then(|(slot, owner)| {
            owner.get().state.with(|state| match state.engine.timer(slot) {
                Some(Timer::Sleep(future)) => Some(future.object().clone_ref(py)),
                _ => None,
            })
        })
    }

    fn traverse(&self, visit: &mut Visit<'_>) -> c_int {
        let visited = self.stage.try_with(|stage| match stage {
            Stage::Asked { delay, result } => visit.all([&*delay, &*result]),
            Stage::Turn { result } => visit.object(result),
            Stage::Timed { owner, result, .. } => visit.all([owner.object(), &*result]),
            Stage::Elsewhere(coroutine) => visit.object(coroutine),
            Stage::Over => 0,
        });
        visited.unwrap_or(0)
    }

    fn clear(&self, _py: Python<'_>) {
        drop(self.stage.with(|stage| std::mem::replace(stage, Stage::Over)));
    }
}

impl Sleep {
    fn set(&self, stage: Stage) {
        drop(self.stage.with(|old| std::mem::replace(old, stage)));
    }

    fn begin(py: Python<'_>, sleep: &Instance<Self>, delay: Object, result: Object) -> PyResult<Step> {
        let seconds = seconds_of(py, &delay)?;
        if seconds <= 0.0 {
            sleep.set(Stage::Turn { result });
            return Ok(Step::Yield(Object::none(py)));
        }
        if cfg!(Py_3_13) && seconds.is_nan() {
            return Err(PyValueError::new_err("Invalid delay: NaN (not a number)"));
        }
        let running = Running::now(py)?;
        let Some(core) = running.keeping(SLEEPS) else {
            running.object()?;
            let coroutine = call(py, imports::stock_sleep(py)?, &[&delay, &result])?;
            // Whose it is leads back to it.
            track(sleep.object());
            return sleep.go_on_elsewhere(py, coroutine, Input::Next(None));
        };
        let future = future::create_timed(core)?;
        let when = LoopCore::time(core)? + seconds;
        let slot = core.get().schedule(when, Timer::Sleep(future.clone_ref(py)));
        sleep.stage.with(|stage| *stage = Stage::Timed { slot, owner: Shared::new(core), result });
        // The loop leads back to it, by the task.
        track(sleep.object());
        View::of_own(&future).set_blocking(true);
        Ok(Step::Yield(future.into_object()))
    }

    fn go_on_elsewhere(&self, py: Python<'_>, coroutine: Object, input: Input) -> PyResult<Step> {
        let step = awaiting::resume(py, &coroutine, input)?;
        self.set(Stage::Elsewhere(coroutine));
        Ok(step)
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
    let [delay, result] = arguments.bind(py, "sleep", ["delay", "result"], 1)?;
    let result = result.map_or_else(|| Object::none(py), |result| result.to_object(py));
    let stage = match delay {
        Some(delay) if is_zero(py, delay) => Stage::Turn { result },
        delay => {
            let delay = delay.map_or_else(|| Object::none(py), |delay| delay.to_object(py));
            Stage::Asked { delay, result }
        }
    };
    Sleep { life: Life::new(), stage: LoopCell::new(stage) }.make(py).map(Instance::into_object)
}

/// The number 0 itself, the most common of all delays.
fn is_zero(py: Python<'_>, delay: Arg<'_>) -> bool {
    delay
        .bind(py)
        .cast_exact::<PyInt>()
        .is_ok_and(|delay| delay.extract::<i64>().is_ok_and(|delay| delay == 0))
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    coroutine::add_class::<Sleep>(py)?;
    let function = Function::make(py, Body::Anywhere(sleep), imports::stock_sleep(py)?.clone_ref(py))?;
    module.add("sleep", function.bind(py))
}
