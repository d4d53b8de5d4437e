//! From the protocol to the kernel.

use std::io::{self, IoSlice};

use ironloop_driver::RawFd;
use ironloop_driver::socket::{self, MAX_SLICES};
use ironloop_engine::stream::{AfterEof, FlowChange, Outgoing, Step, Written};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;

use super::{Transport, common};
use crate::error::os_error;
use crate::ffi::buffer::Buffer;
use crate::ffi::{Arg, Chunk, Instance};

/// What asyncio says that it takes.
const TAKEN: &str =
    if cfg!(Py_3_14) { "bytes, bytearray, or memoryview object" } else { "bytes-like object" };

const SEND_FAILED: &str = "Fatal write error on socket transport";

/// What the kernel said to an offer.
enum Offer {
    Done,
    Again,
    Failed(io::Error),
}

fn after_eof(_: AfterEof) -> PyErr {
    PyRuntimeError::new_err("Cannot call write() after write_eof()")
}

impl Transport {
    pub(crate) fn write(this: &Instance<Self>, py: Python<'_>, data: Arg<'_>) -> PyResult<()> {
        match Chunk::from_bytes(py, data) {
            Some(chunk) => this.gather(this, py, chunk),
            None => this.write_buffer(this, py, data),
        }
    }

    /// `bytes` wait for the end of the running callback; if none runs here, they go out at once.
    fn gather(&self, this: &Instance<Self>, py: Python<'_>, chunk: Chunk) -> PyResult<()> {
        self.check_not_lent()?;
        if chunk.as_ref().is_empty() {
            return self.state.with(|state| state.stream.check_writable()).map_err(after_eof);
        }
        let (written, first) = self.state.with(|state| {
            let written = state.stream.write(chunk);
            let first = written == Ok(Written::Gathered) && !state.gathering;
            (written, first)
        });
        let core = self.owner.get(py);
        match written.map_err(after_eof)? {
            Written::Dropped => self.warn_of_dropped_write(py),
            Written::Gathered if core.runs_here() => {
                if first {
                    self.state.with(|state| state.gathering = true);
                    let this = this.clone_ref(py);
                    core.state.with(|state| state.unsent.push(this));
                }
                Ok(())
            }
            Written::Gathered | Written::Pressing | Written::Queued => Self::send_gathered(this, py),
        }
    }

    /// Any other buffer may change once we return: it is offered to the kernel at once, and only the rest is copied.
    fn write_buffer(&self, this: &Instance<Self>, py: Python<'_>, data: Arg<'_>) -> PyResult<()> {
        let object = data.bind(py);
        let Ok(buffer) = Buffer::readable(&object) else {
            let kind = object.get_type().name()?;
            let message = format!("data argument must be a {TAKEN}, not '{kind}'");
            return Err(PyTypeError::new_err(message));
        };
        self.check_not_lent()?;
        Self::send_gathered(this, py)?;
        let bytes = buffer.bytes();
        let sent = self.state.with(|state| {
            if bytes.is_empty() || state.stream.check_writable().is_err() || !state.stream.may_send_at_once()
            {
                return 0;
            }
            // An error is met again, and reported, when the rest is offered.
            socket::send(state.descriptor.fd(), bytes).unwrap_or(0)
        });
        let rest = &bytes[sent..];
        if rest.is_empty() && sent > 0 {
            return Ok(());
        }
        self.gather(this, py, Chunk::copy_of(py, rest))
    }

    fn warn_of_dropped_write(&self, py: Python<'_>) -> PyResult<()> {
        let count = self.state.with(|state| {
            state.dropped_writes = state.dropped_writes.saturating_add(1);
            state.dropped_writes
        });
        common::warn_of_dropped(py, count)
    }

    /// Offers what has gathered to the kernel, and does what follows from its answer.
    pub(crate) fn send_gathered(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        let offered = this.state.with(|state| {
            state.gathering = false;
            state.stream.offer().is_some()
        });
        if offered {
            loop {
                match this.offer() {
                    Offer::Again => {}
                    Offer::Done => break,
                    Offer::Failed(error) => {
                        return Self::fatal_error(this, py, os_error(error), SEND_FAILED);
                    }
                }
            }
        }
        if let Err(error) = Self::take_steps(this, py)? {
            return Self::fatal_error(this, py, os_error(error), SEND_FAILED);
        }
        let (full, drained) = this.state.with(|state| {
            (state.stream.wants_to_write(), state.loan.awaited() && state.stream.may_send_at_once())
        });
        if drained {
            this.tell_of_drained(py)?;
        }
        if full { this.watch_what_is_wanted(this, py) } else { Ok(()) }
    }

    /// The last offer before the connection is cut off; errors no longer matter.
    pub(super) fn send_last(&self) {
        while matches!(self.offer(), Offer::Again) {}
    }

    fn offer(&self) -> Offer {
        self.state.with(|state| {
            let Some(outgoing) = state.stream.offer() else {
                return Offer::Done;
            };
            let fd = state.descriptor.fd();
            let (result, offered) = match outgoing.single() {
                Some(bytes) => (socket::send(fd, bytes), bytes.len()),
                None => Self::offer_slices(fd, outgoing),
            };
            match result {
                Ok(sent) => {
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
    fn offer_slices(fd: RawFd, outgoing: &Outgoing<Chunk>) -> (io::Result<usize>, usize) {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut count = 0;
        for (place, bytes) in slices.iter_mut().zip(outgoing.slices()) {
            *place = IoSlice::new(bytes);
            count += 1;
        }
        let slices = &slices[..count];
        (socket::send_vectored(fd, slices), slices.iter().map(|slice| slice.len()).sum())
    }

    /// Does all that the stream machine asks for. The inner error is a failed shutdown.
    pub(super) fn take_steps(this: &Instance<Self>, py: Python<'_>) -> PyResult<io::Result<()>> {
        while let Some(step) = this.state.with(|state| state.stream.step()) {
            match step {
                Step::Flow(change) => this.tell_of_flow(this, py, change)?,
                Step::Lose => this.lose(this, py),
                Step::ShutDown => {
                    let fd = this.state.with(|state| state.descriptor.fd());
                    if let Err(error) = socket::shutdown_write(fd) {
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
        let hold = self.state.with(|state| state.stream.hold());
        let told = common::tell_of_flow(self.owner.bind(py), this.object(), &protocol, change);
        self.state.with(|state| state.stream.release(hold));
        told
    }

    pub(super) fn write_eof(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        this.state.with(|state| state.stream.write_eof());
        Self::send_gathered(this, py)
    }
}
