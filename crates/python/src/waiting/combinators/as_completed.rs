//! `as_completed`.

use std::collections::VecDeque;
use std::ffi::CStr;

use pyo3::exceptions::{PyRuntimeError, PyStopAsyncIteration, PyStopIteration, PyTimeoutError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PySet};

use super::awaiter::Awaiter;
use super::tasks::Futures;
use super::wait::is_awaited_itself;
use super::{has_other_tasks, is_plain_collection, unwatch, watch};
use crate::event_loop::future::{self, Future, Outcome};
use crate::event_loop::running::Running;
use crate::event_loop::{LoopCore, Parts};
use crate::ffi::asyncio::View;
use crate::ffi::call::call_method;
use crate::ffi::cell::LoopCell;
use crate::ffi::coroutine::{self, Coroutine, Kind, Life};
use crate::ffi::derived::Own;
use crate::ffi::fields::State;
use crate::ffi::imports;
use crate::ffi::intern::intern;
use crate::ffi::observer::{Observer, Watcher};
use crate::ffi::raise::raised;
use crate::ffi::resumable::{Input, Step, itself_slot};
use crate::ffi::{Arguments, Class, Instance, Native, Object, object_slot, owned};

/// What the futures' observer knows, and the iterator and its coroutines share: who is done and who waits for the next.
pub(crate) struct Progress {
    state: LoopCell<Queue>,
    /// A set of those that have not told yet; empty after a time-out.
    todo: Object,
    awaiter: Awaiter,
}

owned!(Progress { visits: todo, awaiter; clears: state; });

struct Queue {
    /// How many are still to be given out.
    left: usize,
    /// Done, in that order; None stands for a time-out.
    done: VecDeque<Option<Object>>,
    waiting: VecDeque<Own<Future>>,
    timer: Option<Object>,
}

owned!(in_cell Queue { clears: done, waiting, timer; ignores: left; });

impl Watcher for Progress {
    const QUALIFIED_NAME: &'static str = if cfg!(Py_3_13) {
        "_AsCompletedIterator._handle_completion"
    } else {
        "as_completed.<locals>._on_completion"
    };

    fn kind() -> &'static Kind {
        static KIND: Kind = Kind::new();
        &KIND
    }

    fn told(observer: &Instance<Observer<Self>>, py: Python<'_>, future: &Object) -> PyResult<()> {
        observer.watcher.future_done(py, future)
    }

    fn timed_out(observer: &Instance<Observer<Self>>, py: Python<'_>) -> PyResult<()> {
        observer.watcher.time_out(py, observer)
    }
}

impl Progress {
    fn todo<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PySet>> {
        Ok(self.todo.bind(py).cast::<PySet>()?.clone())
    }

    fn future_done(&self, py: Python<'_>, future: &Object) -> PyResult<()> {
        let todo = self.todo(py)?;
        if todo.is_empty() {
            return Ok(());
        }
        todo.discard(future.bind(py))?;
        self.awaiter.awaits_no_more(py, future)?;
        self.put(py, Some(future.clone_ref(py)))?;
        match self.state.with(|queue| queue.timer.take_if(|_| todo.is_empty())) {
            Some(timer) => call_method(py, &timer, intern!(py, "cancel"), &[]).map(drop),
            None => Ok(()),
        }
    }

    /// Each of those that are not done counts as one time-out.
    fn time_out(&self, py: Python<'_>, observer: &Instance<Observer<Self>>) -> PyResult<()> {
        // In debug mode it stays whole, and holds the observer.
        drop(self.state.with(|queue| queue.timer.take()));
        let todo = self.todo(py)?;
        let late: Vec<Object> = todo.iter().map(Object::from).collect();
        for future in late {
            unwatch(py, &future, observer)?;
            self.awaiter.awaits_no_more(py, &future)?;
            self.put(py, None)?;
        }
        todo.clear();
        Ok(())
    }

    fn put(&self, py: Python<'_>, done: Option<Object>) -> PyResult<()> {
        self.state.with(|queue| queue.done.push_back(done));
        self.wake_next(py)
    }

    /// The first that waits still may go on.
    fn wake_next(&self, py: Python<'_>) -> PyResult<()> {
        while let Some(waiter) = self.state.with(|queue| queue.waiting.pop_front()) {
            let waiter = View::of_own(&waiter);
            if waiter.is_pending() {
                return waiter.set_result(py, Object::none(py));
            }
        }
        Ok(())
    }

    /// One is to be given out; false if there is none left.
    fn claim(&self) -> bool {
        self.state.with(|queue| {
            let some = queue.left > 0;
            queue.left = queue.left.saturating_sub(1);
            some
        })
    }

