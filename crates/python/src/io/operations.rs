//! Operations on a user's own socket, for the coroutines of `sock_calls`.
//!
//! Each is tried at once, unless the socket is known to refuse it; then it waits for the next edge. The
//! socket stays registered between operations, so one that waits costs no more system calls than one that
//! does not.

use crate::ffi::intern::intern;
use crate::ffi::raise::value_of;
use ironloop_driver::{RawFd, Ready};
use ironloop_engine::Slot;
use ironloop_reactor::{Known, Refusal, Side, Watcher};
use ironloop_trace::Reason;
use pyo3::prelude::*;

use super::socket_work::{Attempt, Operation, Work};
use super::watch::{Identity, State, UserWatch};
use crate::event_loop::handle::AnyHandle;
use crate::event_loop::running::Running;
use crate::event_loop::{LoopCore, Source, SourceKind};
use crate::ffi::call::call_method;
use crate::ffi::imports;
use crate::ffi::{Instance, Object, PythonSocket};
use crate::waiting::waiter::{Waiter, future_is_done, set_result};

/// What has come of an operation.
pub(super) enum Operated {
    Done(Object),
    /// The socket is not ready; the future is done when it was, and the operation is.
    Waits(Waiter),
}

impl LoopCore {
    /// Does it now, or as soon as the socket is ready.
    pub(super) fn operate(
        slf: &Bound<'_, Self>,
        socket: &Bound<'_, PyAny>,
        mut work: Work,
    ) -> PyResult<Operated> {
        let (py, core) = (slf.py(), slf.get());
        if core.is_debug() || !socket.get_type().is(imports::socket(py)?) {
            slf.call_method1(intern!(py, "_check_socket"), (socket,))?;
        }
        if let Some(result) = work.empty_result(py)? {
            return Ok(Operated::Done(result));
        }
        let own = PythonSocket::new(socket)?;
        let fd = own.fd();
        let side = work.side();

        let known = core.with_user_watch(fd, |state| state.known(socket, side)).unwrap_or(Known::Nothing);
        if known != Known::Refuses {
            if let Attempt::Done { result, drained } = core.attempt(py, fd, &mut work)? {
                if drained && known == Known::Registered {
                    core.with_user_watch(fd, |state| state.drained(side));
                }
                return Ok(Operated::Done(result));
            }
        }
        let waiter = Waiter::on(Running::Native(slf.clone()))?;
        let reason = if side == Side::Reader { Reason::SocketRead } else { Reason::SocketWrite };
        waiter.is_for_descriptor(reason, fd);
        let operation = Operation { work, socket: own, future: waiter.future().clone_ref(py) };
        if known == Known::Nothing {
            slf.call_method1(intern!(py, "_ensure_fd_no_transport"), (fd,))?;
            let identity =
                Identity { weak: Object::weak(socket)?, reads_whole: imports::is_internet_stream(socket)? };
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
        Ok(Operated::Waits(waiter))
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

    /// Lets go of one operation that nobody waits for any more, and of the buffer that it holds.
    pub(super) fn forget(slf: &Bound<'_, Self>, socket: &Bound<'_, PyAny>, future: &Object) -> PyResult<()> {
        let fd = PythonSocket::new(socket)?.fd();
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
        Ok(())
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
    discard: |py, object| {
        let Some(it) = UserWatch::of(object) else { return };
        for waiting in it.state.with(std::mem::take).watch.into_watchers() {
            if let Watcher::Callback(handle) = waiting {
                handle.callback().spend(py);
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
                if future_is_done(py, &operation.future)? {
                    continue;
                }
                match core.attempt(py, operation.socket.fd(), &mut operation.work) {
                    Ok(Attempt::Done { result, drained }) => {
                        if drained {
                            self.state.with(|state| state.drained(side));
                        }
                        set_result(py, &operation.future, result)?;
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
    fn known(&self, socket: &Bound<'_, PyAny>, side: Side) -> Known {
        match &self.identity {
            Some(identity) if identity.weak.leads_to(socket) => self.watch.known(side),
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
