//! `contextvars` contexts. How something runs in one, and what if that has been entered already,
//! `event_loop::running` says.

mod layout;
mod scope;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;

use super::{Arg, Object, owned};
pub(crate) use layout::prepare;
pub(crate) use scope::{Scope, Spare};

/// A `contextvars.Context`.
pub(crate) struct Context(Object);

owned!(Context { visits: 0; });

impl Context {
    /// `contextvars.Context()`
    fn new(py: Python<'_>) -> PyResult<Self> {
        // SAFETY: the result is new, or an error is set.
        unsafe { Object::from_result(py, ffi::PyContext_New()) }.map(Self)
    }

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

    /// What is entered is left by [`Self::leave_after`]. An error if it has been entered already.
    pub(crate) fn enter(&self, py: Python<'_>) -> PyResult<()> {
        // SAFETY: a live context; left by the thread that has entered it.
        if unsafe { ffi::PyContext_Enter(self.0.as_ptr()) } < 0 { Err(PyErr::fetch(py)) } else { Ok(()) }
    }

    /// Runs `body` in what was entered, and leaves it.
    pub(crate) fn leave_after<R>(&self, py: Python<'_>, body: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
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
