//! Operations on a user's own socket: `sock_recv`, `sock_recv_into`, `sock_sendall`.
//!
//! Each is tried at once, unless the socket is known to refuse it; then it waits for the next edge. The
//! socket stays registered between operations, so one that waits costs no more system calls than one that
//! does not.

use crate::ffi::intern::intern;
use crate::ffi::raise::value_of;
use ironloop_driver::{RawFd, Ready};
use ironloop_engine::Slot;
use ironloop_reactor::{Known, Refusal, Side, Watcher};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::socket_work::{Attempt, Operation, Work};
use super::watch::{Identity, State, UserWatch};
use crate::event_loop::{LoopCore, Source, SourceKind};
use crate::ffi::buffer::Buffer;
use crate::ffi::call::call_method;
use crate::ffi::imports;
use crate::ffi::{Arg, Arguments, Instance, Object, PythonSocket, method_of};

impl LoopCore {
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

        let known = core.with_user_watch(fd, |state| state.known(&weak, side)).unwrap_or(Known::Nothing);
        if known != Known::Refuses {
            if let Attempt::Done { result, drained } = core.attempt(py, fd, &mut work)? {
                if drained && known == Known::Registered {
                    core.with_user_watch(fd, |state| state.drained(side));
                }
                return Ok(result);
            }
        }
        let future: Object = slf.call_method0(intern!(py, "create_future"))?.into();
        let operation = Operation { work, socket: own, future: future.clone_ref(py) };
        if known == Known::Nothing {
            slf.call_method1(intern!(py, "_ensure_fd_no_transport"), (fd,))?;
            let identity = Identity { weak, reads_whole: imports::is_internet_stream(&socket)? };
            core.enlist_new(py, identity, operation)?;
        } else {
            let mut operation = Some(operation);
            // Only operations wait on a socket that is known.
            let displaced = core.with_user_watch(fd, |state| {
                if known == Known::Registered {
                    state.watch.refused(side, Refusal::WouldBlock);
                }
                operation.take().map(|operation| state.watch.enlist(side, operation))
            });
            drop((displaced, operation));
        }
        Ok(future)
    }

    /// The first wait of a socket: the kernel is told, and reports at once if it is ready by now.
    fn enlist_new(&self, py: Python<'_>, identity: Identity, operation: Operation) -> PyResult<()> {
        let new = UserWatch::make(py, State::default())?;
        // Asked only now: Python code has run since the attempt.
        let (fd, side) = (operation.socket.fd(), operation.work.side());
        let (mut bin, mut displaced) = (Vec::new(), Watcher::Nobody);
        let result = self.with_poller(|poller, sources| {
            let mut state = match UserWatch::at(sources, fd) {
                // The operations of another socket, closed meanwhile, stay behind; callbacks go by the
                // number.
                Some(old) => old.state.with(|old| {
                    if old.is_of(&identity) { std::mem::take(old) } else { old.take_callbacks() }
                }),
                None => State::default(),
            };
            state.identity = Some(identity);
            state.watch.forget_readiness();
            state.watch.refused(side, Refusal::WouldBlock);
            displaced = state.watch.enlist(side, operation);
            let wanted = state.wanted();
            new.state.with(|empty| *empty = state);
            sources.insert(poller, fd, wanted, Source::new(&USER, new.into_object()), &mut bin).map(drop)
        });
        drop((bin, displaced));
        result
    }

    /// The watch of a descriptor, if users wait for it.
    fn with_user_watch<R>(&self, fd: RawFd, body: impl FnOnce(&mut State) -> R) -> Option<R> {
        self.state.with(|state| UserWatch::at(&state.reactor.sources, fd).map(|it| it.state.with(body)))
    }
}

