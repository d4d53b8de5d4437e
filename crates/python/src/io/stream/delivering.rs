//! To the protocol, in the way that it takes data. Where the data comes from is not known here.

use std::sync::OnceLock;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt};

use super::StreamTransport;
use crate::ffi::buffer::Buffer;
use crate::ffi::call::call_method;
use crate::ffi::imports;
use crate::ffi::intern::intern;
use crate::ffi::{Bytes, Context, Object};
use crate::io::transport::Transport;

const NOT_DELIVERED: &str = "Fatal error: protocol.data_received() call failed.";
const NO_BUFFER: &str = "Fatal error: protocol.get_buffer() call failed.";
const BUFFER_REFUSED: &str = "Fatal error: protocol.buffer_updated() call failed.";

/// Protocols whose `data_received` is native: they take data as it is, and no `bytes` is made of it.
pub(crate) struct NativeProtocols {
    /// Whether a protocol is one.
    pub(crate) has: fn(&Bound<'_, PyAny>) -> bool,
    /// Data for one that was one. Code of others runs in the context.
    pub(crate) receive: fn(&Bound<'_, PyAny>, &[u8], &Context) -> PyResult<()>,
}

impl NativeProtocols {
    /// Those above the transport, which does not know them otherwise. Said once, when the module is imported.
    pub(crate) fn register(&'static self) {
        // The module is imported by one interpreter, and the functions are the same.
        let _ = NATIVE_PROTOCOLS.set(self);
    }
}

static NATIVE_PROTOCOLS: OnceLock<&'static NativeProtocols> = OnceLock::new();

/// How a protocol takes data. Its methods are looked up for each call, as in asyncio: a protocol may change
/// its own.
#[derive(Clone, Copy)]
pub(super) enum Receiver {
    /// `data_received`
    Bytes,
    /// A `data_received` that is native.
    Native(&'static NativeProtocols),
    /// `get_buffer` and `buffer_updated`
    Buffer,
}

impl Receiver {
    pub(super) fn of(py: Python<'_>, protocol: &Object) -> Result<Self, Failure> {
        Self::found(protocol.bind(py)).map_err(|error| Failure(error, NOT_DELIVERED))
    }

    fn found(protocol: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Some(native) = NATIVE_PROTOCOLS.get()
            && (native.has)(protocol)
        {
            return Ok(Self::Native(native));
        }
        let buffered = protocol.is_instance(imports::buffered_protocol(protocol.py())?)?;
        Ok(if buffered { Self::Buffer } else { Self::Bytes })
    }
}

/// Whom data is for.
pub(super) struct Recipient {
    pub(super) protocol: Object,
    pub(super) receiver: Receiver,
}

/// Why data did not end in a protocol's hands: an error that the connection does not survive, and what
/// failed.
pub(super) struct Failure(pub(super) PyErr, pub(super) &'static str);

impl StreamTransport {
    /// Data for the protocol, which may be lent: it is not looked at any more afterwards.
    pub(super) fn deliver(&self, py: Python<'_>, recipient: &Recipient, data: &[u8]) -> Result<(), Failure> {
        let delivered = match recipient.receiver {
            Receiver::Bytes => return self.hand_over(py, recipient, || Object::from(PyBytes::new(py, data))),
            // Enters the context only if it must.
            Receiver::Native(native) => (native.receive)(recipient.protocol.bind(py), data, &self.context),
            Receiver::Buffer => return self.copy_into_buffers(py, recipient, data),
        };
        delivered.map_err(|error| Failure(error, NOT_DELIVERED))
    }

    /// The same for a `bytes` object.
    pub(super) fn deliver_object(
        &self,
        py: Python<'_>,
        recipient: &Recipient,
        data: Bytes,
    ) -> Result<(), Failure> {
        match recipient.receiver {
            Receiver::Bytes => self.hand_over(py, recipient, || data.into_object()),
            _ => self.deliver(py, recipient, data.as_ref()),
        }
    }

    #[inline]
    fn hand_over(
        &self,
        py: Python<'_>,
        recipient: &Recipient,
        data: impl FnOnce() -> Object,
    ) -> Result<(), Failure> {
        let delivered = self.context.run(py, || {
            call_method(py, &recipient.protocol, intern!(py, "data_received"), &[&data()]).map(drop)
        });
        delivered.map_err(|error| Failure(error, NOT_DELIVERED))
    }

    /// Bytes that a layer has, for a protocol with buffers of its own.
    fn copy_into_buffers(&self, py: Python<'_>, first: &Recipient, data: &[u8]) -> Result<(), Failure> {
        let (mut rest, mut recipient) = (data, None);
        loop {
            let protocol = recipient.as_ref().map_or(&first.protocol, |now: &Recipient| &now.protocol);
            let copied = self.fill_buffer(py, protocol, |buffer| {
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                Ok((count, count))
            })?;
            rest = &rest[copied..];
            if rest.is_empty() {
                return Ok(());
            }
            // The rest is for whoever has the connection by now.
            recipient = match self.recipient(py)? {
                Some(other) if !matches!(other.receiver, Receiver::Buffer) => {
                    return self.deliver(py, &other, rest);
                }
                Some(same) => Some(same),
                None => return Ok(()),
            };
        }
    }

    /// Has the buffer of a buffered protocol filled: `fill` says what came of it, and how many bytes it has
    /// put there.
    pub(super) fn fill_buffer<R>(
        &self,
        py: Python<'_>,
        protocol: &Object,
        fill: impl FnOnce(&mut [u8]) -> Result<(R, usize), Failure>,
    ) -> Result<R, Failure> {
        let filled = self.context.run(py, || Ok(self.fill_in_context(py, protocol, fill)));
        filled.unwrap_or_else(|entered| Err(Failure(entered, NOT_DELIVERED)))
    }

    fn fill_in_context<R>(
        &self,
        py: Python<'_>,
        protocol: &Object,
        fill: impl FnOnce(&mut [u8]) -> Result<(R, usize), Failure>,
    ) -> Result<R, Failure> {
        let mut buffer = buffer_of(py, protocol).map_err(|error| Failure(error, NO_BUFFER))?;
        let (result, count) = fill(buffer.bytes_mut())?;
        drop(buffer);
        if count > 0 {
            let count = Object::from(PyInt::new(py, count));
            // It may have handed the connection over to another one.
            let protocol = self.protocol(py).unwrap_or_else(|| protocol.clone_ref(py));
            call_method(py, &protocol, intern!(py, "buffer_updated"), &[&count])
                .map_err(|error| Failure(error, BUFFER_REFUSED))?;
        }
        Ok(result)
    }
}

fn buffer_of(py: Python<'_>, protocol: &Object) -> PyResult<Buffer> {
    let hint = Object::from(PyInt::new(py, -1));
    let target = call_method(py, protocol, intern!(py, "get_buffer"), &[&hint])?;
    let buffer = Buffer::writable(target.bind(py))?;
    if buffer.len() == 0 {
        return Err(PyRuntimeError::new_err("get_buffer() returned an empty buffer"));
    }
    Ok(buffer)
}
