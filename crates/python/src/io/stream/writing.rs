//! From the protocol to the kernel, past the layer between.
//!
//! What is written is the kernel's when `write` returns, as far as it has room: nobody can tell when our
//! bytes leave from when asyncio's do. Where a connection is known to write several times in a row (a head,
//! then a body) the kernel is told that more follows, and makes one segment of it
//! (`docs/design/writes-in-bursts.md`).

use std::io::{self, IoSlice};

use ironloop_driver::socket::{Follow, MAX_SLICES};
use ironloop_driver::{Driver, RawFd};
use ironloop_engine::Stream;
pub(super) use ironloop_engine::stream::Way;
use ironloop_engine::stream::{AfterEof, FlowChange, Outgoing, Step};
use pyo3::exceptions::{PyNotImplementedError, PyRuntimeError, PyTypeError};
use pyo3::prelude::*;

use super::chunk::Chunk;
use super::{PUSH, StreamTransport};
use crate::event_loop::Item;
use crate::event_loop::recorder::{self, Op};
use crate::ffi::buffer::Buffer;
use crate::ffi::error::os_error;
use crate::ffi::stock::{self, Taker};
use crate::ffi::{Arg, Bytes, Instance};
use crate::io::transport::{State as _, Transport, report};

pub(super) const SEND_FAILED: &str = "Fatal write error on socket transport";

/// What the kernel said to an offer.
enum Offer {
    Done,
    Again,
    Failed(io::Error),
}

pub(super) fn after_eof(_: AfterEof) -> PyErr {
    PyRuntimeError::new_err("Cannot call write() after write_eof()")
}

/// Bytes on their way to the kernel, and how what it leaves of them is kept.
pub(super) enum Written<'a> {
    /// Never change, and are kept as they are.
    Whole(Chunk),
    /// May change once we return: the rest is copied.
    Borrowed(&'a [u8]),
}

impl Written<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Whole(chunk) => chunk.as_ref(),
            Self::Borrowed(bytes) => bytes,
        }
    }

    /// The object that these bytes are.
    pub(super) fn object(&self) -> Option<&Bytes> {
        match self {
            Self::Whole(Chunk::Python(bytes)) => Some(bytes),
            Self::Whole(_) | Self::Borrowed(_) => None,
        }
    }

    /// As something that stays, and how much of that comes before the rest.
    pub(super) fn rest(self, done: usize) -> (Chunk, usize) {
        match self {
            Self::Whole(chunk) => (chunk, done),
            Self::Borrowed(bytes) => (Chunk::Own(bytes[done..].into()), 0),
        }
    }

    /// All but the first `sent` bytes.
    pub(super) fn keep(self, stream: &mut Stream<Chunk>, sent: usize) {
        let (chunk, sent) = self.rest(sent);
        stream.keep(chunk, sent);
    }
}

/// The kernel has room again: it is offered what waits.
pub(super) fn send_rest(this: &Instance<StreamTransport>, py: Python<'_>) -> PyResult<()> {
    this.state.with(|state| state.stream.writable());
    loop {
        match this.offer(py) {
            Offer::Again => {}
            Offer::Done => break,
            Offer::Failed(error) => {
                return StreamTransport::fatal_error(this, py, os_error(error), SEND_FAILED);
            }
        }
    }
    this.layer.drained(this, py)?;
    StreamTransport::follow_up(this, py)?;
    this.tell_of_room(py)
}

/// Does what follows from what the kernel has left.
pub(super) fn follow_up(this: &Instance<StreamTransport>, py: Python<'_>) -> PyResult<()> {
    match StreamTransport::take_steps(this, py)? {
        // The peer is gone: who reads hears how.
        Err(error) if error.kind() != io::ErrorKind::NotConnected => {
            return StreamTransport::fatal_error(this, py, os_error(error), SEND_FAILED);
        }
        _ => {}
    }
    let (full, drained) = this.state.with(|state| {
        state.count_unsent();
        (state.stream.wants_to_write(), state.loan.awaited() && state.stream.is_drained())
    });
    if drained {
        this.tell_of_drained(py)?;
    }
    if full { StreamTransport::watch(this, py) } else { Ok(()) }
}

