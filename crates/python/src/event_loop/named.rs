//! `asyncio.Task(…)` and `asyncio.Future(…)`, called by their names.

use pyo3::prelude::*;

use super::future::{self, Future};
use super::loop_core::LoopCore;
use super::running::Running;
use super::task::{self, Task};
use crate::ffi::named::{Named, answer};
use crate::ffi::{Arg, Arguments, Object, imports};

/// On a loop of ours, which runs in this thread or not at all, it makes a task of ours.
impl Named for Task {
    fn make(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Option<Object>> {
        if arguments.positional().len() > 1 {
            return Ok(None);
        }
        let names = ["coro", "loop", "name", "context", "eager_start"];
        let Ok([Some(coroutine), owner, name, context, eager]) = arguments.bind(py, "Task", names, 1) else {
            return Ok(None);
        };
        if eager.is_some() && !task::KEYWORDS.contains(&"eager_start") {
            return Ok(None);
        }
        let given = |argument: Option<Arg<'_>>| {
            argument.filter(|argument| !argument.is_none()).map(|argument| argument.to_object(py))
        };
        let Some(owner) = owner_of(py, given(owner))? else { return Ok(None) };
        let eager = eager.map_or(Ok(false), |eager| eager.bind(py).is_truthy())?;
        task::create_with(&owner, coroutine.to_object(py), given(name), given(context), eager)
            .map(|task| Some(task.into_object()))
    }
}

/// The same.
impl Named for Future {
    fn make(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Option<Object>> {
        if !arguments.positional().is_empty() {
            return Ok(None);
        }
        let Ok([owner]) = arguments.bind(py, "Future", ["loop"], 0) else { return Ok(None) };
        let owner = owner.filter(|owner| !owner.is_none()).map(|owner| owner.to_object(py));
        let Some(owner) = owner_of(py, owner)? else { return Ok(None) };
        future::create(&owner).map(|future| Some(future.into_object()))
    }
}

/// The loop that is given, or else the one that runs, if what is made for it is ours.
fn owner_of(py: Python<'_>, given: Option<Object>) -> PyResult<Option<Bound<'_, LoopCore>>> {
    let owner = match given {
        Some(owner) => LoopCore::of(py, &owner),
        None => match Running::now(py)? {
            Running::Native(owner) => Some(owner),
            Running::Other(_) | Running::None => None,
        },
    };
    let is_ours = |core: &LoopCore| core.is_native() && (core.runs_here() || !core.is_running());
    Ok(owner.filter(|owner| is_ours(owner.get())))
}

/// Whether calls of `asyncio.Task` and `asyncio.Future` are answered so, or by asyncio as ever.
#[pyfunction]
fn answer_by_name(py: Python<'_>, ours: bool) -> PyResult<()> {
    answer::<Task>(imports::stock_task(py)?, ours);
    answer::<Future>(imports::stock_future(py)?, ours);
    Ok(())
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(answer_by_name, module)?)
}
