//! TLS between a protocol and its socket: where the connection stands, and what follows from that.
//!
//! A [`Session`] has the records; the stream machine below has the socket. This layer says when the protocol is told of the
//! connection, keeps what is written while the socket is full, as plaintext, and sees to it that both sides hear of the
//! end. It belongs to its loop's thread; nothing of it is borrowed while OpenSSL or Python runs.
//!
//! ```text
//! Handshaking ── done ──▶ Open ── close(), or the peer's end ──▶ Flushing ── all is encrypted ──▶ Closing
//!                                                                          ── all is sent ──▶ Awaiting
//! ```
//!
//! The connection is over when the socket is ([`Tls::lost`]), which may be at any time. From `Flushing` on what
//! still comes is read, since the peer may be unable to end before it is rid of it, and dropped.

mod ending;
mod errors;
mod memory;
mod path;
mod session;
mod setup;
mod shown;

use std::collections::VecDeque;

use ironloop_engine::stream::{Limits, Way};
use pyo3::exceptions::PyConnectionAbortedError;
use pyo3::prelude::*;

use super::StreamTransport;
use super::chunk::Chunk;
use super::delivering::{Data, Failure, Receiver};
use super::writing::Written;
use crate::event_loop::{Item, ItemKind, LoopCore};
use crate::ffi::call::call_method;
use crate::ffi::cell::LoopCell;
use crate::ffi::intern::intern;
use crate::ffi::openssl::Stop;
use crate::ffi::raise::value_of;
use crate::ffi::{Instance, Object, owned};
use crate::io::transport::Transport;
pub(super) use ending::shutdown_timed_out;
use errors::{is_again, is_ssl};
pub(crate) use path::{force_tls_path, tls_path, tls_path_reason};
use session::{Out, Session};
pub(crate) use setup::{Asked, Waiter};

/// asyncio's, for TLS.
pub(super) const LIMITS: Limits = Limits { high: 512 * 1024, low: 128 * 1024 };

/// So much is encrypted at once: what the kernel has no room for stays plaintext, and in one place.
const SLICE: usize = 64 * 1024;

/// What asyncio says of any failure beyond the handshake.
const FAILED: &str = "Fatal error on SSL protocol";

type This<'a> = &'a Instance<StreamTransport>;

/// Where the connection stands. It goes down this list, and never back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Phase {
    Handshaking,
    Open,
    /// Nobody writes any more; what was written goes out.
    Flushing,
    /// That we end is said, and on its way.
    Closing,
    /// The kernel has that too, and the peer's answer is awaited.
    Awaiting,
}

/// What the peer has said of its end. The protocol hears of it once it lets data come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Talks,
    /// That nothing more comes, in so many words.
    SaidEnd,
    /// It has ended its side of the socket without a word.
    Left,
}

/// What changes.
struct Progress {
    phase: Phase,
    /// Whoever waits for the handshake.
    waiter: Option<Object>,
    /// The time that the handshake has, or the shutdown.
    timer: Option<Object>,
    /// What was written and is not encrypted: all but the first bytes of the first.
    backlog: VecDeque<Chunk>,
    encrypted: usize,
    /// How much that is.
    behind: usize,
    peer: Peer,
    /// When the handshake began, in debug mode.
    began: Option<f64>,
}

owned!(in_cell Progress {
    clears: waiter, timer;
    ignores: phase, backlog, encrypted, behind, peer, began;
});

pub(crate) struct Tls {
    session: Session,
    server_side: bool,
    /// Whether nobody else tells of a handshake that has failed.
    reports: bool,
    /// Whether the protocol knows of the connection before the handshake.
    is_known: bool,
    context: Object,
    handshake_timeout: Object,
    shutdown_timeout: Object,
    answer_timeout: Object,
    progress: LoopCell<Progress>,
}

owned!(Tls {
    visits: session, context, handshake_timeout, shutdown_timeout, answer_timeout;
    clears: progress;
    ignores: server_side, reports, is_known;
});

/// The protocol wants data, and some may have come already.
static GO_ON: ItemKind = ItemKind {
    perform: |slf, object| match Instance::<StreamTransport>::of(object) {
        Some(this) => this.layer.tls().map_or(Ok(()), |tls| tls.advance(this, slf.py())),
        None => Ok(()),
    },
    quiet: false,
};

