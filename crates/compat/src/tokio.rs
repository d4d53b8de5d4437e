//! The conversions over Tokio.
//!
//! There is one runtime in a process (of each extension module), made at the first use and never ended. A
//! child that was forked has none of its threads, and makes its own.

use std::any::Any;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use ::tokio::runtime::{Builder, Runtime};
use ::tokio::task;
use pyo3::prelude::*;

use crate::TaskLocals;
use crate::generic::{self, ContextExt, LocalContextExt, Runtime as GenericRuntime, SpawnLocalExt};

/// What `main` is made of.
#[cfg(feature = "attributes")]
#[doc(hidden)]
pub mod re_exports {
    pub use std::future::pending;

    pub use tokio::runtime;
}

#[cfg(feature = "attributes")]
pub use pyo3_async_runtimes_macros::tokio_main as main;

/// A runtime, and the process whose threads it has; then that of a child, if this is one. A thread that forks
/// leaves it as it is, whatever others do with it.
struct Made {
    runtime: &'static Runtime,
    generation: u32,
    next: Place,
}

type Place = OnceLock<Box<Made>>;

static FIRST: Place = OnceLock::new();
/// Whoever makes one holds it.
static BUILDER: Mutex<Option<Builder>> = Mutex::new(None);

::tokio::task_local! {
    static LOCALS: TaskLocals;
}

fn builder() -> MutexGuard<'static, Option<Builder>> {
    BUILDER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The one of this process, or the place for it.
fn made() -> Result<&'static Runtime, &'static Place> {
    let generation = ironloop_driver::generation();
    let mut place = &FIRST;
    while let Some(made) = place.get() {
        if made.generation == generation {
            return Ok(made.runtime);
        }
        place = &made.next;
    }
    Err(place)
}

/// Where nobody else makes one.
fn keep(place: &Place, runtime: &'static Runtime) {
    let generation = ironloop_driver::generation();
    let _ = place.set(Box::new(Made { runtime, generation, next: OnceLock::new() }));
}

/// How the runtime is to be made, when it is asked for. In the place of Tokio's threads with everything
/// enabled.
pub fn init(builder: Builder) {
    *self::builder() = Some(builder);
}

/// A runtime that is there already.
///
/// # Errors
///
/// There was another before.
#[allow(clippy::result_unit_err)]
pub fn init_with_runtime(runtime: &'static Runtime) -> Result<(), ()> {
    let _one_at_a_time = builder();
    match made() {
        Ok(_) => Err(()),
        Err(place) => {
            keep(place, runtime);
            Ok(())
        }
    }
}

/// The runtime.
///
/// # Panics
///
/// If the system has no threads or descriptors for it.
#[must_use]
pub fn get_runtime<'a>() -> &'a Runtime {
    made().unwrap_or_else(|_| make())
}

#[cold]
fn make() -> &'static Runtime {
    let mut builder = builder();
    let place = match made() {
        Ok(made) => return made,
        Err(place) => place,
    };
    let builder = builder.get_or_insert_with(|| {
        let mut builder = Builder::new_multi_thread();
        builder.enable_all();
        builder
    });
    let runtime = Box::leak(Box::new(builder.build().expect("Tokio takes threads and descriptors")));
    keep(place, runtime);
    runtime
}

impl generic::JoinError for task::JoinError {
    fn is_panic(&self) -> bool {
        Self::is_panic(self)
    }

    fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        Self::into_panic(self)
    }
}

struct TokioRuntime;

impl GenericRuntime for TokioRuntime {
    type JoinError = task::JoinError;
    type JoinHandle = task::JoinHandle<()>;

    fn spawn<F>(fut: F) -> Self::JoinHandle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        get_runtime().spawn(fut)
    }

    fn spawn_blocking<F>(f: F) -> Self::JoinHandle
    where
        F: FnOnce() + Send + 'static,
    {
        get_runtime().spawn_blocking(f)
    }
}

impl SpawnLocalExt for TokioRuntime {
    fn spawn_local<F>(fut: F) -> Self::JoinHandle
    where
        F: Future<Output = ()> + 'static,
    {
        task::spawn_local(fut)
    }
}

impl ContextExt for TokioRuntime {
    fn scope<F, R>(locals: TaskLocals, fut: F) -> Pin<Box<dyn Future<Output = R> + Send>>
    where
        F: Future<Output = R> + Send + 'static,
    {
        Box::pin(LOCALS.scope(locals, fut))
    }

    fn get_task_locals() -> Option<TaskLocals> {
        LOCALS.try_with(Clone::clone).ok()
    }
}

impl LocalContextExt for TokioRuntime {
    fn scope_local<F, R>(locals: TaskLocals, fut: F) -> Pin<Box<dyn Future<Output = R>>>
    where
        F: Future<Output = R> + 'static,
    {
        Box::pin(LOCALS.scope(locals, fut))
    }
}

/// The locals are the current ones wherever this is polled.
pub async fn scope<F, R>(locals: TaskLocals, fut: F) -> R
where
    F: Future<Output = R> + Send + 'static,
{
    TokioRuntime::scope(locals, fut).await
}

/// The same of a future that may not leave its thread.
pub async fn scope_local<F, R>(locals: TaskLocals, fut: F) -> R
where
    F: Future<Output = R> + 'static,
{
    TokioRuntime::scope_local(locals, fut).await
}

/// The loop of the scope that is polled, or the one that runs in this thread.
///
/// # Errors
///
/// There is neither.
pub fn get_current_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    generic::get_current_loop::<TokioRuntime>(py)
}

/// The locals of the scope that is polled; outside of any the loop that runs in this thread, with a copy of
/// the context.
///
/// # Errors
///
/// There is neither.
pub fn get_current_locals(py: Python<'_>) -> PyResult<TaskLocals> {
    generic::get_current_locals::<TokioRuntime>(py)
}

