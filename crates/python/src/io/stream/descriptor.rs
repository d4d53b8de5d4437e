//! A stream's socket, and who closes it.

use std::os::fd::{AsRawFd, OwnedFd};

use ironloop_driver::RawFd;
use pyo3::prelude::*;

use crate::ffi::socket::CLOSED;
use crate::ffi::{Object, PythonSocket, Traverse, Visit, Visited};

/// Who closes the socket.
pub(crate) enum Descriptor {
    /// We do: no Python object knows it.
    Native(OwnedFd),
    /// The Python socket does; so may anybody who has it, at any time.
    Python(PythonSocket),
    /// The transport beneath has it.
    Beneath,
    /// It is closed. Who asks for the socket still gets the Python socket that it was, if it was one.
    Closed(Option<Object>),
}

impl Traverse for Descriptor {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        match self {
            Self::Native(_) | Self::Beneath => Ok(()),
            Self::Python(socket) => socket.traverse(visit),
            Self::Closed(was) => was.traverse(visit),
        }
    }
}

impl Descriptor {
    /// The number for a system call now: what is closed by now gives one that the kernel refuses. Not to be
    /// kept.
    pub(super) fn fd(&self) -> RawFd {
        match self {
            Self::Native(fd) => fd.as_raw_fd(),
            Self::Python(socket) => socket.fd(),
            Self::Beneath | Self::Closed(_) => CLOSED,
        }
    }

    /// Hands it over to be closed.
    pub(super) fn take(&mut self, py: Python<'_>) -> Self {
        let was = match self {
            Self::Native(_) | Self::Beneath => None,
            Self::Python(socket) => Some(socket.object().clone_ref(py)),
            Self::Closed(was) => was.take(),
        };
        std::mem::replace(self, Self::Closed(was))
    }

    /// The number to name it by; it may be another's by now.
    pub(super) fn number(&self) -> RawFd {
        match self {
            Self::Python(socket) => socket.number(),
            Self::Native(_) | Self::Beneath | Self::Closed(_) => self.fd(),
        }
    }
}
