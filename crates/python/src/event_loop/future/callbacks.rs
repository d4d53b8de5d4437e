//! Who is told that a future is done.
//!
//! In the base's fields: the first callback with its context, the others in a list of pairs. A task of ours
//! that waits stands there itself, without a context; it is no callable, and needs none. So does a
//! combinator's observer, which is one.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::event_loop::task::{Task, wakeup_of};
use crate::event_loop::{LoopCore, Parts, call_soon_by_name};
use crate::ffi::derived::{Own, track};
use crate::ffi::intern::intern;
use crate::ffi::observer::AnyObserver;
use crate::ffi::view::View;
use crate::ffi::{Arguments, Context, Object};

/// One who is told.
pub(super) struct Listener {
    callback: Object,
    context: Option<Object>,
}

impl Listener {
    /// A task that waits.
    fn task(&self) -> Option<&Own<Task>> {
        if self.context.is_none() { Own::of_any(&self.callback) } else { None }
    }

    /// The callable that Python sees.
    fn callable(&self, py: Python<'_>) -> PyResult<Object> {
        match self.task() {
            Some(task) => wakeup_of(py, task.object()),
            None => Ok(self.callback.clone_ref(py)),
        }
    }

    fn context(&self, py: Python<'_>) -> Object {
        match self.task() {
            Some(task) => task.context.get(py),
            None => self.context.as_ref().map(|context| context.clone_ref(py)),
        }
        .unwrap_or_else(|| Object::none(py))
    }

    fn pair<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, [self.callable(py)?.bind(py), self.context(py).bind(py)])
    }

    fn of_pair(pair: &Bound<'_, PyAny>) -> PyResult<Self> {
        let context = pair.get_item(1)?;
        Ok(Self { callback: pair.get_item(0)?.into(), context: (!context.is_none()).then(|| context.into()) })
    }

    fn into_pair(self, py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
        let context = self.context.unwrap_or_else(|| Object::none(py));
        PyTuple::new(py, [self.callback.bind(py), context.bind(py)])
    }
}

impl View<'_> {
    /// A task waits. The future is pending.
    pub(crate) fn add_waiter(&self, py: Python<'_>, task: &Own<Task>) -> PyResult<()> {
        self.add_listener(py, Listener { callback: task.object().clone_ref(py), context: None })
    }

    /// A combinator is told, in the turn after the one in which the future becomes done.
    pub(crate) fn add_observer(&self, py: Python<'_>, observer: &AnyObserver) -> PyResult<()> {
        let listener = Listener { callback: observer.object().clone_ref(py), context: None };
        if !self.is_pending() {
            return self.schedule(py, listener);
        }
        // A pending task is held by the loop, or the collector knows it.
        if !self.is_task() {
            track(self.object);
        }
        self.add_listener(py, listener)
    }

    /// It is not told any more.
    pub(crate) fn remove_observer(&self, py: Python<'_>, observer: &AnyObserver) -> PyResult<()> {
        if self.callback0.is(observer.object()) {
            drop((self.callback0.take(py), self.context0.take(py)));
        }
        let Some(list) = self.callbacks.get(py) else { return Ok(()) };
        let list = list.bind(py).cast::<PyList>()?;
        for index in (0..list.len()).rev() {
            if list.get_item(index)?.get_item(0)?.is(observer.object().bind(py)) {
                list.del_item(index)?;
            }
        }
        if list.is_empty() {
            drop(self.callbacks.take(py));
        }
        Ok(())
    }

    /// `add_done_callback(callback)`; the future is pending.
    pub(crate) fn add_callback(&self, py: Python<'_>, callback: Object) -> PyResult<()> {
        let context = Context::copy_current(py)?.into_object();
        track(self.object);
        self.add_listener(py, Listener { callback, context: Some(context) })
    }

    fn add_listener(&self, py: Python<'_>, listener: Listener) -> PyResult<()> {
        if self.callback0.is_empty() && self.callbacks.is_empty() {
            self.callback0.set(py, listener.callback);
            drop(self.context0.replace(py, listener.context));
            return Ok(());
        }
        let pair = listener.into_pair(py)?;
        match self.callbacks.get(py) {
            Some(list) => list.bind(py).cast::<PyList>()?.append(pair),
            None => {
                self.callbacks.set(py, PyList::new(py, [pair])?.into());
                Ok(())
            }
        }
    }

    /// Takes all out, in order.
    pub(super) fn take_listeners(&self, py: Python<'_>) -> PyResult<Vec<Listener>> {
        let mut all = Vec::new();
        if let Some(callback) = self.callback0.take(py) {
            all.push(Listener { callback, context: self.context0.take(py) });
        }
        if let Some(list) = self.callbacks.take(py) {
            for pair in list.bind(py).cast::<PyList>()?.iter() {
                all.push(Listener::of_pair(&pair)?);
            }
        }
        Ok(all)
    }

    /// Takes out the task that waits, if nobody else does: it need not be told.
    pub(super) fn take_only_waiter(&self, py: Python<'_>) -> Option<Own<Task>> {
        if !self.callbacks.is_empty() || !self.context0.is_empty() {
            return None;
        }
        let mut task = None;
        self.callback0.lend(|waiter| task = Own::<Task>::of_any(waiter).map(|task| task.clone_ref(py)));
        if task.is_some() {
            drop(self.callback0.take(py));
        }
        task
    }

    /// The future has become done: everybody hears of it from the loop.
    pub(crate) fn schedule_callbacks(&self, py: Python<'_>) -> PyResult<()> {
        if self.callbacks.is_empty() {
            let Some(callback) = self.callback0.take(py) else { return Ok(()) };
            return self.schedule(py, Listener { callback, context: self.context0.take(py) });
        }
        self.take_listeners(py)?.into_iter().try_for_each(|listener| self.schedule(py, listener))
    }

    /// Each hears of it once the future is done, or at once if it is.
    pub(super) fn tell(&self, py: Python<'_>, listeners: Vec<Listener>) -> PyResult<()> {
        listeners.into_iter().try_for_each(|listener| {
            if self.is_pending() { self.add_listener(py, listener) } else { self.schedule(py, listener) }
        })
    }

    fn schedule(&self, py: Python<'_>, listener: Listener) -> PyResult<()> {
        let native = self.native_loop(py);
        let observer = if listener.context.is_none() { AnyObserver::of(&listener.callback) } else { None };
        if let (Some(owner), Some(observer)) = (&native, observer) {
            return LoopCore::tell_soon(owner, observer.clone_ref(py), self.object.clone_ref(py));
        }
        if let (Some(owner), Some(task)) = (&native, listener.task()) {
            return LoopCore::step_soon(owner, task.clone_ref(py));
        }
        match (native, listener.context) {
            (Some(owner), Some(context)) if LoopCore::calls_itself(&owner, Parts::CALL_SOON) => {
                let context = Context::known(context);
                LoopCore::call_done(&owner, &listener.callback, self.object, context)
            }
            (_, context) => {
                let owner = self.owner.get(py).ok_or_else(uninitialized)?;
                call_soon_by_name(owner.bind(py), &listener.callback, self.object, context.as_ref())
            }
        }
    }
}

