//! The transport of a stream socket (`asyncio.Transport`): performs what the engine's stream machine decides.
//!
//! Bytes come in through `reading`, pass the `layer` and leave by `delivering`; what is written passes the
//! layer and leaves by `writing`; all ends in `closing`. A transport belongs to its loop's thread; each borrow
//! of its state lasts for one decision or one system call. It knows nothing of who stands above it
//! (`streams`): a protocol is a Python object, or has registered itself.

mod chunk;
mod closing;
mod delivering;
mod info;
mod layer;
mod loan;
mod methods;
mod reading;
mod writing;

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::ffi::intern::intern;
use ironloop_driver::{Address, Interest, RawFd, Ready, socket};
use ironloop_engine::stream::{Bursts, Outgoing};
use ironloop_engine::{Endpoint, Stream};
use pyo3::prelude::*;

use crate::event_loop::{Kind, LoopCore, Source, SourceKind};
use crate::ffi::call::call_method;
use crate::ffi::cell::LoopCell;
use crate::ffi::socket::CLOSED;
use crate::ffi::{
    Class, Context, Instance, Native, Object, PythonSocket, Shared, Traverse, Visit, Visited, owned,
};
use crate::io::Registration;
use crate::io::transport::{self, SocketTransport, report};
use chunk::Chunk;
pub(crate) use delivering::NativeProtocols;
use delivering::Receiver;
use layer::Layer;
use loan::Loan;
pub(crate) use methods::add_class;

const WATCH_FAILED: &str = "Fatal error on transport";

/// Who closes the socket.
pub(crate) enum Descriptor {
    /// We do: no Python object knows it.
    Native(OwnedFd),
    /// The Python socket does; so may anybody who has it, at any time.
    Python(PythonSocket),
    /// It is closed. Who asks for the socket still gets the Python socket that it was, if it was one.
    Closed(Option<Object>),
}

impl Traverse for Descriptor {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        match self {
            Self::Native(_) => Ok(()),
            Self::Python(socket) => socket.traverse(visit),
            Self::Closed(was) => was.traverse(visit),
        }
    }
}

impl Descriptor {
    /// The number for a system call now: what is closed by now gives one that the kernel refuses. Not to be
    /// kept.
    fn fd(&self) -> RawFd {
        match self {
            Self::Native(fd) => fd.as_raw_fd(),
            Self::Python(socket) => socket.fd(),
            Self::Closed(_) => CLOSED,
        }
    }

    /// Hands it over to be closed.
    fn take(&mut self, py: Python<'_>) -> Self {
        let was = match self {
            Self::Native(_) => None,
            Self::Python(socket) => Some(socket.object().clone_ref(py)),
            Self::Closed(was) => was.take(),
        };
        std::mem::replace(self, Self::Closed(was))
    }

    /// The number to name it by; it may be another's by now.
    fn number(&self) -> RawFd {
        match self {
            Self::Python(socket) => socket.number(),
            Self::Native(_) | Self::Closed(_) => self.fd(),
        }
    }
}

/// What a transport is made from.
pub(crate) struct Setup {
    pub(crate) descriptor: Descriptor,
    pub(crate) protocol: Object,
    pub(crate) context: Context,
    pub(crate) server: Option<Object>,
    pub(crate) extra: Option<Object>,
    pub(crate) peer: Option<Address>,
    /// Whether the kernel makes one segment of several writes if it is told that more follows: TCP.
    pub(crate) joins_writes: bool,
}

pub(crate) struct State {
    stream: Stream<Chunk>,
    /// What stands between the stream and the protocol.
    layer: Layer,
    descriptor: Descriptor,
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
    /// Whether it was told so with the last write. The loop has the transport in its list then.
    held: bool,
    /// Writes since the connection was lost.
    dropped: u32,
    loan: Loan,
}

// What waits to be sent are bytes, which lead nowhere.
owned!(in_cell State {
    visits: descriptor, loan;
    clears: protocol, server, extra, error;
    ignores: stream, layer, registration, receiver, bursts, held, dropped;
});

impl State {
    fn wanted(&self) -> Interest {
        Interest { readable: self.stream.endpoint.wants_to_read(), writable: self.stream.wants_to_write() }
    }
}

impl transport::State for State {
    type Unsent = Outgoing<Chunk>;

    fn endpoint(&mut self) -> &mut Endpoint {
        &mut self.stream.endpoint
    }

    fn buffered(&self) -> usize {
        self.stream.buffered()
    }

    fn abort(&mut self) -> Option<Self::Unsent> {
        self.stream.abort()
    }

    fn protocol(&self) -> Option<&Object> {
        self.protocol.as_ref()
    }

    fn set_protocol(&mut self, protocol: Object) -> Option<Object> {
        self.receiver = None;
        self.protocol.replace(protocol)
    }

    fn error(&mut self) -> &mut Option<Object> {
        &mut self.error
    }

    fn dropped(&mut self) -> &mut u32 {
        &mut self.dropped
    }
}

pub(crate) struct Transport {
    owner: Shared<LoopCore>,
    context: Context,
    /// The socket's names when it came to us, as far as we can write them.
    own: Option<Address>,
    peer: Option<Address>,
    state: LoopCell<State>,
}

owned!(Transport { visits: owner, context; clears: state; ignores: own, peer; });

static TRANSPORT: Class = Class::new();

