//! How a task comes to be.

use std::sync::atomic::{AtomicU64, Ordering};

use ironloop_trace::Mark;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::{Task, current, step};
use crate::event_loop::{LoopCore, future};
use crate::ffi::call::call;
use crate::ffi::derived::{Own, track};
use crate::ffi::intern::intern;
use crate::ffi::view::TASK;
use crate::ffi::{Arg, Context, Object, imports};

static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// A task of the loop, whose first step is in the next turn.
pub(crate) fn create(
    owner: &Bound<'_, LoopCore>,
    coroutine: Object,
    name: Option<Object>,
    context: Option<Object>,
) -> PyResult<Own<Task>> {
    create_with(owner, coroutine, name, context, false)
}

/// The same; an eager one makes its first step now, if the loop runs.
pub(crate) fn create_with(
    owner: &Bound<'_, LoopCore>,
    coroutine: Object,
    name: Option<Object>,
    context: Option<Object>,
    eager: bool,
) -> PyResult<Own<Task>> {
    let task = TASK.instantiate::<Task>(owner.py())?;
    begin(owner, &task, coroutine, name, context)?;
    // While the loop runs, a task that it holds is no garbage.
    if eager || !owner.get().is_running() {
        track(task.object());
    }
    launch(owner, &task, eager)?;
    Ok(task)
}

/// Its first step: in the next turn, or at once if the loop runs.
fn launch(owner: &Bound<'_, LoopCore>, task: &Own<Task>, eager: bool) -> PyResult<()> {
    if eager && owner.get().is_running() {
        register(owner.py(), task)?;
        return start(owner, task);
    }
    LoopCore::step_soon(owner, task.clone_ref(owner.py()))?;
    register(owner.py(), task)
}

fn begin(
    owner: &Bound<'_, LoopCore>,
    task: &Own<Task>,
    coroutine: Object,
    name: Option<Object>,
    context: Option<Object>,
) -> PyResult<()> {
    let py = owner.py();
    future::own(owner, task.view())?;
    if !crate::ffi::coroutine::is_coroutine(&coroutine) && !is_like_coroutine(py, &coroutine)? {
        return Err(PyTypeError::new_err(format!(
            "a coroutine was expected, got {}",
            coroutine.bind(py).repr()?
        )));
    }
    let context = context.as_ref().map(|context| Arg::of(context.bind(py)));
    drop(task.context.replace(py, Some(Context::from_argument(py, context)?.into_object())));
    set_name(py, task, name)?;
    task.coroutine.set(py, coroutine);
    // It may have been another loop's: `__init__` can be called twice.
    task.payload().last_step.set(0);
    task.payload().mark.set(Mark::NONE);
    if let Some(world) = owner.get().driver.world() {
        task.payload().rank.set(world.next_rank());
    }
    task.begin();
    Ok(())
}

fn set_name(py: Python<'_>, task: &Own<Task>, name: Option<Object>) -> PyResult<()> {
    match name {
        Some(name) => {
            let name = name.bind(py);
            let name =
                if name.is_exact_instance_of::<PyString>() { name.clone() } else { name.str()?.into_any() };
            task.name.set(py, name.into());
        }
        None => {
            let number = NUMBERS.fetch_add(1, Ordering::Relaxed) + 1;
            task.payload().number.set(number);
            // Those who look from outside find the number where asyncio has it.
            if cfg!(Py_3_14) {
                task.name.set(py, number.into_pyobject(py)?.into());
            }
        }
    }
    Ok(())
}

#[cfg(not(Py_3_14))]
fn register(_py: Python<'_>, task: &Own<Task>) -> PyResult<()> {
    task.payload().place.enter(task.object());
    Ok(())
}

#[cfg(Py_3_14)]
fn register(py: Python<'_>, task: &Own<Task>) -> PyResult<()> {
    call(py, imports::register_task(py)?, &[task.object()]).map(drop)
}

/// A coroutine that the interpreter has not made: asyncio decides.
fn is_like_coroutine(py: Python<'_>, object: &Object) -> PyResult<bool> {
    call(py, imports::is_coroutine(py)?, &[object])?.bind(py).is_truthy()
}

pub(crate) const KEYWORDS: &[&str] = if cfg!(Py_3_12) {
    &["coro", "loop", "name", "context", "eager_start"]
} else {
    &["coro", "loop", "name", "context"]
};

/// `Task(coro, *, loop=None, name=None, context=None, eager_start=False)`
pub(super) fn initialize<'py>(
    py: Python<'py>,
    task: &Own<Task>,
    positional: &Bound<'py, PyTuple>,
    keywords: Option<&Bound<'py, PyDict>>,
) -> PyResult<()> {
    let keywords = keywords.map_or_else(|| Ok(PyDict::new(py)), |keywords| keywords.copy())?;
    let given = |name: &Bound<'py, PyString>| -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(keywords.get_item(name)?.filter(|value| !value.is_none()))
    };
    let owner = match given(intern!(py, "loop"))? {
        Some(owner) => owner,
        None => imports::get_event_loop(py)?.bind(py).call0()?,
    };
    let known = |name: &Bound<'py, PyAny>| KEYWORDS.iter().any(|known| name.eq(known).unwrap_or(false));
    let well_formed = positional.len() <= 1 && keywords.keys().iter().all(|name| known(&name));
    let Some(owner) = owner.cast::<LoopCore>().ok().filter(|_| well_formed) else {
        // Another loop runs it as it runs asyncio's own; and asyncio's own knows how to refuse.
        let initialize = imports::stock_task(py)?.getattr(intern!(py, "__init__"))?;
        let mut all = vec![task.object().bind(py).clone()];
        all.extend(positional.iter());
        return initialize.call(PyTuple::new(py, all)?, Some(&keywords)).map(drop);
    };
    let coroutine = match given(intern!(py, "coro"))? {
        Some(coroutine) => coroutine,
        None => positional
            .get_item(0)
            .map_err(|_| PyTypeError::new_err("Task() missing required argument 'coro' (pos 1)"))?,
    };
    let object = |value: Option<Bound<'_, PyAny>>| value.map(Object::from);
    let (name, context) = (object(given(intern!(py, "name"))?), object(given(intern!(py, "context"))?));
    begin(owner, task, coroutine.into(), name, context)?;
    let eager = given(intern!(py, "eager_start"))?.map_or(Ok(false), |eager| eager.is_truthy())?;
    launch(owner, task, eager)
}

/// Runs the first step at once, inside the step of another task.
fn start(owner: &Bound<'_, LoopCore>, task: &Own<Task>) -> PyResult<()> {
    let before = current::replace(owner, Some(task.object()), true)?;
    let stepped = step::in_its_context(owner, task, None);
    current::replace(owner, before.as_ref(), false)?;
    // Before Python 3.13 asyncio's `get_coro` trips over a task without.
    if cfg!(Py_3_13) && !task.view().is_pending() {
        drop(task.coroutine.take(owner.py()));
    }
    stepped
}
