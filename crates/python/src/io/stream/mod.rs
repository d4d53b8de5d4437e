//! The transport of a stream socket (`asyncio.Transport`): performs what the engine's stream machine decides.
//!
//! Bytes come in through `reading`, pass the `layer` and leave by `delivering`; what is written passes the
//! layer and leaves by `writing`; all ends in `closing`. A transport belongs to its loop's thread; each
//! borrow of its state lasts for one decision or one system call. It knows nothing of who stands above it
//! (`streams`): a protocol is a Python object, or has registered itself. One that was put onto another has
//! no socket, and is that one's protocol (`beneath`).

mod beneath;
mod chunk;
mod closing;
mod delivering;
mod descriptor;
mod info;
mod layer;
mod loan;
mod methods;
mod reading;
mod tls;
mod transport;
mod writing;

use std::ffi::CStr;

use crate::ffi::intern::intern;
use ironloop_driver::Address;
use ironloop_engine::Stream;
use ironloop_engine::stream::Bursts;
use pyo3::prelude::*;

use crate::event_loop::{ItemKind, LoopCore, Open};
use crate::ffi::call::call_method;
use crate::ffi::cell::LoopCell;
use crate::ffi::{Class, Context, Instance, Native, Object, PythonSocket, Shared, owned};
use crate::io::Registration;
pub(crate) use beneath::put_on;
use chunk::Chunk;
use delivering::Receiver;
pub(crate) use delivering::{Data, NativeProtocols};
pub(crate) use descriptor::Descriptor;
pub(crate) use info::OwnName;
use layer::Layer;
use loan::Loan;
pub(crate) use methods::add_class;
pub(crate) use tls::{Asked, Tls, Waiter, force_tls_path, tls_path, tls_path_reason};

/// What a transport is made from.
pub(crate) struct Setup {
    pub(crate) descriptor: Descriptor,
    pub(crate) protocol: Object,
    pub(crate) context: Context,
    pub(crate) server: Option<Object>,
    pub(crate) extra: Option<Object>,
    pub(crate) own: OwnName,
    pub(crate) peer: Option<Address>,
    /// Whether the kernel makes one segment of several writes if it is told that more follows: TCP.
    pub(crate) joins_writes: bool,
    /// Nothing for a connection in plain text.
    pub(crate) tls: Option<Tls>,
}

pub(crate) struct State {
    stream: Stream<Chunk>,
    descriptor: Descriptor,
    own: OwnName,
    registration: Registration,
    /// `None` once the connection is lost and the protocol knows.
    protocol: Option<Object>,
    /// How the protocol takes data; found out with the first of it.
    receiver: Option<Receiver>,
    server: Option<Object>,
    /// `get_extra_info`'s dictionary, as far as it was asked for.
    extra: Option<Object>,
    /// Why the connection was lost.
    error: Option<Object>,
    /// Where the kernel may be told that more follows: how many writes come in a row.
    bursts: Option<Bursts>,
    /// Whether it was told so with the last write. The loop has it pushed then.
    held: bool,
    /// Writes since the connection was lost.
    dropped: u32,
    loan: Loan,
    /// What the loop counts of it, until it lets go.
    open: Option<Open>,
}

// What waits to be sent are bytes, which lead nowhere.
owned!(in_cell State {
    visits: descriptor, loan;
    clears: protocol, server, extra, error;
    ignores: stream, own, registration, receiver, bursts, held, dropped, open;
});

pub(crate) struct StreamTransport {
    owner: Shared<LoopCore>,
    context: Context,
    /// Whose bytes are ours, where we were put onto another transport: it has the socket.
    beneath: Option<Instance<StreamTransport>>,
    /// The peer's name when the socket came to us, if we can write it.
    peer: Option<Address>,
    /// What stands between the stream and the protocol.
    layer: Layer,
    state: LoopCell<State>,
}

owned!(StreamTransport { visits: owner, context, beneath; clears: layer, state; ignores: peer; });

static TRANSPORT: Class = Class::new();

