//! `wait`.

use pyo3::exceptions::{PyAssertionError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PySet, PyTuple};

use super::awaiter::Awaiter;
use super::{Ending, ending, has_other_tasks, is_plain_collection, unwatch, watch};
use crate::event_loop::future::{self, Future};
use crate::event_loop::running::Running;
use crate::event_loop::{LoopCore, Parts};
use crate::ffi::asyncio::{View, is_coroutine};
use crate::ffi::call::{call_method, call_named};
use crate::ffi::cell::LoopCell;
use crate::ffi::coroutine::{self, Coroutine, Kind, Life};
use crate::ffi::derived::Own;
use crate::ffi::imports;
use crate::ffi::intern::intern;
use crate::ffi::observer::{Observer, Watcher};
use crate::ffi::resumable::{Input, Step};
use crate::ffi::{Arg, Arguments, Instance, Object, owned};
use crate::waiting::awaiting;
use crate::waiting::waiter::future_is_cancelled;
use crate::waiting::waiter::future_is_done;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    FirstCompleted,
    FirstException,
    AllCompleted,
}

impl Until {
    fn of(py: Python<'_>, argument: Option<&Object>) -> PyResult<Self> {
        let Some(argument) = argument else { return Ok(Self::AllCompleted) };
        let argument = argument.bind(py);
        let known = [
            (intern!(py, "FIRST_COMPLETED"), Self::FirstCompleted),
            (intern!(py, "FIRST_EXCEPTION"), Self::FirstException),
            (intern!(py, "ALL_COMPLETED"), Self::AllCompleted),
        ];
        for (name, until) in known {
            if argument.is(name) || argument.eq(name)? {
                return Ok(until);
            }
        }
        Err(PyValueError::new_err(format!("Invalid return_when value: {}", argument.str()?)))
    }
}

/// What the futures' observer knows.
pub(crate) struct Awaited {
    until: Until,
    left: LoopCell<usize>,
    waiter: Own<Future>,
    timer: LoopCell<Option<Object>>,
    awaiter: Awaiter,
}

// The futures and the coroutine that refer to it are cleared.
owned!(Awaited { visits: waiter, timer, awaiter; clears nothing; ignores: until, left; });

impl Watcher for Awaited {
    const QUALIFIED_NAME: &'static str = "_wait.<locals>._on_completion";

    fn kind() -> &'static Kind {
        static KIND: Kind = Kind::new();
        &KIND
    }

    fn told(observer: &Instance<Observer<Self>>, py: Python<'_>, future: &Object) -> PyResult<()> {
        observer.watcher.future_done(py, future)
    }

    /// It is over: who waits goes on.
    fn timed_out(observer: &Instance<Observer<Self>>, py: Python<'_>) -> PyResult<()> {
        observer.watcher.release(py)
    }
}

impl Awaited {
    fn future_done(&self, py: Python<'_>, future: &Object) -> PyResult<()> {
        let left = self.left.with(|left| {
            *left = left.saturating_sub(1);
            *left
        });
        let over = left == 0
            || match self.until {
                Until::FirstCompleted => true,
                Until::FirstException => {
                    !future_is_cancelled(py, future)? && matches!(ending(py, future)?, Ending::Error(_))
                }
                Until::AllCompleted => false,
            };
        if over {
            self.cancel_timer(py)?;
            self.release(py)?;
        }
        self.awaiter.awaits_no_more(py, future)
    }

    fn release(&self, py: Python<'_>) -> PyResult<()> {
        future::wake(py, &self.waiter)
    }

    fn cancel_timer(&self, py: Python<'_>) -> PyResult<()> {
        match self.timer.with(Option::take) {
            Some(timer) => call_method(py, &timer, intern!(py, "cancel"), &[]).map(drop),
            None => Ok(()),
        }
    }
}

/// The coroutine.
struct Wait {
    life: Life,
    stage: LoopCell<Stage>,
}

owned!(Wait { clears: stage, life; });

enum Stage {
    Asked(Asked),
    Waiting(Waiting),
    /// On a loop that is not ours asyncio's own coroutine does it.
    Elsewhere(Object),
    Over,
}

