//! From the kernel: one call, into the loop's read buffer, or straight into a buffered protocol's own.

use std::io;

use pyo3::prelude::*;

use super::StreamTransport;
use super::delivering::{Failure, Receiver, Recipient};
use super::layer::Layer;
use crate::event_loop::recorder::{self, Op};
use crate::ffi::Instance;
use crate::ffi::call::call_method;
use crate::ffi::error::os_error;
use crate::ffi::intern::intern;
use crate::io::transport::Transport;

const RECEIVE_FAILED: &str = "Fatal read error on socket transport";

/// What one call brought.
enum Received {
    Data,
    EndOfFile,
    NotReady,
}

/// The socket may have something: receives once, and passes it on.
pub(super) fn read(this: &Instance<StreamTransport>, py: Python<'_>) -> PyResult<()> {
    match this.receive_and_pass_on(this, py) {
        Ok(Received::Data | Received::NotReady) => Ok(()),
        Ok(Received::EndOfFile) => this.layer.ended(this, py),
        Err(Failure(error, message)) => StreamTransport::fatal_error(this, py, error, message),
    }
}

impl StreamTransport {
    fn receive_and_pass_on(&self, this: &Instance<Self>, py: Python<'_>) -> Result<Received, Failure> {
        // Above another layer it is asked for when something is there.
        let recipient = match &self.layer {
            Layer::Plain => self.recipient(py)?,
            Layer::Tls(_) => None,
        };
        let shakes_hands = match &recipient {
            // What `start_tls` has put onto it.
            Some(Recipient { protocol, receiver: Receiver::Transport }) => {
                Instance::<Self>::of(protocol).is_some_and(|top| top.is_shaking_hands())
            }
            Some(_) => false,
            None => self.is_shaking_hands(),
        };
        if shakes_hands && !self.owner.get(py).may_shake_hands() {
            // It stays where it is, and is reported again: in between others have their turn.
            return Ok(Received::NotReady);
        }
        if let Some(Recipient { protocol, receiver: Receiver::Buffer }) = &recipient {
            return self.fill_buffer(py, protocol, |buffer| self.receive(py, buffer));
        }
        self.owner.get(py).with_read_buffer(|buffer| {
            let (received, count) = self.receive(py, buffer)?;
            if count > 0 {
                self.layer.received(this, py, recipient.as_ref(), &buffer[..count])?;
            }
            Ok(received)
        })
    }

    fn is_shaking_hands(&self) -> bool {
        matches!(&self.layer, Layer::Tls(tls) if tls.is_shaking_hands())
    }

    /// Whom data is for now: nobody once the connection is lost. How he takes it is found out with the first of
    /// it.
    pub(super) fn recipient(&self, py: Python<'_>) -> Result<Option<Recipient>, Failure> {
        let known = self.state.with(|state| {
            let protocol = state.protocol.as_ref()?.clone_ref(py);
            Some((protocol, state.receiver))
        });
        let Some((protocol, receiver)) = known else { return Ok(None) };
        let receiver = match receiver {
            Some(receiver) => receiver,
            None => {
                let receiver = Receiver::of(py, &protocol)?;
                self.state.with(|state| state.receiver = Some(receiver));
                receiver
            }
        };
        Ok(Some(Recipient { protocol, receiver }))
    }

    /// What the kernel has, as far as there is room for it, and how many bytes that is.
    fn receive(&self, py: Python<'_>, buffer: &mut [u8]) -> Result<(Received, usize), Failure> {
        let fd = self.state.with(|state| state.descriptor.fd());
        match self.owner.get(py).driver.receive(fd, buffer) {
            Ok(0) => Ok((Received::EndOfFile, 0)),
            Ok(count) => {
                recorder::moved(self.owner.get(py), fd, Op::Received, count);
                if count < buffer.len() {
                    self.owner.get(py).note_emptied();
                }
                Ok((Received::Data, count))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok((Received::NotReady, 0))
            }
            Err(error) => Err(Failure(os_error(error), RECEIVE_FAILED)),
        }
    }

    /// Tells the protocol that nothing more comes. It may keep its own side open.
    pub(super) fn end_of_file(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        if let Some(top) = this.on_top(py) {
            // It ends the connection, once it has said its end.
            this.state.with(|state| state.stream.endpoint.keep_open_after_eof());
            Self::narrow(this, py)?;
            return top.layer.ended(&top, py);
        }
        let Some(protocol) = this.protocol(py) else {
            return Ok(());
        };
        let answer = this
            .context
            .run(py, || call_method(py, &protocol, intern!(py, "eof_received"), &[])?.bind(py).is_truthy());
        match answer {
            Ok(true) => {
                this.state.with(|state| state.stream.endpoint.keep_open_after_eof());
                Self::narrow(this, py)
            }
            Ok(false) => Self::close(this, py),
            Err(error) => {
                Self::fatal_error(this, py, error, "Fatal error: protocol.eof_received() call failed.")
            }
        }
    }
}
