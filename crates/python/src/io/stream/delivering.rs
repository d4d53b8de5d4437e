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
use crate::ffi::{Bytes, Context, Instance, Object};
use crate::io::transport::Transport;

const NOT_DELIVERED: &str = "Fatal error: protocol.data_received() call failed.";
const NO_BUFFER: &str = "Fatal error: protocol.get_buffer() call failed.";
const BUFFER_REFUSED: &str = "Fatal error: protocol.buffer_updated() call failed.";

/// What is given to somebody.
pub(crate) enum Data<'a> {
    /// Not looked at any more afterwards.
    Lent(&'a [u8]),
    /// A `bytes` object that a layer has made.
    Whole(Bytes),
}

impl Data<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Lent(bytes) => bytes,
            Self::Whole(bytes) => bytes.as_ref(),
        }
    }

    pub(crate) fn into_object(self, py: Python<'_>) -> Object {
        match self {
            Self::Lent(bytes) => PyBytes::new(py, bytes).into(),
            Self::Whole(bytes) => bytes.into_object(),
        }
    }
}

/// Protocols whose `data_received` is native: they take data as it is, and no `bytes` is made of it.
pub(crate) struct NativeProtocols {
    /// Whether a protocol is one.
    pub(crate) has: fn(&Bound<'_, PyAny>) -> bool,
    /// Data for one that was one. Code of others runs in the context.
    pub(crate) receive: fn(&Bound<'_, PyAny>, Data<'_>, &Context) -> PyResult<()>,
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
    /// A transport that was put onto ours.
    Transport,
}

impl Receiver {
    pub(super) fn of(py: Python<'_>, protocol: &Object) -> Result<Self, Failure> {
        Self::found(protocol, py).map_err(|error| Failure(error, NOT_DELIVERED))
    }

    fn found(protocol: &Object, py: Python<'_>) -> PyResult<Self> {
        if Instance::<StreamTransport>::of(protocol).is_some() {
            return Ok(Self::Transport);
        }
        let protocol = &protocol.bind(py);
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
    /// Data for the protocol.
    pub(super) fn deliver(
        &self,
        py: Python<'_>,
        recipient: &Recipient,
        data: Data<'_>,
    ) -> Result<(), Failure> {
        let delivered = match recipient.receiver {
            Receiver::Bytes => self.context.run(py, || {
                let data = match data {
                    Data::Lent(bytes) => self.owner.get(py).bytes(py, bytes).into_object(),
                    whole @ Data::Whole(_) => whole.into_object(py),
                };
                call_method(py, &recipient.protocol, intern!(py, "data_received"), &[&data]).map(drop)
            }),
            // Enters the context only if it must.
            Receiver::Native(native) => (native.receive)(recipient.protocol.bind(py), data, &self.context),
            Receiver::Buffer => return self.copy_into_buffers(py, recipient, data.bytes()),
            Receiver::Transport => return Self::deliver_up(py, &recipient.protocol, data.bytes()),
        };
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
                    return self.deliver(py, &other, Data::Lent(rest));
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
        let hint = Object::from(PyInt::new(py, -1));
        let filled = call_method(py, protocol, intern!(py, "get_buffer"), &[&hint]).and_then(|target| {
            Buffer::lend_to_fill(target.bind(py), |buffer| {
                if buffer.is_empty() {
                    let error = PyRuntimeError::new_err("get_buffer() returned an empty buffer");
                    return Err(Failure(error, NO_BUFFER));
                }
                fill(buffer)
            })
        });
        let (result, count) = filled.map_err(|error| Failure(error, NO_BUFFER))??;
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
