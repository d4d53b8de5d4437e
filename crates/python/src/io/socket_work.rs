//! What a user asks of a socket of his own, and one try at it. Belongs to the loop's thread; who waits where
//! is `watch`'s.

use std::io;

use ironloop_driver::RawFd;
use ironloop_driver::socket::Follow;
use ironloop_reactor::Side;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt};

use crate::event_loop::{LoopCore, READ_BUFFER};
use crate::ffi::blank::Blank;
use crate::ffi::buffer::Buffer;
use crate::ffi::error::os_error;
use crate::ffi::{Bytes, Object, PythonSocket, Traverse, Visit, Visited, owned};

/// What is to be done with the socket.
pub(super) enum Work {
    Receive {
        most: usize,
    },
    /// What is to be filled. Its buffer is had for a try only, as by asyncio: while the operation waits, its owner
    /// may resize it.
    ReceiveInto(Object),
    SendAll {
        data: Content,
        sent: usize,
    },
}

/// What is sent. A `bytes` stays as it is without a buffer of it.
pub(super) enum Content {
    Bytes(Bytes),
    Buffer(Buffer),
}

impl Content {
    pub(super) fn of(data: &Bound<'_, PyAny>) -> PyResult<Self> {
        match data.cast_exact::<PyBytes>() {
            Ok(bytes) => Bytes::of(bytes).map(Self::Bytes),
            Err(_) => Buffer::readable(data).map(Self::Buffer),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes.as_ref(),
            Self::Buffer(buffer) => buffer.bytes(),
        }
    }
}

impl Traverse for Content {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        match self {
            // They lead nowhere.
            Self::Bytes(_) => Ok(()),
            Self::Buffer(buffer) => buffer.traverse(visit),
        }
    }
}

impl Work {
    /// The result, if nothing is asked for: that asks nobody, as with Python's sockets.
    pub(super) fn empty_result(&self, py: Python<'_>) -> PyResult<Option<Object>> {
        Ok(match self {
            Self::Receive { most: 0 } => Some(PyBytes::new(py, b"").into()),
            Self::ReceiveInto(target) if fill(target.bind(py), |room| room.is_empty())? => {
                Some(number(py, 0))
            }
            Self::SendAll { data, .. } if data.bytes().is_empty() => Some(Object::none(py)),
            _ => None,
        })
    }

    pub(super) fn side(&self) -> Side {
        match self {
            Self::Receive { .. } | Self::ReceiveInto(_) => Side::Reader,
            Self::SendAll { .. } => Side::Writer,
        }
    }
}

impl Traverse for Work {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        match self {
            Self::Receive { most: _ } => Ok(()),
            Self::ReceiveInto(target) => target.traverse(visit),
            Self::SendAll { data, sent: _ } => data.traverse(visit),
        }
    }
}

/// Work that waits, and who waits for it.
pub(super) struct Operation {
    pub(super) work: Work,
    pub(super) socket: PythonSocket,
    pub(super) future: Object,
}

owned!(Operation { visits: future, socket, work; });

/// What one try gave.
pub(super) enum Attempt {
    Done {
        result: Object,
        /// The kernel gave less than it was asked for: it has no more.
        drained: bool,
    },
    Refused,
}

impl LoopCore {
    /// One try at it. `fd` is the socket's number now.
    pub(super) fn attempt(&self, py: Python<'_>, fd: RawFd, work: &mut Work) -> PyResult<Attempt> {
        let result = match work {
            Work::Receive { most } if *most > READ_BUFFER => {
                // A message that is longer than the room for it loses the rest.
                let mut blank = Blank::new(py, *most)?;
                match self.driver.receive(fd, blank.room()) {
                    Ok(count) => Ok((blank.finish(py, count)?.into(), count < *most)),
                    Err(error) => Err(error),
                }
            }
            Work::Receive { most } => self.with_read_buffer(|buffer| {
                let count = self.driver.receive(fd, &mut buffer[..*most])?;
                Ok((self.bytes(py, &buffer[..count]).into_object(), count < *most))
            }),
            Work::ReceiveInto(target) => {
                let received = fill(target.bind(py), |room| match room.len() {
                    // By now there is no room any more: that asks nobody.
                    0 => Ok((0, false)),
                    most => self.driver.receive(fd, room).map(|count| (count, count < most)),
                })?;
                received.map(|(count, drained)| (number(py, count), drained))
            }
            Work::SendAll { data, sent } => loop {
                let bytes = data.bytes();
                match self.driver.send(fd, &bytes[*sent..], Follow::Nothing) {
                    Ok(count) => *sent += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => break Err(error),
                }
                if *sent >= bytes.len() {
                    break Ok((Object::none(py), false));
                }
            },
        };
        match result {
            Ok((result, drained)) => Ok(Attempt::Done { result, drained }),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(Attempt::Refused)
            }
            Err(error) => Err(os_error(error)),
        }
    }
}

/// Lends the memory of what is to be filled; else the error is the Python socket's, in its words.
fn fill<R>(target: &Bound<'_, PyAny>, body: impl FnOnce(&mut [u8]) -> R) -> PyResult<R> {
    Buffer::lend_to_fill(target, body).or_else(|_| {
        let kind = if target.is_none() { "None".to_owned() } else { target.get_type().name()?.to_string() };
        let text = format!("recv_into() argument 1 must be read-write bytes-like object, not {kind}");
        Err(PyTypeError::new_err(text))
    })
}

fn number(py: Python<'_>, count: usize) -> Object {
    PyInt::new(py, count).into()
}
