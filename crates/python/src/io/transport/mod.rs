//! What the transports of streams and of datagrams do alike: errors, flow, the end, and the methods that
//! Python calls.
//!
//! A transport belongs to its loop's thread; each borrow of its state lasts for one decision. Nothing here
//! knows one kind from the other: what is a kind's own it says through [`SocketTransport`].

pub(crate) mod methods;
pub(crate) mod report;

use ironloop_engine::Endpoint;
use pyo3::prelude::*;

use crate::event_loop::{Item, LoopCore};
use crate::ffi::cell::LoopCell;
use crate::ffi::raise::value_of;
use crate::ffi::{Instance, Native, Object, Shared};

/// What the state of either kind has.
pub(crate) trait State: Send {
    /// What waited, when the end comes before it is sent.
    type Unsent;

    fn endpoint(&mut self) -> &mut Endpoint;

    /// How much waits, in bytes.
    fn buffered(&self) -> usize;

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

/// The transport of a socket. What is handed over, or taken out, is dropped with nothing borrowed.
pub(crate) trait SocketTransport: Native {
    type State: State;

    fn owner(&self) -> &Shared<LoopCore>;

    fn state(&self) -> &LoopCell<Self::State>;

    /// Closed by its owner: nothing more is read, and the protocol is told once all is sent.
    fn close(this: &Instance<Self>, py: Python<'_>) -> PyResult<()>;

    /// Does all that the machine asks for.
    fn follow_up(this: &Instance<Self>, py: Python<'_>) -> PyResult<()>;

    /// Has the kernel watch for what is wanted.
    fn watch(this: &Instance<Self>, py: Python<'_>) -> PyResult<()>;

    /// Stops watching.
    fn unwatch(&self, py: Python<'_>);

    /// Has the loop tell the protocol of the end in the next turn.
    fn announce_end(this: &Instance<Self>, py: Python<'_>) -> PyResult<Item>;

    /// Nobody has to be told any more: lets the protocol, the socket, all go.
    fn let_go(this: &Instance<Self>, py: Python<'_>) -> PyResult<()>;

    fn protocol(&self, py: Python<'_>) -> Option<Object> {
        self.state().with(|state| state.protocol().map(|protocol| protocol.clone_ref(py)))
    }

    fn is_closing(&self) -> bool {
        self.state().with(|state| state.endpoint().is_closing())
    }

    fn pause_reading(&self) {
        self.state().with(|state| state.endpoint().pause_reading());
    }

    fn resume_reading(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        if this.state().with(|state| state.endpoint().resume_reading()) {
            Self::watch(this, py)?;
        }
        Ok(())
    }

    /// The end, now.
    fn force_close(this: &Instance<Self>, py: Python<'_>, error: Option<Object>) -> PyResult<()> {
        let (unsent, old) = this.state().with(|state| match state.abort() {
            Some(unsent) => (Some(unsent), std::mem::replace(state.error(), error)),
            None => (None, error),
        });
        drop(old);
        match unsent {
            Some(_unsent) => Self::lose(this, py),
            None => Ok(()),
        }
    }

    /// All is over: nothing is watched any more, and the protocol is told in the next turn. Once the loop is
    /// closed there is none, and nobody is told.
    fn lose(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        this.unwatch(py);
        let core = this.owner().get(py);
        if core.check_open().is_err() {
            return Self::let_go(this, py);
        }
        core.push(Self::announce_end(this, py)?);
        Ok(())
    }

    /// Something was written that cannot be sent any more.
    fn warn_of_dropped(&self, py: Python<'_>) -> PyResult<()> {
        let count = self.state().with(|state| {
            let dropped = state.dropped();
            *dropped = dropped.saturating_add(1);
            *dropped
        });
        report::warn_of_dropped(py, count)
    }

    /// Reports an error that the transport does not survive, and ends it.
    fn fatal_error(this: &Instance<Self>, py: Python<'_>, error: PyErr, message: &str) -> PyResult<()> {
        let value = value_of(py, &error);
        let protocol = this.protocol(py);
        report::fatal(this.owner().bind(py), this.object(), protocol.as_ref(), error, message)?;
        Self::force_close(this, py, Some(value))
    }
}
