//! `wait_for`: an awaitable, and a limit to the time that it takes.
//!
//! From Python 3.12 on it is awaited inside a timeout; no task is made for it. A timeout that has passed goes
//! on as asyncio's own `Timeout`, which knows what error is due.

use pyo3::prelude::*;

use crate::event_loop;
use crate::event_loop::running::{Running, natively};
use crate::event_loop::task;
use crate::event_loop::{LoopCore, Timer};
use crate::ffi::call::call;
use crate::ffi::cell::LoopCell;
use crate::ffi::coroutine::{self, ClassKind, Coroutine, Life};
use crate::ffi::depth::Link;
use crate::ffi::function::Function;
use crate::ffi::handled::while_handling;
use crate::ffi::imports;
use crate::ffi::intern::intern;
use crate::ffi::resumable::{Input, Step};
use crate::ffi::{Arguments, Instance, Object, Release, owned};
use crate::waiting::alarm::{self, Alarm, Entry};
use crate::waiting::awaiting::Awaited;
use crate::waiting::timeouts;

/// `asyncio.wait_for(fut, timeout)`
///
/// Not `staged`: the alarm may come, and must find the stage, while the awaitable runs (it may run the loop).
/// So a step leaves the stage in its place.
pub(crate) struct WaitFor {
    life: Life,
    stage: LoopCell<Stage>,
}

owned!(WaitFor { clears: stage, life; });

enum Stage {
    Asked {
        awaitable: Link,
        timeout: Object,
    },
    Waiting {
        iterator: Awaited,
        limit: Limit,
    },
    /// asyncio's own coroutine does it.
    Delegated(Awaited),
    Over,
}

owned!(enum Stage { Asked { awaitable, timeout }, Waiting { iterator, limit }, Delegated(coroutine), Over; });

/// The alarm is off then.
impl Release for Stage {
    fn release(&mut self, py: Python<'_>) -> impl Sized + use<> {
        end(py, self)
    }
}

/// What becomes of the wait when it takes long.
enum Limit {
    Never,
    /// The time is not over.
    Set {
        alarm: Alarm,
        when: f64,
        task: Object,
        cancelling: i64,
    },
    /// It is: asyncio's own timeout.
    Passed(Object),
}

owned!(enum Limit { Never, Set { alarm, task; when, cancelling }, Passed(timeout); });

static WAIT_FOR: ClassKind = ClassKind::new();

/// What was taken from the loop.
type Taken = (Option<Entry>, Option<Timer>);

/// Takes the stage out; the alarm is off. What comes back is dropped where Python may run.
fn end(py: Python<'_>, stage: &mut Stage) -> (Stage, Option<Taken>) {
    let mut old = std::mem::replace(stage, Stage::Over);
    let taken = match &mut old {
        Stage::Waiting { limit: Limit::Set { alarm, .. }, .. } => Some(alarm.switch_off(py)),
        _ => None,
    };
    (old, taken)
}

impl Coroutine for WaitFor {
    const QUALIFIED_NAME: &'static str = "wait_for";

    fn kind() -> &'static ClassKind {
        &WAIT_FOR
    }

    fn life(&self) -> &Life {
        &self.life
    }

    fn advance(
        py: Python<'_>,
        waiting: &Instance<Self>,
        first: bool,
        sent: Option<Object>,
    ) -> PyResult<Step> {
        if first {
            Self::begin(py, waiting)?;
        }
        waiting.go_on(py, Input::Next(sent))
    }

    fn throw(py: Python<'_>, waiting: &Instance<Self>, error: PyErr) -> PyResult<Step> {
        waiting.go_on(py, Input::Throw(error))
    }

    fn deputy(&self, py: Python<'_>) -> Option<Object> {
        self.stage.with(|stage| match stage {
            Stage::Delegated(coroutine) => Some(coroutine.object().clone_ref(py)),
            _ => None,
        })
    }

    fn awaits(&self, py: Python<'_>) -> Option<Object> {
        self.stage.with(|stage| match stage {
            Stage::Waiting { iterator, .. } => Some(iterator.object().clone_ref(py)),
            _ => None,
        })
    }
}

impl WaitFor {
    fn go_on(&self, py: Python<'_>, input: Input) -> PyResult<Step> {
        let iterator = self.stage.with(|stage| match stage {
            Stage::Waiting { iterator, .. } | Stage::Delegated(iterator) => Some(iterator.clone_ref(py)),
            Stage::Asked { .. } | Stage::Over => None,
        });
        let Some(iterator) = iterator else { return Ok(Step::nothing(py)) };
        match iterator.resume(py, input) {
            Ok(Step::Yield(yielded)) => Ok(Step::Yield(yielded)),
            ended => self.leave(py, ended),
        }
    }

