//! `contextvars` contexts.

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;

use super::{Arg, Object, owned};
use crate::event_loop::running;

/// A `contextvars.Context`.
pub(crate) struct Context(Object);

owned!(Context { visits: 0; });

impl Context {
    /// `contextvars.copy_context()`
    pub(crate) fn copy_current(py: Python<'_>) -> PyResult<Self> {
        // SAFETY: the result is new, or an error is set.
        unsafe { Object::from_result(py, ffi::PyContext_CopyCurrent()) }.map(Self)
    }

    /// `context.copy()`
    pub(crate) fn copy(&self, py: Python<'_>) -> PyResult<Self> {
        // SAFETY: a live context; the result is new, or an error is set.
        unsafe { Object::from_result(py, ffi::PyContext_Copy(self.0.as_ptr())) }.map(Self)
    }

    /// The context that a user passed; `None` stands for a copy of the current one.
    pub(crate) fn from_argument(py: Python<'_>, argument: Option<Arg<'_>>) -> PyResult<Self> {
        let Some(argument) = argument.filter(|argument| !argument.is_none()) else {
            return Self::copy_current(py);
        };
        // SAFETY: a live object.
        if unsafe { ffi::PyContext_CheckExact(argument.as_ptr()) } == 0 {
            let kind = argument.bind(py).get_type().name()?;
            return Err(PyTypeError::new_err(format!("a contextvars.Context was expected, got {kind}")));
        }
        Ok(Self(argument.to_object(py)))
    }

    /// `context.run(body)`, or `copy.run(body)` where [`Self::instead`] gives one.
    pub(crate) fn run<R>(&self, py: Python<'_>, body: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
        match self.enter(py) {
            Ok(()) => self.leave_after(py, body),
            Err(entered) => self.instead(py, entered)?.run(py, body),
        }
    }

    /// `context.run(body)` for one who keeps the context for the next time: where it has to be a copy, `keep` takes that.
    pub(crate) fn run_or_keep<R>(
        &self,
        py: Python<'_>,
        keep: impl FnOnce(&Self),
        body: impl FnOnce() -> PyResult<R>,
    ) -> PyResult<R> {
        match self.enter(py) {
            Ok(()) => self.leave_after(py, body),
            Err(entered) => {
                let copy = self.instead(py, entered)?;
                keep(&copy);
                copy.run(py, body)
            }
        }
    }

    /// A context cannot be entered twice. In a nested run its caller may have entered it, and stands still: then a copy takes its
    /// place. Else, as in asyncio, that is the error.
    #[cold]
    fn instead(&self, py: Python<'_>, entered: PyErr) -> PyResult<Self> {
        if running::may_nest(py)? { self.copy(py) } else { Err(entered) }
    }

    /// What is entered is left by [`Self::leave_after`].
    fn enter(&self, py: Python<'_>) -> PyResult<()> {
        // SAFETY: a live context; left by the thread that has entered it.
        if unsafe { ffi::PyContext_Enter(self.0.as_ptr()) } < 0 { Err(PyErr::fetch(py)) } else { Ok(()) }
    }

    fn leave_after<R>(&self, py: Python<'_>, body: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
        let result = body();
        // SAFETY: entered before. Errors of the body are held in `result`, so none is set.
        if unsafe { ffi::PyContext_Exit(self.0.as_ptr()) } < 0 {
            return Err(PyErr::fetch(py));
        }
        result
    }

    /// A context that somebody else has checked: a task's.
    pub(crate) fn known(object: Object) -> Self {
        Self(object)
    }

    pub(crate) fn into_object(self) -> Object {
        self.0
    }

    pub(crate) fn object(&self) -> &Object {
        &self.0
    }
}
