//! From the kernel to the protocol.

use std::io;

use crate::ffi::intern::intern;
use ironloop_driver::{RawFd, socket};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt};

use super::Transport;
use crate::error::os_error;
use crate::ffi::buffer::Buffer;
use crate::ffi::call::{call, call_method};
use crate::ffi::{Instance, Object};
use crate::{imports, streams};

const NOT_RECEIVED: &str = "Fatal error: protocol.data_received() call failed.";

/// The methods by which a protocol takes data.
pub(super) enum Receiver {
    /// `data_received`
    Bytes(Object),
    /// A protocol whose `data_received` gives all to a stream reader, which takes it as it is.
    Stream(Object),
    /// `get_buffer` and `buffer_updated`
    Buffer { get: Object, updated: Object },
}

impl Receiver {
    fn of(py: Python<'_>, protocol: &Object) -> PyResult<Self> {
        let protocol = protocol.bind(py);
        if streams::is_plain_protocol(protocol) {
            return Ok(Self::Stream(protocol.into()));
        }
        if protocol.is_instance(imports::buffered_protocol(py)?)? {
            return Ok(Self::Buffer {
                get: protocol.getattr(intern!(py, "get_buffer"))?.into(),
                updated: protocol.getattr(intern!(py, "buffer_updated"))?.into(),
            });
        }
        Ok(Self::Bytes(protocol.getattr(intern!(py, "data_received"))?.into()))
    }

    fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Bytes(receive) => Self::Bytes(receive.clone_ref(py)),
            Self::Stream(protocol) => Self::Stream(protocol.clone_ref(py)),
            Self::Buffer { get, updated } => {
                Self::Buffer { get: get.clone_ref(py), updated: updated.clone_ref(py) }
            }
        }
    }

    pub(super) fn objects(&self) -> [Option<&Object>; 2] {
        match self {
            Self::Bytes(receive) => [Some(receive), None],
            Self::Stream(protocol) => [Some(protocol), None],
            Self::Buffer { get, updated } => [Some(get), Some(updated)],
        }
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
        let outcome = match this.receiver(py) {
            Ok(Receiver::Bytes(receive)) => this.context.run(py, || Ok(this.read_bytes(py, &receive)))?,
            Ok(Receiver::Buffer { get, updated }) => {
                this.context.run(py, || Ok(this.read_into(py, &get, &updated)))?
            }
            // Enters the context only if it must.
            Ok(Receiver::Stream(protocol)) => this.read_stream(py, &protocol),
            Err(error) => Err(Failure(error, NOT_RECEIVED)),
        };
        match outcome {
            Ok(Read::Data | Read::NotReady) => Ok(()),
            Ok(Read::EndOfFile) => Self::end_of_file(this, py),
            Err(Failure(error, message)) => Self::fatal_error(this, py, error, message),
        }
    }

    fn receiver(&self, py: Python<'_>) -> PyResult<Receiver> {
        let known = self.state.with(|state| state.receiver.as_ref().map(|receiver| receiver.clone_ref(py)));
        if let Some(receiver) = known {
            return Ok(receiver);
        }
        let protocol = self.protocol(py).unwrap_or_else(|| Object::none(py));
        let receiver = Receiver::of(py, &protocol)?;
        let copy = receiver.clone_ref(py);
        let old = self.state.with(|state| state.receiver.replace(receiver));
        drop(old);
        Ok(copy)
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

    fn read_bytes(&self, py: Python<'_>, receive: &Object) -> Result<Read, Failure> {
        let fd = self.fd();
        let (read, data) = self.owner.get(py).with_read_buffer(|buffer| {
            let (read, count) = self.receive(py, fd, buffer)?;
            Ok((read, (count > 0).then(|| Object::from(PyBytes::new(py, &buffer[..count])))))
        })?;
        if let Some(data) = data {
            call(py, receive, &[&data]).map_err(|error| Failure(error, NOT_RECEIVED))?;
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

    fn read_into(&self, py: Python<'_>, get: &Object, updated: &Object) -> Result<Read, Failure> {
        let fd = self.fd();
        let filled = || {
            let hint = Object::from(PyInt::new(py, -1));
            let target = call(py, get, &[&hint])?;
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
            call(py, updated, &[&count])
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