/// The handshake has had its time.
pub(super) fn handshake_timed_out(this: This<'_>, py: Python<'_>) -> PyResult<()> {
    let Some(tls) = this.layer.tls().filter(|tls| tls.phase() == Phase::Handshaking) else { return Ok(()) };
    let seconds = tls.handshake_timeout.bind(py).str()?;
    let text = format!("SSL handshake is taking longer than {seconds} seconds: aborting the connection");
    tls.handshake_failed(this, py, PyConnectionAbortedError::new_err(text))
}

impl Tls {
    fn phase(&self) -> Phase {
        self.progress.with(|progress| progress.phase)
    }

    fn peer(&self) -> Peer {
        self.progress.with(|progress| progress.peer)
    }

    fn peer_said_end(&self) {
        self.progress.with(|progress| progress.peer = Peer::SaidEnd);
    }

    fn enter(&self, phase: Phase) {
        self.progress.with(|progress| progress.phase = phase);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.phase() >= Phase::Flushing
    }

    pub(super) fn is_shaking_hands(&self) -> bool {
        self.phase() == Phase::Handshaking
    }

    /// Whether what is written next is encrypted at once.
    pub(super) fn takes(&self) -> bool {
        self.progress.with(|progress| progress.phase == Phase::Open && progress.backlog.is_empty())
    }

    /// What came before there was TLS, and is part of it.
    pub(super) fn keep(&self, py: Python<'_>, early: &[u8]) -> PyResult<()> {
        if early.is_empty() { Ok(()) } else { self.session.lend(py, early, || ()) }
    }

    fn log(&self, this: This<'_>, py: Python<'_>, text: &str) -> PyResult<()> {
        if !this.owner.get(py).is_debug() {
            return Ok(());
        }
        this.owner.bind(py).call_method1(intern!(py, "_log_tls"), (this.object().bind(py), text)).map(drop)
    }
}

/// The handshake.
impl Tls {
    pub(super) fn begin(&self, this: This<'_>, py: Python<'_>) -> PyResult<()> {
        // Put onto one that ends before this turn, it ends with that.
        if StreamTransport::is_closing(this) {
            return Ok(());
        }
        self.log(this, py, "starts SSL handshake")?;
        let owner = this.owner.bind(py);
        if this.owner.get(py).is_debug() {
            let now = owner.call_method0(intern!(py, "time"))?.extract()?;
            self.progress.with(|progress| progress.began = Some(now));
        }
        self.set_timer(this, py, &self.handshake_timeout, "_check_handshake_timeout")?;
        this.state.with(|state| state.stream.endpoint.start());
        StreamTransport::watch(this, py)?;
        // A server has nothing to say before it is spoken to.
        if self.server_side && self.session.received(py)? == 0 { Ok(()) } else { self.advance(this, py) }
    }

    /// Whether it is over.
    fn handshake(&self, this: This<'_>, py: Python<'_>) -> PyResult<bool> {
        let name = intern!(py, "do_handshake");
        let outcome = this.context.run(py, || call_method(py, self.session.object(), name, &[]));
        match outcome {
            // One of the context's callbacks has ended the connection.
            _ if this.is_lost() => Ok(false),
            // Who waits for `start_tls` gets the new transport before its protocol gets data (`GO_ON`).
            Ok(_) => self.handshake_done(this, py).map(|()| !self.is_known),
            Err(error) if is_again(py, &error) => Ok(false),
            Err(error) => self.handshake_failed(this, py, error).map(|()| false),
        }
    }

    fn handshake_done(&self, this: This<'_>, py: Python<'_>) -> PyResult<()> {
        self.cancel_timer(py)?;
        self.enter(Phase::Open);
        if let Some(began) = self.progress.with(|progress| progress.began) {
            let now: f64 = this.owner.bind(py).call_method0(intern!(py, "time"))?.extract()?;
            self.log(this, py, &format!("SSL handshake took {:.1} ms", (now - began) * 1e3))?;
        }
        let Some(protocol) = this.protocol(py).filter(|_| !self.is_known) else {
            self.wake(py, None)?;
            this.owner.get(py).push(Item::Other(&GO_ON, this.object().clone_ref(py)));
            return self.pump(this, py);
        };
        let name = intern!(py, "connection_made");
        let told = this.context.run(py, || call_method(py, &protocol, name, &[this.object()]));
        if let Err(error) = told {
            return StreamTransport::fatal_error(
                this,
                py,
                error,
                "Fatal error: protocol.connection_made() call failed.",
            );
        }
        self.wake(py, None)?;
        self.pump(this, py)
    }