owned!(enum Stage { Asked(asked), Waiting(waiting), Elsewhere(coroutine); Over });

struct Asked {
    futures: Object,
    timeout: Option<Object>,
    return_when: Option<Object>,
}

owned!(Asked { visits: futures, timeout, return_when; });

struct Waiting {
    futures: Vec<Object>,
    observer: Instance<Observer<Awaited>>,
}

owned!(Waiting { visits: futures, observer; });

impl Waiting {
    fn awaited(&self) -> &Awaited {
        &self.observer.watcher
    }
}

static WAIT: Kind = Kind::new();

impl Coroutine for Wait {
    const QUALIFIED_NAME: &'static str = "wait";

    fn kind() -> &'static Kind {
        &WAIT
    }

    fn life(&self) -> &Life {
        &self.life
    }

    fn advance(py: Python<'_>, wait: &Instance<Self>, _first: bool, input: Input) -> PyResult<Step> {
        let stage = wait.stage.with(|stage| std::mem::replace(stage, Stage::Over));
        match (stage, input) {
            (Stage::Asked(asked), Input::Next(_)) => Self::begin(py, wait, asked),
            (Stage::Waiting(waiting), input) => {
                if matches!(input, Input::Next(_)) && View::of_own(&waiting.awaited().waiter).is_pending() {
                    // Resumed by somebody who has not waited.
                    leave(py, &waiting)?;
                    return Err(PyRuntimeError::new_err("await wasn't used with future"));
                }
                leave(py, &waiting)?;
                match input {
                    Input::Next(_) => divide(py, &waiting.futures).map(Step::Return),
                    Input::Throw(error) => Err(error),
                }
            }
            (Stage::Elsewhere(coroutine), input) => wait.go_on_elsewhere(py, coroutine, input),
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
        self.stage.with(|stage| match stage {
            Stage::Waiting(waiting) => Some(waiting.awaited().waiter.object().clone_ref(py)),
            _ => None,
        })
    }
}

impl Wait {
    fn set(&self, stage: Stage) {
        drop(self.stage.with(|old| std::mem::replace(old, stage)));
    }

    fn begin(py: Python<'_>, wait: &Instance<Self>, asked: Asked) -> PyResult<Step> {
        let running = Running::now(py)?;
        let Some(core) = running.keeping(Parts::CREATE_FUTURE) else {
            let coroutine = asked.stock(py)?;
            return wait.go_on_elsewhere(py, coroutine, Input::Next(None));
        };
        let until = asked.check(py)?;
        let futures = different(py, &asked.futures)?;
        let waiter = future::create(core)?;
        let awaited = Awaited {
            until,
            left: LoopCell::new(futures.len()),
            waiter: waiter.clone_ref(py),
            timer: LoopCell::new(None),
            awaiter: Awaiter::current(core)?,
        };
        let waiting = Waiting { futures, observer: Observer::make(py, awaited)? };
        if let Some(timeout) = &asked.timeout {
            let arguments = (timeout.bind(py), waiting.observer.object().bind(py));
            let timer = core.call_method1(intern!(py, "call_later"), arguments)?;
            drop(waiting.awaited().timer.with(|place| place.replace(timer.into())));
        }
        for future in &waiting.futures {
            watch(py, future, &waiting.observer)?;
            waiting.awaited().awaiter.awaits(py, future)?;
        }
        wait.set(Stage::Waiting(waiting));
        View::of_own(&waiter).set_blocking(true);
        Ok(Step::Yield(waiter.into_object()))
    }

    fn go_on_elsewhere(&self, py: Python<'_>, coroutine: Object, input: Input) -> PyResult<Step> {
        let step = awaiting::resume(py, &coroutine, input)?;
        self.set(Stage::Elsewhere(coroutine));
        Ok(step)
    }
}

