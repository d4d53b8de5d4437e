//! `asyncio.Task(…)`, called by its name.

use pyo3::prelude::*;

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
        let owner = match given(owner) {
            Some(owner) => LoopCore::of(py, &owner),
            None => match Running::now(py)? {
                Running::Native(owner) => Some(owner),
                Running::Other(_) | Running::None => None,
            },
        };
        let is_ours = |core: &LoopCore| core.is_native() && (core.runs_here() || !core.is_running());
        let Some(owner) = owner.filter(|owner| is_ours(owner.get())) else { return Ok(None) };
        let eager = eager.map_or(Ok(false), |eager| eager.bind(py).is_truthy())?;
        task::create_with(&owner, coroutine.to_object(py), given(name), given(context), eager)
            .map(|task| Some(task.into_object()))
    }
}

/// Whether calls of `asyncio.Task` are answered so, or by asyncio as ever.
#[pyfunction]
fn answer_by_name(py: Python<'_>, ours: bool) -> PyResult<()> {
    answer::<Task>(imports::stock_task(py)?, ours);
    Ok(())
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(answer_by_name, module)?)
}