    pub(super) fn handshake_failed(&self, this: This<'_>, py: Python<'_>, error: PyErr) -> PyResult<()> {
        self.cancel_timer(py)?;
        self.send_alert(this, py);
        let message = if is_ssl(py, &error, "CertificateError") {
            "SSL handshake failed on verifying the certificate"
        } else {
            "SSL handshake failed"
        };
        let (value, protocol) = (value_of(py, &error), this.protocol(py));
        StreamTransport::fatal_error(this, py, error.clone_ref(py), message)?;
        if self.reports && this.owner.get(py).is_debug() {
            let about = [("transport", Some(this.object())), ("protocol", protocol.as_ref())];
            let message = "Error on transport creation for incoming connection";
            LoopCore::report(this.owner.bind(py), message, error, &about)?;
        }
        self.wake(py, Some(&value))
    }

    /// Tells whoever waits for the handshake.
    fn wake(&self, py: Python<'_>, error: Option<&Object>) -> PyResult<()> {
        let Some(waiter) = self.progress.with(|progress| progress.waiter.take()) else { return Ok(()) };
        let waiter = waiter.bind(py);
        if waiter.call_method0(intern!(py, "done"))?.is_truthy()? {
            return Ok(());
        }
        match error {
            Some(error) => waiter.call_method1(intern!(py, "set_exception"), (error.bind(py),))?,
            None => waiter.call_method1(intern!(py, "set_result"), (py.None(),))?,
        };
        Ok(())
    }
}

/// In.
impl Tls {
    pub(super) fn received(&self, this: This<'_>, py: Python<'_>, bytes: &[u8]) -> Result<(), Failure> {
        let lent = self.session.lend(py, bytes, || self.advance(this, py));
        lent.and_then(|advanced| advanced).map_err(|error| Failure(error, FAILED))
    }

    pub(super) fn resumed(&self, this: This<'_>, py: Python<'_>) -> PyResult<()> {
        let has_ended = self.peer() != Peer::Talks;
        if has_ended || self.session.received(py)? > 0 || self.session.readable(py)? > 0 {
            this.owner.get(py).push(Item::Other(&GO_ON, this.object().clone_ref(py)));
        }
        Ok(())
    }

    /// Goes on with what has come, as far as that goes.
    fn advance(&self, this: This<'_>, py: Python<'_>) -> PyResult<()> {
        loop {
            let moved = match self.phase() {
                _ if this.is_lost() => return Ok(()),
                Phase::Handshaking => self.handshake(this, py)?,
                Phase::Open if !this.may_deliver() => false,
                Phase::Open => match self.deliver(this, py) {
                    Ok(moved) => moved,
                    Err(Failure(error, _)) => return self.fail(this, py, error),
                },
                Phase::Flushing | Phase::Closing | Phase::Awaiting => {
                    self.discard(this, py)?;
                    false
                }
            };
            if !moved {
                break;
            }
        }
        if self.peer() != Peer::Talks && self.phase() == Phase::Open && this.may_deliver() {
            self.peer_has_ended(this, py)?;
        }
        // What was written while a peer changed its keys, and what the keys' change has to say.
        self.pump(this, py)?;
        self.flush(this, py)?;
        this.tell_of_room(py)
    }

    /// Gives the protocol what is there. Whether that was anything.
    fn deliver(&self, this: This<'_>, py: Python<'_>) -> Result<bool, Failure> {
        let failed = |error| Failure(error, FAILED);
        let readable = self.session.readable(py).map_err(failed)?;
        if readable == 0 {
            return Ok(false);
        }
        let Some(recipient) = this.recipient(py)? else { return Ok(false) };
        let (count, stop) = if matches!(recipient.receiver, Receiver::Buffer) {
            this.fill_buffer(py, &recipient.protocol, |buffer| {
                let (count, stop) = self.session.read(py, buffer).map_err(failed)?;
                Ok(((count, stop), count))
            })?
        } else {
            let read = |buffer: &mut [u8]| self.session.read(py, buffer);
            let (bytes, stop) = this.owner.get(py).filled(py, readable, read).map_err(failed)?;
            let count = bytes.as_ref().len();
            if count > 0 {
                this.deliver(py, &recipient, Data::Whole(bytes))?;
            }
            (count, stop)
        };
        if stop == Stop::Ended {
            self.peer_said_end();
        }
        Ok(count > 0 && stop == Stop::Enough)
    }

