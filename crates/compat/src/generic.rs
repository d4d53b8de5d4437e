//! The same for a runtime of one's own: the traits that say what it can do, and the conversions over them.

use std::any::Any;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;

use crate::call::{self, Wanting};
use crate::locals::python;
use crate::{TaskLocals, get_running_loop, into_future_with_locals};

#[cfg(feature = "unstable-streams")]
pub use crate::stream::{
    into_stream_v1, into_stream_v2, into_stream_with_locals_v1, into_stream_with_locals_v2,
};

/// Why a runtime has no outcome of a future.
pub trait JoinError {
    /// Whether it has panicked.
    fn is_panic(&self) -> bool;
    /// What the panic has left.
    fn into_panic(self) -> Box<dyn Any + Send + 'static>;
}

/// What polls futures.
pub trait Runtime: Send + 'static {
    /// Of [`JoinHandle`](Self::JoinHandle).
    type JoinError: JoinError + Send;
    /// Waits for the end of what was spawned. Dropped, it lets it run.
    type JoinHandle: Future<Output = Result<(), Self::JoinError>> + Send;

    /// Polls it from now on.
    fn spawn<F>(fut: F) -> Self::JoinHandle
    where
        F: Future<Output = ()> + Send + 'static;

    /// Calls where it may block.
    fn spawn_blocking<F>(f: F) -> Self::JoinHandle
    where
        F: FnOnce() + Send + 'static;
}

/// A runtime that polls futures that may not leave their thread.
pub trait SpawnLocalExt: Runtime {
    /// Polls it on this thread.
    fn spawn_local<F>(fut: F) -> Self::JoinHandle
    where
        F: Future<Output = ()> + 'static;
}

/// A runtime with data of a task's own.
pub trait ContextExt: Runtime {
    /// The locals are the current ones wherever this is polled.
    fn scope<F, R>(locals: TaskLocals, fut: F) -> Pin<Box<dyn Future<Output = R> + Send>>
    where
        F: Future<Output = R> + Send + 'static;

    /// Those of the scope that is polled.
    fn get_task_locals() -> Option<TaskLocals>;
}

/// The same for futures that may not leave their thread.
pub trait LocalContextExt: Runtime {
    /// The locals are the current ones wherever this is polled.
    fn scope_local<F, R>(locals: TaskLocals, fut: F) -> Pin<Box<dyn Future<Output = R>>>
    where
        F: Future<Output = R> + 'static;
}

