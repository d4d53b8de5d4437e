//! How it ends: closed, aborted, failed, or forgotten.

use crate::ffi::intern::intern;
use crate::ffi::raise::value_of;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use super::DatagramTransport;
use crate::event_loop::{Item, LoopCore};
use crate::ffi::call::call_method;
use crate::ffi::{Context, Instance, Object};
use crate::io::stream::common;

impl DatagramTransport {
    /// Nothing more is received; the protocol is told once all is sent.
    pub(super) fn close(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        if this.state.with(|state| state.datagrams.close()) {
            Self::take_steps(this, py)?;
        }
        Ok(())
    }

    /// The end, now.
    pub(super) fn force_close(this: &Instance<Self>, py: Python<'_>, error: Option<Object>) -> PyResult<()> {
        match this.state.with(|state| state.datagrams.abort()) {
            Some(_unsent) => Self::lose(this, py, error),
            None => Ok(()),
        }
    }

    /// All is over: nothing is watched any more, and the protocol is told in the next turn. Once the loop is closed there is
    /// none, and nobody is told.
    pub(super) fn lose(this: &Instance<Self>, py: Python<'_>, error: Option<Object>) -> PyResult<()> {
        this.unwatch(py);
        let core = this.owner.get(py);
        if core.check_open().is_err() {
            return Self::let_go(this, py);
        }
        let context = Context::copy_current(py)?;
        let old = this
            .state
            .with(|state| (std::mem::replace(&mut state.error, error), state.lost_in.replace(context)));
        drop(old);
        core.push(Item::DatagramLost(this.clone_ref(py)));
        Ok(())
    }

    /// An attempt to send or to receive has failed: errors of the operating system are for the protocol, whose own are
    /// returned; any other is fatal.
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

    /// Reports an error that the transport does not survive, and ends it.
    pub(super) fn fatal_error(
        this: &Instance<Self>,
        py: Python<'_>,
        error: PyErr,
        message: &str,
    ) -> PyResult<()> {
        let value = value_of(py, &error);
        let protocol = this.protocol(py);
        common::report_fatal(this.owner.bind(py), this.object(), protocol.as_ref(), error, message)?;
        Self::force_close(this, py, Some(value))
    }

    /// Tells the protocol, then lets everything go.
    pub(crate) fn connection_lost(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        let (error, context) = this.state.with(|state| (state.error.take(), state.lost_in.take()));
        let mut result = Ok(());
        if let Some(protocol) = this.protocol(py) {
            let error = error.unwrap_or_else(|| Object::none(py));
            let tell = || call_method(py, &protocol, intern!(py, "connection_lost"), &[&error]);
            let told = context.as_ref().unwrap_or(&this.context).run(py, tell);
            if let Err(error) = told {
                result = Self::callback_failed(this, py, "connection_lost", error);
            }
        }
        result.and(Self::let_go(this, py))
    }

    fn let_go(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        let released = this.state.with(|state| (state.protocol.take(), state.last_peer.take()));
        drop(released);
        if let Err(error) = this.close_socket(py) {
            let about = [("transport", Some(this.object()))];
            LoopCore::report(this.owner.bind(py), "Exception in callback socket.close()", error, &about)?;
        }
        Ok(())
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
            common::warn_unclosed(py, this.object());
            if let Err(error) = this.close_socket(py) {
                error.write_unraisable(py, Some(this.object().bind(py)));
            }
        }
    }
}
