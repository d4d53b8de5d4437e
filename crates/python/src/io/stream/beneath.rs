//! A transport on another one's bytes: what `start_tls` makes of a connection.
//!
//! The one beneath goes on as it is, whatever its own layer, and has the socket, its registration and its
//! place with a server. The one on top stands where its protocol stood, natively: bytes, the end of file, room
//! and the end come here by calls, and what it has for the socket it writes there. It hands down only as much
//! as goes out, so that the rest counts for its own protocol's flow control. Its own end is that of the one
//! beneath.
//!
//! As the loop's thread knows both, each borrow of either's state ends before the other is called.

use std::io;

use ironloop_engine::stream::Way;
use pyo3::prelude::*;

use super::delivering::Failure;
use super::tls::Tls;
use super::writing::{SEND_FAILED, Written, after_eof};
use super::{Descriptor, OwnName, Setup, StreamTransport};
use crate::event_loop::LoopCore;
use crate::ffi::{Context, Instance, Object};
use crate::io::transport::{State as _, Transport};

type This<'a> = &'a Instance<StreamTransport>;

/// A transport with TLS for the protocol, on top of one that exists; none where that one is closed, or closing.
/// It begins in the next turn, with what came too early for it.
///
/// # Errors
/// What the one beneath has ended with; the end of file was written.
pub(crate) fn put_on(
    owner: &Bound<'_, LoopCore>,
    beneath: This<'_>,
    protocol: &Object,
    tls: Tls,
    early: &[u8],
) -> PyResult<Option<Instance<StreamTransport>>> {
    let py = owner.py();
    if beneath.is_closing() {
        return match beneath.state.with(|state| state.error.as_ref().map(|error| error.clone_ref(py))) {
            Some(error) => Err(PyErr::from_value(error.bind(py).clone())),
            None => Ok(None),
        };
    }
    beneath.state.with(|state| state.stream.way()).map_err(after_eof)?;
    tls.keep(py, early)?;
    let setup = Setup {
        descriptor: Descriptor::Beneath,
        protocol: protocol.clone_ref(py),
        context: Context::known(beneath.context.object().clone_ref(py)),
        server: None,
        extra: None,
        own: OwnName::Asked(None),
        peer: None,
        joins_writes: false,
        tls: Some(tls),
    };
    let this = StreamTransport::create_on(owner, setup, Some(beneath.clone_ref(py)))?;
    if beneath.state.with(|state| state.stream.endpoint.is_writing_paused()) {
        this.state.with(|state| state.stream.endpoint.take_over_paused_writing());
    }
    // Nothing may come before the handshake is begun.
    beneath.pause_reading();
    let own = this.object().clone_ref(py);
    let old = beneath.state.with(|state| {
        state.receiver = None;
        state.protocol.replace(own)
    });
    drop(old);
    StreamTransport::begin(&this, py);
    Ok(Some(this))
}

/// Beneath: what it tells of the connection.
impl StreamTransport {
    /// The transport that was put onto this one.
    pub(super) fn on_top(&self, py: Python<'_>) -> Option<Instance<Self>> {
        self.state.with(|state| Some(Instance::<Self>::of(state.protocol.as_ref()?)?.clone_ref(py)))
    }

    /// Whether it takes more at once: it stands, and nothing waits in it.
    fn takes(&self) -> bool {
        self.state.with(|state| state.stream.way()) == Ok(Way::Kernel)
            && self.layer.takes()
            && self.beneath.as_ref().is_none_or(|beneath| beneath.takes())
    }

    /// Bytes for a transport on top.
    pub(super) fn deliver_up(py: Python<'_>, top: &Object, data: &[u8]) -> Result<(), Failure> {
        let Some(top) = Instance::<Self>::of(top) else { return Ok(()) };
        if top.is_lost() {
            return Ok(());
        }
        top.layer.received(top, py, None, data)?;
        if let Some(beneath) = &top.beneath
            && top.state.with(|state| state.stream.endpoint.is_reading_paused())
        {
            // Somebody has resumed the one beneath.
            beneath.pause_reading();
        }
        Ok(())
    }

