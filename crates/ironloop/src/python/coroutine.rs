//! Making awaitables.

use std::any::{TypeId, type_name};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::{self, ThreadId};

use pyo3::prelude::*;
use pyo3::{IntoPyObject, IntoPyObjectExt, PyErr};

use super::class;
use super::frame::Frame;
use super::token::CancelToken;

/// What is polled for Python: it gives a Python object, or an error.
pub(super) trait Body {
    fn poll(self: Pin<&mut Self>, py: Python<'_>, context: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>>;
}

struct Converted<F>(F);

impl<F, T, E> Body for Converted<F>
where
    F: Future<Output = Result<T, E>>,
    T: for<'py> IntoPyObject<'py> + 'static,
    E: Into<PyErr>,
{
    fn poll(self: Pin<&mut Self>, py: Python<'_>, context: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        // SAFETY: the field is pinned as the whole is: nothing moves out of it.
        let future = unsafe { self.map_unchecked_mut(|converted| &mut converted.0) };
        future.poll(context).map(|outcome| to_python(py, outcome.map_err(Into::into)?))
    }
}

/// What Python gets of a value. Of nothing it is None, as from a function.
pub(super) fn to_python<T>(py: Python<'_>, value: T) -> PyResult<Py<PyAny>>
where
    T: for<'py> IntoPyObject<'py> + 'static,
{
    if TypeId::of::<T>() == TypeId::of::<()>() { Ok(py.None()) } else { value.into_py_any(py) }
}

/// A Python awaitable of a Rust future: what [`coroutine`] makes. It is made a Python object where it is
/// handed to Python, once.
#[must_use = "it does nothing until Python awaits it"]
pub struct Awaitable(Frame);

pub(super) fn of_future<F, T, E>(facts: Facts, future: F, token: Option<CancelToken>) -> Awaitable
where
    F: Future<Output = Result<T, E>> + 'static,
    T: for<'py> IntoPyObject<'py> + 'static,
    E: Into<PyErr>,
{
    Awaitable(Frame::new(facts, Converted(future), token))
}

/// What a coroutine tells of itself.
#[derive(Clone, Copy)]
pub(super) struct Facts {
    pub(super) name: &'static str,
    pub(super) place: &'static Location<'static>,
    /// The type of what is polled, which begins with the crate: `crate::function::{{closure}}`.
    pub(super) path: &'static str,
    /// The thread that it may not leave.
    pub(super) home: Option<ThreadId>,
}

/// An awaitable of a future, which is polled where Python awaits it: on the loop's own thread, in the
/// awaiting task's step. Nothing runs before. `name` is what Python sees, as of a method: `Client.get`.
///
/// Cancelling the task drops the future. A panic becomes Python's `PanicException`. On ironloop a future
/// that is ready costs little more than a coroutine of Python's; asyncio and uvloop run it too.
#[track_caller]
pub fn coroutine<F, T, E>(name: &'static str, future: F) -> Awaitable
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: for<'py> IntoPyObject<'py> + 'static,
    E: Into<PyErr>,
{
    of_future(Facts { name, place: Location::caller(), path: type_name::<F>(), home: None }, future, None)
}

/// The same of a future that has to stay on this thread. Awaited on another it is a `RuntimeError`.
#[track_caller]
pub fn local_coroutine<F, T, E>(name: &'static str, future: F) -> Awaitable
where
    F: Future<Output = Result<T, E>> + 'static,
    T: for<'py> IntoPyObject<'py> + 'static,
    E: Into<PyErr>,
{
    of_future(
        Facts { name, place: Location::caller(), path: type_name::<F>(), home: Some(thread::current().id()) },
        future,
        None,
    )
}

impl<'py> IntoPyObject<'py> for Awaitable {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        class::new(py, self.0)
    }
}
