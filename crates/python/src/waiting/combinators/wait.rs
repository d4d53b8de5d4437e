//! `wait`.

use ironloop_trace::Reason;
use pyo3::exceptions::{PyAssertionError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PySet, PyTuple};

use super::awaiter::Awaiter;
use super::children::{
    Completion, completion, has_other_tasks, is_awaited_itself, is_plain_collection, unwatch, watch,
};
use crate::event_loop::future::{self, Future};
use crate::event_loop::recorder::{self, ObjectMark};
use crate::event_loop::running::Running;
use crate::event_loop::{LoopCore, Parts};
use crate::ffi::call::{call_method, call_named};
use crate::ffi::cell::LoopCell;
use crate::ffi::coroutine::{ClassKind, is_coroutine};
use crate::ffi::derived::Own;
use crate::ffi::intern::intern;
use crate::ffi::observer::{Observe, Observer};
use crate::ffi::view::View;
use crate::ffi::{Arg, Arguments, Instance, Object, imports, owned};
use crate::waiting::awaiting::Awaited;
use crate::waiting::staged::{self, Stages, Transition};
use crate::waiting::waiter::{future_is_cancelled, future_is_done};

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

/// What the futures' observer knows: how many are left.
pub(crate) struct Countdown {
    until: Until,
    left: LoopCell<usize>,
    waiter: Own<Future>,
    timer: LoopCell<Option<Object>>,
    awaiter: Awaiter,
    /// Of who waits for them.
    mark: ObjectMark,
}

// The futures and the coroutine that refer to it are cleared.
owned!(Countdown { visits: waiter, timer, awaiter; clears nothing; ignores: until, left, mark; });

impl Observe for Countdown {
    const QUALIFIED_NAME: &'static str = "_wait.<locals>._on_completion";

    fn kind() -> &'static ClassKind {
        static KIND: ClassKind = ClassKind::new();
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

impl Countdown {
    fn future_done(&self, py: Python<'_>, future: &Object) -> PyResult<()> {
        let left = self.left.with(|left| {
            *left = left.saturating_sub(1);
            *left
        });
        let over = left == 0
            || match self.until {
                Until::FirstCompleted => true,
                Until::FirstException => {
                    !future_is_cancelled(py, future)?
                        && matches!(completion(py, future)?, Completion::Error(_))
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

/// The coroutine; on a loop that is not ours asyncio's own does it.
enum Wait {
    /// `Asked` -> `Waiting`, or delegated.
    Asked(Asked),
    /// Until enough futures are done.
    Waiting(Waiting),
}

owned!(enum Wait { Asked(asked), Waiting(waiting); });

struct Asked {
    futures: Object,
    timeout: Option<Object>,
    return_when: Option<Object>,
}

owned!(Asked { visits: futures, timeout, return_when; });

struct Waiting {
    futures: Vec<Object>,
    observer: Instance<Observer<Countdown>>,
}

owned!(Waiting { visits: futures, observer; });

impl Waiting {
    fn countdown(&self) -> &Countdown {
        &self.observer.watcher
    }
}

impl Stages for Wait {
    const QUALIFIED_NAME: &'static str = "wait";

    fn kind() -> &'static ClassKind {
        static KIND: ClassKind = ClassKind::new();
        &KIND
    }

    fn resume(self, py: Python<'_>, _sent: Option<Object>) -> PyResult<Transition<Self>> {
        match self {
            Self::Asked(asked) => Self::begin(py, &asked),
            Self::Waiting(waiting) => {
                // Resumed by somebody who has not waited.
                let is_early = View::of_own(&waiting.countdown().waiter).is_pending();
                leave(py, &waiting)?;
                if is_early {
                    return Err(PyRuntimeError::new_err("await wasn't used with future"));
                }
                divide(py, &waiting.futures).map(Transition::Return)
            }
        }
    }

    fn throw(self, py: Python<'_>, error: PyErr) -> PyResult<Transition<Self>> {
        if let Self::Waiting(waiting) = &self {
            leave(py, waiting)?;
        }
        Err(error)
    }

    fn awaits(&self, py: Python<'_>) -> Option<Object> {
        match self {
            Self::Asked(_) => None,
            Self::Waiting(waiting) => Some(waiting.countdown().waiter.object().clone_ref(py)),
        }
    }
}

impl Wait {
    fn begin(py: Python<'_>, asked: &Asked) -> PyResult<Transition<Self>> {
        let running = Running::now(py)?;
        let Some(core) = running.keeping(Parts::CREATE_FUTURE) else {
            return Ok(Transition::Delegate(Awaited::by(asked.stock(py)?)));
        };
        let until = asked.check(py)?;
        let futures = different(py, &asked.futures)?;
        let waiter = future::create(core)?;
        waiter.payload().is_for(Reason::Group, None);
        let countdown = Countdown {
            until,
            left: LoopCell::new(futures.len()),
            waiter: waiter.clone_ref(py),
            timer: LoopCell::new(None),
            awaiter: Awaiter::current(core)?,
            mark: ObjectMark::default(),
        };
        let waiting = Waiting { futures, observer: Observer::make(py, countdown)? };
        if let Some(timeout) = &asked.timeout {
            let arguments = (timeout.bind(py), waiting.observer.object().bind(py));
            let timer = core.call_method1(intern!(py, "call_later"), arguments)?;
            drop(waiting.countdown().timer.with(|place| place.replace(timer.into())));
        }
        for future in &waiting.futures {
            watch(py, future, &waiting.observer)?;
            waiting.countdown().awaiter.awaits(py, future)?;
        }
        if core.get().is_watched() {
            let futures = waiting.futures.iter().map(|future| future.clone_ref(py)).collect();
            recorder::gathered(core, &waiting.countdown().mark, waiter.object(), futures);
        }
        View::of_own(&waiter).set_blocking(true);
        Ok(Transition::Yield(waiter.into_object(), Self::Waiting(waiting)))
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
    let countdown = waiting.countdown();
    countdown.cancel_timer(py)?;
    for future in &waiting.futures {
        unwatch(py, future, &waiting.observer)?;
        countdown.awaiter.awaits_no_more(py, future)?;
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
    staged::make(py, Wait::Asked(asked))
}

pub(super) fn add_class(py: Python<'_>) -> PyResult<()> {
    staged::add_class::<Wait>(py)
}