impl Native for StreamTransport {
    const NAME: &'static CStr = c"ironloop.StreamTransport";
    const DOC: &'static CStr = c"The transport of a connected stream socket; see asyncio.Transport.";
    const OPEN: bool = true;
    const TRACKED: bool = true;
    const FINALIZES: bool = true;

    fn class() -> &'static Class {
        &TRANSPORT
    }

    fn finalize(instance: &Instance<Self>, py: Python<'_>) {
        Self::warn_if_open(instance, py);
    }
}

/// The kernel has waited with what the last callback has written, and nothing follows any more: it goes out.
static PUSH: ItemKind = ItemKind {
    perform: |slf, object| {
        if let Some(transport) = Instance::<StreamTransport>::of(object) {
            transport.push(slf.py());
        }
        Ok(())
    },
    quiet: true,
};

impl StreamTransport {
    /// Makes the transport of a connected, non-blocking socket. The protocol is told by `connection_made`.
    pub(crate) fn create(owner: &Bound<'_, LoopCore>, setup: Setup) -> PyResult<Instance<Self>> {
        Self::create_on(owner, setup, None)
    }

    fn create_on(
        owner: &Bound<'_, LoopCore>,
        setup: Setup,
        beneath: Option<Instance<Self>>,
    ) -> PyResult<Instance<Self>> {
        let py = owner.py();
        let layer = setup.tls.map_or(Layer::Plain, |tls| Layer::Tls(Box::new(tls)));
        let mut stream = Stream::default();
        stream.endpoint.set_limits(layer.limits());
        let state = State {
            stream,
            descriptor: setup.descriptor,
            own: setup.own,
            registration: Registration::default(),
            protocol: Some(setup.protocol),
            receiver: None,
            server: setup.server,
            extra: setup.extra,
            error: None,
            bursts: setup.joins_writes.then(Bursts::default),
            held: false,
            dropped: 0,
            loan: Loan::No,
            open: Some(owner.get().transports.open(beneath.is_none())),
        };
        let transport = Self {
            owner: Shared::new(owner),
            context: setup.context,
            beneath,
            peer: setup.peer,
            layer,
            state: LoopCell::new(state),
        };
        let transport = Self::class().instantiate(py, transport)?;
        let server = transport.state.with(|state| state.server.as_ref().map(|server| server.clone_ref(py)));
        if let Some(server) = server {
            Self::tell_server(py, &server, &transport, intern!(py, "_attach"))?;
        }
        Ok(transport)
    }

    /// `server._attach(self)` or `_detach(self)`; older Pythons only count.
    fn tell_server(
        py: Python<'_>,
        server: &Object,
        transport: &Instance<Self>,
        method: &Bound<'_, pyo3::types::PyString>,
    ) -> PyResult<()> {
        let told = if crate::ffi::imports::servers_know_transports(py)? {
            call_method(py, server, method, &[transport.object()])
        } else {
            call_method(py, server, method, &[])
        };
        told.map(drop)
    }
}

/// The transport of a socket that Python has made and connected.
pub(crate) fn from_socket(
    owner: &Bound<'_, LoopCore>,
    python_socket: &Bound<'_, PyAny>,
    protocol: &Bound<'_, PyAny>,
    extra: &Bound<'_, PyAny>,
    server: &Bound<'_, PyAny>,
    context: Context,
    tls: Option<Tls>,
) -> PyResult<Instance<StreamTransport>> {
    let py = owner.py();
    let descriptor = PythonSocket::new(python_socket)?;
    let fd = descriptor.number();
    let driver = &owner.get().driver;
    let peer = driver.peer_address(fd).ok().flatten();
    let own = OwnName::Asked(driver.local_address(fd).ok().flatten());
    // The option fails for what is not TCP.
    let is_tcp = driver.set_nodelay(fd).is_ok();
    let extra = if extra.is_none() { None } else { Some(extra.call_method0(intern!(py, "copy"))?.into()) };
    let setup = Setup {
        descriptor: Descriptor::Python(descriptor),
        protocol: protocol.into(),
        context,
        server: (!server.is_none()).then(|| server.into()),
        extra,
        own,
        peer,
        joins_writes: is_tcp,
        tls,
    };
    StreamTransport::create(owner, setup)
}
