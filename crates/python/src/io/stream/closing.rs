//! How a connection ends: closed, aborted, failed, lost, or forgotten.

use crate::ffi::intern::intern;
use pyo3::prelude::*;

use super::{Descriptor, StreamTransport};
use crate::event_loop::LoopCore;
use crate::ffi::call::call_method;
use crate::ffi::{Instance, Object};
use crate::io::transport::{Transport, report};

/// Tells the protocol, then lets everything go.
pub(super) fn connection_lost(this: &Instance<StreamTransport>, py: Python<'_>) -> PyResult<()> {
    let (protocol, error) = (this.protocol(py), this.state.with(|state| state.error.take()));
    this.break_loan(py, error.as_ref())?;
    let knows = this.layer.lost(py, error.as_ref())?;
    if let Some(top) = this.on_top(py) {
        drop(this.state.with(|state| state.protocol.take()));
        return StreamTransport::end_with_beneath(&top, py, error).and(let_go(this, py));
    }
    let mut result = Ok(());
    if let Some(protocol) = protocol.filter(|_| knows) {
        let name = intern!(py, "connection_lost");
        let error = error.unwrap_or_else(|| Object::none(py));
        let told = this.context.run(py, || call_method(py, &protocol, name, &[&error]));
        if let Err(error) = told {
            let about = [("transport", Some(this.object())), ("protocol", Some(&protocol))];
            let message = "Exception in callback connection_lost()";
            result = LoopCore::report(this.owner.bind(py), message, error, &about);
        }
    }
    result.and(let_go(this, py))
}

/// The socket is closed, and nobody is told any more.
pub(super) fn let_go(this: &Instance<StreamTransport>, py: Python<'_>) -> PyResult<()> {
    if let Some(top) = this.on_top(py) {
        // The loop is closed, and nobody is told.
        top.mark_lost(py);
        let_go(&top, py)?;
    }
    if this.beneath.is_none() {
        this.remember_names(py)?;
    }
    let core = this.owner.get(py);
    let source = this.state.with(|state| match &state.descriptor {
        Descriptor::Native(_) => state.registration.end_closing(core),
        _ => state.registration.end(core),
    });
    drop(source);
    let (descriptor, server, protocol) = this.state.with(|state| {
        state.open = None;
        (state.descriptor.take(py), state.server.take(), state.protocol.take())
    });
    drop(protocol);
    if let Descriptor::Python(socket) = &descriptor {
        if let Err(error) = socket.object().bind(py).call_method0(intern!(py, "close")) {
            let about = [("transport", Some(this.object()))];
            LoopCore::report(this.owner.bind(py), "Exception in callback socket.close()", error, &about)?;
        }
    }
    drop(descriptor);
    if let Some(server) = server {
        StreamTransport::tell_server(py, &server, this, intern!(py, "_detach"))?;
    }
    Ok(())
}

impl StreamTransport {
    /// Nothing more is read from the socket; it ends once all is sent.
    pub(super) fn end_when_sent(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        if this.state.with(|state| state.stream.close()) {
            Self::follow_up(this, py)?;
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
