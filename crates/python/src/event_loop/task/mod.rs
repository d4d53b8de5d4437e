//! Tasks: `loop.create_task(coroutine)`.
//!
//! A [`Task`] is an `asyncio.Task` that the loop steps by itself: its turn in the ready queue, the
//! coroutine's answer, and waiting for a future of ours take no object and no call. Its state is in the
//! base's fields.

mod current;
mod make;
mod step;

use std::cell::Cell;
use std::ffi::CStr;

use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};

use crate::event_loop::future;
use crate::ffi::derived::{Derived, DerivedClass, Own};
use crate::ffi::fields::{State, TaskFields};
use crate::ffi::method::{call_slot, initializer, method};
use crate::ffi::registry::Place;
use crate::ffi::view::{IsFuture, TASK, View};
use crate::ffi::{Object, owned};
pub(crate) use current::{now as current, vacate};
pub(crate) use make::{KEYWORDS, create, create_with};
use step::called;
#[cfg(Py_3_14)]
pub(crate) use step::{awaited, not_awaited_any_more};
pub(crate) use step::{step, throw_into, wakeup_of};

/// What stands behind the fields of a task of ours.
pub(crate) struct Task {
    /// The N of `Task-N`, should anybody ask for the name of one that has none; 0 where it has.
    number: Cell<u64>,
    /// Of the loop's steps the last that was this task's; 0 before it.
    last_step: Cell<u64>,
    /// Its place among the pending ones.
    place: Place,
}

owned!(Task { clears nothing; ignores: number, last_step, place; });

impl Derived for Task {
    const NAME: &'static CStr = c"ironloop.Task";
    const DOC: &'static CStr =
        c"Task(coro, *, loop=None, name=None, context=None, eager_start=False)\n--\n\n\
        A coroutine that the loop runs. (asyncio: Task)\n\n\
        Args:\n\
        \x20   coro: the coroutine; its first step is in the loop's next turn.\n\
        \x20   loop: who runs it; by default the loop that runs.\n\
        \x20   name: any object, shown as a string; by default Task- and a number.\n\
        \x20   context: the contextvars.Context it runs in; by default a copy of the current one.\n\
        \x20   eager_start: whether the first step is made at once, if the loop runs (Python 3.12 and later).\n\n\
        Raises:\n\
        \x20   TypeError: `coro` is no coroutine.\n\
        \x20   RuntimeError: no loop is given, and none runs; from `await` if it awaits itself, or a future of\n\
        \x20       another loop.";
    type Fields = TaskFields;

    fn class() -> &'static DerivedClass {
        &TASK
    }

    fn begin(_: &TaskFields) -> Self {
        Self { number: Cell::new(0), last_step: Cell::new(0), place: Place::nowhere() }
    }

    fn has_last_words(fields: &TaskFields) -> bool {
        let pending = fields.future.state() == State::Pending && fields.logs_destroy_pending();
        pending || fields.future.logs_traceback()
    }

    fn end(&self, fields: &TaskFields) {
        self.leave_registry(fields);
    }
}

impl Task {
    /// The registry of the pending ones need not have it.
    fn leave_registry(&self, fields: &TaskFields) {
        self.place.leave();
        #[cfg(Py_3_14)]
        fields.unlink();
        let _ = fields;
    }
}

impl IsFuture for Own<Task> {}

impl Own<Task> {
    pub(crate) fn view(&self) -> View<'_> {
        View::of_own(self)
    }

    /// It is done.
    fn leave_registry(&self) {
        self.payload().leave_registry(self);
    }
}

fn get_name(py: Python<'_>, task: &Own<Task>) -> PyResult<Object> {
    let name = match (task.name.get(py), task.payload().number.get()) {
        (Some(name), _) if name.bind(py).is_instance_of::<PyString>() => return Ok(name),
        (Some(number), _) => format!("Task-{}", number.bind(py)),
        (None, 0) => return Ok(Object::none(py)),
        (None, number) => format!("Task-{number}"),
    };
    let name = Object::from(PyString::new(py, &name));
    task.name.set(py, name.clone_ref(py));
    Ok(name)
}

/// Adds the class to the module.
pub(crate) fn add_class(module: &Bound<'_, PyModule>, base: &Bound<'_, PyType>) -> PyResult<()> {
    let [add, remove] = future::shared_methods();
    let methods = [
        add,
        remove,
        method!(
            Own<Task>,
            c"get_name",
            c"get_name($self)\n--\n\nThe task's name. (asyncio: Task.get_name)",
            |py, task, arguments| {
                let [] = arguments.exactly(py, "Task.get_name", [])?;
                get_name(py, task)
            }
        ),
    ];
    let mut slots = future::shared_slots().to_vec();
    slots.push(initializer!(Own<Task>, make::initialize));
    slots.push(call_slot!(Own<Task>, called));
    TASK.create::<Task>(module, base, &methods, &future::shared_getters(), &slots)?;
    module.add_function(wrap_pyfunction!(pending_tasks, module)?)
}

/// The tasks of ours that are pending, of all loops.
#[pyfunction]
fn pending_tasks(py: Python<'_>) -> Vec<Py<PyAny>> {
    crate::ffi::registry::list(py).iter().map(|task| task.as_py().clone_ref(py)).collect()
}