/// Users' descriptors among the loop's sources.
pub(super) static USER: SourceKind = SourceKind {
    ready: |slf, object, slot, ready| UserWatch::of(object).map_or(Ok(()), |it| it.ready(slf, slot, ready)),
    culprit: |py, object| {
        let callback = |state: &mut State| Some(state.watch.callback()?.object().clone_ref(py));
        UserWatch::of(object)?.state.with(callback)
    },
    // A user's callback is for a number, whoever has it.
    hears_of_loss: |object| {
        UserWatch::of(object).is_some_and(|it| it.state.with(|state| state.watch.has_operations()))
    },
    discard: |object| {
        let Some(it) = UserWatch::of(object) else { return };
        for waiting in it.state.with(std::mem::take).watch.into_watchers() {
            if let Watcher::Callback(handle) = waiting {
                handle.0.spend();
            }
        }
    },
};

impl UserWatch {
    fn ready(&self, slf: &Bound<'_, LoopCore>, slot: Slot, ready: Ready) -> PyResult<()> {
        let has_operations = self.state.with(|state| {
            state.watch.note(ready);
            state.watch.has_operations()
        });
        if has_operations {
            self.complete_operations(slf, slot, ready)?;
        }
        let handles = self.callbacks(slf.py(), ready);
        handles.iter().flatten().try_for_each(|handle| LoopCore::run_watcher(slf, handle))
    }

    /// Completes what an event allows.
    fn complete_operations(&self, slf: &Bound<'_, LoopCore>, slot: Slot, ready: Ready) -> PyResult<()> {
        let (py, core) = (slf.py(), slf.get());
        for (side, is_ready) in [(Side::Reader, ready.readable), (Side::Writer, ready.writable)] {
            if !is_ready {
                continue;
            }
            while let Some(mut operation) = self.state.with(|state| state.watch.next(side)) {
                if call_method(py, &operation.future, intern!(py, "done"), &[])?.bind(py).is_truthy()? {
                    continue;
                }
                match core.attempt(py, operation.socket.fd(), &mut operation.work) {
                    Ok(Attempt::Done { result, drained }) => {
                        if drained {
                            self.state.with(|state| state.drained(side));
                        }
                        call_method(py, &operation.future, intern!(py, "set_result"), &[&result])?;
                    }
                    Ok(Attempt::Refused) => {
                        let displaced = self.state.with(|state| {
                            state.watch.refused(side, Refusal::WouldBlock);
                            state.watch.put_back(side, operation)
                        });
                        drop(displaced);
                    }
                    Err(error) => {
                        let error = value_of(py, &error);
                        call_method(py, &operation.future, intern!(py, "set_exception"), &[&error])?;
                    }
                }
            }
        }
        let (level, wanted) = self.state.with(|state| (state.watch.callback().is_some(), state.wanted()));
        // A level that nobody waits for any more would be reported for ever.
        if level {
            // A stale descriptor is not watched anyway.
            let _ = core.with_poller(|poller, sources| match sources.fd(slot) {
                Some(fd) => sources.modify(poller, fd, slot, wanted),
                None => Ok(()),
            });
        }
        Ok(())
    }
}

impl State {
    fn known(&self, weak: &Object, side: Side) -> Known {
        match &self.identity {
            Some(identity) if identity.weak.as_ptr() == weak.as_ptr() => self.watch.known(side),
            _ => Known::Nothing,
        }
    }

    fn is_of(&self, identity: &Identity) -> bool {
        self.identity.as_ref().is_none_or(|known| known.weak.as_ptr() == identity.weak.as_ptr())
    }

    fn take_callbacks(&mut self) -> Self {
        Self { watch: self.watch.take_callbacks(), ..Self::default() }
    }

    /// A read took all that there was.
    fn drained(&mut self, side: Side) {
        let certain = self.identity.as_ref().is_some_and(|identity| identity.reads_whole);
        self.watch.refused(side, Refusal::Drained { certain });
    }
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
    let take = |it: &Instance<UserWatch>| {
        it.state.with(|state| state.watch.take_operations(|operation| is_it(&operation.future)))
    };
    let taken: Vec<_> = slf.get().state.with(|state| match UserWatch::at(&state.reactor.sources, fd) {
        Some(it) => take(it),
        // The socket was closed meanwhile, and no longer tells its number.
        None => state.reactor.sources.iter().filter_map(UserWatch::of_source).flat_map(take).collect(),
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