/// Runs a loop until the future has an outcome.
///
/// # Errors
///
/// What the future gives, and what the loop raises.
pub fn run_until_complete<F, T>(event_loop: Bound<'_, PyAny>, fut: F) -> PyResult<T>
where
    F: Future<Output = PyResult<T>> + Send + 'static,
    T: Send + Sync + 'static,
{
    generic::run_until_complete::<TokioRuntime, _, T>(&event_loop, fut)
}

/// The same on a loop that is made for it, and closed.
///
/// # Errors
///
/// As of [`run_until_complete`]; what closing raises.
pub fn run<F, T>(py: Python<'_>, fut: F) -> PyResult<T>
where
    F: Future<Output = PyResult<T>> + Send + 'static,
    T: Send + Sync + 'static,
{
    generic::run::<TokioRuntime, F, T>(py, fut)
}

/// A Python future, of the locals' loop, that stands for one of Rust's. That is spawned at once; its value
/// becomes Python's on the loop's thread. Cancelling drops it.
///
/// # Errors
///
/// The loop is closed.
pub fn future_into_py_with_locals<F, T>(
    py: Python<'_>,
    locals: TaskLocals,
    fut: F,
) -> PyResult<Bound<'_, PyAny>>
where
    F: Future<Output = PyResult<T>> + Send + 'static,
    T: for<'py> IntoPyObject<'py> + Send + 'static,
{
    generic::future_into_py_with_locals::<TokioRuntime, F, T>(py, locals, fut)
}

/// The same with the current locals.
///
/// # Errors
///
/// There are none, or their loop is closed.
pub fn future_into_py<F, T>(py: Python<'_>, fut: F) -> PyResult<Bound<'_, PyAny>>
where
    F: Future<Output = PyResult<T>> + Send + 'static,
    T: for<'py> IntoPyObject<'py> + Send + 'static,
{
    generic::future_into_py::<TokioRuntime, _, T>(py, fut)
}

/// The same of a future that may not leave its thread, spawned in a `LocalSet`.
///
/// # Errors
///
/// The loop is closed.
#[deprecated(since = "0.18.0", note = "`ironloop::local_coroutine` polls such a future on the loop's thread")]
#[allow(deprecated)]
pub fn local_future_into_py_with_locals<F, T>(
    py: Python<'_>,
    locals: TaskLocals,
    fut: F,
) -> PyResult<Bound<'_, PyAny>>
where
    F: Future<Output = PyResult<T>> + 'static,
    T: for<'py> IntoPyObject<'py>,
{
    generic::local_future_into_py_with_locals::<TokioRuntime, _, T>(py, locals, fut)
}

/// The same with the current locals.
///
/// # Errors
///
/// There are none, or their loop is closed.
#[deprecated(since = "0.18.0", note = "`ironloop::local_coroutine` polls such a future on the loop's thread")]
#[allow(deprecated)]
pub fn local_future_into_py<F, T>(py: Python<'_>, fut: F) -> PyResult<Bound<'_, PyAny>>
where
    F: Future<Output = PyResult<T>> + 'static,
    T: for<'py> IntoPyObject<'py>,
{
    generic::local_future_into_py::<TokioRuntime, _, T>(py, fut)
}

/// Waits for a Python awaitable: [`into_future_with_locals`](crate::into_future_with_locals) with the current
/// locals.
///
/// # Errors
///
/// There are none, or their loop is closed.
pub fn into_future(
    awaitable: Bound<'_, PyAny>,
) -> PyResult<impl Future<Output = PyResult<Py<PyAny>>> + Send + use<>> {
    generic::into_future::<TokioRuntime>(awaitable)
}

#[cfg(feature = "unstable-streams")]
mod streams {
    use futures_core::Stream;
    use pyo3::prelude::*;

    use super::TokioRuntime;
    use crate::{TaskLocals, generic};

    /// The items of an asynchronous iterator; an error is one too.
    ///
    /// # Errors
    ///
    /// It is none, or the loop is closed.
    pub fn into_stream_with_locals_v1(
        locals: TaskLocals,
        generator: Bound<'_, PyAny>,
    ) -> PyResult<impl Stream<Item = PyResult<Py<PyAny>>> + use<>> {
        generic::into_stream_with_locals_v1::<TokioRuntime>(locals, generator)
    }

    /// The same with the current locals.
    ///
    /// # Errors
    ///
    /// As above; there are no locals.
    pub fn into_stream_v1(
        generator: Bound<'_, PyAny>,
    ) -> PyResult<impl Stream<Item = PyResult<Py<PyAny>>> + use<>> {
        generic::into_stream_v1::<TokioRuntime>(generator)
    }

    /// The items of what `async for` takes, of which ten may wait. An error ends it, and is told to the
    /// loop's handler.
    ///
    /// # Errors
    ///
    /// It is none, or the loop is closed.
    pub fn into_stream_with_locals_v2(
        locals: TaskLocals,
        generator: Bound<'_, PyAny>,
    ) -> PyResult<impl Stream<Item = Py<PyAny>> + use<>> {
        generic::into_stream_with_locals_v2::<TokioRuntime>(locals, generator)
    }

    /// The same with the current locals.
    ///
    /// # Errors
    ///
    /// As above; there are no locals.
    pub fn into_stream_v2(generator: Bound<'_, PyAny>) -> PyResult<impl Stream<Item = Py<PyAny>> + use<>> {
        generic::into_stream_v2::<TokioRuntime>(generator)
    }
}

#[cfg(feature = "unstable-streams")]
pub use streams::{into_stream_v1, into_stream_v2, into_stream_with_locals_v1, into_stream_with_locals_v2};
