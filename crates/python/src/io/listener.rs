//! Listening sockets: from the kernel's queue to a protocol, without a Python socket in between.

use std::io;

use crate::ffi::intern::intern;
use ironloop_driver::{Interest, Trigger, socket};
use ironloop_engine::Slot;
use pyo3::prelude::*;

use crate::event_loop::{LoopCore, Source};
use crate::ffi::call::call;
use crate::ffi::error::os_error;
use crate::ffi::{Arguments, Context, Object, PythonSocket, method_of, owned};
use crate::io::stream::{Descriptor, Setup, Transport};

/// Connections that one event takes at most; more of them wait for the next turn.
const MOST_AT_ONCE: usize = 64;

/// A socket that a server listens on.
pub(crate) struct Listener {
    socket: PythonSocket,
    factory: Object,
    server: Object,
    context: Context,
    backlog: usize,
    /// Whether what it accepts is TCP.
    is_tcp: bool,
}

owned!(Listener { visits: socket, factory, server, context; ignores: backlog, is_tcp; });

impl Listener {
    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self {
            socket: self.socket.clone_ref(py),
            factory: self.factory.clone_ref(py),
            server: self.server.clone_ref(py),
            context: self.context.clone_ref(py),
            backlog: self.backlog,
            is_tcp: self.is_tcp,
        }
    }

    pub(crate) fn socket(&self) -> &Object {
        self.socket.object()
    }

    /// Takes the connections that wait.
    pub(crate) fn accept(&self, slf: &Bound<'_, LoopCore>, slot: Slot) -> PyResult<()> {
        for _ in 0..self.backlog.clamp(1, MOST_AT_ONCE) {
            let accepted = match socket::accept(self.socket.fd()) {
                Ok(accepted) => accepted,
                Err(error) => return self.accept_failed(slf, slot, error),
            };
            if let Err(error) = self.connect(slf, accepted) {
                // asyncio tells of a connection that could not be made in debug mode only.
                LoopCore::report_connection(slf, error)?;
            }
            // What was just told of its connection may have closed the server.
            if !slf.get().state.with(|state| state.sources.listens(slot)) {
                break;
            }
        }
        Ok(())
    }

    fn connect(&self, slf: &Bound<'_, LoopCore>, accepted: socket::Accepted) -> PyResult<()> {
        let py = slf.py();
        let context = self.context.copy(py)?;
        let protocol = context.run(py, || call(py, &self.factory, &[]))?;
        let setup = Setup {
            descriptor: Descriptor::Native(accepted.socket),
            protocol,
            context,
            server: Some(self.server.clone_ref(py)).filter(|server| !server.bind(py).is_none()),
            extra: None,
            peer: accepted.peer,
            joins_writes: self.is_tcp,
        };
        let transport = Transport::create(slf, setup)?;
        Transport::connection_made(&transport, py)
    }

    fn accept_failed(&self, slf: &Bound<'_, LoopCore>, slot: Slot, error: io::Error) -> PyResult<()> {
        use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
        if matches!(error.kind(), WouldBlock | Interrupted | ConnectionAborted) {
            return Ok(());
        }
        let py = slf.py();
        if !socket::is_exhausted(&error) {
            if self.socket.is_gone() {
                // Closed behind our back, while a copy lives: it will never be better.
                let number = self.socket.number();
                let removed =
                    slf.get().with_poller(|poller, sources| Ok(sources.remove_slot(poller, number, slot)));
                drop(removed);
            }
            let about = [("socket", Some(self.socket.object()))];
            return LoopCore::report(slf, "Exception in callback socket.accept()", os_error(error), &about);
        }
        let error = os_error(error);
        let arguments = (
            error.value(py),
            self.factory.bind(py),
            self.socket.object().bind(py),
            self.server.bind(py),
            self.backlog,
            self.context.object().bind(py),
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
    let [factory, socket, server, backlog, context] =
        arguments.exactly(py, "_listen", ["protocol_factory", "sock", "server", "backlog", "context"])?;
    let socket = PythonSocket::new(&socket.bind(py))?;
    let fd = socket.fd();
    // Accepted sockets inherit it; it fails for sockets that are not TCP.
    let is_tcp = socket::set_nodelay(fd).is_ok();
    let listener = Listener {
        socket,
        factory: factory.to_object(py),
        server: server.to_object(py),
        context: Context::from_argument(py, Some(context))?,
        backlog: backlog.bind(py).extract()?,
        is_tcp,
    };
    let mut bin = Vec::new();
    let result = slf.get().with_poller(|poller, sources| {
        sources
            .insert(poller, fd, (Interest::READABLE, Trigger::Level), Source::Listener(listener), &mut bin)
            .map(drop)
    });
    drop(bin);
    result?;
    Ok(Object::none(py))
}

pub(crate) fn methods() -> Vec<pyo3::ffi::PyMethodDef> {
    vec![method_of!(LoopCore, c"_listen", c"Accepts the connections of a listening socket.", listen)]
}