impl StreamTransport {
    pub(crate) fn write(this: &Instance<Self>, py: Python<'_>, data: Arg<'_>) -> PyResult<()> {
        if let Some(bytes) = Bytes::exact(py, data) {
            return this.pass_on(this, py, Written::Whole(Chunk::Python(bytes)));
        }
        let object = data.bind(py);
        Buffer::lend(&object, |bytes| this.pass_on(this, py, Written::Borrowed(bytes))).unwrap_or_else(|_| {
            if this.layer.tls().is_some() {
                let kind = object.get_type().name()?;
                return Err(PyTypeError::new_err(format!(
                    "data: expecting a bytes-like instance, got {kind}"
                )));
            }
            Err(stock::refusal(&object, Taker::Write))
        })
    }

    /// Refuses what may not be written, and drops what comes too late.
    pub(super) fn pass_on(
        &self,
        this: &Instance<Self>,
        py: Python<'_>,
        written: Written<'_>,
    ) -> PyResult<()> {
        if self.layer.is_closing() {
            return if written.bytes().is_empty() { Ok(()) } else { self.warn_of_dropped(py) };
        }
        let (way, lent) = self.state.with(|state| (state.stream.way(), state.loan.forbids_writes()));
        let way = way.map_err(after_eof)?;
        if lent {
            return Err(PyRuntimeError::new_err("unable to write; sendfile is in progress"));
        }
        match way {
            _ if written.bytes().is_empty() => Ok(()),
            Way::Nowhere => self.warn_of_dropped(py),
            way => self.layer.written(this, py, way, written),
        }
    }

    /// Bytes for the socket, of which there is at least one; what the kernel has no room for is kept.
    pub(super) fn send_or_keep(
        &self,
        this: &Instance<Self>,
        py: Python<'_>,
        way: Way,
        written: Written<'_>,
    ) -> PyResult<()> {
        if let Some(beneath) = &self.beneath {
            return Self::hand_down(this, py, beneath, way, written);
        }
        let sent = if way == Way::Kernel {
            match self.send(this, py, written.bytes()) {
                Ok(sent) if sent == written.bytes().len() => return Ok(()),
                Ok(sent) => sent,
                Err(error) => return Self::fatal_error(this, py, os_error(error), SEND_FAILED),
            }
        } else {
            0
        };
        self.state.with(|state| written.keep(&mut state.stream, sent));
        Self::follow_up(this, py)
    }