    /// A wait that fails; `waiter` is no longer waited for.
    fn give_up(&self, py: Python<'_>, waiter: &Own<Future>) -> PyResult<()> {
        let view = View::of_own(waiter);
        view.cancel(py, None)?;
        let (gone, waits) = self.state.with(|queue| {
            let place =
                queue.waiting.iter().position(|other| other.object().as_ptr() == waiter.object().as_ptr());
            // From Python 3.14 on the next may ask again.
            queue.left += usize::from(cfg!(Py_3_14));
            (place.and_then(|place| queue.waiting.remove(place)), !queue.done.is_empty())
        });
        drop(gone);
        if waits && view.state() != State::Cancelled { self.wake_next(py) } else { Ok(()) }
    }
}

/// What a coroutine gives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gives {
    /// The result of the next future.
    Result,
    /// The future itself: asynchronous iteration.
    Future,
}

/// The coroutine that waits for the next future to be done.
struct Next {
    life: Life,
    gives: Gives,
    progress: Instance<Observer<Progress>>,
    waiter: LoopCell<Option<Own<Future>>>,
}

owned!(Next { visits: progress; clears: waiter, life; ignores: gives; });

static NEXT: Kind = Kind::new();

impl Coroutine for Next {
    const QUALIFIED_NAME: &'static str = if cfg!(Py_3_13) {
        "_AsCompletedIterator._wait_for_one"
    } else {
        "as_completed.<locals>._wait_for_one"
    };

    fn kind() -> &'static Kind {
        &NEXT
    }

    fn life(&self) -> &Life {
        &self.life
    }

    fn advance(py: Python<'_>, next: &Instance<Self>, first: bool, input: Input) -> PyResult<Step> {
        let progress = next.progress();
        if first && next.gives == Gives::Future && !progress.claim() {
            return Err(PyStopAsyncIteration::new_err(()));
        }
        let waiter = next.waiter.with(Option::take);
        if let Input::Throw(error) = input {
            if let Some(waiter) = waiter {
                progress.give_up(py, &waiter)?;
            }
            return Err(error);
        }
        match progress.state.with(|queue| queue.done.pop_front()) {
            Some(Some(future)) => next.give(py, future).map(Step::Return),
            Some(None) => Err(PyTimeoutError::new_err(())),
            None => Self::wait(py, next),
        }
    }

    fn awaits(&self, py: Python<'_>) -> Option<Object> {
        self.waiter.with(|waiter| waiter.as_ref().map(|waiter| waiter.object().clone_ref(py)))
    }
}

impl Next {
    fn make(py: Python<'_>, progress: &Instance<Observer<Progress>>, gives: Gives) -> PyResult<Object> {
        let progress = progress.clone_ref(py);
        let next = Self { life: Life::new(), gives, progress, waiter: LoopCell::new(None) };
        Coroutine::make(next, py).map(Instance::into_object)
    }

    fn progress(&self) -> &Progress {
        &self.progress.watcher
    }

    fn give(&self, py: Python<'_>, future: Object) -> PyResult<Object> {
        if self.gives == Gives::Future {
            return Ok(future);
        }
        let Some(view) = View::of(&future) else {
            return call_method(py, &future, intern!(py, "result"), &[]);
        };
        match view.outcome(py)? {
            Outcome::Result(result) => Ok(result),
            Outcome::Error(error) => Err(raised(py, &error)),
        }
    }

    fn wait(py: Python<'_>, next: &Instance<Self>) -> PyResult<Step> {
        let Running::Native(core) = Running::now(py)? else {
            return Err(PyRuntimeError::new_err("as_completed is bound to a different event loop"));
        };
        let waiter = future::create(&core)?;
        next.progress().state.with(|queue| queue.waiting.push_back(waiter.clone_ref(py)));
        drop(next.waiter.with(|place| place.replace(waiter.clone_ref(py))));
        View::of_own(&waiter).set_blocking(true);
        Ok(Step::Yield(waiter.into_object()))
    }
}

/// The iterator.
struct AsCompleted(LoopCell<Stage>);

owned!(AsCompleted { clears: 0; });

enum Stage {
    /// Until Python 3.12 it begins when it is first asked.
    Asked {
        awaitables: Object,
        timeout: Option<Object>,
    },
    Begun(Instance<Observer<Progress>>),
    Over,
}

owned!(enum Stage { Asked { awaitables, timeout }, Begun(progress); Over });

static AS_COMPLETED: Class = Class::new();

impl Native for AsCompleted {
    const NAME: &'static CStr = c"ironloop._AsCompletedIterator";
    const DOC: &'static CStr = c"Futures in the order in which they are done. (asyncio: as_completed)";
    const OPEN: bool = false;
    const TRACKED: bool = true;
    const FINALIZES: bool = false;

    fn class() -> &'static Class {
        &AS_COMPLETED
    }
}

impl AsCompleted {
    fn begun(&self, py: Python<'_>) -> Option<Instance<Observer<Progress>>> {
        self.0.with(|stage| match stage {
            Stage::Begun(progress) => Some(progress.clone_ref(py)),
            _ => None,
        })
    }

