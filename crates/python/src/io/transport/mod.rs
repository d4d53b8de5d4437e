//! What the transports of streams and of datagrams do alike: errors, flow, the end, and the methods that
//! Python calls.
//!
//! A transport belongs to its loop's thread; each borrow of its state lasts for one decision. Nothing here
//! knows one kind from the other: what is a kind's own it says through [`Transport`].

pub(crate) mod methods;
pub(crate) mod report;

use ironloop_driver::{Interest, RawFd, Ready};
use ironloop_engine::Endpoint;
use ironloop_engine::stream::Limits;
use pyo3::prelude::*;

use crate::event_loop::recorder::{self, Op};
use crate::event_loop::{Item, ItemKind, LoopCore, Open, Source, SourceKind};
use crate::ffi::cell::LoopCell;
use crate::ffi::raise::value_of;
use crate::ffi::{Instance, Native, Object, Shared};
use crate::io::Registration;

/// What the state of either kind has.
pub(crate) trait State: Send {
    /// What waited, when the end comes before it is sent.
    type Unsent;

    fn endpoint(&self) -> &Endpoint;

    fn endpoint_mut(&mut self) -> &mut Endpoint;

    fn wants_to_write(&self) -> bool;

    /// What the kernel should watch the socket for.
    fn wanted(&self) -> Interest {
        Interest { readable: self.endpoint().wants_to_read(), writable: self.wants_to_write() }
    }

    fn registration(&mut self) -> &mut Registration;

    /// How much waits, in bytes.
    fn buffered(&self) -> usize;

    /// What the loop counts of it, until all goes.
    fn open(&mut self) -> &mut Option<Open>;

    /// What waits has changed.
    fn count_unsent(&mut self) {
        let unsent = self.buffered();
        if let Some(open) = self.open() {
            open.holds(unsent);
        }
    }

    /// `None` if it is over already.
    fn abort(&mut self) -> Option<Self::Unsent>;

    /// Who is told; nobody once he knows that all is over.
    fn protocol(&self) -> Option<&Object>;

    /// Hands over the old one.
    fn set_protocol(&mut self, protocol: Object) -> Option<Object>;

    /// Why it all ended.
    fn error(&mut self) -> &mut Option<Object>;

    /// How many writes came too late to be sent.
    fn dropped(&mut self) -> &mut u32;
}

/// What the loop holds of the transports of a kind: among its sources, and in its queue.
pub(crate) struct Kinds {
    pub(crate) source: SourceKind,
    made: ItemKind,
    lost: ItemKind,
}

impl Kinds {
    pub(crate) const fn of<T: Transport>() -> Self {
        Self {
            source: SourceKind {
                ready: |slf, object, _, ready| {
                    Instance::<T>::of(object).map_or(Ok(()), |this| T::ready(this, slf.py(), ready))
                },
                culprit: |py, object| Some(object.clone_ref(py)),
                hears_of_loss: |_| true,
                discard: |_, _| {},
            },
            made: ItemKind {
                perform: |slf, object| {
                    note::<T>(slf.get(), object, Op::Opened);
                    Instance::<T>::of(object).map_or(Ok(()), |this| T::connection_made(this, slf.py()))
                },
                quiet: false,
            },
            lost: ItemKind {
                perform: |slf, object| {
                    note::<T>(slf.get(), object, Op::Closed);
                    Instance::<T>::of(object).map_or(Ok(()), |this| T::connection_lost(this, slf.py()))
                },
                quiet: false,
            },
        }
    }
}

fn note<T: Transport>(core: &LoopCore, object: &Object, op: Op) {
    if let Some(this) = Instance::<T>::of(object).filter(|_| core.is_watched()) {
        let fd = this.state().with(|state| this.fd(state));
        recorder::moved(core, fd, op, 0);
    }
}

/// The transport of a socket. What is handed over, or taken out, is dropped with nothing borrowed.
///
/// First what is a kind's own, then what all do.
pub(crate) trait Transport: Native {
    type State: State;

    fn kinds() -> &'static Kinds;

    fn owner(&self) -> &Shared<LoopCore>;

    fn state(&self) -> &LoopCell<Self::State>;

    /// The socket's number for a system call now: what was closed behind our back gives one that the kernel
    /// refuses. Not to be kept.
    fn fd(&self, state: &Self::State) -> RawFd;