    /// How many bytes the kernel takes.
    pub(super) fn send(&self, this: &Instance<Self>, py: Python<'_>, bytes: &[u8]) -> io::Result<usize> {
        let core = self.owner.get(py);
        let callback = if core.runs_here() { Some(core.callback()) } else { None };
        let (result, first, fd) = self.state.with(|state| {
            let more = match (&mut state.bursts, callback) {
                (Some(bursts), Some(callback)) => bursts.write(callback),
                _ => false,
            };
            let follow = if more { Follow::More } else { Follow::Nothing };
            let fd = state.descriptor.fd();
            let result = loop {
                match core.driver.send(fd, bytes, follow) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(0),
                    result => break result,
                }
            };
            let was_held = std::mem::replace(&mut state.held, more);
            (result, more && !was_held, fd)
        });
        if let Ok(sent) = result {
            recorder::moved(core, fd, Op::Sent, sent);
        }
        if first {
            core.push_afterwards(Item::Other(&PUSH, this.object().clone_ref(py)));
        }
        result
    }

    /// Whoever writes has nothing more to write for now: what the kernel has waited with goes out.
    pub(crate) fn push(&self, py: Python<'_>) {
        if let Some(beneath) = &self.beneath {
            return beneath.push(py);
        }
        let driver = &self.owner.get(py).driver;
        self.state.with(|state| {
            if std::mem::take(&mut state.held) {
                // A broken connection is met by who reads or writes next.
                let _ = driver.push(state.descriptor.fd());
            }
        });
    }

    /// `drain`: what is written now is a burst of its own.
    pub(crate) fn end_burst(&self, py: Python<'_>) {
        if let Some(beneath) = &self.beneath {
            return beneath.end_burst(py);
        }
        self.push(py);
        self.state.with(|state| {
            if let Some(bursts) = &mut state.bursts {
                bursts.end();
            }
        });
    }

    fn offer(&self, py: Python<'_>) -> Offer {
        let core = self.owner.get(py);
        let driver = &core.driver;
        self.state.with(|state| {
            let Some(outgoing) = state.stream.offer() else {
                return Offer::Done;
            };
            let fd = state.descriptor.fd();
            let (result, offered) = match outgoing.single() {
                Some(bytes) => (driver.send(fd, bytes, Follow::Nothing), bytes.len()),
                None => Self::offer_slices(driver, fd, outgoing),
            };
            match result {
                Ok(sent) => {
                    recorder::moved(core, fd, Op::Sent, sent);
                    state.stream.sent(sent);
                    // A short send has filled the kernel's buffer: asking again would only be refused.
                    if sent < offered {
                        state.stream.refused();
                    }
                    Offer::Again
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        state.stream.refused();
                        Offer::Done
                    }
                    io::ErrorKind::Interrupted => Offer::Again,
                    _ => Offer::Failed(error),
                },
            }
        })
    }

    /// Sends several chunks in one call; returns how much was offered as well.
    fn offer_slices(driver: &Driver, fd: RawFd, outgoing: &Outgoing<Chunk>) -> (io::Result<usize>, usize) {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut count = 0;
        for (place, bytes) in slices.iter_mut().zip(outgoing.slices()) {
            *place = IoSlice::new(bytes);
            count += 1;
        }
        let slices = &slices[..count];
        (driver.send_vectored(fd, slices), slices.iter().map(|slice| slice.len()).sum())
    }

    /// Does all that the stream machine asks for. The inner error is a failed shutdown.
    pub(super) fn take_steps(this: &Instance<Self>, py: Python<'_>) -> PyResult<io::Result<()>> {
        while let Some(step) = this.state.with(|state| state.stream.step()) {
            match step {
                Step::Flow(change) => this.tell_of_flow(this, py, change)?,
                Step::Lose => match &this.beneath {
                    Some(beneath) => Self::close(beneath, py)?,
                    None => Self::lose(this, py)?,
                },
                Step::ShutDown if this.beneath.is_some() => {
                    if let Err(error) = this.end_beneath(py)? {
                        return Ok(Err(error));
                    }
                }
                Step::ShutDown => {
                    let fd = this.state.with(|state| state.descriptor.fd());
                    if let Err(error) = this.owner.get(py).driver.shutdown_write(fd) {
                        return Ok(Err(error));
                    }
                }
            }
        }
        Ok(Ok(()))
    }

    fn tell_of_flow(&self, this: &Instance<Self>, py: Python<'_>, change: FlowChange) -> PyResult<()> {
        let Some(protocol) = self.protocol(py) else {
            return Ok(());
        };
        if let Some(top) = Instance::<Self>::of(&protocol) {
            // It asks whether there is room. But its protocol may have been told to pause before it was there.
            if change == FlowChange::Resume {
                top.state.with(|state| state.stream.ease());
                return Self::follow_up(top, py);
            }
            return Ok(());
        }
        let hold = self.state.with(|state| state.stream.hold());
        let told = report::tell_of_flow(self.owner.bind(py), this.object(), &protocol, change);
        self.state.with(|state| state.stream.release(hold));
        told
    }

    /// An end of file that the kernel refuses is the caller's business, as in asyncio.
    pub(super) fn write_eof(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        if !this.layer.can_write_eof() {
            return Err(PyNotImplementedError::new_err(()));
        }
        this.state.with(|state| state.stream.write_eof());
        Self::take_steps(this, py)?.map_err(os_error)
    }
}
