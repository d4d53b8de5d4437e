//! From the kernel to the protocol.

use std::io;

use crate::ffi::intern::intern;
use ironloop_driver::{RawFd, socket};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt};

use super::Transport;
use crate::ffi::buffer::Buffer;
use crate::ffi::call::call_method;
use crate::ffi::error::os_error;
use crate::ffi::imports;
use crate::ffi::{Instance, Object};
use crate::io::streams;

const NOT_RECEIVED: &str = "Fatal error: protocol.data_received() call failed.";

/// How a protocol takes data. Its methods are looked up for each call, as in asyncio: a protocol may change its own.
#[derive(Clone, Copy)]
pub(super) enum Receiver {
    /// `data_received`
    Bytes,
    /// A protocol whose `data_received` gives all to a stream reader, which takes it as it is.
    Stream,
    /// `get_buffer` and `buffer_updated`
    Buffer,
}

impl Receiver {
    fn of(py: Python<'_>, protocol: &Object) -> PyResult<Self> {
        let protocol = protocol.bind(py);
        if streams::is_plain_protocol(protocol) {
            return Ok(Self::Stream);
        }
        let buffered = protocol.is_instance(imports::buffered_protocol(py)?)?;
        Ok(if buffered { Self::Buffer } else { Self::Bytes })
    }
}

/// Why a read did not end in a protocol's hands.
struct Failure(PyErr, &'static str);

/// What one read brought.
enum Read {
    Data,
    EndOfFile,
    NotReady,
}

impl Read {
    fn of(result: io::Result<usize>) -> Result<(Self, usize), Failure> {
        match result {
            Ok(0) => Ok((Self::EndOfFile, 0)),
            Ok(count) => Ok((Self::Data, count)),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok((Self::NotReady, 0))
            }
            Err(error) => Err(Failure(os_error(error), "Fatal read error on socket transport")),
        }
    }
}

impl Transport {
    /// Reads once and delivers.
    pub(super) fn read(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        let Some(protocol) = this.protocol(py) else { return Ok(()) };
        // Nothing is delivered where the context is entered already.
        let entered = |error| Err(Failure(error, NOT_RECEIVED));
        let outcome = match this.receiver(py, &protocol) {
            Ok(Receiver::Bytes) => {
                this.context.run(py, || Ok(this.read_bytes(py, &protocol))).unwrap_or_else(entered)
            }
            Ok(Receiver::Buffer) => {
                this.context.run(py, || Ok(this.read_into(py, &protocol))).unwrap_or_else(entered)
            }
            // Enters the context only if it must.
            Ok(Receiver::Stream) => this.read_stream(py, &protocol),
            Err(error) => Err(Failure(error, NOT_RECEIVED)),
        };
        match outcome {
            Ok(Read::Data | Read::NotReady) => Ok(()),
            Ok(Read::EndOfFile) => Self::end_of_file(this, py),
            Err(Failure(error, message)) => Self::fatal_error(this, py, error, message),
        }
    }

    fn receiver(&self, py: Python<'_>, protocol: &Object) -> PyResult<Receiver> {
        if let Some(receiver) = self.state.with(|state| state.receiver) {
            return Ok(receiver);
        }
        let receiver = Receiver::of(py, protocol)?;
        self.state.with(|state| state.receiver = Some(receiver));
        Ok(receiver)
    }

    fn fd(&self) -> RawFd {
        self.state.with(|state| state.descriptor.fd())
    }

    fn receive(&self, py: Python<'_>, fd: RawFd, buffer: &mut [u8]) -> Result<(Read, usize), Failure> {
        let result = Read::of(socket::receive(fd, buffer));
        if matches!(result, Ok((Read::Data, count)) if count < buffer.len()) {
            self.owner.get(py).note_emptied();
        }
        result
    }

    fn read_bytes(&self, py: Python<'_>, protocol: &Object) -> Result<Read, Failure> {
        let fd = self.fd();
        let (read, data) = self.owner.get(py).with_read_buffer(|buffer| {
            let (read, count) = self.receive(py, fd, buffer)?;
            Ok((read, (count > 0).then(|| Object::from(PyBytes::new(py, &buffer[..count])))))
        })?;
        if let Some(data) = data {
            call_method(py, protocol, intern!(py, "data_received"), &[&data])
                .map_err(|error| Failure(error, NOT_RECEIVED))?;
        }
        Ok(read)
    }

    fn read_stream(&self, py: Python<'_>, protocol: &Object) -> Result<Read, Failure> {
        let fd = self.fd();
        self.owner.get(py).with_read_buffer(|buffer| {
            let (read, count) = self.receive(py, fd, buffer)?;
            if count > 0 {
                streams::receive(protocol.bind(py), &buffer[..count], Some(&self.context))
                    .map_err(|error| Failure(error, NOT_RECEIVED))?;
            }
            Ok(read)
        })
    }

    fn read_into(&self, py: Python<'_>, protocol: &Object) -> Result<Read, Failure> {
        let fd = self.fd();
        let filled = || {
            let hint = Object::from(PyInt::new(py, -1));
            let target = call_method(py, protocol, intern!(py, "get_buffer"), &[&hint])?;
            let buffer = Buffer::writable(target.bind(py))?;
            if buffer.len() == 0 {
                return Err(PyRuntimeError::new_err("get_buffer() returned an empty buffer"));
            }
            Ok(buffer)
        };
        let mut buffer =
            filled().map_err(|error| Failure(error, "Fatal error: protocol.get_buffer() call failed."))?;
        let (read, count) = self.receive(py, fd, buffer.bytes_mut())?;
        drop(buffer);
        if count > 0 {
            let count = Object::from(PyInt::new(py, count));
            // It may have handed the connection over to another one.
            let protocol = self.protocol(py).unwrap_or_else(|| protocol.clone_ref(py));
            call_method(py, &protocol, intern!(py, "buffer_updated"), &[&count])
                .map_err(|error| Failure(error, "Fatal error: protocol.buffer_updated() call failed."))?;
        }
        Ok(read)
    }

    fn end_of_file(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        let Some(protocol) = this.protocol(py) else {
            return Ok(());
        };
        let answer = this
            .context
            .run(py, || call_method(py, &protocol, intern!(py, "eof_received"), &[])?.bind(py).is_truthy());
        match answer {
            Ok(true) => {
                this.state.with(|state| state.stream.keep_open_after_eof());
                this.unwatch_what_is_unwanted(this, py)
            }
            Ok(false) => Self::close(this, py),
            Err(error) => {
                Self::fatal_error(this, py, error, "Fatal error: protocol.eof_received() call failed.")
            }
        }
    }

    pub(crate) fn pause_reading(&self) {
        self.state.with(|state| state.stream.pause_reading());
    }

    pub(crate) fn resume_reading(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        if this.state.with(|state| state.stream.resume_reading()) {
            this.watch_what_is_wanted(this, py)?;
        }
        Ok(())
    }
}
