//! How a connection ends: closed, aborted, failed, lost, or forgotten.

use crate::ffi::intern::intern;
use crate::ffi::raise::value_of;
use pyo3::prelude::*;

use super::{Descriptor, Transport, common};
use crate::event_loop::{Item, LoopCore};
use crate::ffi::call::call_method;
use crate::ffi::{Instance, Object};

impl Transport {
    pub(crate) fn is_closing(&self) -> bool {
        self.state.with(|state| state.stream.is_closing())
    }

    /// No more reading; the protocol is told once all is sent.
    pub(super) fn close(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        this.state.with(|state| state.layer).close(this, py)
    }

    /// The same of the socket.
    pub(super) fn end_when_sent(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        if this.state.with(|state| state.stream.close()) {
            Self::follow_up(this, py)?;
        }
        Ok(())
    }

    /// The end, now.
    pub(super) fn force_close(this: &Instance<Self>, py: Python<'_>, error: Option<Object>) -> PyResult<()> {
        let (ends, old) = this.state.with(|state| {
            let ends = state.stream.abort();
            (ends, if ends { std::mem::replace(&mut state.error, error) } else { error })
        });
        drop(old);
        if ends {
            return Self::lose(this, py);
        }
        Ok(())
    }

    /// The connection is over: nothing is watched any more, and the protocol is told in the next turn. Once the loop is closed
    /// there is none, and nobody is told.
    pub(super) fn lose(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        this.unwatch(py);
        let core = this.owner.get(py);
        if core.check_open().is_err() {
            return Self::let_go(this, py);
        }
        core.push(Item::Lost(this.clone_ref(py)));
        Ok(())
    }

    /// Reports an error that the connection does not survive, and ends it.
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
        let (protocol, error) = (this.protocol(py), this.state.with(|state| state.error.take()));
        this.break_loan(py, error.as_ref())?;
        let mut result = Ok(());
        if let Some(protocol) = protocol {
            let name = intern!(py, "connection_lost");
            let error = error.unwrap_or_else(|| Object::none(py));
            let told = this.context.run(py, || call_method(py, &protocol, name, &[&error]));
            if let Err(error) = told {
                let about = [("transport", Some(this.object())), ("protocol", Some(&protocol))];
                let message = "Exception in callback connection_lost()";
                result = LoopCore::report(this.owner.bind(py), message, error, &about);
            }
        }
        result.and(Self::let_go(this, py))
    }

    fn let_go(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        this.remember_names(py)?;
        let (descriptor, server, protocol) =
            this.state.with(|state| (state.descriptor.take(py), state.server.take(), state.protocol.take()));
        drop(protocol);
        if let Descriptor::Python(socket) = &descriptor {
            if let Err(error) = socket.object().bind(py).call_method0(intern!(py, "close")) {
                let about = [("transport", Some(this.object()))];
                LoopCore::report(this.owner.bind(py), "Exception in callback socket.close()", error, &about)?;
            }
        }
        drop(descriptor);
        if let Some(server) = server {
            Self::tell_server(py, &server, this, intern!(py, "_detach"))?;
        }
        Ok(())
    }

    /// Nobody closed it, nobody refers to it: asyncio warns and closes the socket.
    pub(super) fn warn_if_open(this: &Instance<Self>, py: Python<'_>) {
        let open =
            this.state.try_with(|state| !matches!(state.descriptor, Descriptor::Closed(_))).unwrap_or(false);
        if !open {
            return;
        }
        common::warn_unclosed(py, this.object());
        let (descriptor, server) = this.state.with(|state| (state.descriptor.take(py), state.server.take()));
        if let Descriptor::Python(socket) = &descriptor {
            let _ = socket.object().bind(py).call_method0(intern!(py, "close"));
        }
        drop(descriptor);
        if let Some(server) = server {
            let _ = Self::tell_server(py, &server, this, intern!(py, "_detach"));
        }
    }
}
