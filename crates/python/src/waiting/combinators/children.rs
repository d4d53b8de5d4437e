//! What combinators ask of their arguments, and of the futures that they watch: these may be of any class.

use pyo3::prelude::*;

use crate::ffi::call::call_method;
use crate::ffi::fields::State;
use crate::ffi::intern::intern;
use crate::ffi::observer::{Observe, Observer};
use crate::ffi::view::View;
use crate::ffi::{Instance, Object, imports};
use crate::waiting::waiter::future_is_cancelled;

/// How a future has ended.
pub(super) enum Completion {
    Result(Object),
    Error(Object),
    Cancelled,
}

/// Asks a done future; its error counts as retrieved.
pub(super) fn completion(py: Python<'_>, future: &Object) -> PyResult<Completion> {
    let Some(view) = View::of(future) else {
        if future_is_cancelled(py, future)? {
            return Ok(Completion::Cancelled);
        }
        let error = call_method(py, future, intern!(py, "exception"), &[])?;
        if !error.bind(py).is_none() {
            return Ok(Completion::Error(error));
        }
        return call_method(py, future, intern!(py, "result"), &[]).map(Completion::Result);
    };
    match view.state() {
        State::Pending => return Err(imports::invalid_state(py, "Exception is not set.")),
        State::Cancelled => return Ok(Completion::Cancelled),
        State::Finished => view.set_log_traceback(false),
    }
    Ok(match view.exception.get(py) {
        Some(error) => Completion::Error(error),
        None => Completion::Result(view.result.get(py).unwrap_or_else(|| Object::none(py))),
    })
}

/// The `CancelledError` of a cancelled future.
pub(super) fn cancelled_error(py: Python<'_>, future: &Object) -> PyResult<Object> {
    match View::of(future) {
        Some(view) => view.cancelled_error(py),
        None => call_method(py, future, intern!(py, "_make_cancelled_error"), &[]),
    }
}

/// The observer is told when the future is done.
pub(super) fn watch<W: Observe>(
    py: Python<'_>,
    future: &Object,
    observer: &Instance<Observer<W>>,
) -> PyResult<()> {
    match View::of_ours(future) {
        Some(view) => view.add_observer(py, Observer::any(observer)),
        None => call_method(py, future, intern!(py, "add_done_callback"), &[observer.object()]).map(drop),
    }
}

/// It is not told any more.
pub(super) fn unwatch<W: Observe>(
    py: Python<'_>,
    future: &Object,
    observer: &Instance<Observer<W>>,
) -> PyResult<()> {
    match View::of_ours(future) {
        Some(view) => view.remove_observer(py, Observer::any(observer)),
        None => call_method(py, future, intern!(py, "remove_done_callback"), &[observer.object()]).map(drop),
    }
}

/// Whether another class stands in the place of asyncio's `Task` (in its tests the one that is written in
/// Python). Then asyncio's functions may be others too: those that tell who runs and who awaits.
pub(super) fn has_other_tasks(py: Python<'_>) -> PyResult<bool> {
    Ok(!imports::tasks_are_stock(py)?)
}

/// Whether this is one of the classes whose instances are no awaitables: what asyncio asks first, these need
/// not be asked.
pub(super) fn is_plain_collection(object: &Bound<'_, PyAny>) -> bool {
    use pyo3::types::{PyDict, PyFrozenSet, PyList, PySet, PyTuple};
    object.is_exact_instance_of::<PyList>()
        || object.is_exact_instance_of::<PySet>()
        || object.is_exact_instance_of::<PyTuple>()
        || object.is_exact_instance_of::<PyFrozenSet>()
        || object.is_exact_instance_of::<PyDict>()
}

/// Whether this is a future or a coroutine.
pub(super) fn is_awaited_itself(py: Python<'_>, object: &Object) -> PyResult<bool> {
    Ok(imports::is_future(py)?.bind(py).call1((object.bind(py),))?.is_truthy()?
        || imports::is_coroutine(py)?.bind(py).call1((object.bind(py),))?.is_truthy()?)
}
