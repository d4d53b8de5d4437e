//! A step of a task: what it waited for, the coroutine resumed, and what it answered.

use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError, PyStopIteration, PySystemExit, PyTypeError};
use pyo3::prelude::*;

use super::{Task, current};
use crate::event_loop::future::Outcome;
use crate::event_loop::{Item, LoopCore};
use crate::ffi::call::call_method;
use crate::ffi::derived::{Own, track};
use crate::ffi::fields::State;
use crate::ffi::intern::intern;
use crate::ffi::method::{Builtin, builtin};
use crate::ffi::raise::value_of;
use crate::ffi::resumable::{Step, is_generator, send};
use crate::ffi::view::View;
use crate::ffi::{Context, Object, imports};

/// Who refers to a task during its step, at least: the loop, and asyncio's record of who runs.
const HOLDERS: usize = 2;

/// The task's turn.
pub(crate) fn step(slf: &Bound<'_, LoopCore>, task: &Own<Task>) -> PyResult<()> {
    throw_into(slf, task, None)
}

/// The same; an error is raised in the coroutine.
pub(crate) fn throw_into(slf: &Bound<'_, LoopCore>, task: &Own<Task>, error: Option<Object>) -> PyResult<()> {
    current::enter(slf, task)?;
    let result = in_its_context(slf, task, error);
    current::leave(slf, task);
    result
}

/// asyncio's own code has called a task that stands among the callbacks of a future of ours: its C methods
/// can be called past ours (`asyncio.Future.set_result(future, 1)`).
pub(crate) fn called(py: Python<'_>, task: &Own<Task>) -> PyResult<()> {
    task.view().native_loop(py).map_or(Ok(()), |owner| step(&owner, task))
}

/// The callable by which a future that is not ours wakes a task of ours; its name is asyncio's.
pub(crate) fn wakeup_of(py: Python<'_>, task: &Object) -> PyResult<Object> {
    static WAKEUP: Builtin = builtin!(c"task_wakeup", woken_by_call);
    WAKEUP.bind(py, task)
}

/// A future that is not ours has called: the context is entered already.
fn woken_by_call(py: Python<'_>, task: &Object) -> PyResult<()> {
    let task = Own::<Task>::of_any(task).ok_or_else(|| PyTypeError::new_err("no task of ironloop's"))?;
    let Some(owner) = task.view().native_loop(py) else { return Ok(()) };
    current::enter(&owner, task)?;
    let result = advance(&owner, task, None);
    current::leave(&owner, task);
    result
}

pub(super) fn in_its_context(
    slf: &Bound<'_, LoopCore>,
    task: &Own<Task>,
    error: Option<Object>,
) -> PyResult<()> {
    let py = slf.py();
    let Some(context) = task.context.get(py) else {
        return Err(PyRuntimeError::new_err("uninitialized Task object"));
    };
    // What the coroutine sets is there in its next step too.
    let keep = |copy: &Context| drop(task.context.replace(py, Some(copy.object().clone_ref(py))));
    Context::known(context).run_or_keep(py, keep, || advance(slf, task, error))
}

fn advance(slf: &Bound<'_, LoopCore>, task: &Own<Task>, error: Option<Object>) -> PyResult<()> {
    let (py, view) = (slf.py(), task.view());
    if !view.is_pending() {
        if view.state() == State::Cancelled && slf.get().driver.world().is_some() {
            // Of a simulated host that has crashed: it was ended past its coroutine.
            return Ok(());
        }
        let error = error.as_ref().map_or_else(|| Ok("None".to_owned()), |error| repr(py, error))?;
        let text = format!("_step(): already done: {} {error}", repr(py, task.object())?);
        return Err(imports::invalid_state(py, &text));
    }
    let mut error = match (task.waiting_for.take(py), error) {
        (Some(waiter), None) => error_of(py, task, &waiter)?,
        (_, error) => error,
    };
    if task.must_cancel() {
        if !error.as_ref().map_or(Ok(false), |error| is_cancelled_error(py, error))? {
            error = Some(view.cancelled_error(py)?);
        }
        task.set_must_cancel(false);
    }
    let Some(coroutine) = task.coroutine.get(py) else {
        return Err(PyRuntimeError::new_err("uninitialized Task object"));
    };
    let resumed = match error {
        None => send(py, &coroutine, None),
        Some(error) => throw(py, &coroutine, &error),
    };
    match resumed {
        Ok(Step::Yield(object)) => wait_for(slf, task, object),
        Ok(Step::Return(result)) => {
            task.leave_registry();
            let ended = if task.must_cancel() {
                // Cancelled just before the coroutine came to its end.
                task.set_must_cancel(false);
                let message = view.cancel_message.get(py);
                view.cancel(py, message).map(drop)
            } else {
                view.set_result(py, result)
            };
            // The loop held it. Whoever holds it now may be reached from its own context.
            if task.object().references() > HOLDERS {
                track(task.object());
            }
            ended
        }
        Err(error) => {
            task.leave_registry();
            fail(py, view, error)
        }
    }
}

