//! Listening sockets: from the kernel's queue to a protocol, without a Python socket in between.

use std::ffi::CStr;
use std::io;
use std::os::fd::AsRawFd;

use crate::ffi::intern::intern;
use ironloop_driver::socket::Accepted;
use ironloop_driver::{Address, Interest, Poller, Trigger};
use ironloop_engine::Slot;
use ironloop_reactor::{Accept, Arrivals, Batch};
use pyo3::prelude::*;

use crate::event_loop::recorder::{self, Op};
use crate::event_loop::{LoopCore, Source, SourceKind, Sources};
use crate::ffi::call::call;
use crate::ffi::cell::LoopCell;
use crate::ffi::error::os_error;
use crate::ffi::{Arguments, Class, Context, Instance, Native, Object, PythonSocket, method_of, owned};
use crate::io::stream::{Asked, Descriptor, OwnName, Setup, StreamTransport, Tls, Waiter};
use crate::io::transport::Transport;

/// A socket that a server listens on.
pub(crate) struct Listener {
    socket: PythonSocket,
    factory: Object,
    server: Object,
    context: Context,
    backlog: usize,
    /// Whether what it accepts is TCP.
    is_tcp: bool,
    /// The own name of all that it accepts, where they have one.
    name: Option<Address>,
    /// What TLS is asked of its connections, and the same as Python has said it; None without.
    tls: Option<Asked>,
    tls_arguments: Object,
    arrivals: LoopCell<Arrivals>,
}

static CLASS: Class = Class::new();

impl Native for Listener {
    const NAME: &'static CStr = c"ironloop.Listener";
    const DOC: &'static CStr = c"A socket that accepts connections.";
    const OPEN: bool = false;
    const TRACKED: bool = true;
    const FINALIZES: bool = false;

    fn class() -> &'static Class {
        &CLASS
    }
}

// The loop lets go of it when it is closed.
owned!(Listener {
    visits: socket, factory, server, context, tls, tls_arguments;
    clears nothing;
    ignores: backlog, is_tcp, name, arrivals;
});

/// Listening sockets among the loop's sources.
pub(super) static LISTENER: SourceKind = SourceKind {
    ready: |slf, object, slot, _| Instance::<Listener>::of(object).map_or(Ok(()), |it| it.accept(slf, slot)),
    culprit: |_, _| None,
    hears_of_loss: |_| true,
    discard: |_, _| {},
};

impl Listener {
    pub(super) fn of_source(source: &Source) -> Option<&Instance<Self>> {
        Instance::of(source.object())
    }

    pub(super) fn socket(&self) -> &Object {
        self.socket.object()
    }

    /// Takes the connections that wait.
    fn accept(&self, slf: &Bound<'_, LoopCore>, slot: Slot) -> PyResult<()> {
        let turn = slf.get().turn_number();
        let mut batch = self.arrivals.with(|arrivals| arrivals.batch(turn, self.backlog));
        let result = self.accept_batch(slf, slot, &mut batch);
        self.arrivals.with(|arrivals| arrivals.learn(&batch));
        result
    }

    fn accept_batch(&self, slf: &Bound<'_, LoopCore>, slot: Slot, batch: &mut Batch) -> PyResult<()> {
        let core = slf.get();
        loop {
            let accepted = match batch.accept(&core.driver, self.socket.fd()) {
                Accept::Connection(accepted) => accepted,
                Accept::Done => return Ok(()),
                Accept::Exhausted(error) => return self.pause(slf, error),
                Accept::Failed(error) => return self.failed(slf, slot, error),
            };
            if let Err(error) = self.connect(slf, accepted) {
                // asyncio tells of a connection that could not be made in debug mode only.
                LoopCore::report_connection(slf, error)?;
            }
            // What was just told of its connection may have closed the server.
            let listens = |source: &Source| source.is_of(&LISTENER);
            if !core.state.with(|state| state.reactor.sources.get(slot).is_some_and(listens)) {
                return Ok(());
            }
        }
    }

