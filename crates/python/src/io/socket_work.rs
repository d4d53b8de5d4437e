//! What a user asks of a socket of his own, and one try at it. Belongs to the loop's thread; who waits where
//! is `watch`'s.

use std::io;

use ironloop_driver::RawFd;
use ironloop_driver::socket::Follow;
use ironloop_reactor::Side;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::event_loop::LoopCore;
use crate::ffi::buffer::Buffer;
use crate::ffi::error::os_error;
use crate::ffi::{Object, PythonSocket, Traverse, Visit, Visited, owned};

/// What is to be done with the socket.
pub(super) enum Work {
    Receive { most: usize },
    ReceiveInto(Buffer),
    SendAll { data: Buffer, sent: usize },
}

impl Work {
    /// The result, if nothing is asked for: that asks nobody, as with Python's sockets.
    pub(super) fn empty_result(&self, py: Python<'_>) -> PyResult<Option<Object>> {
        Ok(match self {
            Self::Receive { most: 0 } => Some(PyBytes::new(py, b"").into()),
            Self::ReceiveInto(buffer) if buffer.len() == 0 => Some(0_usize.into_pyobject(py)?.into()),
            Self::SendAll { data, .. } if data.len() == 0 => Some(Object::none(py)),
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
            Self::ReceiveInto(buffer) | Self::SendAll { data: buffer, sent: _ } => buffer.traverse(visit),
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
            Work::Receive { most } => self.with_read_buffer(|buffer| {
                let most = buffer.len().min(*most);
                let count = self.driver.receive(fd, &mut buffer[..most])?;
                Ok((PyBytes::new(py, &buffer[..count]).into(), count < most))
            }),
            Work::ReceiveInto(buffer) => {
                let most = buffer.len();
                self.driver
                    .receive(fd, buffer.bytes_mut())
                    .and_then(|count| Ok((number(py, count)?, count < most)))
            }
            Work::SendAll { data, sent } => loop {
                match self.driver.send(fd, &data.bytes()[*sent..], Follow::Nothing) {
                    Ok(count) => *sent += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => break Err(error),
                }
                if *sent >= data.len() {
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

fn number(py: Python<'_>, count: usize) -> io::Result<Object> {
    count.into_pyobject(py).map(Object::from).map_err(io::Error::other)
}