fn throw(py: Python<'_>, coroutine: &Object, error: &Object) -> PyResult<Step> {
    match call_method(py, coroutine, intern!(py, "throw"), &[error]) {
        Ok(yielded) => Ok(Step::Yield(yielded)),
        Err(stop) if stop.is_instance_of::<PyStopIteration>(py) => {
            stop.value(py).getattr(intern!(py, "value")).map(|value| Step::Return(value.into()))
        }
        Err(error) => Err(error),
    }
}

/// What the future that the task has waited for says: the error to be raised, or nothing.
fn error_of(py: Python<'_>, task: &Own<Task>, waiter: &Object) -> PyResult<Option<Object>> {
    not_awaited_any_more(py, task.object(), waiter)?;
    if let Some(view) = View::of(waiter) {
        return Ok(match view.outcome(py)? {
            Outcome::Result(_) => None,
            Outcome::Error(error) => Some(error),
        });
    }
    match call_method(py, waiter, intern!(py, "result"), &[]) {
        Ok(_) => Ok(None),
        Err(error) => Ok(Some(error.into_value(py).into())),
    }
}

fn fail(py: Python<'_>, task: View<'_>, error: PyErr) -> PyResult<()> {
    if error.matches(py, imports::cancelled_error(py)?)? {
        track(task.object);
        drop(task.cancelled_error.replace(py, Some(error.into_value(py).into())));
        return task.cancel(py, None).map(drop);
    }
    task.fail(py, value_of(py, &error).bind(py).clone())?;
    if error.is_instance_of::<PyKeyboardInterrupt>(py) || error.is_instance_of::<PySystemExit>(py) {
        return Err(error);
    }
    Ok(())
}

/// The coroutine has yielded something to wait for.
fn wait_for(slf: &Bound<'_, LoopCore>, task: &Own<Task>, yielded: Object) -> PyResult<()> {
    let py = slf.py();
    if yielded.bind(py).is_none() {
        return LoopCore::step_soon(slf, task.clone_ref(py));
    }
    if yielded.as_ptr() == task.object().as_ptr() {
        let text = format!("Task cannot await on itself: {}", repr(py, &yielded)?);
        return fail_soon(slf, task, text);
    }
    if let Some(future) = View::of_ours(&yielded) {
        if future.owner.as_ptr() != task.future.owner.as_ptr() {
            return another_loop(slf, task, &yielded);
        }
        if !future.is_blocking() {
            return not_awaited(slf, task, &yielded);
        }
        future.set_blocking(false);
        if future.is_pending() {
            if !future.is_timed() {
                track(task.object());
                track(&yielded);
            }
            future.add_waiter(py, task)?;
        } else {
            LoopCore::step_soon(slf, task.clone_ref(py))?;
        }
        return remember(py, task, yielded);
    }
    wait_for_foreign(slf, task, yielded)
}

