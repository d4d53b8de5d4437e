//! Who is running: `asyncio.current_task()`.
//!
//! asyncio keeps a dictionary by loop (from Python 3.14 on a field of the thread). A task of ours that has
//! made its step stays there until the next steps, or until something else runs: entering and leaving is one
//! write instead of two. Which task that is the loop knows by the number of its step, as does the task. (The
//! record of who runs may lose it meanwhile, and its memory be another task's.)

use std::sync::atomic::Ordering;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
#[cfg(not(Py_3_14))]
use pyo3::types::PyDict;

use super::Task;
use crate::event_loop::LoopCore;
use crate::ffi::Object;
use crate::ffi::derived::Own;
#[cfg(not(Py_3_14))]
use crate::ffi::dict::set_default;
use crate::ffi::imports;

/// The task begins a step.
pub(super) fn enter(slf: &Bound<'_, LoopCore>, task: &Own<Task>) -> PyResult<()> {
    let lingering = slf.get().lingering.load(Ordering::Relaxed);
    slf.get().lingering.store(0, Ordering::Relaxed);
    slf.get().pulse.set_subject(task.object().as_ptr().addr());
    if lingering != 0 {
        if lingering == task.payload().last_step.get() {
            return Ok(());
        }
        return replace(slf, Some(task.object()), false).map(drop);
    }
    match put(slf, task.object())? {
        None => Ok(()),
        Some(other) => Err(PyRuntimeError::new_err(format!(
            "Cannot enter into task {} while another task {} is being executed.",
            task.object().bind(slf.py()).repr()?,
            other.bind(slf.py()).repr()?
        ))),
    }
}

/// The task is the current one, unless there is one already: that one.
#[cfg(not(Py_3_14))]
fn put(slf: &Bound<'_, LoopCore>, task: &Object) -> PyResult<Option<Object>> {
    let py = slf.py();
    set_default(imports::current_tasks(py)?.bind(py).cast()?, slf, task.bind(py))
}

#[cfg(Py_3_14)]
fn put(slf: &Bound<'_, LoopCore>, task: &Object) -> PyResult<Option<Object>> {
    let before = replace(slf, Some(task), true)?;
    if let Some(other) = &before {
        replace(slf, Some(other), false)?;
    }
    Ok(before)
}

/// The step is made.
pub(super) fn leave(slf: &Bound<'_, LoopCore>, task: &Own<Task>) {
    let number = slf.get().steps.load(Ordering::Relaxed) + 1;
    slf.get().steps.store(number, Ordering::Relaxed);
    task.payload().last_step.set(number);
    slf.get().lingering.store(number, Ordering::Relaxed);
    slf.get().pulse.set_subject(0);
}

/// No task runs: before anything else does, and before the loop sleeps.
pub(crate) fn vacate(slf: &Bound<'_, LoopCore>) -> PyResult<()> {
    if slf.get().lingering.swap(0, Ordering::Relaxed) != 0 {
        replace(slf, None, false)?;
    }
    Ok(())
}

/// `asyncio.current_task()`, while this loop runs.
#[cfg(not(Py_3_14))]
pub(crate) fn now(slf: &Bound<'_, LoopCore>) -> PyResult<Option<Object>> {
    if slf.get().lingering.load(Ordering::Relaxed) != 0 {
        return Ok(None);
    }
    let tasks = imports::current_tasks(slf.py())?.bind(slf.py()).cast::<PyDict>()?;
    Ok(tasks.get_item(slf)?.map(Object::from))
}

#[cfg(Py_3_14)]
pub(crate) fn now(slf: &Bound<'_, LoopCore>) -> PyResult<Option<Object>> {
    let py = slf.py();
    if slf.get().lingering.load(Ordering::Relaxed) != 0 {
        return Ok(None);
    }
    let task = crate::ffi::call::call(py, imports::current_task(py)?, &[&Object::from(slf)])?;
    Ok(Some(task).filter(|task| !task.bind(py).is_none()))
}

/// Puts another in its place; what stood there, if `ask`.
#[cfg(not(Py_3_14))]
pub(super) fn replace(
    slf: &Bound<'_, LoopCore>,
    task: Option<&Object>,
    ask: bool,
) -> PyResult<Option<Object>> {
    let py = slf.py();
    let tasks = imports::current_tasks(py)?.bind(py).cast::<PyDict>()?;
    let before = if ask { tasks.get_item(slf)?.map(Object::from) } else { None };
    match task {
        Some(task) => tasks.set_item(slf, task.bind(py))?,
        // Somebody may have taken it out.
        None => drop(tasks.del_item(slf)),
    }
    Ok(before)
}

#[cfg(Py_3_14)]
pub(super) fn replace(
    slf: &Bound<'_, LoopCore>,
    task: Option<&Object>,
    _ask: bool,
) -> PyResult<Option<Object>> {
    use crate::ffi::call::call;
    let py = slf.py();
    let (none, owner) = (Object::none(py), Object::from(slf));
    let before = call(py, imports::swap_current_task(py)?, &[&owner, task.unwrap_or(&none)])?;
    Ok(Some(before).filter(|before| !before.bind(py).is_none()))
}
