//! Whether asyncio's futures and tasks keep their state where [`super`] looks for it.
//!
//! At import some futures and a task are put through their states, by Python and by the fields in turn: what
//! one writes the other must read. (The sizes alone would not tell of a bit that has moved in a patch
//! release, and it would be corrupted in silence.) Nothing is written into a field, nor followed, before all
//! that can be read has proved right.

use pyo3::exceptions::{PyException, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType};

use super::{Field, FutureFields, State, TaskFields};
#[cfg(not(Py_3_13))]
use crate::ffi::Object;

/// The first field that is not where we look for it.
type Misfit = Option<&'static str>;

macro_rules! check {
    ($what:literal, $fits:expr) => {
        if !$fits {
            return Ok(Some($what));
        }
    };
}

/// What the probe's futures are made with.
struct Stage<'py> {
    future: &'py Bound<'py, PyType>,
    task: &'py Bound<'py, PyType>,
    /// Has what their constructors and callbacks ask of a loop, and runs nothing.
    owner: Bound<'py, PyAny>,
    context: Bound<'py, PyAny>,
    /// Callables of no meaning.
    first: Bound<'py, PyAny>,
    second: Bound<'py, PyAny>,
}

/// What in the two types is not laid out as this was built for, in a word. (Free-threaded ones have locks of
/// their own.)
pub(crate) fn misfit(future: &Bound<'_, PyType>, task: &Bound<'_, PyType>) -> PyResult<Option<String>> {
    let py = future.py();
    // SAFETY: live types; their sizes were settled when they were made.
    let size = |kind: &Bound<'_, PyType>| unsafe { (*kind.as_type_ptr()).tp_basicsize } as usize;
    let fits = size(future) == size_of::<FutureFields>() && size(task) == size_of::<TaskFields>();
    if cfg!(Py_GIL_DISABLED) || !fits {
        return Ok(Some("size".to_owned()));
    }
    match compare(future, task) {
        Ok(misfit) => Ok(misfit.map(str::to_owned)),
        Err(error) if error.is_instance_of::<PyException>(py) => Ok(Some(error.to_string())),
        Err(error) => Err(error),
    }
}

/// Compares the fields of the two types with ours, which have the right size.
fn compare(future: &Bound<'_, PyType>, task: &Bound<'_, PyType>) -> PyResult<Misfit> {
    let py = future.py();
    let attributes = PyDict::new(py);
    attributes.set_item("get_debug", py.get_type::<pyo3::types::PyBool>())?;
    attributes.set_item("call_soon", py.import("functools")?.getattr("partial")?)?;
    let stage = Stage {
        future,
        task,
        owner: py.import("types")?.getattr("SimpleNamespace")?.call((), Some(&attributes))?,
        context: py.import("contextvars")?.getattr("Context")?.call0()?,
        first: py.get_type::<PyTypeError>().into_any(),
        second: py.get_type::<PyValueError>().into_any(),
    };
    let pending = stage.make_future()?;
    if let misfit @ Some(_) = stage.pending(&pending)? {
        return Ok(misfit);
    }
    if let misfit @ Some(_) = stage.ended()? {
        return Ok(misfit);
    }
    // A coroutine that is never begun, of a function that nobody replaces.
    let coroutine = py.import("asyncio.events")?.getattr("AbstractServer")?.getattr("wait_closed")?;
    let coroutine = coroutine.call1((py.None(),))?;
    let tasks = stage.tasks(&pending, &coroutine);
    coroutine.call_method0("close")?;
    tasks
}

