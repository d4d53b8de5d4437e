//! Several awaitables at once: `gather`, `wait`, `shield`, `as_completed`; and `ensure_future` and `create_task`, which they
//! begin with.
//!
//! Each is told of its futures by one [`Observer`], which stands in all of them: a child costs no object beyond its task.
//! Futures may be of any class. What is not plain (a future of a loop that does not run here, odd arguments) is
//! left to asyncio's own function.

mod as_completed;
mod awaiter;
mod gather;
mod gathering;
mod shield;
mod tasks;
mod wait;

use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::event_loop::LoopCore;
use crate::ffi::asyncio::View;
use crate::ffi::call::call_method;
use crate::ffi::fields::State;
use crate::ffi::function::{Body, Function};
use crate::ffi::imports;
use crate::ffi::intern::intern;
use crate::ffi::observer::{self, Observer, Watcher};
use crate::ffi::{Arguments, Instance, Object};
use crate::waiting::waiter::future_is_cancelled;

/// How a future has ended.
enum Ending {
    Result(Object),
    Error(Object),
    Cancelled,
}

/// Asks a done future; its error counts as retrieved.
fn ending(py: Python<'_>, future: &Object) -> PyResult<Ending> {
    let Some(view) = View::of(future) else {
        if future_is_cancelled(py, future)? {
            return Ok(Ending::Cancelled);
        }
        let error = call_method(py, future, intern!(py, "exception"), &[])?;
        if !error.bind(py).is_none() {
            return Ok(Ending::Error(error));
        }
        return call_method(py, future, intern!(py, "result"), &[]).map(Ending::Result);
    };
    match view.state() {
        State::Pending => return Err(imports::invalid_state(py, "Exception is not set.")),
        State::Cancelled => return Ok(Ending::Cancelled),
        State::Finished => view.set_log_traceback(false),
    }
    Ok(match view.exception.get(py) {
        Some(error) => Ending::Error(error),
        None => Ending::Result(view.result.get(py).unwrap_or_else(|| Object::none(py))),
    })
}

/// The `CancelledError` of a cancelled future.
fn cancelled_error(py: Python<'_>, future: &Object) -> PyResult<Object> {
    match View::of(future) {
        Some(view) => view.cancelled_error(py),
        None => call_method(py, future, intern!(py, "_make_cancelled_error"), &[]),
    }
}

/// The observer is told when the future is done.
fn watch<W: Watcher>(py: Python<'_>, future: &Object, observer: &Instance<Observer<W>>) -> PyResult<()> {
    match View::of_ours(future) {
        Some(view) => view.add_observer(py, Observer::any(observer)),
        None => call_method(py, future, intern!(py, "add_done_callback"), &[observer.object()]).map(drop),
    }
}

/// It is not told any more.
fn unwatch<W: Watcher>(py: Python<'_>, future: &Object, observer: &Instance<Observer<W>>) -> PyResult<()> {
    match View::of_ours(future) {
        Some(view) => view.remove_observer(py, Observer::any(observer)),
        None => call_method(py, future, intern!(py, "remove_done_callback"), &[observer.object()]).map(drop),
    }
}

/// Whether another class stands in the place of asyncio's `Task` (in its tests the one that is written in Python). Then asyncio's
/// functions may be others too: those that tell who runs and who awaits.
fn has_other_tasks(py: Python<'_>) -> PyResult<bool> {
    Ok(!imports::tasks_are_stock(py)?)
}

/// Whether this is one of the classes whose instances are no awaitables: what asyncio asks first, these need not be asked.
fn is_plain_collection(object: &Bound<'_, PyAny>) -> bool {
    use pyo3::types::{PyDict, PyFrozenSet, PyList, PySet, PyTuple};
    object.is_exact_instance_of::<PyList>()
        || object.is_exact_instance_of::<PySet>()
        || object.is_exact_instance_of::<PyTuple>()
        || object.is_exact_instance_of::<PyFrozenSet>()
        || object.is_exact_instance_of::<PyDict>()
}

/// Adds the functions.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    type Native = fn(&Bound<'_, LoopCore>, Arguments<'_>) -> PyResult<Object>;
    let py = module.py();
    observer::add_class::<gather::Gather>(py)?;
    observer::add_class::<wait::Awaited>(py)?;
    observer::add_class::<shield::Shield>(py)?;
    observer::add_class::<as_completed::Progress>(py)?;
    wait::add_class(py)?;
    as_completed::add_classes(py)?;
    let functions: [(&str, Native, &Object); 6] = [
        ("gather", gather::gather, imports::stock_gather(py)?),
        ("wait", wait::wait, imports::stock_wait(py)?),
        ("shield", shield::shield, imports::stock_shield(py)?),
        ("as_completed", as_completed::as_completed, imports::stock_as_completed(py)?),
        ("ensure_future", tasks::ensure_future, imports::stock_ensure_future(py)?),
        ("create_task", tasks::create_task, imports::stock_create_task(py)?),
    ];
    for (name, native, stock) in functions {
        let function = Function::make(py, Body::Native(native), stock.clone_ref(py))?;
        module.add(name, function.bind(py))?;
    }
    Ok(())
}

/// Adds the class of what `gather` returns, below asyncio's future.
pub(crate) fn add_classes(py: Python<'_>, base: &Bound<'_, PyType>) -> PyResult<()> {
    gathering::add_class(py, base)
}
