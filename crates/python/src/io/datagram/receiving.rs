//! From the kernel to the protocol.

use std::io;

use crate::ffi::intern::intern;
use ironloop_driver::Address;
use pyo3::exceptions::{PyBlockingIOError, PyInterruptedError};
use pyo3::prelude::*;

use super::DatagramTransport;
use crate::event_loop::LoopCore;
use crate::event_loop::recorder::{self, Op};
use crate::ffi::call::call_method;
use crate::ffi::error::os_error;
use crate::ffi::{Instance, Object};
use crate::io::address;
use crate::io::transport::Transport;

/// Datagrams that one report of the kernel brings at most, while nothing else waits to run
/// (`docs/design/datagrams-in-a-row.md`).
const MOST_AT_ONCE: usize = 32;

/// Bytes of a datagram that a Python socket is asked for, as in asyncio.
pub(super) const MOST_BYTES: usize = 256 * 1024;

/// Whether an attempt on a socket should be made again when it is ready.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// The same of what a Python socket has raised.
pub(super) fn is_python_refusal(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyBlockingIOError>(py) || error.is_instance_of::<PyInterruptedError>(py)
}

impl DatagramTransport {
    /// Receives and delivers, as long as there is something, the protocol wants it, and nothing else has to
    /// run before.
    pub(super) fn receive_batch(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        // A socket of somebody else's making need not stand to be asked when it is not ready.
        let most = if this.plain.is_some() { MOST_AT_ONCE } else { 1 };
        for _ in 0..most {
            match this.receive(py) {
                Ok(Some((data, from))) => {
                    // Looked up for each, as in asyncio: a protocol may change its own methods.
                    let protocol = this.protocol(py).unwrap_or_else(|| Object::none(py));
                    let name = intern!(py, "datagram_received");
                    if let Err(error) = call_method(py, &protocol, name, &[&data, &from]) {
                        Self::callback_failed(this, py, "datagram_received", error)?;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    let told = Self::tell_of_error(this, py, error, "Fatal read error on datagram transport");
                    return told.or_else(|error| Self::callback_failed(this, py, "error_received", error));
                }
            }
            if !this.state.with(|state| state.datagrams.endpoint.wants_to_read())
                || LoopCore::is_awaited(this.owner.bind(py))
            {
                break;
            }
        }
        Ok(())
    }

    /// One datagram and its sender's address. `None`: there is none.
    fn receive(&self, py: Python<'_>) -> PyResult<Option<(Object, Object)>> {
        if self.plain.is_none() {
            return self.receive_by_python(py);
        }
        let core = self.owner.get(py);
        let received = core.with_read_buffer(|buffer| {
            let (count, from) = core.driver.receive_from(self.fd(), buffer)?;
            recorder::moved(core, self.fd(), Op::Received, count);
            Ok((core.bytes(py, &buffer[..count]).into_object(), from))
        });
        match received {
            Ok((data, Some(from))) => Ok(Some((data, self.peer(py, from)?))),
            Ok((data, None)) => Ok(Some((data, Object::none(py)))),
            Err(error) if is_refusal(&error) => Ok(None),
            Err(error) => Err(os_error(error)),
        }
    }

    fn receive_by_python(&self, py: Python<'_>) -> PyResult<Option<(Object, Object)>> {
        let Some(socket) = self.socket(py) else {
            return Ok(None);
        };
        match socket.bind(py).call_method1(intern!(py, "recvfrom"), (MOST_BYTES,)) {
            Ok(received) => {
                let (data, from): (Bound<'_, PyAny>, Bound<'_, PyAny>) = received.extract()?;
                Ok(Some((data.into(), from.into())))
            }
            Err(error) if is_python_refusal(py, &error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The address for Python: one that is known again.
    fn peer(&self, py: Python<'_>, from: Address) -> PyResult<Object> {
        if let Some(object) = self.state.with(|state| state.peers.object(py, &from)) {
            return Ok(object);
        }
        let object = Object::from(address::to_python(py, &from)?);
        let copy = object.clone_ref(py);
        let old = self.state.with(|state| state.peers.learn(from, object));
        drop(old);
        Ok(copy)
    }
}