impl<'py> Stage<'py> {
    fn py(&self) -> Python<'py> {
        self.owner.py()
    }

    fn make_future(&self) -> PyResult<Bound<'py, PyAny>> {
        let keywords = PyDict::new(self.py());
        keywords.set_item("loop", &self.owner)?;
        self.future.call((), Some(&keywords))
    }

    /// One that is pending: written by Python, then by us.
    fn pending(&self, future: &Bound<'py, PyAny>) -> PyResult<Misfit> {
        let (py, fields) = (self.py(), fields_of(future));
        check!("loop", is(&fields.owner, &self.owner));
        check!("state", fields.state.get() == 0);
        check!("callbacks", fields.callback0.is_empty() && fields.callbacks.is_empty());
        check!("result", fields.result.is_empty() && fields.exception.is_empty());
        check!("message", fields.cancel_message.is_empty() && fields.cancelled_error.is_empty());
        check!("traceback", fields.source_traceback.is_empty() && fields.exception_traceback.is_empty());
        check!("flags", !fields.is_blocking() && !fields.logs_traceback());

        let keywords = PyDict::new(py);
        keywords.set_item("context", &self.context)?;
        future.call_method("add_done_callback", (&self.first,), Some(&keywords))?;
        check!("callback", is(&fields.callback0, &self.first) && is(&fields.context0, &self.context));
        check!("callbacks", fields.callbacks.is_empty());
        future.call_method("add_done_callback", (&self.second,), Some(&keywords))?;
        check!("callbacks", !fields.callbacks.is_empty() && is(&fields.callback0, &self.first));
        future.setattr("_cancel_message", &self.first)?;
        check!("message", is(&fields.cancel_message, &self.first));
        future.setattr("_asyncio_future_blocking", true)?;
        check!("blocking", fields.is_blocking() && !fields.logs_traceback());
        future.setattr("_asyncio_future_blocking", false)?;
        check!("blocking", !fields.is_blocking());
        #[cfg(Py_3_14)]
        check!("kind", fields.is_task.get() == 0 && fields.awaited_by.is_empty());
        #[cfg(not(Py_3_13))]
        {
            check!("dictionary", fields.dictionary.is_empty() && fields.weak_references.get().is_null());
            future.setattr("attribute", true)?;
            check!("dictionary", !fields.dictionary.is_empty());
            let weak = Object::weak(future)?;
            check!("weak references", fields.weak_references.get() == weak.as_ptr());
        }
        Ok(None)
    }

    /// Those that have ended: read, and then written by us, as all that was read has proved right.
    fn ended(&self) -> PyResult<Misfit> {
        let py = self.py();
        let cancelled = self.make_future()?;
        let fields = fields_of(&cancelled);
        cancelled.call_method0("cancel")?;
        check!("state", fields.state.get() == State::Cancelled as i32);

        let future = self.make_future()?;
        let fields = fields_of(&future);
        future.call_method1("set_result", (&self.first,))?;
        check!("state", fields.state.get() == State::Finished as i32);
        check!("result", is(&fields.result, &self.first) && fields.exception.is_empty());

        let failed = self.make_future()?;
        let fields = fields_of(&failed);
        let error = self.second.call0()?;
        let frame = py.import("sys")?.getattr("_getframe")?.call0()?;
        let traceback = py.import("types")?.getattr("TracebackType")?.call1((py.None(), frame, 0, 1))?;
        error.setattr("__traceback__", &traceback)?;
        failed.call_method1("set_exception", (&error,))?;
        // As soon as it is known where: else it would say that nobody has asked for the error.
        let logs = fields.logs_traceback();
        failed.setattr("_log_traceback", false)?;
        check!("log of the traceback", logs && !fields.logs_traceback() && !fields.is_blocking());
        check!("exception", is(&fields.exception, &error) && fields.result.is_empty());
        check!("traceback", is(&fields.exception_traceback, &traceback));

        let future = self.make_future()?;
        let fields = fields_of(&future);
        check!("traceback", shows(&fields.source_traceback, &self.first, &future, "_source_traceback")?);
        check!("message", shows(&fields.cancel_message, &self.first, &future, "_cancel_message")?);
        fields.cancelled_error.set(py, error.clone().into());
        check!("cancellation", future.call_method0("_make_cancelled_error")?.is(&error));
        check!("cancellation", fields.cancelled_error.is_empty());
        fields.set_blocking(true);
        check!("blocking", truth(&future, "_asyncio_future_blocking")? && !truth(&future, "_log_traceback")?);
        fields.set_blocking(false);
        fields.set_log_traceback(true);
        check!("log of the traceback", truth(&future, "_log_traceback")?);
        fields.set_log_traceback(false);
        check!("log of the traceback", !truth(&future, "_log_traceback")?);
        for (state, name) in
            [(State::Cancelled, "CANCELLED"), (State::Finished, "FINISHED"), (State::Pending, "PENDING")]
        {
            fields.set_state(state);
            check!("state", future.getattr("_state")?.eq(name)?);
        }
        Ok(None)
    }

    fn tasks(&self, future: &Bound<'py, PyAny>, coroutine: &Bound<'py, PyAny>) -> PyResult<Misfit> {
        let py = self.py();
        let keywords = PyDict::new(py);
        let name = PyString::new(py, "probe").into_any();
        keywords.set_item("loop", &self.owner)?;
        keywords.set_item("name", &name)?;
        keywords.set_item("context", &self.context)?;
        let task = self.task.call((coroutine,), Some(&keywords))?;
        let fields = task_fields_of(&task);
        // As soon as it is known where: else it would say that it is destroyed while it is pending.
        let logs = fields.logs_destroy_pending();
        task.setattr("_log_destroy_pending", false)?;
        check!("log of the end", logs && !fields.logs_destroy_pending() && !fields.must_cancel());
        check!("loop", is(&fields.future.owner, &self.owner));
        check!("coroutine", is(&fields.coroutine, coroutine));
        check!("name", is(&fields.name, &name));
        check!("context", is(&fields.context, &self.context));
        check!("awaited", fields.waiting_for.is_empty());
        check!("cancellations", fields.cancels_requested.get() == 0);
        task.call_method1("cancel", (&self.first,))?;
        check!("cancellations", fields.cancels_requested.get() == 1 && fields.must_cancel());
        check!("message", is(&fields.future.cancel_message, &self.first));
        check!("log of the end", !fields.logs_destroy_pending());

        check!("awaited", shows(&fields.waiting_for, future, &task, "_fut_waiter")?);
        fields.set_must_cancel(false);
        check!("cancellation", !truth(&task, "_must_cancel")?);
        fields.set_must_cancel(true);
        check!("cancellation", truth(&task, "_must_cancel")? && !truth(&task, "_log_destroy_pending")?);
        fields.set_log_destroy_pending(true);
        check!("log of the end", truth(&task, "_log_destroy_pending")?);
        fields.set_log_destroy_pending(false);
        check!("log of the end", !truth(&task, "_log_destroy_pending")?);
        #[cfg(Py_3_14)]
        return self.watched(future, &task);
        #[cfg(not(Py_3_14))]
        Ok(None)
    }

    /// What Python 3.14 and later write down for those who look from outside.
    #[cfg(Py_3_14)]
    fn watched(&self, future: &Bound<'py, PyAny>, task: &Bound<'py, PyAny>) -> PyResult<Misfit> {
        let py = self.py();
        let module = py.import("_asyncio")?;
        let (fields, awaiter) = (fields_of(future), task_fields_of(task));
        check!("kind", awaiter.future.is_task.get() == 1);
        module.call_method1("future_add_to_awaited_by", (future, task))?;
        check!("awaiter", is(&fields.awaited_by, task) && fields.awaited_by_is_set.get() == 0);
        let other = self.make_future()?;
        module.call_method1("future_add_to_awaited_by", (future, &other))?;
        check!("awaiters", !is(&fields.awaited_by, task) && fields.awaited_by_is_set.get() == 1);
        for awaiter in [task, &other] {
            module.call_method1("future_discard_from_awaited_by", (future, awaiter))?;
        }
        let node = &raw const awaiter.node;
        let super::Node { next, previous } = awaiter.node.get();
        let in_memory = |node: *mut std::cell::Cell<super::Node>| !node.is_null() && node.is_aligned();
        check!("list of tasks", in_memory(next) && in_memory(previous));
        // SAFETY: all other fields have proved to be where they are expected, and the size is right: the last
        // two words are the task's place in the list of this thread, which only this thread changes.
        let linked = unsafe {
            (*next).get().previous.cast_const() == node && (*previous).get().next.cast_const() == node
        };
        check!("list of tasks", linked);
        Ok(None)
    }
}

fn is(field: &Field, object: &Bound<'_, PyAny>) -> bool {
    field.as_ptr() == object.as_ptr()
}

/// Whether Python sees what is put into an empty field; it is taken out again.
fn shows(field: &Field, object: &Bound<'_, PyAny>, owner: &Bound<'_, PyAny>, name: &str) -> PyResult<bool> {
    field.set(owner.py(), object.clone().into());
    let seen = owner.getattr(name);
    drop(field.take(owner.py()));
    Ok(seen?.is(object))
}

fn truth(owner: &Bound<'_, PyAny>, name: &str) -> PyResult<bool> {
    owner.getattr(name)?.is_truthy()
}

fn fields_of<'a>(future: &'a Bound<'_, PyAny>) -> &'a FutureFields {
    // SAFETY: an instance of a type that is as large as the struct, or of one below it; every field is a
    // word, or a part of one, that may have any value.
    unsafe { &*future.as_ptr().cast() }
}

fn task_fields_of<'a>(task: &'a Bound<'_, PyAny>) -> &'a TaskFields {
    // SAFETY: an instance of a type that is as large as the struct, or of one below it; the first fields are
    // a future's.
    unsafe { &*task.as_ptr().cast() }
}
