//! Operations on a user's own socket: `sock_recv`, `sock_recv_into`, `sock_sendall`.
//!
//! Each is tried at once, unless the socket is known to refuse it; then it waits for the next edge. The socket stays
//! registered between operations, so one that waits costs no more system calls than one that does not.

use std::collections::VecDeque;
use std::io;

use crate::ffi::intern::intern;
use crate::ffi::raise::value_of;
use ironloop_driver::socket::{self, Follow};
use ironloop_driver::{RawFd, Ready};
use ironloop_engine::Slot;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::watch::{Identity, Readiness, Side, Waiter, Watch};
use crate::event_loop::handle::Handle;
use crate::event_loop::{LoopCore, Source};
use crate::ffi::buffer::Buffer;
use crate::ffi::call::call_method;
use crate::ffi::error::os_error;
use crate::ffi::imports;
use crate::ffi::socket::CLOSED;
use crate::ffi::{
    Arg, Arguments, Instance, Object, PythonSocket, Traverse, Visit, Visited, method_of, owned,
};

/// What is to be done with the socket.
enum Work {
    Receive { most: usize },
    ReceiveInto(Buffer),
    SendAll { data: Buffer, sent: usize },
}

impl Work {
    /// The result, if nothing is asked for: that asks nobody, as with Python's sockets.
    fn empty_result(&self, py: Python<'_>) -> PyResult<Option<Object>> {
        Ok(match self {
            Self::Receive { most: 0 } => Some(PyBytes::new(py, b"").into()),
            Self::ReceiveInto(buffer) if buffer.len() == 0 => Some(0_usize.into_pyobject(py)?.into()),
            Self::SendAll { data, .. } if data.len() == 0 => Some(Object::none(py)),
            _ => None,
        })
    }