impl Native for Transport {
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

/// Its sockets among the loop's sources.
pub(super) static SOURCE: SourceKind = SourceKind {
    ready: |slf, object, _, ready| {
        Instance::<Transport>::of(object).map_or(Ok(()), |it| Transport::ready(it, slf.py(), ready))
    },
    culprit: |py, object| Some(object.clone_ref(py)),
    hears_of_loss: |_| true,
    discard: |_| {},
};

/// A protocol is to be told of its connection.
pub(super) static MADE: Kind = Kind {
    perform: |slf, object| {
        Instance::<Transport>::of(object).map_or(Ok(()), |it| Transport::connection_made(it, slf.py()))
    },
    quiet: false,
};

/// A protocol is to be told of the end of its connection.
static LOST: Kind = Kind {
    perform: |slf, object| {
        Instance::<Transport>::of(object).map_or(Ok(()), |it| Transport::connection_lost(it, slf.py()))
    },
    quiet: false,
};

/// The kernel has waited with what the last callback has written, and nothing follows any more: it goes out.
static PUSH: Kind = Kind {
    perform: |_, object| {
        if let Some(transport) = Instance::<Transport>::of(object) {
            transport.push();
        }
        Ok(())
    },
    quiet: true,
};

impl Transport {
    /// Makes the transport of a connected, non-blocking socket. The protocol is told by `connection_made`.
    pub(crate) fn create(owner: &Bound<'_, LoopCore>, setup: Setup) -> PyResult<Instance<Self>> {
        let py = owner.py();
        let own = socket::local_address(setup.descriptor.fd()).ok().flatten();
        let state = State {
            stream: Stream::default(),
            layer: Layer::Plain,
            descriptor: setup.descriptor,
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
        };
        let transport = Self {
            owner: Shared::new(owner),
            context: setup.context,
            own,
            peer: setup.peer,
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

    /// The protocol's `connection_made`; then data may come.
    pub(crate) fn connection_made(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        if let Some(protocol) = this.protocol(py) {
            let name = intern!(py, "connection_made");
            let told = this.context.run(py, || call_method(py, &protocol, name, &[this.object()]));
            if let Err(error) = told {
                let (owner, transport) = (this.owner.bind(py), this.object());
                report::callback_failed(owner, transport, Some(&protocol), "connection_made", error)?;
            }
        }
        this.state.with(|state| state.stream.endpoint.start());
        this.watch_what_is_wanted(this, py)
    }

    /// The kernel has reported the socket.
    pub(crate) fn ready(this: &Instance<Self>, py: Python<'_>, ready: Ready) -> PyResult<()> {
        let (may_read, layer) = this.state.with(|state| (state.stream.endpoint.wants_to_read(), state.layer));
        if ready.readable && may_read {
            Self::read(this, py, layer)?;
        }
        // Asked only now: what was read may have closed the connection.
        let may_write = this.state.with(|state| state.stream.wants_to_write());
        if ready.writable && may_write {
            Self::send_rest(this, py)?;
        }
        if (ready.readable && !may_read) || (ready.writable && !may_write) {
            return this.unwatch_what_is_unwanted(this, py);
        }
        Ok(())
    }

    /// Has the kernel watch for what the stream wants. What is no longer wanted stays watched until it is
    /// reported: protocols pause and resume far more often than data comes in between.
    fn watch_what_is_wanted(&self, this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        let core = self.owner.get(py);
        core.check_open()?;
        let mut bin = Vec::new();
        let result = self.state.with(|state| {
            if matches!(state.loan, Loan::Lent) {
                return Ok(());
            }
            let source = || Source::new(&SOURCE, this.object().clone_ref(py));
            let (fd, wanted) = (state.descriptor.fd(), state.wanted());
            state.registration.widen(core, fd, wanted, source, &mut bin)
        });
        drop(bin);
        match result {
            Err(error) => Self::fatal_error(this, py, error, WATCH_FAILED),
            Ok(()) => Ok(()),
        }
    }

    /// Something was reported that the stream does not want.
    fn unwatch_what_is_unwanted(&self, this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        let core = self.owner.get(py);
        let removed = self.state.with(|state| {
            let (fd, wanted) = (state.descriptor.fd(), state.wanted());
            state.registration.narrow(core, fd, wanted)
        });
        match removed {
            Err(error) => Self::fatal_error(this, py, error, WATCH_FAILED),
            Ok(_source) => Ok(()),
        }
    }

    /// Stops watching, whatever the stream wants.
    fn unwatch(&self, py: Python<'_>) {
        let core = self.owner.get(py);
        let removed = self.state.with(|state| state.registration.end(core));
        drop(removed);
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
) -> PyResult<Instance<Transport>> {
    let py = owner.py();
    let descriptor = PythonSocket::new(python_socket)?;
    let fd = descriptor.number();
    let peer = socket::peer_address(fd).ok().flatten();
    // The option fails for what is not TCP.
    let is_tcp = socket::set_nodelay(fd).is_ok();
    let extra = if extra.is_none() { None } else { Some(extra.call_method0(intern!(py, "copy"))?.into()) };
    let setup = Setup {
        descriptor: Descriptor::Python(descriptor),
        protocol: protocol.into(),
        context,
        server: (!server.is_none()).then(|| server.into()),
        extra,
        peer,
        joins_writes: is_tcp,
    };
    Transport::create(owner, setup)
}
