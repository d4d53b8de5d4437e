//! The methods that do not wait.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyInt;

use super::core::{EXACT, QueueCore};
use super::hooks::{HOOKS, Hooks};
use super::state::{Limit, State};
use super::waiting;
use crate::ffi::function::set_methods;
use crate::ffi::imports;
use crate::ffi::{Arg, Arguments, Object};

fn initialize(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (queue, arguments) = QueueCore::receiver(py, arguments)?;
    let [maxsize] = arguments.bind(py, "Queue.__init__", ["maxsize"], 0)?;
    let maxsize =
        maxsize.map_or_else(|| Object::from(PyInt::new(py, 0)), |maxsize| Arg::to_object(maxsize, py));
    let fresh = State {
        limit: Limit::of(maxsize.bind(py)),
        maxsize: Some(maxsize.clone_ref(py)),
        ..State::default()
    };
    let core = queue.get();
    drop(core.state.with(|state| std::mem::replace(state, fresh)));
    // The loop stays, as asyncio's initialiser does not set it.
    core.getters.forget();
    core.putters.forget();
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
    Ok(Object::truth(py, none))
}

fn full(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (queue, arguments) = QueueCore::receiver(py, arguments)?;
    let [] = arguments.exactly(py, "Queue.full", [])?;
    let all = QueueCore::has_all(&queue, Hooks::of(&queue))?;
    Ok(Object::truth(py, all))
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

/// The rows of the only task that puts into a queue, and of the only one that gets out of it, as the loop that runs has
/// recorded it; None where there is none, or there are others.
#[pyfunction]
fn queue_users(queue: &Bound<'_, PyAny>) -> (Option<u32>, Option<u32>) {
    let [putter, getter] =
        queue.cast::<QueueCore>().map_or([None; 2], |core| core.get().mark.users(queue.py()));
    (putter, getter)
}

/// Gives `Queue`, of which the other two are subclasses, the native methods.
#[pyfunction]
fn native_queues(
    queue: &Bound<'_, PyAny>,
    lifo: &Bound<'_, PyAny>,
    priority: &Bound<'_, PyAny>,
) -> PyResult<()> {
    EXACT.learn(queue)?;
    set_methods(
        queue,
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
    )?;
    HOOKS.learn(&[queue, lifo, priority])
}

pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(queue_users, module)?)?;
    module.add_function(wrap_pyfunction!(native_queues, module)?)
}
