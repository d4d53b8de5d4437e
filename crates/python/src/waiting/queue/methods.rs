//! The methods that do not wait.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyInt;

use super::hooks::Hooks;
use super::waiters::Side;
use super::{QueueCore, waiting};
use crate::ffi::function::equip;
use crate::ffi::imports;
use crate::ffi::{Arg, Arguments, Object};

impl QueueCore {
    /// The instance that a method was called on, and the arguments behind it.
    pub(super) fn receiver<'a, 'py>(
        py: Python<'py>,
        arguments: Arguments<'a>,
    ) -> PyResult<(pyo3::Borrowed<'a, 'py, Self>, Arguments<'a>)> {
        let (receiver, arguments) = arguments.split_receiver()?;
        Ok((super::USUAL.receiver(receiver.bind(py))?, arguments))
    }

    /// A `QueueShutDown`, if so it is.
    #[cfg(Py_3_13)]
    pub(super) fn refuse_if_shut_down(slf: &Bound<'_, Self>) -> PyResult<()> {
        if slf.get().state.with(|state| state.shut_down) {
            return Err(PyErr::from_type(imports::queue_shut_down(slf.py())?.clone(), ()));
        }
        Ok(())
    }

    /// Older Pythons cannot shut queues down.
    #[cfg(not(Py_3_13))]
    pub(super) fn refuse_if_shut_down(_: &Bound<'_, Self>) -> PyResult<()> {
        Ok(())
    }

    /// What `put_nowait` does once it knows that there is room.
    pub(super) fn add(slf: &Bound<'_, Self>, hooks: Hooks, item: &Object) -> PyResult<()> {
        Self::place(slf, hooks, item)?;
        slf.get().state.with(|state| state.unfinished += 1);
        Self::mark_finished(slf, false)?;
        Self::wake_next(slf, hooks, Side::Getters)
    }

    /// What `get_nowait` does once it knows that there is an item.
    pub(super) fn remove(slf: &Bound<'_, Self>, hooks: Hooks) -> PyResult<Object> {
        let item = Self::take(slf, hooks)?;
        Self::wake_next(slf, hooks, Side::Putters)?;
        Ok(item)
    }
}

fn initialize(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (queue, arguments) = QueueCore::receiver(py, arguments)?;
    let [maxsize] = arguments.bind(py, "Queue.__init__", ["maxsize"], 0)?;
    let maxsize =
        maxsize.map_or_else(|| Object::from(PyInt::new(py, 0)), |maxsize| Arg::to_object(maxsize, py));
    let mut fresh = super::State {
        limit: super::Limit::of(maxsize.bind(py)),
        maxsize: Some(maxsize.clone_ref(py)),
        ..super::State::default()
    };
    let old = queue.get().state.with(|state| {
        // asyncio's initialiser does not set it: it stays, if there was one.
        fresh.owner = state.owner.take();
        std::mem::replace(state, fresh)
    });
    drop(old);
    QueueCore::init_items(&queue, &maxsize)?;
    Ok(Object::none(py))
}

fn put_nowait(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (queue, arguments) = QueueCore::receiver(py, arguments)?;
    let [item] = arguments.exactly(py, "Queue.put_nowait", ["item"])?;
    let hooks = Hooks::of(&queue);
    QueueCore::refuse_if_shut_down(&queue)?;
    if QueueCore::is_full(&queue, hooks)? {
        return Err(PyErr::from_type(imports::queue_full(py)?.clone(), ()));
    }
    QueueCore::add(&queue, hooks, &item.to_object(py))?;
    Ok(Object::none(py))
}

fn get_nowait(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (queue, arguments) = QueueCore::receiver(py, arguments)?;
    let [] = arguments.exactly(py, "Queue.get_nowait", [])?;
    let hooks = Hooks::of(&queue);
    if QueueCore::is_empty(&queue, hooks)? {
        QueueCore::refuse_if_shut_down(&queue)?;
        return Err(PyErr::from_type(imports::queue_empty(py)?.clone(), ()));
    }
    QueueCore::remove(&queue, hooks)
}

fn qsize(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (queue, arguments) = QueueCore::receiver(py, arguments)?;
    let [] = arguments.exactly(py, "Queue.qsize", [])?;
    Ok(QueueCore::count(&queue, Hooks::of(&queue))?.into_pyobject(py)?.into())
}

fn empty(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (queue, arguments) = QueueCore::receiver(py, arguments)?;
    let [] = arguments.exactly(py, "Queue.empty", [])?;
    let none = QueueCore::has_none(&queue, Hooks::of(&queue))?;
    Ok(none.into_pyobject(py)?.to_owned().into())
}

fn full(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (queue, arguments) = QueueCore::receiver(py, arguments)?;
    let [] = arguments.exactly(py, "Queue.full", [])?;
    let all = QueueCore::has_all(&queue, Hooks::of(&queue))?;
    Ok(all.into_pyobject(py)?.to_owned().into())
}

fn task_done(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (queue, arguments) = QueueCore::receiver(py, arguments)?;
    let [] = arguments.exactly(py, "Queue.task_done", [])?;
    let left = queue.get().state.with(|state| {
        let open = state.unfinished > 0;
        state.unfinished -= i64::from(open);
        open.then_some(state.unfinished)
    });
    match left {
        None => return Err(PyValueError::new_err("task_done() called too many times")),
        Some(0) => QueueCore::mark_finished(&queue, true)?,
        Some(_) => {}
    }
    Ok(Object::none(py))
}

/// Gives `Queue` its native methods.
pub(super) fn equip_class(class: &Bound<'_, PyAny>) -> PyResult<()> {
    let stock = class.getattr("_stands_for")?;
    equip(
        class,
        &stock,
        &[
            ("__init__", initialize),
            ("put", waiting::put),
            ("get", waiting::get),
            ("put_nowait", put_nowait),
            ("get_nowait", get_nowait),
            ("qsize", qsize),
            ("empty", empty),
            ("full", full),
            ("task_done", task_done),
        ],
    )
}
