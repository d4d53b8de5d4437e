//! What stands between a protocol and its socket, and the few points where it takes part
//! (`docs/design/stream-layers.md`).
//!
//! Above a layer are the protocol's bytes, below it the socket's. The transport keeps a connection's layer in
//! its state, reads it with what else it needs there, and comes through here. A layer may call Python, so it
//! runs with nothing borrowed; it gives bytes to the protocol by `deliver`, and to the socket by
//! `send_or_keep`. It knows neither the loop nor the poller.

use pyo3::prelude::*;

use super::StreamTransport;
use super::delivering::{Failure, Recipient};
use super::writing::{Way, Written};
use crate::ffi::Instance;

/// What the bytes of a connection pass.
#[derive(Clone, Copy)]
pub(super) enum Layer {
    /// Nothing: the protocol's bytes are the socket's.
    Plain,
}

/// What the transport asks.
impl Layer {
    /// Whether the socket's bytes are the protocol's: then the kernel may fill the buffer of a buffered
    /// protocol.
    #[inline]
    pub(super) fn is_transparent(self) -> bool {
        match self {
            Self::Plain => true,
        }
    }

    /// Whether there is an end of file to send, and not only an end of all.
    pub(super) fn can_write_eof(self) -> bool {
        match self {
            Self::Plain => true,
        }
    }
}

/// What the transport tells.
impl Layer {
    /// In: bytes have come from the socket. They are lent, and no longer there afterwards.
    #[inline]
    pub(super) fn received(
        self,
        this: &Instance<StreamTransport>,
        py: Python<'_>,
        recipient: &Recipient,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        match self {
            Self::Plain => this.deliver(py, recipient, bytes),
        }
    }

    /// The peer has ended its side of the socket.
    #[inline]
    pub(super) fn ended(self, this: &Instance<StreamTransport>, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Plain => StreamTransport::end_of_file(this, py),
        }
    }

    /// Out: the protocol has written, on a connection that stands. There is at least one byte.
    #[inline]
    pub(super) fn written(
        self,
        this: &Instance<StreamTransport>,
        py: Python<'_>,
        way: Way,
        written: Written<'_>,
    ) -> PyResult<()> {
        match self {
            Self::Plain => this.send_or_keep(this, py, way, written),
        }
    }

    /// Its owner closes the connection: it ends once all is sent that has still to be said.
    #[inline]
    pub(super) fn close(self, this: &Instance<StreamTransport>, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Plain => StreamTransport::end_when_sent(this, py),
        }
    }
}