    // Apart, as `leave` is: what they need would lie in the stack for as long as the awaitable runs.
    #[inline(never)]
    fn begin(py: Python<'_>, waiting: &Instance<Self>) -> PyResult<()> {
        let Stage::Asked { awaitable, timeout } =
            waiting.stage.with(|stage| std::mem::replace(stage, Stage::Over))
        else {
            return Ok(());
        };
        let native = match Running::now(py)? {
            Running::Native(owner) if alarm::may_be_set(&owner) => {
                task::current(&owner)?.map(|task| (owner, task))
            }
            _ => None,
        };
        let seconds = alarm::seconds_of(py, &timeout).filter(|seconds| !seconds.is_some_and(|s| s <= 0.0));
        let stage = match (seconds, native) {
            (Some(seconds), Some((owner, task))) => {
                let iterator = Awaited::of(py, &awaitable)?;
                Stage::Waiting { iterator, limit: Self::limit(waiting, &owner, task, seconds)? }
            }
            _ => {
                let coroutine = call(py, imports::stock_wait_for(py)?, &[&awaitable, &timeout])?;
                Stage::Delegated(Awaited::by(coroutine))
            }
        };
        waiting.stage.with(|old| *old = stage);
        Ok(())
    }

    fn limit(
        waiting: &Instance<Self>,
        owner: &Bound<'_, LoopCore>,
        task: Object,
        seconds: Option<f64>,
    ) -> PyResult<Limit> {
        let Some(seconds) = seconds else { return Ok(Limit::Never) };
        let when = LoopCore::time(owner)? + seconds;
        let cancelling = alarm::cancelling(owner.py(), &task)?;
        let mut alarm = Alarm::default();
        alarm.set(alarm::set(owner, "wait_for", when, waiting.object(), &EXPIRES)?);
        Ok(Limit::Set { alarm, when, task, cancelling })
    }

    /// The awaitable has come to its end.
    #[inline(never)]
    fn leave(&self, py: Python<'_>, ended: PyResult<Step>) -> PyResult<Step> {
        let (stage, _taken) = self.stage.with(|stage| end(py, stage));
        let Stage::Waiting { limit: Limit::Passed(timeout), .. } = stage else { return ended };
        let none = Object::none(py);
        let Err(error) = &ended else {
            timeouts::leave(py, &timeout, [&none, &none, &none])?;
            return ended;
        };
        let (kind, value) = (error.get_type(py).into(), error.value(py).into());
        let traceback = error.traceback(py).map_or(none, Object::from);
        while_handling(py, &value, || timeouts::leave(py, &timeout, [&kind, &value, &traceback]))?;
        ended
    }

    /// The alarm has come: from now on the limit is asyncio's own timeout, and what that runs is run.
    fn expire(&self, owner: &Bound<'_, LoopCore>) -> PyResult<()> {
        let py = owner.py();
        let passed = self.stage.with(|stage| {
            let Stage::Waiting { limit, .. } = stage else { return None };
            let Limit::Set { alarm, .. } = limit else { return None };
            alarm.expire().map(|entry| (entry, std::mem::replace(limit, Limit::Never)))
        });
        let Some((entry, Limit::Set { when, task, cancelling, .. })) = passed else { return Ok(()) };
        entry.begin(owner);
        let timeout = imports::stock_timeout(py)?.call1((when,))?;
        let entered = imports::stock_timeout_state(py)?.getattr(intern!(py, "ENTERED"))?;
        timeout.setattr(intern!(py, "_state"), entered)?;
        timeout.setattr(intern!(py, "_task"), task.bind(py))?;
        timeout.setattr(intern!(py, "_cancelling"), cancelling)?;
        let on_timeout = timeout.getattr(intern!(py, "_on_timeout"))?;
        self.stage.with(|stage| {
            if let Stage::Waiting { limit, .. } = stage {
                *limit = Limit::Passed(timeout.into());
            }
        });
        LoopCore::run_now(owner, &on_timeout.into(), entry.scope)
    }
}

/// The alarm of one has come.
static EXPIRES: event_loop::ItemKind = event_loop::ItemKind {
    perform: |owner, target| Instance::<WaitFor>::of(target).map_or(Ok(()), |waiting| waiting.expire(owner)),
    quiet: false,
};

/// `wait_for(fut, timeout)`, while a loop of ours runs.
fn wait_for(owner: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = owner.py();
    let [awaitable, timeout] = arguments.exactly(py, "wait_for", ["fut", "timeout"])?;
    let stage =
        Stage::Asked { awaitable: Link::new(awaitable.to_object(py)), timeout: timeout.to_object(py) };
    WaitFor { life: Life::new(), stage: LoopCell::new(stage) }.make(py).map(Instance::into_object)
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    coroutine::add_class::<WaitFor>(py)?;
    let stock = imports::stock_wait_for(py)?.clone_ref(py);
    // Python 3.11 makes a task and waits for that, on any loop.
    let function = if cfg!(Py_3_12) { Function::make(py, natively!(wait_for), stock)? } else { stock };
    module.add("wait_for", function.bind(py))
}
