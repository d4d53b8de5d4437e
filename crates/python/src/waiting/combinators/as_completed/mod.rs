//! `as_completed`: the iterator.

mod next;
mod progress;

use std::collections::VecDeque;
use std::ffi::CStr;

use pyo3::exceptions::{PyRuntimeError, PyStopAsyncIteration, PyStopIteration, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PySet};

use super::awaiter::Awaiter;
use super::children::{has_other_tasks, is_awaited_itself, is_plain_collection, watch};
use super::tasks::Futures;
use crate::event_loop::running::Running;
use crate::event_loop::{LoopCore, Parts};
use crate::ffi::cell::LoopCell;
use crate::ffi::imports;
use crate::ffi::intern::intern;
use crate::ffi::observer::{self, Observer};
use crate::ffi::resumable::itself_slot;
use crate::ffi::{Arguments, Class, Instance, Native, Object, object_slot, owned};
use crate::waiting::staged;
use next::{Gives, Next};
use progress::{Progress, Queue};

/// The iterator.
struct AsCompleted(LoopCell<Start>);

owned!(AsCompleted { clears: 0; });

enum Start {
    /// Until Python 3.12 it begins when it is first asked.
    Asked {
        awaitables: Object,
        timeout: Option<Object>,
    },
    Begun(Instance<Observer<Progress>>),
    Over,
}

owned!(enum Start { Asked { awaitables, timeout }, Begun(progress); Over });

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
        self.0.with(|start| match start {
            Start::Begun(progress) => Some(progress.clone_ref(py)),
            _ => None,
        })
    }

    /// What the coroutines share; begins if it has not.
    fn progress(&self, py: Python<'_>) -> PyResult<Option<Instance<Observer<Progress>>>> {
        if let Some(progress) = self.begun(py) {
            return Ok(Some(progress));
        }
        let Start::Asked { awaitables, timeout } = self.0.with(|start| std::mem::replace(start, Start::Over))
        else {
            return Ok(None);
        };
        let Running::Native(core) = Running::now(py)? else {
            return Err(PyRuntimeError::new_err("no running event loop"));
        };
        let progress = begin(&core, &awaitables, timeout.as_ref())?;
        self.0.with(|start| *start = Start::Begun(progress.clone_ref(py)));
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
    let start = if cfg!(Py_3_13) {
        Start::Begun(begin(owner, &awaitables, timeout.as_ref())?)
    } else {
        Start::Asked { awaitables, timeout }
    };
    AS_COMPLETED.instantiate(py, AsCompleted(LoopCell::new(start))).map(Instance::into_object)
}

pub(super) fn add_classes(py: Python<'_>) -> PyResult<()> {
    observer::add_class::<Progress>(py)?;
    staged::add_class::<Next>(py)?;
    let mut slots = vec![itself_slot(pyo3::ffi::Py_tp_iter), object_slot!(Py_tp_iternext, AsCompleted, next)];
    if cfg!(Py_3_13) {
        slots.push(itself_slot(pyo3::ffi::Py_am_aiter));
        slots.push(object_slot!(Py_am_anext, AsCompleted, async_next));
    }
    AS_COMPLETED.create_hidden::<AsCompleted>(py, &[], &[], &slots)
}
