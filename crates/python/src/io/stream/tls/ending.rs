//! How a TLS connection ends: by a word to the peer, and one from it, within the time that there is for it.
//!
//! What was written before is sent first, and whoever is paused for reading hears the peer's word all the same. Ours
//! is followed by the end of our side of the socket: a peer that keeps its word to itself (TLS 1.3 lets it) ends
//! then as well. One that does not is not waited for long, and that it was silent is no error: it has all of ours.

use pyo3::exceptions::{PyConnectionAbortedError, PyConnectionResetError, PyTimeoutError};

use super::*;

/// The shutdown has had its time.
pub(in super::super) fn shutdown_timed_out(this: This<'_>, py: Python<'_>) -> PyResult<()> {
    if this.layer.tls().is_some_and(|tls| tls.phase() == Phase::Awaiting) {
        return StreamTransport::end_when_sent(this, py);
    }
    let error = PyTimeoutError::new_err("SSL shutdown timed out").into_value(py);
    // On top of another all may be said, and lie there.
    let holder = this.beneath.as_ref().filter(|_| this.is_lost()).unwrap_or(this);
    StreamTransport::force_close(holder, py, Some(error.into()))
}

impl Tls {
    /// Its owner closes the connection.
    pub(in super::super) fn close(&self, this: This<'_>, py: Python<'_>) -> PyResult<()> {
        match self.phase() {
            _ if this.is_lost() => Ok(()),
            Phase::Handshaking => StreamTransport::force_close(this, py, None),
            Phase::Open => self.start_shutdown(this, py),
            Phase::Flushing | Phase::Closing | Phase::Awaiting => Ok(()),
        }
    }

    fn start_shutdown(&self, this: This<'_>, py: Python<'_>) -> PyResult<()> {
        self.enter(Phase::Flushing);
        this.state.with(|state| state.stream.endpoint.resume_reading());
        StreamTransport::watch(this, py)?;
        self.pump(this, py)?;
        // Mostly all is the kernel's by now.
        let lies_beneath = this.beneath.as_ref().is_some_and(|beneath| !beneath.is_lost());
        if matches!(self.phase(), Phase::Flushing | Phase::Closing) && (!this.is_lost() || lies_beneath) {
            self.set_timer(this, py, &self.shutdown_timeout, "_check_shutdown_timeout")?;
        }
        Ok(())
    }

    /// One step further, if what was to be said before is said.
    pub(super) fn go_on_ending(&self, this: This<'_>, py: Python<'_>) -> PyResult<()> {
        let (phase, waits) = self.progress.with(|progress| (progress.phase, !progress.backlog.is_empty()));
        match phase {
            Phase::Flushing if !waits && !this.is_lost() => self.shut_down(this, py),
            Phase::Closing if this.state.with(|state| state.stream.is_drained()) => {
                self.await_answer(this, py)
            }
            _ => Ok(()),
        }
    }

    fn await_answer(&self, this: This<'_>, py: Python<'_>) -> PyResult<()> {
        if !this.has_sides() {
            // TLS beneath, which says that all ends, and waits for the answer to that.
            return self.finish(this, py);
        }
        self.enter(Phase::Awaiting);
        this.state.with(|state| state.stream.write_eof());
        StreamTransport::follow_up(this, py)?;
        if this.is_lost() {
            return Ok(());
        }
        self.set_timer(this, py, &self.answer_timeout, "_check_shutdown_timeout")
    }

    /// The peer has ended its side of the socket, perhaps without a word.
    pub(in super::super) fn ended(&self, this: This<'_>, py: Python<'_>) -> PyResult<()> {
        self.log(this, py, "received EOF")?;
        self.progress.with(|progress| {
            if progress.peer == Peer::Talks {
                progress.peer = Peer::Left;
            }
        });
        this.state.with(|state| state.stream.endpoint.keep_open_after_eof());
        StreamTransport::narrow(this, py)?;
        match self.phase() {
            Phase::Handshaking => self.handshake_failed(this, py, PyConnectionResetError::new_err(())),
            Phase::Open | Phase::Flushing => self.advance(this, py),
            Phase::Closing | Phase::Awaiting => self.finish(this, py),
        }
    }