fn uninitialized() -> PyErr {
    PyRuntimeError::new_err("uninitialized Future object")
}

pub(super) fn add_done_callback(
    py: Python<'_>,
    future: View<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let (&[callback], Some(context)) =
        (arguments.positional(), arguments.only_keyword(intern!(py, "context")))
    else {
        return super::refuse(py, future, "add_done_callback", arguments);
    };
    if future.owner.is_empty() {
        return Err(uninitialized());
    }
    let context = Context::from_argument(py, context)?.into_object();
    let listener = Listener { callback: callback.to_object(py), context: Some(context) };
    if future.is_pending() {
        track(future.object);
        future.add_listener(py, listener)?;
    } else {
        future.schedule(py, listener)?;
    }
    Ok(Object::none(py))
}

pub(super) fn remove_done_callback(
    py: Python<'_>,
    future: View<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let Some([callback]) = arguments.only_positional() else {
        return super::refuse(py, future, "remove_done_callback", arguments);
    };
    let callback = callback.bind(py);
    let before = future.take_listeners(py)?;
    let count = before.len();
    let mut kept = Vec::new();
    let mut failure = None;
    for listener in before {
        // A comparison is anybody's code: it may add callbacks, and it may fail.
        let same = match failure {
            None => listener.callable(py).and_then(|known| known.bind(py).eq(callback)),
            Some(_) => Ok(false),
        };
        match same {
            Ok(true) => {}
            Ok(false) => kept.push(listener),
            Err(error) => {
                kept.push(listener);
                failure = Some(error);
            }
        }
    }
    let removed = count - kept.len();
    kept.extend(future.take_listeners(py)?);
    future.tell(py, kept)?;
    match failure {
        Some(error) => Err(error),
        None => Ok(removed.into_pyobject(py)?.into()),
    }
}

/// `_callbacks`: pairs of callables and contexts, or None.
pub(super) fn list(py: Python<'_>, future: View<'_>) -> PyResult<Object> {
    let mut all = Vec::new();
    if let Some(callback) = future.callback0.get(py) {
        all.push(Listener { callback, context: future.context0.get(py) }.pair(py)?);
    }
    if let Some(list) = future.callbacks.get(py) {
        for pair in list.bind(py).cast::<PyList>()?.iter() {
            all.push(Listener::of_pair(&pair)?.pair(py)?);
        }
    }
    if all.is_empty() {
        return Ok(Object::none(py));
    }
    Ok(PyList::new(py, all)?.into())
}
