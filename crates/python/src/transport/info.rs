//! What users can ask of a connection: `get_extra_info`.

use std::os::fd::{AsRawFd, IntoRawFd};

use crate::ffi::intern::intern;
use ironloop_driver::socket;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{Descriptor, Transport};
use crate::ffi::{Instance, Object, PythonSocket};
use crate::{address, imports};

impl Transport {
    /// The dictionary behind `get_extra_info`, made and filled when first asked for.
    pub(super) fn extra<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let known = self.state.with(|state| state.extra.as_ref().map(|extra| extra.clone_ref(py)));
        if let Some(known) = known {
            return Ok(known.bind(py).cast()?.clone());
        }
        let extra = PyDict::new(py);
        let own = Object::from(&extra);
        let old = self.state.with(|state| state.extra.replace(own));
        drop(old);
        Ok(extra)
    }

    pub(super) fn extra_info(&self, py: Python<'_>, name: &Bound<'_, PyAny>) -> PyResult<Option<Object>> {
        let extra = self.extra(py)?;
        if let Some(known) = extra.get_item(name)? {
            return Ok(Some(known.into()));
        }
        let found = match name.extract::<&str>().unwrap_or_default() {
            "socket" => self.python_socket(py)?,
            "sockname" => self.own_address(py)?,
            "peername" => self.peer_address(py)?,
            _ => None,
        };
        if let Some(found) = &found {
            extra.set_item(name, found.bind(py))?;
        }
        Ok(found)
    }

    /// All that asyncio keeps there.
    pub(super) fn complete_extra<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        for name in [intern!(py, "socket"), intern!(py, "sockname"), intern!(py, "peername")] {
            self.extra_info(py, name)?;
        }
        self.extra(py)
    }

    /// The `TransportSocket`. From now on a Python socket owns the descriptor.
    fn python_socket(&self, py: Python<'_>) -> PyResult<Option<Object>> {
        Ok(match self.raw_socket(py)? {
            Some(socket) => Some(imports::transport_socket(py)?.call1((socket.bind(py),))?.into()),
            None => None,
        })
    }

    pub(super) fn raw_socket(&self, py: Python<'_>) -> PyResult<Option<Object>> {
        let (native, known) = self.state.with(|state| match &state.descriptor {
            Descriptor::Native(fd) => (Some(fd.as_raw_fd()), None),
            Descriptor::Python(socket) => (None, Some(socket.object().clone_ref(py))),
            Descriptor::Closed => (None, None),
        });
        let Some(fd) = native else { return Ok(known) };
        let keywords = PyDict::new(py);
        keywords.set_item(intern!(py, "fileno"), fd)?;
        let socket = imports::socket(py)?.call((), Some(&keywords))?;
        let own = PythonSocket::new(&socket)?;
        let taken =
            self.state.with(|state| match std::mem::replace(&mut state.descriptor, Descriptor::Closed) {
                Descriptor::Native(owned) => {
                    // The Python socket closes it.
                    let _ = owned.into_raw_fd();
                    state.descriptor = Descriptor::Python(own);
                    None
                }
                other => {
                    state.descriptor = other;
                    Some(own)
                }
            });
        if taken.is_some() {
            // Somebody else's code ran meanwhile, and asked for the socket or closed it.
            socket.call_method0(intern!(py, "detach"))?;
            return self.raw_socket(py);
        }
        socket.call_method1(intern!(py, "setblocking"), (false,))?;
        Ok(Some(socket.into()))
    }

    fn own_address(&self, py: Python<'_>) -> PyResult<Option<Object>> {
        let own = self.state.with(|state| match state.descriptor {
            Descriptor::Closed => state.own,
            _ => socket::local_address(state.descriptor.fd()).ok().flatten(),
        });
        match own {
            Some(found) => Ok(Some(address::internet(py, found)?.into())),
            None => self.ask_socket(py, "getsockname"),
        }
    }

    fn peer_address(&self, py: Python<'_>) -> PyResult<Option<Object>> {
        if let Some(peer) = self.state.with(|state| state.peer) {
            return Ok(Some(address::internet(py, peer)?.into()));
        }
        self.ask_socket(py, "getpeername")
    }

    /// Names of other families, as the Python socket writes them.
    fn ask_socket(&self, py: Python<'_>, method: &str) -> PyResult<Option<Object>> {
        Ok(match self.raw_socket(py)? {
            Some(socket) => socket.bind(py).call_method0(method).ok().map(Object::from),
            None => None,
        })
    }

    /// The own address must be known after the socket is closed.
    pub(super) fn remember_own_address(&self) {
        self.state.with(|state| state.own = socket::local_address(state.descriptor.fd()).ok().flatten());
    }
}

/// asyncio's representation, with our name.
pub(super) fn repr(this: &Instance<Transport>, py: Python<'_>) -> PyResult<Object> {
    let (fd, closing, reading, full, buffered) = this.state.with(|state| {
        let stream = &state.stream;
        (
            state.descriptor.number(),
            stream.is_closing(),
            stream.wants_to_read(),
            stream.wants_to_write(),
            stream.buffered(),
        )
    });
    let mut parts = vec!["StreamTransport".to_owned()];
    if fd < 0 {
        parts.push("closed".into());
    } else {
        if closing {
            parts.push("closing".into());
        }
        parts.push(format!("fd={fd}"));
        parts.push(format!("read={}", if reading { "polling" } else { "idle" }));
        parts.push(format!("write=<{}, bufsize={buffered}>", if full { "polling" } else { "idle" }));
    }
    Ok(pyo3::types::PyString::new(py, &format!("<{}>", parts.join(" "))).into())
}