    /// Nothing more comes: the protocol hears of it, and our side ends as well.
    pub(super) fn peer_has_ended(&self, this: This<'_>, py: Python<'_>) -> PyResult<()> {
        if let Some(top) = this.on_top(py) {
            // It ends the connection, once it has said its end.
            return top.layer.ended(&top, py);
        }
        if let Some(protocol) = this.protocol(py) {
            let name = intern!(py, "eof_received");
            let answer = this.context.run(py, || call_method(py, &protocol, name, &[])?.bind(py).is_truthy());
            match answer {
                Ok(false) => {}
                Ok(true) => {
                    let text = "returning true from eof_received() has no effect when using ssl";
                    let logger = py.import(intern!(py, "asyncio.log"))?.getattr(intern!(py, "logger"))?;
                    logger.call_method1(intern!(py, "warning"), (text,))?;
                }
                Err(error) => {
                    return StreamTransport::fatal_error(this, py, error, "Error calling eof_received()");
                }
            }
        }
        self.close(this, py)
    }

    /// All is encrypted: tells the peer that nothing follows.
    pub(super) fn shut_down(&self, this: This<'_>, py: Python<'_>) -> PyResult<()> {
        // Data would be an error for OpenSSL now.
        self.discard(this, py)?;
        if self.phase() != Phase::Flushing || this.is_lost() {
            return Ok(());
        }
        self.enter(Phase::Closing);
        if self.peer() == Peer::Left {
            // It gets no word either.
            return self.finish(this, py);
        }
        // Perhaps in a callback of the protocol's, and so in the connection's context already.
        let outcome = call_method(py, self.session.object(), intern!(py, "unwrap"), &[]);
        self.flush(this, py)?;
        match outcome {
            _ if this.is_lost() => Ok(()),
            Ok(_) => self.finish(this, py),
            Err(error) if is_again(py, &error) => self.go_on_ending(this, py),
            Err(error) => StreamTransport::fatal_error(this, py, error, "Fatal error on transport"),
        }
    }

    /// What comes after the end has no reader.
    pub(super) fn discard(&self, this: This<'_>, py: Python<'_>) -> PyResult<()> {
        let mut scratch = [0; 4096];
        while self.session.readable(py)? > 0 {
            match self.session.read(py, &mut scratch) {
                Ok((_, Stop::Ended)) => {
                    self.peer_said_end();
                    return if self.phase() >= Phase::Closing { self.finish(this, py) } else { Ok(()) };
                }
                Ok((0, _)) => return Ok(()),
                Ok(_) => {}
                Err(error) => return self.fail(this, py, error),
            }
        }
        Ok(())
    }

    /// Both sides have said all: the socket ends when it is sent.
    fn finish(&self, this: This<'_>, py: Python<'_>) -> PyResult<()> {
        StreamTransport::end_when_sent(this, py)
    }

    /// The connection is over. Whether the protocol knows that there was one.
    pub(in super::super) fn lost(&self, py: Python<'_>, error: Option<&Object>) -> PyResult<bool> {
        self.cancel_timer(py)?;
        let (made, _backlog) = self.progress.with(|progress| {
            progress.behind = 0;
            (progress.phase != Phase::Handshaking, std::mem::take(&mut progress.backlog))
        });
        match error {
            // Whoever waits for TLS must not take it for there.
            None if !made => {
                let closed = PyConnectionAbortedError::new_err(
                    "The connection was closed before the TLS handshake was over",
                );
                self.wake(py, Some(&closed.into_value(py).into()))?;
            }
            error => self.wake(py, error)?,
        }
        Ok(made || self.is_known)
    }

    pub(super) fn set_timer(
        &self,
        this: This<'_>,
        py: Python<'_>,
        delay: &Object,
        name: &str,
    ) -> PyResult<()> {
        let callback = this.object().bind(py).getattr(name)?;
        let timer =
            this.owner.bind(py).call_method1(intern!(py, "call_later"), (delay.bind(py), callback))?;
        self.cancel_timer(py)?;
        self.progress.with(|progress| progress.timer = Some(timer.into()));
        Ok(())
    }

    pub(super) fn cancel_timer(&self, py: Python<'_>) -> PyResult<()> {
        match self.progress.with(|progress| progress.timer.take()) {
            Some(timer) => call_method(py, &timer, intern!(py, "cancel"), &[]).map(drop),
            None => Ok(()),
        }
    }
}
