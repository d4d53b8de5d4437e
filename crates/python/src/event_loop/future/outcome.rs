//! How a future ends: with a result, with an exception, or cancelled.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::ffi::derived::{may_lead_back, track};
use crate::ffi::fields::State;
use crate::ffi::intern::intern;
use crate::ffi::raise::{set_traceback, traceback_of};
use crate::ffi::view::View;
use crate::ffi::{Object, imports};

/// What a done future holds for those who waited.
pub(crate) enum Outcome {
    Result(Object),
    /// To be raised: an exception, or `CancelledError`.
    Error(Object),
}

impl View<'_> {
    pub(crate) fn is_pending(&self) -> bool {
        self.state() == State::Pending
    }

    fn check_pending(&self, py: Python<'_>) -> PyResult<()> {
        if self.owner.is_empty() {
            return Err(PyRuntimeError::new_err("Future object is not initialized."));
        }
        if self.is_pending() { Ok(()) } else { Err(imports::invalid_state(py, "invalid state")) }
    }

    pub(crate) fn set_result(&self, py: Python<'_>, result: Object) -> PyResult<()> {
        self.check_pending(py)?;
        if may_lead_back(&result) {
            track(self.object);
        }
        self.result.set(py, result);
        self.set_state(State::Finished);
        self.schedule_callbacks(py)
    }

    /// What a user passes is looked at by asyncio's own method, while nobody listens.
    pub(crate) fn set_exception(&self, py: Python<'_>, exception: Object) -> PyResult<()> {
        let listeners = self.take_listeners(py)?;
        let method = imports::stock_future(py)?.getattr(intern!(py, "set_exception"))?;
        let refused = method.call1((self.object.bind(py), exception.bind(py))).err();
        track(self.object);
        self.tell(py, listeners)?;
        refused.map_or(Ok(()), Err)
    }

    /// It has failed with what was raised.
    pub(crate) fn fail(&self, py: Python<'_>, exception: Bound<'_, PyAny>) -> PyResult<()> {
        track(self.object);
        let exception = Object::from(exception);
        drop(self.exception_traceback.replace(py, traceback_of(py, &exception)));
        self.exception.set(py, exception);
        self.set_state(State::Finished);
        self.schedule_callbacks(py)?;
        self.set_log_traceback(true);
        Ok(())
    }

    /// False if it was done before.
    pub(crate) fn cancel(&self, py: Python<'_>, message: Option<Object>) -> PyResult<bool> {
        if self.owner.is_empty() {
            return Err(PyRuntimeError::new_err("Future object is not initialized."));
        }
        self.set_log_traceback(false);
        if !self.is_pending() {
            return Ok(false);
        }
        self.set_state(State::Cancelled);
        drop(self.cancel_message.replace(py, message));
        self.schedule_callbacks(py)?;
        Ok(true)
    }

    /// The error that tells of the cancellation; one that was raised before is given away once.
    pub(crate) fn cancelled_error(&self, py: Python<'_>) -> PyResult<Object> {
        if let Some(raised) = self.cancelled_error.take(py) {
            return Ok(raised);
        }
        let class = imports::cancelled_error(py)?;
        let message = self.cancel_message.get(py).filter(|message| !message.bind(py).is_none());
        match message {
            None => class.call0(),
            Some(message) => class.call1((message.bind(py),)),
        }
        .map(Object::from)
    }

    /// The outcome of a done future; its error counts as retrieved.
    pub(crate) fn outcome(&self, py: Python<'_>) -> PyResult<Outcome> {
        match self.state() {
            State::Cancelled => return self.cancelled_error(py).map(Outcome::Error),
            State::Pending => return Err(imports::invalid_state(py, "Result is not set.")),
            State::Finished => {}
        }
        self.set_log_traceback(false);
        let Some(exception) = self.exception.get(py) else {
            return Ok(Outcome::Result(self.result.get(py).unwrap_or_else(|| Object::none(py))));
        };
        // What raised it before has added to its traceback.
        set_traceback(&exception, self.exception_traceback.take(py));
        Ok(Outcome::Error(exception))
    }
}