/// Waits for a future of another class, as asyncio does.
fn wait_for_foreign(slf: &Bound<'_, LoopCore>, task: &Own<Task>, yielded: Object) -> PyResult<()> {
    let py = slf.py();
    let future = yielded.bind(py);
    let blocking = future.getattr_opt(intern!(py, "_asyncio_future_blocking"))?;
    let Some(blocking) = blocking.filter(|blocking| !blocking.is_none()) else {
        let text = if is_generator(&yielded) {
            let task = repr(py, task.object())?;
            format!(
                "yield was used instead of yield from for generator in task {task} with {}",
                future.repr()?
            )
        } else {
            format!("Task got bad yield: {}", future.repr()?)
        };
        return fail_soon(slf, task, text);
    };
    if !imports::loop_of(py)?.bind(py).call1((future,))?.is(slf) {
        return another_loop(slf, task, &yielded);
    }
    if !blocking.is_truthy()? {
        return not_awaited(slf, task, &yielded);
    }
    future.setattr(intern!(py, "_asyncio_future_blocking"), false)?;
    track(task.object());
    let keywords = pyo3::types::PyDict::new(py);
    keywords
        .set_item(intern!(py, "context"), task.context.get(py).as_ref().map(|context| context.bind(py)))?;
    let wakeup = wakeup_of(py, task.object())?;
    future.call_method(intern!(py, "add_done_callback"), (wakeup.bind(py),), Some(&keywords))?;
    remember(py, task, yielded)
}

/// The task waits for this now.
fn remember(py: Python<'_>, task: &Own<Task>, future: Object) -> PyResult<()> {
    awaited(py, task.object(), &future)?;
    if !task.must_cancel() {
        task.waiting_for.set(py, future);
        return Ok(());
    }
    task.waiting_for.set(py, future.clone_ref(py));
    let message = task.future.cancel_message.get(py).unwrap_or_else(|| Object::none(py));
    if call_method(py, &future, intern!(py, "cancel"), &[&message])?.bind(py).is_truthy()? {
        task.set_must_cancel(false);
    }
    Ok(())
}

/// Writes down that the task awaits the future: from Python 3.14 on one can ask.
#[cfg(Py_3_14)]
pub(crate) fn awaited(py: Python<'_>, task: &Object, future: &Object) -> PyResult<()> {
    if View::of(future).is_some_and(|view| view.set_only_awaiter(py, task)) {
        return Ok(());
    }
    imports::add_to_awaited_by(py)?.bind(py).call1((future.bind(py), task.bind(py))).map(drop)
}

#[cfg(Py_3_14)]
pub(crate) fn not_awaited_any_more(py: Python<'_>, task: &Object, future: &Object) -> PyResult<()> {
    if View::of(future).is_some_and(|view| view.forget_only_awaiter(py, task)) {
        return Ok(());
    }
    imports::discard_from_awaited_by(py)?.bind(py).call1((future.bind(py), task.bind(py))).map(drop)
}

#[cfg(not(Py_3_14))]
fn awaited(_: Python<'_>, _: &Object, _: &Object) -> PyResult<()> {
    Ok(())
}

#[cfg(not(Py_3_14))]
fn not_awaited_any_more(_: Python<'_>, _: &Object, _: &Object) -> PyResult<()> {
    Ok(())
}

fn another_loop(slf: &Bound<'_, LoopCore>, task: &Own<Task>, future: &Object) -> PyResult<()> {
    let (task_text, future) = (repr(slf.py(), task.object())?, repr(slf.py(), future)?);
    fail_soon(slf, task, format!("Task {task_text} got Future {future} attached to a different loop"))
}

fn not_awaited(slf: &Bound<'_, LoopCore>, task: &Own<Task>, future: &Object) -> PyResult<()> {
    let (task_text, future) = (repr(slf.py(), task.object())?, repr(slf.py(), future)?);
    fail_soon(slf, task, format!("yield was used instead of yield from in task {task_text} with {future}"))
}

/// The coroutine hears of its mistake in its next step.
fn fail_soon(slf: &Bound<'_, LoopCore>, task: &Own<Task>, text: String) -> PyResult<()> {
    let py = slf.py();
    let error = PyRuntimeError::new_err(text).into_value(py).into();
    slf.get().push(Item::Throw(task.clone_ref(py), error));
    Ok(())
}

fn is_cancelled_error(py: Python<'_>, error: &Object) -> PyResult<bool> {
    error.bind(py).is_instance(imports::cancelled_error(py)?)
}

fn repr(py: Python<'_>, object: &Object) -> PyResult<String> {
    Ok(object.bind(py).repr()?.to_string())
}