impl Asked {
    /// asyncio's own coroutine.
    fn stock(&self, py: Python<'_>) -> PyResult<Object> {
        let (mut values, mut names) = (vec![&self.futures], Vec::new());
        for (name, value) in [("timeout", &self.timeout), ("return_when", &self.return_when)] {
            if let Some(value) = value {
                values.push(value);
                names.push(name);
            }
        }
        let values: Vec<_> = values.iter().map(|value| Arg::of(value.bind(py))).collect();
        let names = PyTuple::new(py, names)?;
        call_named(imports::stock_wait(py)?.bind(py), &values, 1, Some(names.as_any()))
    }

    fn check(&self, py: Python<'_>) -> PyResult<Until> {
        let futures = self.futures.bind(py);
        if !is_plain_collection(futures) && is_awaited_itself(py, &self.futures)? {
            let kind = futures.get_type().name()?;
            return Err(PyTypeError::new_err(format!("expect a list of futures, not {kind}")));
        }
        if !futures.is_truthy()? {
            return Err(PyValueError::new_err("Set of Tasks/Futures is empty."));
        }
        Until::of(py, self.return_when.as_ref())
    }
}

/// Whether this is a future or a coroutine.
pub(super) fn is_awaited_itself(py: Python<'_>, object: &Object) -> PyResult<bool> {
    Ok(imports::is_future(py)?.bind(py).call1((object.bind(py),))?.is_truthy()?
        || imports::is_coroutine(py)?.bind(py).call1((object.bind(py),))?.is_truthy()?)
}

/// The futures, each once, as a set has them.
fn different(py: Python<'_>, futures: &Object) -> PyResult<Vec<Object>> {
    let set = py.get_type::<PySet>().call1((futures.bind(py),))?;
    let all: Vec<Object> = set.cast::<PySet>()?.iter().map(Object::from).collect();
    for future in &all {
        let coroutine = View::of(future).is_none()
            && (is_coroutine(future)
                || imports::is_coroutine(py)?.bind(py).call1((future.bind(py),))?.is_truthy()?);
        if coroutine {
            return Err(PyTypeError::new_err("Passing coroutines is forbidden, use tasks explicitly."));
        }
    }
    if all.is_empty() {
        return Err(PyAssertionError::new_err("Set of Futures is empty."));
    }
    Ok(all)
}

/// It does not wait any more.
fn leave(py: Python<'_>, waiting: &Waiting) -> PyResult<()> {
    let awaited = waiting.awaited();
    awaited.cancel_timer(py)?;
    for future in &waiting.futures {
        unwatch(py, future, &waiting.observer)?;
        awaited.awaiter.awaits_no_more(py, future)?;
    }
    Ok(())
}

/// The sets of those that are done and of those that are not.
fn divide(py: Python<'_>, futures: &[Object]) -> PyResult<Object> {
    let (done, pending) = (PySet::empty(py)?, PySet::empty(py)?);
    for future in futures {
        let set = if future_is_done(py, future)? { &done } else { &pending };
        set.add(future.bind(py))?;
    }
    Ok(PyTuple::new(py, [done, pending])?.into())
}

/// `wait(fs, *, timeout=None, return_when=ALL_COMPLETED)`, while a loop of ours runs.
pub(super) fn wait(owner: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = owner.py();
    let bound = arguments.bind(py, "wait", ["fs", "timeout", "return_when"], 1);
    let (Ok([Some(futures), timeout, return_when]), 0..=1) = (bound, arguments.positional().len()) else {
        return arguments.pass_on(py, imports::stock_wait(py)?);
    };
    if has_other_tasks(py)? {
        return arguments.pass_on(py, imports::stock_wait(py)?);
    }
    let asked = Asked {
        futures: futures.to_object(py),
        timeout: timeout.filter(|timeout| !timeout.is_none()).map(|timeout| timeout.to_object(py)),
        return_when: return_when.map(|return_when| return_when.to_object(py)),
    };
    let stage = LoopCell::new(Stage::Asked(asked));
    Wait { life: Life::new(), stage }.make(py).map(Instance::into_object)
}

pub(super) fn add_class(py: Python<'_>) -> PyResult<()> {
    coroutine::add_class::<Wait>(py)
}
