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
use std::mem::offset_of;

use ironloop_trace::Mark;
use pyo3::ffi::Py_hash_t;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};

use crate::event_loop::future;
use crate::event_loop::recorder::watch;
use crate::ffi::call::call_named;
use crate::ffi::derived::{Derived, DerivedClass, Own, payload_of};
use crate::ffi::fields::{FutureFields, State, TaskFields};
use crate::ffi::imports::stock_task;
use crate::ffi::method::{call_slot, documentation, hash_slot, initializer, method};
use crate::ffi::registry::Place;
use crate::ffi::view::{IsFuture, TASK, View};
use crate::ffi::{Arg, Arguments, Object, owned};
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
    /// Its hash in a simulation; else 0.
    rank: Cell<u32>,
    /// The recorder's.
    pub(crate) mark: Cell<Mark>,
}

/// Where in a task its name lies, what N of `Task-N` where it has none, and who is told first of its end: for
/// those who read it as memory.
pub(crate) const NAME: usize = offset_of!(TaskFields, name);
pub(crate) const NUMBER: usize = payload_of::<Task>() + offset_of!(Task, number);
pub(crate) const AWAITER: usize = offset_of!(TaskFields, future) + offset_of!(FutureFields, callback0);

owned!(Task { clears nothing; ignores: number, last_step, place, rank, mark; });

/// What the class takes, and says of itself.
macro_rules! doc {
    ($eager_keyword:literal, $eager:literal) => {
        concat!(
            "Task(coro, *, loop=None, name=None, context=None",
            $eager_keyword,
            ")\n--\n\n",
            "A coroutine that the loop runs. Counterpart: asyncio.Task.\n\n",
            "Commonly made by `create_task`. `await task` waits for its result; `cancel` has CancelledError raised\n",
            "where it waits.\n\n",
            "Args:\n",
            "    coro: the coroutine; its first step is in the loop's next turn.\n",
            "    loop: who runs it; by default the loop that runs.\n",
            "    name: any object, shown as a string; by default Task- and a number.\n",
            "    context: the contextvars.Context it runs in; by default a copy of the current one.\n",
            $eager,
            "\nRaises:\n",
            "    TypeError: `coro` is no coroutine, `context` no contextvars.Context.\n",
            "    RuntimeError: no loop is given, and none runs; from `await` if it awaits itself, or a future of\n",
            "        another loop.\n",
            "    InvalidStateError: by `result` and `exception` while it has not ended.\n",
            "    CancelledError: by `result`, `exception` and `await` if it was cancelled.\0"
        )
    };
}
const DOC: &CStr = documentation(if cfg!(Py_3_12) {
    doc!(
        ", eager_start=False",
        "    eager_start: whether the first step is made at once, if the loop runs.\n"
    )
} else {
    doc!("", "")
});

impl Derived for Task {
    const NAME: &'static CStr = c"ironloop.Task";
    const DOC: &'static CStr = DOC;
    type Fields = TaskFields;

    fn class() -> &'static DerivedClass {
        &TASK
    }

    fn begin(_: &TaskFields) -> Self {
        Self {
            number: Cell::new(0),
            last_step: Cell::new(0),
            place: Place::nowhere(),
            rank: Cell::new(0),
            mark: Cell::new(Mark::NONE),
        }
    }

    fn has_last_words(fields: &TaskFields) -> bool {
        let pending = fields.future.state() == State::Pending && fields.logs_destroy_pending();
        pending || fields.future.logs_traceback()
    }

    fn end(&self, fields: &TaskFields) {
        if watch::is_anywhere() && fields.future.logs_traceback() {
            watch::never_retrieved(self.mark.get());
        }
        self.leave_registry(fields);
    }
}

impl Task {
    /// The N of `Task-N`; 0 if it was given a name.
    pub(crate) fn number(&self) -> u64 {
        self.number.get()
    }

    /// Whether it has made a step.
    pub(crate) fn has_run(&self) -> bool {
        self.last_step.get() != 0
    }

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

/// asyncio's own, once a loop that is recorded knows who asks.
fn cancel(py: Python<'_>, task: &Own<Task>, arguments: Arguments<'_>) -> PyResult<Object> {
    static STOCK: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if watch::is_anywhere() {
        watch::cancel_asked(py, task.object());
    }
    let method = STOCK.get_or_try_init(py, || stock_task(py)?.getattr("cancel").map(Bound::unbind))?.bind(py);
    let (values, positional, names) = arguments.raw_parts();
    let task = Arg::of(task.object().bind(py));
    if let ([], 0) = (values, positional) {
        return call_named(method, &[task], 1, None);
    }
    let all: Vec<_> = std::iter::once(task).chain(values.iter().copied()).collect();
    call_named(method, &all, positional + 1, names.map(|names| names.bind(py)).as_deref())
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
            c"cancel",
            c"cancel($self, msg=None)\n--\n\nHas CancelledError raised where the task waits, or when it runs next, having \
              `msg`; False if it is done already. Counterpart: asyncio.Task.cancel.",
            cancel
        ),
        method!(
            Own<Task>,
            c"get_name",
            c"get_name($self)\n--\n\nThe task's name, a string. Counterpart: asyncio.Task.get_name.",
            |py, task, arguments| {
                let [] = arguments.exactly(py, "Task.get_name", [])?;
                get_name(py, task)
            }
        ),
    ];
    let mut slots = future::shared_slots().to_vec();
    slots.push(initializer!(Own<Task>, make::initialize));
    slots.push(call_slot!(Own<Task>, called));
    slots.push(hash_slot!(Own<Task>, |task| task.payload().rank.get() as Py_hash_t));
    TASK.create::<Task>(module, base, &methods, &future::shared_getters(), &slots)?;
    module.add_function(wrap_pyfunction!(pending_tasks, module)?)
}

/// The tasks of ours that are pending, of all loops.
#[pyfunction]
fn pending_tasks(py: Python<'_>) -> Vec<Py<PyAny>> {
    crate::ffi::registry::list(py).iter().map(|task| task.as_py().clone_ref(py)).collect()
}