    /// Whoever is on top may have more for the socket.
    pub(super) fn tell_of_room(&self, py: Python<'_>) -> PyResult<()> {
        match self.on_top(py) {
            Some(top) if self.takes() => Self::go_on(&top, py),
            _ => Ok(()),
        }
    }

    /// It is over, for this reason, as the one beneath is. The protocol hears of it in the next turn.
    pub(super) fn end_with_beneath(this: This<'_>, py: Python<'_>, error: Option<Object>) -> PyResult<()> {
        let knows = this.layer.lost(py, error.as_ref())?;
        let (_unsent, _old) = this.state.with(|state| {
            let unsent = state.stream.abort();
            state.count_unsent();
            (unsent, std::mem::replace(&mut state.error, error))
        });
        if knows {
            Self::end(this, py);
            return Ok(());
        }
        Self::let_go(this, py)
    }

    /// Nothing goes in or out any more, and nobody has been told yet.
    pub(super) fn mark_lost(&self, py: Python<'_>) {
        let _unsent = self.state.with(|state| {
            let unsent = state.stream.abort();
            state.count_unsent();
            unsent
        });
        if let Some(top) = self.on_top(py) {
            top.mark_lost(py);
        }
    }
}

/// On top: what it does by the one beneath.
impl StreamTransport {
    /// Bytes for the socket, of which there is at least one.
    pub(super) fn hand_down(
        this: This<'_>,
        py: Python<'_>,
        beneath: This<'_>,
        way: Way,
        written: Written<'_>,
    ) -> PyResult<()> {
        if way == Way::Kernel && beneath.takes() {
            if let Err(error) = beneath.pass_on(beneath, py, Written::Borrowed(written.bytes())) {
                return Self::fatal_error(this, py, error, SEND_FAILED);
            }
            if beneath.takes() {
                return Ok(());
            }
            this.state.with(|state| state.stream.refused());
        } else {
            this.state.with(|state| written.keep(&mut state.stream, 0));
        }
        Self::follow_up(this, py)
    }

    /// Our side of the connection ends, behind all that was handed down.
    pub(super) fn end_beneath(&self, py: Python<'_>) -> PyResult<io::Result<()>> {
        let Some(beneath) = &self.beneath else { return Ok(Ok(())) };
        beneath.state.with(|state| state.stream.write_eof());
        Self::take_steps(beneath, py)
    }

    /// Whether there is a side of the connection to end, and not only all of it.
    pub(super) fn has_sides(&self) -> bool {
        self.beneath.as_ref().is_none_or(|beneath| beneath.layer.can_write_eof())
    }

    /// There is room beneath.
    fn go_on(this: This<'_>, py: Python<'_>) -> PyResult<()> {
        let Some(beneath) = &this.beneath else { return Ok(()) };
        let outgoing = this.state.with(|state| {
            state.stream.writable();
            state.stream.take_outgoing()
        });
        for chunk in outgoing.into_chunks() {
            beneath.pass_on(beneath, py, Written::Whole(chunk))?;
        }
        if beneath.takes() {
            this.layer.drained(this, py)?;
        }
        this.note_refusal();
        Self::follow_up(this, py)?;
        this.tell_of_room(py)
    }

    /// Where the one beneath has no room, what waits here counts.
    pub(super) fn note_refusal(&self) {
        if let Some(beneath) = &self.beneath
            && !beneath.takes()
        {
            self.state.with(|state| state.stream.refused());
        }
    }

    /// Whether something can be written at once.
    pub(super) fn has_room(&self) -> bool {
        self.state.with(|state| state.stream.way()) == Ok(Way::Kernel)
            && self.beneath.as_ref().is_none_or(|beneath| beneath.takes())
    }

    /// Has the one beneath read if anything is wanted.
    pub(super) fn watch_beneath(&self, py: Python<'_>, beneath: This<'_>) -> PyResult<()> {
        if self.state.with(|state| state.stream.endpoint.wants_to_read()) {
            return Self::resume_reading(beneath, py);
        }
        Ok(())
    }
}
