//! `await`: what a native coroutine does with the object that it awaits.

use pyo3::exceptions::{PyGeneratorExit, PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::ffi::call::call;
use crate::ffi::coroutine::{awaited_natively, is_coroutine};
use crate::ffi::depth::{self, Link};
use crate::ffi::intern::intern;
use crate::ffi::resumable::{Input, Step, send};
use crate::ffi::view::View;
use crate::ffi::{Object, owned};

/// A Python coroutine function that awaits its argument: it knows the rules, and the errors, for all that is
/// not common.
static AWAIT: PyOnceLock<Object> = PyOnceLock::new();

#[pyfunction]
fn await_by(py: Python<'_>, function: Bound<'_, PyAny>) {
    let _ = AWAIT.set(py, function.into());
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(await_by, module)?)
}

/// The iterator of an awaitable.
pub(crate) fn iterator_of(py: Python<'_>, awaitable: &Object) -> PyResult<Object> {
    if let Some(itself) = awaited_natively(py, awaitable) {
        return itself;
    }
    if is_coroutine(awaitable) {
        if !awaitable.bind(py).getattr(intern!(py, "cr_await"))?.is_none() {
            return Err(PyRuntimeError::new_err("coroutine is being awaited already"));
        }
        return Ok(awaitable.clone_ref(py));
    }
    if View::of(awaitable).is_some() {
        return awaitable.bind(py).try_iter().map(Object::from);
    }
    let function =
        AWAIT.get(py).ok_or_else(|| PyRuntimeError::new_err("ironloop is not imported as a whole"))?;
    call(py, function, &[awaitable])
}

/// Hands on to the iterator what the coroutine is resumed with. A `RecursionError` if that is too deep: no
/// code of the interpreter's need lie between one native coroutine and the next, to count them.
pub(crate) fn resume(py: Python<'_>, iterator: &Object, input: Input) -> PyResult<Step> {
    let _level = depth::enter()?;
    match input {
        Input::Next(sent) => send(py, iterator, sent.as_ref()),
        Input::Throw(error) => throw(py, iterator, error),
    }
}

/// Apart: what it needs would lie in the stack for as long as the iterator runs.
#[inline(never)]
fn throw(py: Python<'_>, iterator: &Object, error: PyErr) -> PyResult<Step> {
    if error.is_instance_of::<PyGeneratorExit>(py) {
        if let Some(close) = iterator.bind(py).getattr_opt(intern!(py, "close"))? {
            close.call0()?;
        }
        return Err(error);
    }
    let Some(throw) = iterator.bind(py).getattr_opt(intern!(py, "throw"))? else { return Err(error) };
    match throw.call1((error.into_value(py),)) {
        Ok(yielded) => Ok(Step::Yield(yielded.into())),
        Err(stop) if stop.is_instance_of::<PyStopIteration>(py) => {
            stop.value(py).getattr(intern!(py, "value")).map(|value| Step::Return(value.into()))
        }
        Err(error) => Err(error),
    }
}

/// Runs a coroutine that never waits to its end.
pub(crate) fn complete(py: Python<'_>, coroutine: &Object) -> PyResult<Object> {
    match send(py, coroutine, None)? {
        Step::Return(value) => Ok(value),
        Step::Yield(_) => Err(PyRuntimeError::new_err("a coroutine waits that never waits")),
    }
}

/// The iterator of one `await`.
pub(crate) struct Awaited(Link);

owned!(Awaited { visits: 0; });

impl Awaited {
    /// A `TypeError` if it cannot be awaited.
    pub(crate) fn of(py: Python<'_>, awaitable: &Object) -> PyResult<Self> {
        iterator_of(py, awaitable).map(Self::by)
    }

    /// What is resumed in its place: a coroutine.
    pub(crate) fn by(iterator: Object) -> Self {
        Self(Link::new(iterator))
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self::by(self.0.clone_ref(py))
    }

    /// Resumes it. What it returns, and what it raises, is the outcome of the `await`.
    pub(crate) fn resume(&self, py: Python<'_>, input: Input) -> PyResult<Step> {
        resume(py, &self.0, input)
    }

    /// What is resumed.
    pub(crate) fn object(&self) -> &Object {
        &self.0
    }
}
