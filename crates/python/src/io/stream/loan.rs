//! The descriptor on loan to `loop.sendfile`, which writes to it past the transport.

use crate::ffi::intern::intern;
use pyo3::exceptions::{PyConnectionError, PyRuntimeError};
use pyo3::prelude::*;

use super::StreamTransport;
use crate::ffi::{Instance, Object, owned};
use crate::io::transport::Transport;

/// Who writes to the descriptor.
pub(super) enum Loan {
    /// The transport does.
    No,
    /// It still does; the future waits until all is sent.
    Draining(Object),
    /// Somebody else does, and the transport keeps its hands off.
    Lent,
}

owned!(enum Loan { No, Draining(waiter), Lent; });

impl Loan {
    pub(super) fn waiter(&self) -> Option<&Object> {
        match self {
            Self::Draining(waiter) => Some(waiter),
            Self::No | Self::Lent => None,
        }
    }

    /// Whether the transport may write nothing new.
    pub(super) fn forbids_writes(&self) -> bool {
        !matches!(self, Self::No)
    }

    pub(super) fn awaited(&self) -> bool {
        matches!(self, Self::Draining(_))
    }
}

impl StreamTransport {
    /// From here until `end_loan` nothing may be written. The future is done once all of before is sent.
    pub(super) fn begin_loan(this: &Instance<Self>, py: Python<'_>) -> PyResult<Object> {
        if this.state.with(|state| state.loan.forbids_writes()) {
            return Err(PyRuntimeError::new_err("Empty waiter is already set"));
        }
        let waiter: Object = this.owner.bind(py).call_method0(intern!(py, "create_future"))?.into();
        let known = waiter.clone_ref(py);
        this.state.with(|state| state.loan = Loan::Draining(known));
        if this.state.with(|state| state.stream.is_drained()) {
            this.tell_of_drained(py)?;
        }
        Ok(waiter)
    }

    /// All is sent: the descriptor is free for another to write to.
    pub(super) fn tell_of_drained(&self, py: Python<'_>) -> PyResult<()> {
        let old = self.state.with(|state| std::mem::replace(&mut state.loan, Loan::Lent));
        self.unwatch(py);
        if let Some(waiter) = old.waiter().filter(|waiter| is_pending(py, waiter)) {
            waiter.bind(py).call_method1(intern!(py, "set_result"), (py.None(),))?;
        }
        Ok(())
    }

    pub(super) fn end_loan(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        let old = this.state.with(|state| std::mem::replace(&mut state.loan, Loan::No));
        drop(old);
        Self::watch(this, py)
    }

    /// The connection is gone before all was sent.
    pub(super) fn break_loan(&self, py: Python<'_>, error: Option<&Object>) -> PyResult<()> {
        if !self.state.with(|state| state.loan.awaited()) {
            return Ok(());
        }
        let old = self.state.with(|state| std::mem::replace(&mut state.loan, Loan::Lent));
        if let Some(waiter) = old.waiter().filter(|waiter| is_pending(py, waiter)) {
            let error = match error {
                Some(error) => error.bind(py).to_owned(),
                None => PyConnectionError::new_err("Connection is closed by peer")
                    .into_value(py)
                    .into_bound(py)
                    .into_any(),
            };
            waiter.bind(py).call_method1(intern!(py, "set_exception"), (error,))?;
        }
        Ok(())
    }
}

/// Whoever waited may have been cancelled.
fn is_pending(py: Python<'_>, waiter: &Object) -> bool {
    waiter.bind(py).call_method0(intern!(py, "done")).is_ok_and(|done| !done.is_truthy().unwrap_or(true))
}