    /// It has something to read, and may be read.
    fn readable(this: &Instance<Self>, py: Python<'_>) -> PyResult<()>;

    /// It has room, and something waits for that.
    fn writable(this: &Instance<Self>, py: Python<'_>) -> PyResult<()>;

    /// Has the kernel watch for what is wanted.
    fn watch(this: &Instance<Self>, py: Python<'_>) -> PyResult<()>;

    /// The kernel cannot be told that less is wanted.
    fn cannot_narrow(this: &Instance<Self>, py: Python<'_>, error: PyErr) -> PyResult<()>;

    /// The protocol's `connection_made`; then something may come in.
    fn connection_made(this: &Instance<Self>, py: Python<'_>) -> PyResult<()>;

    /// The protocol's `connection_lost`; then all goes.
    fn connection_lost(this: &Instance<Self>, py: Python<'_>) -> PyResult<()>;

    /// Closed by its owner: nothing more is read, and the protocol is told once all is sent.
    fn close(this: &Instance<Self>, py: Python<'_>) -> PyResult<()>;

    /// Does all that the machine asks for.
    fn follow_up(this: &Instance<Self>, py: Python<'_>) -> PyResult<()>;

    /// Whether nobody but us can close it, or has its number: then it may stay watched until it is closed.
    fn is_ours_alone(_state: &Self::State) -> bool {
        false
    }

    /// The protocol will be told of the end in the next turn.
    fn before_the_end(_this: &Instance<Self>, _py: Python<'_>) -> PyResult<()> {
        Ok(())
    }

    /// Nobody has to be told any more: lets the protocol, the socket, all go.
    fn let_go(this: &Instance<Self>, py: Python<'_>) -> PyResult<()>;

    /// Has the protocol told of the connection in the next turn.
    fn begin(this: &Instance<Self>, py: Python<'_>) {
        let core = this.owner().get(py);
        core.push(Item::Other(&Self::kinds().made, this.object().clone_ref(py)));
    }

    /// The kernel has reported the socket.
    fn ready(this: &Instance<Self>, py: Python<'_>, ready: Ready) -> PyResult<()> {
        Self::serve(this, py, ready)
    }

    /// What the kernel has reported is done, as far as it is wanted.
    fn serve(this: &Instance<Self>, py: Python<'_>, ready: Ready) -> PyResult<()> {
        let may_read = this.state().with(|state| state.endpoint().wants_to_read());
        if ready.readable && may_read {
            Self::readable(this, py)?;
        }
        // Asked only now: what was read may have closed the transport.
        let may_write = this.state().with(|state| state.wants_to_write());
        if ready.writable && may_write {
            Self::writable(this, py)?;
        }
        if (ready.readable && !may_read) || (ready.writable && !may_write) {
            return Self::narrow(this, py);
        }
        Ok(())
    }

    /// What is no longer wanted stays watched until it is reported: protocols pause and resume far more often
    /// than data comes in between.
    fn widen(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        let core = this.owner().get(py);
        let mut bin = Vec::new();
        let result = this.state().with(|state| {
            let source = || Source::new(&Self::kinds().source, this.object().clone_ref(py));
            let (fd, wanted) = (this.fd(state), state.wanted());
            state.registration().widen(core, fd, wanted, source, &mut bin)
        });
        drop(bin);
        result
    }

    /// Something was reported that is not wanted.
    fn narrow(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        let core = this.owner().get(py);
        let removed = this.state().with(|state| {
            let (fd, wanted) = (this.fd(state), state.wanted());
            state.registration().narrow(core, fd, wanted)
        });
        match removed {
            Ok(_source) => Ok(()),
            Err(error) => Self::cannot_narrow(this, py, error),
        }
    }

    /// Stops watching, whatever is wanted.
    fn unwatch(&self, py: Python<'_>) {
        let core = self.owner().get(py);
        let removed = self.state().with(|state| state.registration().end(core));
        drop(removed);
    }

    fn protocol(&self, py: Python<'_>) -> Option<Object> {
        self.state().with(|state| state.protocol().map(|protocol| protocol.clone_ref(py)))
    }

    fn is_closing(&self) -> bool {
        self.state().with(|state| state.endpoint().is_closing())
    }

    fn pause_reading(&self) {
        self.state().with(|state| state.endpoint_mut().pause_reading());
    }

    fn resume_reading(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        if this.state().with(|state| state.endpoint_mut().resume_reading()) {
            Self::watch(this, py)?;
        }
        Ok(())
    }

    /// The end, now.
    fn force_close(this: &Instance<Self>, py: Python<'_>, error: Option<Object>) -> PyResult<()> {
        force_close(this, py, error)
    }

    /// All is over: nothing that the kernel reports is wanted any more, and the protocol is told in the next
    /// turn. Once the loop is closed there is none, and nobody is told.
    fn lose(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        if !this.state().with(|state| Self::is_ours_alone(state)) {
            this.unwatch(py);
        }
        let core = this.owner().get(py);
        if core.check_open().is_err() {
            let untold = this.state().with(|state| state.error().take());
            drop(untold);
            return Self::let_go(this, py);
        }
        Self::before_the_end(this, py)?;
        Self::end(this, py);
        Ok(())
    }

    /// Has the protocol told of the end in the next turn.
    fn end(this: &Instance<Self>, py: Python<'_>) {
        let core = this.owner().get(py);
        core.push(Item::Other(&Self::kinds().lost, this.object().clone_ref(py)));
    }

    /// The marks of flow control, unless somebody sets others.
    fn default_limits(&self) -> Limits {
        Limits::default()
    }

    /// Somebody has set others. In plain text only what the kernel takes resumes a protocol, as in asyncio.
    fn limits_are_set(&self) {}

    /// Something was written that cannot be sent any more.
    fn warn_of_dropped(&self, py: Python<'_>) -> PyResult<()> {
        warn_of_dropped(self, py, report::SEND_FAILED)
    }

    /// Reports an error that the transport does not survive, and ends it.
    fn fatal_error(this: &Instance<Self>, py: Python<'_>, error: PyErr, message: &str) -> PyResult<()> {
        let value = value_of(py, &error);
        let protocol = this.protocol(py);
        report::fatal(this.owner().bind(py), this.object(), protocol.as_ref(), error, message)?;
        Self::force_close(this, py, Some(value))
    }
}

/// Ends what is not over yet, for this reason.
pub(crate) fn force_close<T: Transport>(
    this: &Instance<T>,
    py: Python<'_>,
    error: Option<Object>,
) -> PyResult<()> {
    let (unsent, old) = this.state().with(|state| match state.abort() {
        Some(unsent) => {
            state.count_unsent();
            (Some(unsent), std::mem::replace(state.error(), error))
        }
        None => (None, error),
    });
    drop(old);
    match unsent {
        Some(_unsent) => T::lose(this, py),
        None => Ok(()),
    }
}

pub(crate) fn warn_of_dropped<T: Transport>(transport: &T, py: Python<'_>, text: &str) -> PyResult<()> {
    let count = transport.state().with(|state| {
        let dropped = state.dropped();
        *dropped = dropped.saturating_add(1);
        *dropped
    });
    report::warn_of_dropped(py, count, text)
}
