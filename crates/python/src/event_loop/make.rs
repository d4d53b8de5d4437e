//! What a loop makes for its users: futures, tasks, transports.

use std::ffi::CStr;

use crate::ffi::intern::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::loop_core::LoopCore;
use super::parts::Parts;
use crate::event_loop::future;
use crate::event_loop::task::{self, Task};
use crate::ffi::call::call_named;
use crate::ffi::derived::{Own, track};
use crate::ffi::imports;
use crate::ffi::method::documentation;
use crate::ffi::{Arg, Arguments, Object, method_of};

fn create_future(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = slf.py();
    let [] = arguments.exactly(py, "BaseEventLoop.create_future", [])?;
    if slf.get().is_native() && imports::futures_are_stock(py)? {
        let future = future::create(slf)?;
        // What ends in a cycle with an object that was made before it (a protocol that asks for its error in
        // `__del__`) is finalised after that: the collector goes by the order in which it came to know them.
        track(future.object());
        return Ok(future.into_object());
    }
    call_named(&imports::future(py)?, &[Arg::of(slf)], 0, Some(imports::only_loop(py)?))
}

impl LoopCore {
    /// Whether `loop.create_task(coroutine)` makes tasks of ours, and is nobody's but ours: then it need not
    /// be called.
    pub(crate) fn makes_tasks(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let (py, core) = (slf.py(), slf.get());
        Ok(Self::keeps(slf, Parts::CREATE_TASK.and(Parts::VOCABULARY))
            && core.task_factory.with(|factory| factory.is_none())
            && imports::replaced_create_task(py)?.is_none()
            && imports::tasks_are_stock(py)?)
    }
}

/// `Task(coro, loop=self, **keywords)`: every keyword that this Python's tasks know. With a task factory, and
/// in debug mode, asyncio's own method does it; and where a tool (Datadog's, New Relic's) waits there for
/// what is made.
fn create_task(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (py, core) = (slf.py(), slf.get());
    let (values, positional, names) = arguments.raw_parts();
    if let Some(method) = imports::replaced_create_task(py)? {
        let mut all = vec![Arg::of(slf)];
        all.extend_from_slice(values);
        return call_named(&method, &all, positional + 1, names.map(|names| names.bind(py)).as_deref());
    }
    if let Some(task) = create_native_task(slf, arguments)? {
        return Ok(task.into_object());
    }
    if core.is_debug() || positional != 1 || core.task_factory.with(|factory| factory.is_some()) {
        let method = slf.getattr(intern!(py, "_create_task"))?;
        return call_named(&method, values, positional, names.map(|names| names.bind(py)).as_deref());
    }
    core.check_open()?;
    let task = imports::task(py)?;
    let Some(names) = names else {
        return call_named(&task, &[values[0], Arg::of(slf)], 1, Some(imports::only_loop(py)?));
    };
    let names = names.bind(py).cast::<PyTuple>()?.to_owned();
    let mut all = vec![intern!(py, "loop").clone().into_any()];
    all.extend(names.iter());
    let all = PyTuple::new(py, all)?;
    let mut list = vec![values[0], Arg::of(slf)];
    list.extend_from_slice(&values[1..]);
    call_named(&task, &list, 1, Some(&all))
}

/// A task of ours, unless the loop's are not, there are keywords that ask for more, or another class stands
/// in asyncio's place.
pub(crate) fn create_native_task(
    slf: &Bound<'_, LoopCore>,
    arguments: Arguments<'_>,
) -> PyResult<Option<Own<Task>>> {
    let (py, core) = (slf.py(), slf.get());
    if !core.is_native() || core.task_factory.with(|factory| factory.is_some()) {
        return Ok(None);
    }
    if !imports::tasks_are_stock(py)? {
        return Ok(None);
    }
    if arguments.positional().len() != 1 {
        return Ok(None);
    }
    let Ok([coroutine, name, context]) = arguments.bind(py, "create_task", ["coro", "name", "context"], 1)
    else {
        return Ok(None);
    };
    let Some(coroutine) = coroutine else { return Ok(None) };
    slf.get().check_open()?;
    let given = |argument: Option<Arg<'_>>| {
        argument.filter(|argument| !argument.is_none()).map(|argument| argument.to_object(py))
    };
    task::create(slf, coroutine.to_object(py), given(name), given(context)).map(Some)
}

/// With what this Python's takes.
macro_rules! create_task_doc {
    ($keywords:literal) => {
        concat!(
            "create_task($self, coro, ",
            $keywords,
            ")\n--\n\n",
            "A task of this loop that runs a coroutine; its first step is in the next turn.\n\n",
            "Takes the keywords of this Python's asyncio.Task (name, context; from 3.12 on eager_start), or of the\n",
            "task factory. Raises RuntimeError if the loop is closed, TypeError if `coro` is no coroutine.\n",
            "Counterpart: asyncio's loop.create_task.\0"
        )
    };
}
const CREATE_TASK: &CStr = documentation(if cfg!(Py_3_14) {
    create_task_doc!("**kwargs")
} else if cfg!(Py_3_13) {
    create_task_doc!("*, name=None, context=None, **kwargs")
} else {
    create_task_doc!("*, name=None, context=None")
});

pub(super) fn methods() -> Vec<pyo3::ffi::PyMethodDef> {
    vec![
        method_of!(
            LoopCore,
            c"create_future",
            c"create_future($self)\n--\n\nA pending future of this loop. Counterpart: asyncio's loop.create_future.",
            create_future
        ),
        method_of!(
            LoopCore,
            c"create_task",
            CREATE_TASK,
            create_task
        ),
    ]
}