    fn side(&self) -> Side {
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
pub(crate) struct Operation {
    work: Work,
    socket: PythonSocket,
    future: Object,
}

owned!(Operation { visits: future, socket, work; });

/// What one try gave.
enum Attempt {
    Done {
        result: Object,
        /// The kernel gave less than it was asked for: it has no more.
        drained: bool,
    },
    Refused,
}

impl LoopCore {
    fn attempt(&self, py: Python<'_>, fd: RawFd, work: &mut Work) -> PyResult<Attempt> {
        let result = match work {
            Work::Receive { most } => self.with_read_buffer(|buffer| {
                let most = buffer.len().min(*most);
                let count = socket::receive(fd, &mut buffer[..most])?;
                Ok((PyBytes::new(py, &buffer[..count]).into(), count < most))
            }),
            Work::ReceiveInto(buffer) => {
                let most = buffer.len();
                socket::receive(fd, buffer.bytes_mut())
                    .and_then(|count| Ok((number(py, count)?, count < most)))
            }
            Work::SendAll { data, sent } => loop {
                match socket::send(fd, &data.bytes()[*sent..], Follow::Nothing) {
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

    /// The result, if the operation can be done now; else a future of it.
    fn operate(slf: &Bound<'_, Self>, socket: Arg<'_>, mut work: Work) -> PyResult<Object> {
        let (py, core) = (slf.py(), slf.get());
        let socket = socket.bind(py);
        if core.is_debug() || !socket.get_type().is(imports::socket(py)?) {
            slf.call_method1(intern!(py, "_check_socket"), (&*socket,))?;
        }
        if let Some(result) = work.empty_result(py)? {
            return Ok(result);
        }
        let weak = Object::weak(&socket)?;
        let own = PythonSocket::new(&socket)?;
        let fd = own.fd();
        let side = work.side();

        let known = core.state.with(|state| match state.sources.at_mut(fd) {
            Some(Source::Watch(watch)) => watch.known(&weak, side),
            _ => Known::Nothing,
        });
        if known != Known::Refuses {
            if let Attempt::Done { result, drained } = core.attempt(py, fd, &mut work)? {
                if drained && known == Known::Registered {
                    core.state.with(|state| {
                        if let Some(Source::Watch(watch)) = state.sources.at_mut(fd) {
                            watch.refused(side, Refusal::Drained);
                        }
                    });
                }
                return Ok(result);
            }
        }
        let future: Object = slf.call_method0(intern!(py, "create_future"))?.into();
        let mut operation = Some(Operation { work, socket: own, future: future.clone_ref(py) });
        if known == Known::Nothing {
            slf.call_method1(intern!(py, "_ensure_fd_no_transport"), (fd,))?;
            let identity = Identity { weak, reads_whole: imports::is_internet_stream(&socket)? };
            core.enlist_new(identity, &mut operation)?;
        } else {
            core.state.with(|state| {
                let Some(Source::Watch(watch)) = state.sources.at_mut(fd) else { return };
                if known == Known::Registered {
                    watch.refused(side, Refusal::WouldBlock);
                }
                // Only operations wait on a socket that is known.
                watch.enlist(&mut operation);
            });
        }
        Ok(future)
    }

    /// The first wait of a socket: the kernel is told, and reports at once if it is ready by now.
    fn enlist_new(&self, identity: Identity, operation: &mut Option<Operation>) -> PyResult<()> {
        // Asked only now: Python code has run since the attempt.
        let fd = operation.as_ref().map_or(CLOSED, |operation| operation.socket.fd());
        let (mut bin, mut displaced) = (Vec::new(), Waiter::Nobody);
        let result = self.with_poller(|poller, sources| {
            let mut watch = match sources.at_mut(fd) {
                // The operations of another socket, closed meanwhile, stay behind; callbacks go by the number.
                Some(Source::Watch(old)) if !old.is_of(&identity) => old.take_callbacks(),
                Some(Source::Watch(old)) => std::mem::take(old),
                _ => Watch::default(),
            };
            watch.identity = Some(identity);
            (watch.readable, watch.writable) = (Readiness::Unknown, Readiness::Unknown);
            if let Some(side) = operation.as_ref().map(|operation| operation.work.side()) {
                watch.refused(side, Refusal::WouldBlock);
            }
            displaced = watch.enlist(operation);
            sources.insert(poller, fd, watch.wanted(), Source::Watch(watch), &mut bin).map(drop)
        });
        drop((bin, displaced));
        result
    }

    /// Completes what an event allows; returns the callbacks that it is for as well.
    pub(crate) fn complete_operations(
        slf: &Bound<'_, Self>,
        slot: Slot,
        ready: Ready,
    ) -> PyResult<[Option<Instance<Handle>>; 2]> {
        let (py, core) = (slf.py(), slf.get());
        for (side, is_ready) in [(Side::Reader, ready.readable), (Side::Writer, ready.writable)] {
            while let Some(mut operation) = core.next_operation(slot, side, is_ready) {
                if call_method(py, &operation.future, intern!(py, "done"), &[])?.bind(py).is_truthy()? {
                    continue;
                }
                match core.attempt(py, operation.socket.fd(), &mut operation.work) {
                    Ok(Attempt::Done { result, drained }) => {
                        if drained {
                            core.with_watch(slot, |watch| watch.refused(side, Refusal::Drained));
                        }
                        call_method(py, &operation.future, intern!(py, "set_result"), &[&result])?;
                    }
                    Ok(Attempt::Refused) => {
                        let mut operation = Some(operation);
                        core.with_watch(slot, |watch| {
                            watch.refused(side, Refusal::WouldBlock);
                            watch.put_back(&mut operation);
                        });
                    }
                    Err(error) => {
                        let error = value_of(py, &error);
                        call_method(py, &operation.future, intern!(py, "set_exception"), &[&error])?;
                    }
                }
            }
        }
        let mut callbacks = [None, None];
        let mut level = false;
        core.with_watch(slot, |watch| {
            callbacks = watch.callbacks(py, ready);
            level = watch.callback().is_some();
        });
        // A level that nobody waits for any more would be reported for ever.
        if level {
            core.with_poller(|poller, sources| sources.rewatch_slot(poller, slot))?;
        }
        Ok(callbacks)
    }

    fn with_watch(&self, slot: Slot, body: impl FnOnce(&mut Watch)) {
        self.state.with(|state| {
            if let Some(Source::Watch(watch)) = state.sources.get_mut(slot) {
                body(watch);
            }
        });
    }

    fn next_operation(&self, slot: Slot, side: Side, ready: bool) -> Option<Operation> {
        if !ready {
            return None;
        }
        self.state.with(|state| match state.sources.get_mut(slot) {
            Some(Source::Watch(watch)) => watch.next(side),
            _ => None,
        })
    }
}

/// What is known of a socket before an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Nothing,
    /// The kernel watches it.
    Registered,
    /// The kernel watches it, and nothing has come since it refused.
    Refuses,
}

/// Why a side is not worth a try until the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    WouldBlock,
    /// A read took all that there was.
    Drained,
}

impl Watch {
    fn known(&self, weak: &Object, side: Side) -> Known {
        if self.identity.as_ref().is_none_or(|identity| identity.weak.as_ptr() != weak.as_ptr()) {
            return Known::Nothing;
        }
        // With a callback on either side the kernel reports levels, and only of sides where somebody waits.
        if self.callback().is_some() {
            return Known::Nothing;
        }
        let (readiness, waiter) = match side {
            Side::Reader => (self.readable, &self.reader),
            Side::Writer => (self.writable, &self.writer),
        };
        match (readiness, waiter) {
            // Those who wait come first.
            (_, Waiter::Operations(_)) | (Readiness::Waiting, _) => Known::Refuses,
            _ => Known::Registered,
        }
    }

    fn is_of(&self, identity: &Identity) -> bool {
        self.identity.as_ref().is_none_or(|known| known.weak.as_ptr() == identity.weak.as_ptr())
    }

    /// A watch with the callbacks of this one, and without its operations.
    fn take_callbacks(&mut self) -> Self {
        let take = |waiter: &mut Waiter| match waiter {
            Waiter::Callback(_) => std::mem::take(waiter),
            _ => Waiter::Nobody,
        };
        Self { reader: take(&mut self.reader), writer: take(&mut self.writer), ..Self::default() }
    }

    fn refused(&mut self, side: Side, why: Refusal) {
        let reads_whole = self.identity.as_ref().is_some_and(|identity| identity.reads_whole);
        let readiness = match side {
            Side::Reader => &mut self.readable,
            Side::Writer => &mut self.writable,
        };
        // What would block is always reported when it no longer would. A short read is a guess, and after a hang-up
        // there may be no further edge to correct it.
        if why == Refusal::WouldBlock || (reads_whole && *readiness == Readiness::Unknown) {
            *readiness = Readiness::Waiting;
        }
    }

    /// Puts an operation behind those that wait; hands over a callback that stood there instead.
    fn enlist(&mut self, operation: &mut Option<Operation>) -> Waiter {
        let Some(operation) = operation.take() else { return Waiter::Nobody };
        let waiter = self.side(operation.work.side());
        if let Waiter::Operations(operations) = waiter {
            operations.push_back(operation);
            return Waiter::Nobody;
        }
        std::mem::replace(waiter, Waiter::Operations(VecDeque::from([operation])))
    }

    fn put_back(&mut self, operation: &mut Option<Operation>) {
        let Some(operation) = operation.take() else { return };
        let waiter = self.side(operation.work.side());
        if let Waiter::Operations(operations) = waiter {
            operations.push_front(operation);
        } else {
            *waiter = Waiter::Operations(VecDeque::from([operation]));
        }
    }

    /// The next operation of a side that may be tried.
    fn next(&mut self, side: Side) -> Option<Operation> {
        let waits = match side {
            Side::Reader => self.readable,
            Side::Writer => self.writable,
        } == Readiness::Waiting;
        let waiter = self.side(side);
        let Waiter::Operations(operations) = waiter else {
            return None;
        };
        if waits {
            return None;
        }
        let operation = operations.pop_front();
        if operations.is_empty() {
            *waiter = Waiter::Nobody;
        }
        operation
    }

    /// Takes out the operations whose futures `is_done`.
    fn take_done(&mut self, is_done: impl Fn(&Object) -> bool) -> Vec<Operation> {
        let mut taken = Vec::new();
        for waiter in [&mut self.reader, &mut self.writer] {
            let Waiter::Operations(operations) = waiter else {
                continue;
            };
            let (done, rest): (VecDeque<_>, VecDeque<_>) =
                std::mem::take(operations).into_iter().partition(|operation| is_done(&operation.future));
            taken.extend(done);
            *waiter = if rest.is_empty() { Waiter::Nobody } else { Waiter::Operations(rest) };
        }
        taken
    }
}

fn number(py: Python<'_>, count: usize) -> io::Result<Object> {
    count.into_pyobject(py).map(Object::from).map_err(io::Error::other)
}

fn receive(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let [socket, most] = arguments.exactly(slf.py(), "sock_recv", ["sock", "n"])?;
    let most: isize = most.bind(slf.py()).extract()?;
    let most = usize::try_from(most).map_err(|_| PyValueError::new_err("negative buffersize in recv"))?;
    LoopCore::operate(slf, socket, Work::Receive { most })
}

fn receive_into(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let [socket, buffer] = arguments.exactly(slf.py(), "sock_recv_into", ["sock", "buf"])?;
    LoopCore::operate(slf, socket, Work::ReceiveInto(Buffer::writable(&buffer.bind(slf.py()))?))
}

fn send_all(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let [socket, data] = arguments.exactly(slf.py(), "sock_sendall", ["sock", "data"])?;
    let data = Buffer::readable(&data.bind(slf.py()))?;
    LoopCore::operate(slf, socket, Work::SendAll { data, sent: 0 })
}

/// Lets go of one operation whose future was cancelled, and of the buffer that it holds.
fn forget(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = slf.py();
    let [socket, future] = arguments.exactly(py, "_forget_operation", ["sock", "future"])?;
    let fd: RawFd = socket.bind(py).call_method0(intern!(py, "fileno"))?.extract()?;
    let is_it = |known: &Object| known.as_ptr() == future.as_ptr();
    let taken = slf.get().state.with(|state| match state.sources.at_mut(fd) {
        Some(Source::Watch(watch)) => watch.take_done(is_it),
        // The socket was closed meanwhile, and no longer tells its number.
        _ => state.sources.watches().flat_map(|watch| watch.take_done(is_it)).collect(),
    });
    drop(taken);
    Ok(Object::none(py))
}

pub(crate) fn methods() -> Vec<pyo3::ffi::PyMethodDef> {
    vec![
        method_of!(LoopCore, c"_receive", c"Bytes, or a future of them.", receive),
        method_of!(LoopCore, c"_receive_into", c"A count, or a future of it.", receive_into),
        method_of!(LoopCore, c"_send_all", c"None, or a future of it.", send_all),
        method_of!(LoopCore, c"_forget_operation", c"Lets go of a cancelled operation.", forget),
    ]
}
