//! The transport of a datagram socket (`asyncio.DatagramTransport`): performs what the engine's machine
//! decides.
//!
//! Datagrams come in through `receiving`, go out through `sending`, and all ends in `closing`. A transport
//! belongs to its loop's thread; each borrow of its state lasts for one decision.
//!
//! A socket that is plain, and of a family whose addresses we can write, is served by system calls of our
//! own. Any other is asked by its Python methods, as asyncio does: so is an address that takes a resolver, or
//! is an error to be told of.

mod closing;
mod methods;
mod peers;
mod receiving;
mod sending;
mod transport;

use std::ffi::CStr;

use crate::ffi::intern::intern;
use ironloop_driver::{Driver, Family, RawFd};
use ironloop_engine::Datagrams;
use pyo3::prelude::*;

use crate::event_loop::{LoopCore, Open};
use crate::ffi::cell::LoopCell;
use crate::ffi::error::os_error;
use crate::ffi::stock;
use crate::ffi::{
    Bytes, Class, Context, Instance, Native, Object, PythonSocket, Release, Shared, Traverse, Visit, Visited,
    owned,
};
use crate::io::Registration;
use crate::io::transport::{Transport, report};
pub(crate) use methods::add_class;
use peers::Peers;

pub(crate) struct State {
    datagrams: Datagrams<Bytes, Option<Object>>,
    /// The Python socket, which owns the descriptor. `None` once it is closed.
    socket: Option<Object>,
    registration: Registration,
    /// `None` once the protocol knows that all is over.
    protocol: Option<Object>,
    peers: Peers,
    /// Why it all ended, and the context to tell the protocol in.
    error: Option<Object>,
    lost_in: Option<Context>,
    /// Datagrams that came too late to be sent.
    dropped: u32,
    /// What the loop counts of it, until it lets go.
    open: Option<Open>,
}

owned!(in_cell State {
    visits: socket, peers;
    clears: protocol, error, lost_in, datagrams;
    ignores: registration, dropped, open;
});

impl Traverse for Datagrams<Bytes, Option<Object>> {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.waiting().try_for_each(|(_, address)| address.traverse(visit))
    }
}

impl Release for Datagrams<Bytes, Option<Object>> {
    fn release(&mut self, _: Python<'_>) -> impl Sized + use<> {
        self.abort()
    }
}

/// A socket without Python code of its own between it and the kernel, and of a family whose addresses we can
/// write.
struct Plain {
    socket: PythonSocket,
    family: Family,
}

owned!(Plain { visits: socket; ignores: family; });

impl Plain {
    fn of(driver: &Driver, socket: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let socket = PythonSocket::new(socket)?;
        let family = driver.family(socket.fd()).map_err(os_error)?;
        Ok(family.map(|family| Self { socket, family }))
    }
}

pub(crate) struct DatagramTransport {
    owner: Shared<LoopCore>,
    context: Context,
    /// What its number was at first, to name it by; it may be another's by now.
    number: RawFd,
    /// For system calls of our own; `None` leaves all to the Python socket's methods.
    plain: Option<Plain>,
    /// Whether the socket has a peer: then addresses are not for the kernel.
    connected: bool,
    /// The only address that may be sent to, if one was given.
    address: Option<Object>,
    /// `get_extra_info`'s dictionary.
    extra: Object,
    state: LoopCell<State>,
}

owned!(DatagramTransport {
    visits: owner, context, plain, address, extra;
    clears: state;
    ignores: number, connected;
});

static DATAGRAM_TRANSPORT: Class = Class::new();

impl Native for DatagramTransport {
    const NAME: &'static CStr = c"ironloop.DatagramTransport";
    const DOC: &'static CStr = c"The transport of a datagram socket; see asyncio.DatagramTransport.";
    const OPEN: bool = true;
    const TRACKED: bool = true;
    const FINALIZES: bool = true;

    fn class() -> &'static Class {
        &DATAGRAM_TRANSPORT
    }

    fn finalize(instance: &Instance<Self>, py: Python<'_>) {
        Self::warn_if_open(instance, py);
    }
}

impl DatagramTransport {
    /// Makes the transport of a non-blocking socket. The protocol is told by `connection_made`.
    ///
    /// `extra` is `get_extra_info`'s dictionary, complete; `address` the remote address that the user gave,
    /// or None; `plain` says that the socket has no Python code of its own between it and the kernel.
    pub(crate) fn create(
        owner: &Bound<'_, LoopCore>,
        socket: &Bound<'_, PyAny>,
        protocol: &Bound<'_, PyAny>,
        address: &Bound<'_, PyAny>,
        extra: &Bound<'_, PyAny>,
        plain: bool,
    ) -> PyResult<Instance<Self>> {
        let py = owner.py();
        let number: RawFd = socket.call_method0(intern!(py, "fileno"))?.extract()?;
        let state = State {
            datagrams: Datagrams::new(stock::datagrams(py)?.header),
            socket: Some(socket.into()),
            registration: Registration::default(),
            protocol: Some(protocol.into()),
            peers: Peers::default(),
            error: None,
            lost_in: None,
            dropped: 0,
            open: Some(owner.get().transports.open(true)),
        };
        let transport = Self {
            owner: Shared::new(owner),
            context: Context::copy_current(py)?,
            number,
            plain: if plain { Plain::of(&owner.get().driver, socket)? } else { None },
            connected: extra.get_item(intern!(py, "peername"))?.is_truthy()?,
            address: if address.is_truthy()? { Some(address.into()) } else { None },
            extra: extra.into(),
            state: LoopCell::new(state),
        };
        Self::class().instantiate(py, transport)
    }

    /// For a system call now, as [`Transport::fd`].
    fn fd(&self) -> RawFd {
        self.plain.as_ref().map_or(self.number, |plain| plain.socket.fd())
    }

    fn socket(&self, py: Python<'_>) -> Option<Object> {
        self.state.with(|state| state.socket.as_ref().map(|socket| socket.clone_ref(py)))
    }

    /// The socket was closed behind our back, while a copy of its descriptor lives. Nothing that the kernel
    /// reports of that can be for us, and each datagram that waits to be sent has its error.
    fn descriptor_is_gone(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        this.unwatch(py);
        for _ in 0..this.state.with(|state| state.datagrams.waiting().count()) {
            Self::send_waiting(this, py)?;
        }
        Ok(())
    }

    /// A method of the protocol has raised. The transport lives on.
    fn callback_failed(this: &Instance<Self>, py: Python<'_>, name: &str, error: PyErr) -> PyResult<()> {
        let (owner, protocol) = (this.owner.bind(py), this.protocol(py));
        report::callback_failed(owner, this.object(), protocol.as_ref(), name, error)
    }
}
