//! What users can ask of a connection: `get_extra_info`.

use std::os::fd::{AsRawFd, IntoRawFd};

use crate::ffi::intern::intern;
use ironloop_driver::{Address, Family, RawFd};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::{Descriptor, State, StreamTransport};
use crate::ffi::imports;
use crate::ffi::{Instance, Object, PythonSocket};
use crate::io::address;
use crate::io::transport::{Transport, methods};

/// The socket's own name.
pub(crate) enum OwnName {
    /// What the kernel has said; nothing if it is of a family that we cannot write.
    Asked(Option<Address>),
    /// Of an accepted one nobody has asked yet. What all have whom its listener accepts, if they have one:
    /// the name of one that is over.
    Accepted(Option<Address>),
}

impl StreamTransport {
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
        let asked = name.extract::<&str>().unwrap_or_default();
        if let Some(tls) = self.layer.tls()
            && let Some(found) = tls.extra_info(py, asked)?
        {
            extra.set_item(name, found.bind(py))?;
            return Ok(Some(found));
        }
        if let Some(beneath) = &self.beneath {
            return beneath.extra_info(py, name);
        }
        let found = match asked {
            "socket" => self.transport_socket(py)?,
            "sockname" => self.name(py, self.own_name(py).as_ref(), "getsockname")?,
            "peername" => self.name(py, self.peer.as_ref(), "getpeername")?,
            _ => return Ok(None),
        };
        // None is known too, as in asyncio.
        let found = found.unwrap_or_else(|| Object::none(py));
        extra.set_item(name, found.bind(py))?;
        Ok(Some(found))
    }

    /// All that asyncio keeps there.
    pub(super) fn complete_extra<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        for name in [intern!(py, "socket"), intern!(py, "sockname"), intern!(py, "peername")] {
            self.extra_info(py, name)?;
        }
        self.extra(py)
    }

    /// The `TransportSocket`. From now on a Python socket owns the descriptor.
    fn transport_socket(&self, py: Python<'_>) -> PyResult<Option<Object>> {
        Ok(match self.raw_socket(py)?.or_else(|| self.closed_socket(py)) {
            Some(socket) => Some(imports::transport_socket(py)?.call1((socket.bind(py),))?.into()),
            None => None,
        })
    }

    /// The Python socket; nothing once it is closed.
    pub(super) fn raw_socket(&self, py: Python<'_>) -> PyResult<Option<Object>> {
        if let Some(beneath) = &self.beneath {
            return beneath.raw_socket(py);
        }
        let (native, known) = self.state.with(|state| match &state.descriptor {
            Descriptor::Native(fd) => (Some(fd.as_raw_fd()), None),
            Descriptor::Python(socket) => (None, Some(socket.object().clone_ref(py))),
            Descriptor::Beneath | Descriptor::Closed(_) => (None, None),
        });
        let Some(fd) = native else { return Ok(known) };
        // From now on it may be closed behind our back.
        drop(self.own_name(py));
        let keywords = PyDict::new(py);
        keywords.set_item(intern!(py, "fileno"), fd)?;
        let socket = imports::socket(py)?.call((), Some(&keywords))?;
        let own = PythonSocket::new(&socket)?;
        let changed = self.state.with(|state| {
            let Descriptor::Native(_) = state.descriptor else { return Some(own) };
            if let Descriptor::Native(owned) =
                std::mem::replace(&mut state.descriptor, Descriptor::Python(own))
            {
                // The Python socket closes it.
                let _ = owned.into_raw_fd();
            }
            None
        });
        if changed.is_some() {
            // Somebody else's code ran meanwhile, and asked for the socket or closed it.
            socket.call_method0(intern!(py, "detach"))?;
            return self.raw_socket(py);
        }
        if self.state.with(|state| state.stream.endpoint.is_lost()) {
            // It was still watched, for it was ours alone.
            self.unwatch(py);
        }
        socket.call_method1(intern!(py, "setblocking"), (false,))?;
        Ok(Some(socket.into()))
    }

    /// The Python socket that it was. If it was none, nobody has seen it, and any that is closed will do.
    fn closed_socket(&self, py: Python<'_>) -> Option<Object> {
        let was = self.state.with(|state| match &state.descriptor {
            Descriptor::Closed(was) => was.as_ref().map(|was| was.clone_ref(py)),
            _ => None,
        });
        was.or_else(|| closed_socket_of(py, self.own_name(py)?.family()).ok())
    }

    /// The socket's own name, if we can write it. The kernel is asked once, while it is open.
    fn own_name(&self, py: Python<'_>) -> Option<Address> {
        let driver = &self.owner.get(py).driver;
        self.state.with(|state| {
            if let OwnName::Accepted(common) = &mut state.own {
                let asked = driver.local_address(state.descriptor.fd());
                state.own = OwnName::Asked(asked.unwrap_or_else(|_closed| common.take()));
            }
            match &state.own {
                OwnName::Asked(name) | OwnName::Accepted(name) => name.clone(),
            }
        })
    }

    fn name(&self, py: Python<'_>, known: Option<&Address>, method: &str) -> PyResult<Option<Object>> {
        if let Some(known) = known {
            return Ok(Some(address::to_python(py, known)?.into()));
        }
        // Of another family: as the Python socket writes it.
        Ok(match self.raw_socket(py)? {
            Some(socket) => socket.bind(py).call_method0(method).ok().map(Object::from),
            None => None,
        })
    }

    /// The socket is about to be closed, and what `get_extra_info` tells must be known after that.
    pub(super) fn remember_names(&self, py: Python<'_>) -> PyResult<()> {
        let is_known = |state: &mut State| match &state.own {
            OwnName::Asked(name) | OwnName::Accepted(name) => name.is_some(),
        };
        if self.state.with(is_known) || self.own_name(py).is_some() {
            return Ok(());
        }
        self.complete_extra(py).map(drop)
    }
}

fn closed_socket_of(py: Python<'_>, family: Family) -> PyResult<Object> {
    let (family, protocol) = match family {
        Family::V4 => ("AF_INET", "IPPROTO_TCP"),
        Family::V6 => ("AF_INET6", "IPPROTO_TCP"),
        Family::Unix => ("AF_UNIX", "IPPROTO_IP"),
    };
    let [family, kind, protocol] =
        [family, "SOCK_STREAM", protocol].map(|name| py.import("socket")?.getattr(name));
    let socket = imports::socket(py)?.call1((family?, kind?, protocol?))?;
    socket.call_method0(intern!(py, "close"))?;
    Ok(socket.into())
}

impl StreamTransport {
    /// The socket's number, to name it by.
    pub(super) fn number(&self) -> RawFd {
        match &self.beneath {
            Some(beneath) => beneath.number(),
            None => self.state.with(|state| state.descriptor.number()),
        }
    }
}

/// asyncio's representation, with our name.
pub(super) fn repr(this: &Instance<StreamTransport>, py: Python<'_>) -> PyResult<Object> {
    let number = this.number();
    let text = this.state.with(|state| match number {
        fd if fd < 0 => "<StreamTransport closed>".to_owned(),
        fd => {
            let closing = state.stream.endpoint.is_closing() || this.layer.is_closing();
            let closing = if closing { " closing" } else { "" };
            let tls = if this.layer.tls().is_some() { " tls" } else { "" };
            format!("<StreamTransport{closing}{tls} fd={fd} {}>", methods::polling(state))
        }
    });
    Ok(PyString::new(py, &text).into())
}