    /// The connection does not survive this.
    fn fail(&self, this: This<'_>, py: Python<'_>, error: PyErr) -> PyResult<()> {
        self.send_alert(this, py);
        StreamTransport::fatal_error(this, py, error, FAILED)
    }

    /// OpenSSL may have something to say to the peer about what went wrong; whether it arrives is nobody's business.
    fn send_alert(&self, this: This<'_>, py: Python<'_>) {
        let Ok(Some(alert)) = self.session.take_out(py) else { return };
        if this.state.with(|state| state.stream.way()) == Ok(Way::Kernel) {
            let _ = match &this.beneath {
                Some(beneath) => beneath.pass_on(beneath, py, Written::Borrowed(alert.bytes())),
                None => this.send(this, py, alert.bytes()).map(drop).map_err(PyErr::from),
            };
        }
    }
}

/// Out.
impl Tls {
    /// At least one byte.
    pub(super) fn written(&self, this: This<'_>, py: Python<'_>, written: Written<'_>) -> PyResult<()> {
        let (phase, waits) = self.progress.with(|progress| (progress.phase, !progress.backlog.is_empty()));
        let at_once = phase == Phase::Open && !waits && this.has_room();
        let mut done = 0;
        if at_once && written.bytes().len() <= SLICE {
            match self.session.write(py, written.bytes(), written.object(), this.owner.get(py)) {
                Ok(count) if count == written.bytes().len() => return self.flush(this, py),
                Ok(count) => done = count,
                Err(error) => return self.fail(this, py, error),
            }
        }
        // It waits before any of it is sent: who is told to pause may write, and that comes later.
        let (chunk, done) = written.rest(done);
        let behind = self.progress.with(|progress| {
            progress.behind += chunk.as_ref().len() - done;
            if progress.backlog.is_empty() {
                progress.encrypted = done;
            }
            progress.backlog.push_back(chunk);
            progress.behind
        });
        this.state.with(|state| state.stream.set_behind(behind));
        self.pump(this, py)?;
        this.note_refusal();
        StreamTransport::follow_up(this, py)
    }

    /// Encrypts what waits, as long as there is room for it. Then, if nothing is to follow, says so.
    pub(super) fn pump(&self, this: This<'_>, py: Python<'_>) -> PyResult<()> {
        while matches!(self.phase(), Phase::Open | Phase::Flushing) && this.has_room() {
            let first = self.progress.with(|progress| {
                let first = progress.backlog.pop_front()?;
                Some((first, progress.encrypted))
            });
            let Some((first, from)) = first else { break };
            let until = first.as_ref().len().min(from + SLICE);
            let slice = &first.as_ref()[from..until];
            let encrypted = self.session.write(py, slice, None, this.owner.get(py));
            let count = *encrypted.as_ref().unwrap_or(&0);
            let behind = self.progress.with(|progress| {
                progress.encrypted = from + count;
                progress.behind -= count;
                if progress.encrypted < first.as_ref().len() {
                    progress.backlog.push_front(first);
                } else {
                    progress.encrypted = 0;
                }
                progress.behind
            });
            this.state.with(|state| state.stream.set_behind(behind));
            match encrypted {
                Ok(count) if from + count == until => self.flush(this, py)?,
                // Something has to be read first.
                Ok(_) => return self.flush(this, py),
                Err(error) => return self.fail(this, py, error),
            }
        }
        self.go_on_ending(this, py)
    }

    /// Sends what OpenSSL has written.
    fn flush(&self, this: This<'_>, py: Python<'_>) -> PyResult<()> {
        let Some(out) = self.session.take_out(py)? else { return Ok(()) };
        let Ok(way @ (Way::Kernel | Way::Wait)) = this.state.with(|state| state.stream.way()) else {
            return Ok(());
        };
        match out {
            Out::Own(bytes) => {
                let sent = this.send_or_keep(this, py, way, Written::Borrowed(&bytes));
                this.owner.get(py).give_back_outgoing(bytes);
                sent
            }
            Out::Python(bytes) => this.send_or_keep(this, py, way, Written::Whole(Chunk::Python(bytes))),
        }
    }
}

impl StreamTransport {
    pub(super) fn is_lost(&self) -> bool {
        self.state.with(|state| state.stream.endpoint.is_lost())
    }

    fn may_deliver(&self) -> bool {
        self.state.with(|state| state.stream.endpoint.is_reading())
    }
}
