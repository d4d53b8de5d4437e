//! How it ends: closed, aborted, failed, or forgotten.

use crate::ffi::intern::intern;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use super::DatagramTransport;
use crate::event_loop::LoopCore;
use crate::ffi::call::call_method;
use crate::ffi::{Instance, Object};
use crate::io::transport::{Transport, report};

/// Tells the protocol, then lets everything go.
pub(super) fn connection_lost(this: &Instance<DatagramTransport>, py: Python<'_>) -> PyResult<()> {
    let (error, context) = this.state.with(|state| (state.error.take(), state.lost_in.take()));
    let mut result = Ok(());
    if let Some(protocol) = this.protocol(py) {
        let error = error.unwrap_or_else(|| Object::none(py));
        let tell = || call_method(py, &protocol, intern!(py, "connection_lost"), &[&error]);
        let told = context.as_ref().unwrap_or(&this.context).run(py, tell);
        if let Err(error) = told {
            result = DatagramTransport::callback_failed(this, py, "connection_lost", error);
        }
    }
    result.and(let_go(this, py))
}

/// The socket is closed, and nobody is told any more.
pub(super) fn let_go(this: &Instance<DatagramTransport>, py: Python<'_>) -> PyResult<()> {
    let released = this.state.with(|state| {
        state.open = None;
        (state.protocol.take(), std::mem::take(&mut state.peers))
    });
    drop(released);
    if let Err(error) = this.close_socket(py) {
        let about = [("transport", Some(this.object()))];
        LoopCore::report(this.owner.bind(py), "Exception in callback socket.close()", error, &about)?;
    }
    Ok(())
}

impl DatagramTransport {
    /// An attempt to send or to receive has failed: errors of the operating system are for the protocol,
    /// whose own are returned; any other is fatal.
    pub(super) fn tell_of_error(
        this: &Instance<Self>,
        py: Python<'_>,
        error: PyErr,
        message: &str,
    ) -> PyResult<()> {
        if !error.is_instance_of::<PyOSError>(py) {
            return Self::fatal_error(this, py, error, message);
        }
        let Some(protocol) = this.protocol(py) else {
            return Ok(());
        };
        let error = Object::from(error.into_value(py));
        call_method(py, &protocol, intern!(py, "error_received"), &[&error]).map(drop)
    }

    /// False if it was closed before.
    fn close_socket(&self, py: Python<'_>) -> PyResult<bool> {
        match self.state.with(|state| state.socket.take()) {
            Some(socket) => socket.bind(py).call_method0(intern!(py, "close")).map(|_| true),
            None => Ok(false),
        }
    }

    /// Nobody closed it, nobody refers to it: asyncio warns and closes the socket.
    pub(super) fn warn_if_open(this: &Instance<Self>, py: Python<'_>) {
        if this.state.try_with(|state| state.socket.is_some()).unwrap_or(false) {
            report::warn_unclosed(py, this.object());
            if let Err(error) = this.close_socket(py) {
                error.write_unraisable(py, Some(this.object().bind(py)));
            }
        }
    }
}
