//! `TaskGroup`: what it does for each task.
//!
//! A group's state is where asyncio's own code has it, in its instance; what is done once for a group, and
//! all that has to do with errors, is that code, inherited.

use pyo3::prelude::*;
use pyo3::types::{PySet, PyType};

use crate::event_loop::recorder;
use crate::event_loop::task::Task;
use crate::event_loop::{LoopCore, Parts, create_native_task};
#[cfg(Py_3_14)]
use crate::ffi::call::call;
use crate::ffi::derived::Own;
use crate::ffi::fields::State;
use crate::ffi::function::{Method, set_methods};
use crate::ffi::intern::intern;
use crate::ffi::view::View;
use crate::ffi::{Arguments, Object, imports};
use crate::waiting::waiter::{future_is_done, set_result};

/// `group.create_task(coro, ...)`
fn create_task(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (group, rest) = arguments.split_receiver()?;
    let group = &*group.bind(py);
    match create_natively(group, rest)? {
        Some(task) => Ok(task.into_object()),
        None => arguments.pass_on(py, &stock_method(py, "create_task")?),
    }
}

/// A task of ours in a group that takes one; nothing where asyncio's own code has to make it, or to refuse.
fn create_natively(group: &Bound<'_, PyAny>, arguments: Arguments<'_>) -> PyResult<Option<Own<Task>>> {
    let py = group.py();
    let owner = Object::from(group.getattr(intern!(py, "_loop"))?);
    let Some(owner) = LoopCore::of(py, &owner) else { return Ok(None) };
    let tasks = group.getattr(intern!(py, "_tasks"))?;
    let Ok(tasks) = tasks.cast_exact::<PySet>() else { return Ok(None) };
    let is = |name: &Bound<'_, pyo3::types::PyString>| group.getattr(name)?.is_truthy();
    if !LoopCore::calls_itself(&owner, Parts::CALL_SOON)
        || !LoopCore::makes_tasks(&owner)?
        || !is(intern!(py, "_entered"))?
        || (is(intern!(py, "_exiting"))? && tasks.is_empty())
        || is(intern!(py, "_aborting"))?
    {
        return Ok(None);
    }
    let Some(task) = create_native_task(&owner, arguments)? else { return Ok(None) };
    #[cfg(Py_3_14)]
    {
        let parent = group.getattr(intern!(py, "_parent_task"))?.into();
        if !task.view().set_only_awaiter(py, &parent) {
            call(py, imports::add_to_awaited_by(py)?, &[task.object(), &parent])?;
        }
    }
    tasks.add(task.object().bind(py))?;
    if owner.get().is_watched() {
        recorder::joins(&owner, group, &task);
    }
    let on_done = group.getattr(intern!(py, "_on_task_done"))?;
    task.view().add_callback(py, on_done.into())?;
    Ok(Some(task))
}

/// `group._on_task_done(task)`
fn on_task_done(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let [group, task] = arguments.exactly(py, "_on_task_done", ["self", "task"])?;
    let (group, task) = (&*group.bind(py), task.to_object(py));
    let tasks = group.getattr(intern!(py, "_tasks"))?;
    // Somebody may have put another collection there.
    if let Ok(tasks) = tasks.cast_exact::<PySet>() {
        if let Some(view) = View::of(&task).filter(has_done_well) {
            forget(group, tasks, view)?;
            return Ok(Object::none(py));
        }
    }
    arguments.pass_on(py, &stock_method(py, "_on_task_done")?)
}

/// Done, and no error.
fn has_done_well(task: &View<'_>) -> bool {
    task.state() == State::Cancelled || (task.state() == State::Finished && task.exception.is_empty())
}

/// A task less; who waits for the last one is told.
fn forget(group: &Bound<'_, PyAny>, tasks: &Bound<'_, PySet>, task: View<'_>) -> PyResult<()> {
    let py = group.py();
    tasks.discard(task.object.bind(py))?;
    #[cfg(Py_3_14)]
    {
        let parent = group.getattr(intern!(py, "_parent_task"))?.into();
        if !task.forget_only_awaiter(py, &parent) {
            call(py, imports::discard_from_awaited_by(py)?, &[task.object, &parent])?;
        }
    }
    let waiter = Object::from(group.getattr(intern!(py, "_on_completed_fut"))?);
    if !waiter.bind(py).is_none() && tasks.is_empty() && !future_is_done(py, &waiter)? {
        set_result(py, &waiter, Object::truth(py, true))?;
    }
    Ok(())
}

fn stock_method(py: Python<'_>, name: &str) -> PyResult<Object> {
    imports::stock_task_group(py)?.getattr(name).map(Object::from)
}

/// Gives the class its native methods.
#[pyfunction]
fn native_task_group<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyType>> {
    let methods: [(&str, Method); 2] = [("create_task", create_task), ("_on_task_done", on_task_done)];
    set_methods(class, &methods)?;
    recorder::note_task_group(class);
    Ok(class.clone())
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(native_task_group, module)?)
}