    fn connect(&self, slf: &Bound<'_, LoopCore>, accepted: Accepted) -> PyResult<()> {
        let py = slf.py();
        let context = self.context.copy(py)?;
        let protocol = context.run(py, || call(py, &self.factory, &[]))?;
        let tls = match &self.tls {
            Some(asked) => Some(Tls::new(py, asked, Waiter::Nobody)?),
            None => None,
        };
        let fd = accepted.socket.as_raw_fd();
        let setup = Setup {
            descriptor: Descriptor::Native(accepted.socket),
            protocol,
            context,
            server: Some(self.server.clone_ref(py)).filter(|server| !server.bind(py).is_none()),
            extra: None,
            own: OwnName::Accepted(self.name.clone()),
            peer: accepted.peer,
            joins_writes: self.is_tcp,
            tls,
        };
        let transport = StreamTransport::create(slf, setup)?;
        recorder::moved(slf.get(), fd, Op::Accepted, 0);
        StreamTransport::connection_made(&transport, py)
    }

    fn failed(&self, slf: &Bound<'_, LoopCore>, slot: Slot, error: io::Error) -> PyResult<()> {
        if self.socket.is_gone() {
            // Closed behind our back, while a copy lives: it will never be better.
            let number = self.socket.number();
            let remove =
                |poller: &Poller, sources: &mut Sources| Ok(sources.remove_slot(poller, number, slot));
            drop(slf.get().with_poller(remove));
        }
        let about = [("socket", Some(self.socket.object()))];
        LoopCore::report(slf, "Exception in callback socket.accept()", os_error(error), &about)
    }

    /// There is no descriptor for another connection: the Python half tries again in a while.
    fn pause(&self, slf: &Bound<'_, LoopCore>, error: io::Error) -> PyResult<()> {
        let py = slf.py();
        let error = os_error(error);
        let arguments = (
            error.value(py),
            self.factory.bind(py),
            self.socket.object().bind(py),
            self.server.bind(py),
            self.backlog,
            self.context.object().bind(py),
            self.tls_arguments.bind(py),
        );
        slf.call_method1(intern!(py, "_accept_failed"), arguments).map(drop)
    }
}

impl LoopCore {
    fn report_connection(slf: &Bound<'_, Self>, error: PyErr) -> PyResult<()> {
        let message = "Error on transport creation for incoming connection";
        if slf.get().is_debug() || Self::passes_through(slf.py(), &error) {
            return Self::report(slf, message, error, &[]);
        }
        Ok(())
    }
}

fn listen(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = slf.py();
    let [factory, socket, server, backlog, context, tls] = arguments.exactly(
        py,
        "_listen",
        ["protocol_factory", "sock", "server", "backlog", "context", "tls"],
    )?;
    let socket = PythonSocket::new(&socket.bind(py))?;
    // Accepted sockets inherit it; it fails for sockets that are not TCP.
    let is_tcp = slf.get().driver.set_nodelay(socket.fd()).is_ok();
    let name = slf.get().driver.accepted_address(socket.fd());
    let listener = Listener {
        socket,
        factory: factory.to_object(py),
        server: server.to_object(py),
        context: Context::from_argument(py, Some(context))?,
        backlog: backlog.bind(py).extract()?,
        is_tcp,
        name,
        tls: if tls.is_none() { None } else { Some(Asked::of(&tls.bind(py))?) },
        tls_arguments: tls.to_object(py),
        arrivals: LoopCell::default(),
    };
    let listener = CLASS.instantiate(py, listener)?;
    // Asked only now: Python code has run since.
    let (fd, mut bin, wanted) = (listener.socket.fd(), Vec::new(), (Interest::READABLE, Trigger::Level));
    let result = slf.get().with_poller(|poller, sources| {
        sources.insert(poller, fd, wanted, Source::new(&LISTENER, listener.into_object()), &mut bin).map(drop)
    });
    drop(bin);
    result?;
    Ok(Object::none(py))
}

pub(crate) fn methods() -> Vec<pyo3::ffi::PyMethodDef> {
    vec![method_of!(LoopCore, c"_listen", c"Accepts the connections of a listening socket.", listen)]
}

pub(super) fn add_class(py: Python<'_>) -> PyResult<()> {
    CLASS.create_hidden::<Listener>(py, &[], &[], &[])
}
