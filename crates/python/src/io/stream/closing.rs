//! How a connection ends: closed, aborted, failed, lost, or forgotten.

use crate::ffi::intern::intern;
use pyo3::prelude::*;

use super::{Descriptor, LOST, State, Transport};
use crate::event_loop::{Item, LoopCore};
use crate::ffi::call::call_method;
use crate::ffi::cell::LoopCell;
use crate::ffi::{Instance, Object, Shared};
use crate::io::transport::{SocketTransport, report};

impl SocketTransport for Transport {
    type State = State;

    fn owner(&self) -> &Shared<LoopCore> {
        &self.owner
    }

    fn state(&self) -> &LoopCell<State> {
        &self.state
    }

    fn close(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        this.state.with(|state| state.layer).close(this, py)
    }

    fn follow_up(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        Self::follow_up(this, py)
    }

    fn watch(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        this.watch_what_is_wanted(this, py)
    }

    fn unwatch(&self, py: Python<'_>) {
        self.unwatch(py);
    }

    fn announce_end(this: &Instance<Self>, py: Python<'_>) -> PyResult<Item> {
        Ok(Item::Other(&LOST, this.object().clone_ref(py)))
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
}

impl Transport {
    /// Nothing more is read from the socket; it ends once all is sent.
    pub(super) fn end_when_sent(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        if this.state.with(|state| state.stream.close()) {
            Self::follow_up(this, py)?;
        }
        Ok(())
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

    /// Nobody closed it, nobody refers to it: asyncio warns and closes the socket.
    pub(super) fn warn_if_open(this: &Instance<Self>, py: Python<'_>) {
        let open =
            this.state.try_with(|state| !matches!(state.descriptor, Descriptor::Closed(_))).unwrap_or(false);
        if !open {
            return;
        }
        report::warn_unclosed(py, this.object());
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