/// The loop of the scope that is polled, or the one that runs in this thread.
///
/// # Errors
///
/// There is neither.
pub fn get_current_loop<R>(py: Python<'_>) -> PyResult<Bound<'_, PyAny>>
where
    R: ContextExt,
{
    match R::get_task_locals() {
        Some(locals) => Ok(locals.event_loop(py)),
        None => get_running_loop(py),
    }
}

/// The locals of the scope that is polled; outside of any the loop that runs in this thread, with a copy of
/// the context.
///
/// # Errors
///
/// There is neither.
pub fn get_current_locals<R>(py: Python<'_>) -> PyResult<TaskLocals>
where
    R: ContextExt,
{
    match R::get_task_locals() {
        Some(locals) => Ok(locals),
        None => TaskLocals::with_running_loop(py)?.copy_context(py),
    }
}

/// Runs a loop until the future has an outcome.
///
/// # Errors
///
/// What the future gives, and what the loop raises.
pub fn run_until_complete<R, F, T>(event_loop: &Bound<'_, PyAny>, fut: F) -> PyResult<T>
where
    R: Runtime + ContextExt,
    F: Future<Output = PyResult<T>> + Send + 'static,
    T: Send + Sync + 'static,
{
    let py = event_loop.py();
    let value = Arc::new(Mutex::new(None));
    let gives = Arc::clone(&value);
    let locals = TaskLocals::new(event_loop.clone()).copy_context(py)?;
    let future = future_into_py_with_locals::<R, _, ()>(py, locals, async move {
        let value = fut.await?;
        *gives.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        Ok(())
    })?;
    event_loop.call_method1(intern!(py, "run_until_complete"), (future,))?;
    let value = value.lock().unwrap_or_else(PoisonError::into_inner).take();
    value.ok_or_else(|| PyRuntimeError::new_err("the loop was stopped before the future had ended"))
}

/// The same on a loop that is made for it, and closed.
///
/// # Errors
///
/// As of [`run_until_complete`]; what closing raises.
pub fn run<R, F, T>(py: Python<'_>, fut: F) -> PyResult<T>
where
    R: Runtime + ContextExt,
    F: Future<Output = PyResult<T>> + Send + 'static,
    T: Send + Sync + 'static,
{
    let event_loop = python!(py, "asyncio", "new_event_loop")?.call0()?;
    let outcome = run_until_complete::<R, F, T>(&event_loop, fut);
    for last in ["shutdown_asyncgens", "shutdown_default_executor"] {
        event_loop.call_method1("run_until_complete", (event_loop.call_method0(last)?,))?;
    }
    event_loop.call_method0("close")?;
    outcome
}

/// Waits for a Python awaitable: [`into_future_with_locals`] with the current locals.
///
/// # Errors
///
/// There are none, or their loop is closed.
pub fn into_future<R>(
    awaitable: Bound<'_, PyAny>,
) -> PyResult<impl Future<Output = PyResult<Py<PyAny>>> + Send + use<R>>
where
    R: Runtime + ContextExt,
{
    into_future_with_locals(&get_current_locals::<R>(awaitable.py())?, awaitable)
}

/// A Python future, of the locals' loop, that stands for one of Rust's. That is spawned at once; its value
/// becomes Python's on the loop's thread. Cancelling drops it.
///
/// # Errors
///
/// The loop is closed.
pub fn future_into_py_with_locals<R, F, T>(
    py: Python<'_>,
    locals: TaskLocals,
    fut: F,
) -> PyResult<Bound<'_, PyAny>>
where
    R: Runtime + ContextExt,
    F: Future<Output = PyResult<T>> + Send + 'static,
    T: for<'py> IntoPyObject<'py> + Send + 'static,
{
    let (future, delivery, wish) = call::begin(py, &locals)?;
    let wanting = Wanting::new(R::scope(locals, fut), wish);
    drop(R::spawn(async move {
        match wanting.await {
            Some(outcome) => delivery.send(outcome),
            None => drop(delivery),
        }
    }));
    Ok(future)
}

/// The same with the current locals.
///
/// # Errors
///
/// There are none, or their loop is closed.
pub fn future_into_py<R, F, T>(py: Python<'_>, fut: F) -> PyResult<Bound<'_, PyAny>>
where
    R: Runtime + ContextExt,
    F: Future<Output = PyResult<T>> + Send + 'static,
    T: for<'py> IntoPyObject<'py> + Send + 'static,
{
    future_into_py_with_locals::<R, F, T>(py, get_current_locals::<R>(py)?, fut)
}

/// The same of a future that may not leave its thread. Nor may its value: that becomes Python's there.
///
/// # Errors
///
/// The loop is closed.
#[deprecated(since = "0.18.0", note = "`ironloop::local_coroutine` polls such a future on the loop's thread")]
pub fn local_future_into_py_with_locals<R, F, T>(
    py: Python<'_>,
    locals: TaskLocals,
    fut: F,
) -> PyResult<Bound<'_, PyAny>>
where
    R: Runtime + SpawnLocalExt + LocalContextExt,
    F: Future<Output = PyResult<T>> + 'static,
    T: for<'py> IntoPyObject<'py>,
{
    let (future, delivery, wish) = call::begin(py, &locals)?;
    let converted = async move { fut.await.and_then(|value| Python::attach(|py| value.into_py_any(py))) };
    let wanting = Wanting::new(R::scope_local(locals, converted), wish);
    drop(R::spawn_local(async move {
        match wanting.await {
            Some(outcome) => delivery.send(outcome),
            None => drop(delivery),
        }
    }));
    Ok(future)
}

/// The same with the current locals.
///
/// # Errors
///
/// There are none, or their loop is closed.
#[deprecated(since = "0.18.0", note = "`ironloop::local_coroutine` polls such a future on the loop's thread")]
#[allow(deprecated)]
pub fn local_future_into_py<R, F, T>(py: Python<'_>, fut: F) -> PyResult<Bound<'_, PyAny>>
where
    R: Runtime + ContextExt + SpawnLocalExt + LocalContextExt,
    F: Future<Output = PyResult<T>> + 'static,
    T: for<'py> IntoPyObject<'py>,
{
    local_future_into_py_with_locals::<R, F, T>(py, get_current_locals::<R>(py)?, fut)
}