    /// What the coroutines share; begins if it has not.
    fn progress(&self, py: Python<'_>) -> PyResult<Option<Instance<Observer<Progress>>>> {
        if let Some(progress) = self.begun(py) {
            return Ok(Some(progress));
        }
        let Stage::Asked { awaitables, timeout } = self.0.with(|stage| std::mem::replace(stage, Stage::Over))
        else {
            return Ok(None);
        };
        let Running::Native(core) = Running::now(py)? else {
            return Err(PyRuntimeError::new_err("no running event loop"));
        };
        let progress = begin(&core, &awaitables, timeout.as_ref())?;
        self.0.with(|stage| *stage = Stage::Begun(progress.clone_ref(py)));
        Ok(Some(progress))
    }
}

/// Watches the futures of all awaitables.
fn begin(
    owner: &Bound<'_, LoopCore>,
    awaitables: &Object,
    timeout: Option<&Object>,
) -> PyResult<Instance<Observer<Progress>>> {
    let py = owner.py();
    check(py, awaitables)?;
    let futures = Futures::new(owner)?;
    let awaiter = Awaiter::current(owner)?;
    // Each once, as in a set; in the order in which they were passed.
    let different = py.get_type::<PyDict>().call_method1(intern!(py, "fromkeys"), (awaitables.bind(py),))?;
    let mut all = Vec::new();
    for awaitable in different.cast::<PyDict>()?.keys() {
        all.push(futures.of(awaitable.into())?.0);
    }
    let todo = PySet::new(py, all.iter().map(|future| future.bind(py)))?;
    let queue = Queue { left: todo.len(), done: VecDeque::new(), waiting: VecDeque::new(), timer: None };
    let watcher = Progress { state: LoopCell::new(queue), todo: todo.clone().into(), awaiter };
    let observer = Observer::make(py, watcher)?;
    let progress = &observer.watcher;
    for future in &all {
        watch(py, future, &observer)?;
        progress.awaiter.awaits(py, future)?;
    }
    if let (Some(timeout), false) = (timeout, todo.is_empty()) {
        let arguments = (timeout.bind(py), observer.object().bind(py));
        let timer = owner.call_method1(intern!(py, "call_later"), arguments)?;
        drop(progress.state.with(|queue| queue.timer.replace(timer.into())));
    }
    Ok(observer)
}

fn check(py: Python<'_>, awaitables: &Object) -> PyResult<()> {
    let given = awaitables.bind(py);
    if is_plain_collection(given) {
        return Ok(());
    }
    let (wrong, expected) = if cfg!(Py_3_13) {
        let wrong = imports::is_awaitable(py)?.bind(py).call1((given,))?.is_truthy()?;
        (wrong, "expects an iterable of awaitables")
    } else {
        (is_awaited_itself(py, awaitables)?, "expect an iterable of futures")
    };
    if wrong {
        return Err(PyTypeError::new_err(format!("{expected}, not {}", given.get_type().name()?)));
    }
    Ok(())
}

/// `__next__`
fn next(py: Python<'_>, iterator: &Instance<AsCompleted>) -> PyResult<Object> {
    match iterator.progress(py)? {
        Some(progress) if progress.watcher.claim() => Next::make(py, &progress, Gives::Result),
        _ => Err(PyStopIteration::new_err(())),
    }
}

/// `__anext__`
fn async_next(py: Python<'_>, iterator: &Instance<AsCompleted>) -> PyResult<Object> {
    match iterator.progress(py)? {
        Some(progress) => Next::make(py, &progress, Gives::Future),
        None => Err(PyStopAsyncIteration::new_err(())),
    }
}

/// `as_completed(fs, *, timeout=None)`, while a loop of ours runs.
pub(super) fn as_completed(owner: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = owner.py();
    let bound = arguments.bind(py, "as_completed", ["fs", "timeout"], 1);
    let (Ok([Some(awaitables), timeout]), 0..=1) = (bound, arguments.positional().len()) else {
        return arguments.pass_on(py, imports::stock_as_completed(py)?);
    };
    if has_other_tasks(py)? || !LoopCore::keeps(owner, Parts::CREATE_FUTURE) {
        return arguments.pass_on(py, imports::stock_as_completed(py)?);
    }
    let awaitables = awaitables.to_object(py);
    let timeout = timeout.filter(|timeout| !timeout.is_none()).map(|timeout| timeout.to_object(py));
    let stage = if cfg!(Py_3_13) {
        Stage::Begun(begin(owner, &awaitables, timeout.as_ref())?)
    } else {
        Stage::Asked { awaitables, timeout }
    };
    AS_COMPLETED.instantiate(py, AsCompleted(LoopCell::new(stage))).map(Instance::into_object)
}

pub(super) fn add_classes(py: Python<'_>) -> PyResult<()> {
    coroutine::add_class::<Next>(py)?;
    let mut slots = vec![itself_slot(pyo3::ffi::Py_tp_iter), object_slot!(Py_tp_iternext, AsCompleted, next)];
    if cfg!(Py_3_13) {
        slots.push(itself_slot(pyo3::ffi::Py_am_aiter));
        slots.push(object_slot!(Py_am_anext, AsCompleted, async_next));
    }
    AS_COMPLETED.create_hidden::<AsCompleted>(py, &[], &[], &slots)
}
