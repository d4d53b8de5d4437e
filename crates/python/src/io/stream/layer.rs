//! What stands between a protocol and its socket, and the few points where it takes part
//! (`docs/design/stream-layers.md`).
//!
//! Above a layer are the protocol's bytes, below it the socket's. A transport has its layer for
//! life, and comes through here. A layer may call Python, so it
//! runs with nothing borrowed; it gives bytes to the protocol by `deliver`, and to the socket by
//! `send_or_keep`. It knows neither the loop nor the poller.

use ironloop_engine::stream::Limits;
use pyo3::prelude::*;

use super::StreamTransport;
use super::delivering::{Data, Failure, Recipient};
use super::tls::{self, Tls};
use super::writing::{Way, Written};
use crate::ffi::{Clear, Instance, Object, owned};

/// What the bytes of a connection pass.
pub(super) enum Layer {
    /// Nothing: the protocol's bytes are the socket's.
    Plain,
    Tls(Box<Tls>),
}

owned!(enum Layer { Plain, Tls(tls); });

impl Clear for Layer {
    fn clear(&self, py: Python<'_>) {
        if let Self::Tls(tls) = self {
            tls.clear(py);
        }
    }
}

/// What the transport asks.
impl Layer {
    pub(super) fn tls(&self) -> Option<&Tls> {
        match self {
            Self::Plain => None,
            Self::Tls(tls) => Some(tls),
        }
    }

    /// Whether there is an end of file to send, and not only an end of all.
    pub(super) fn can_write_eof(&self) -> bool {
        self.tls().is_none()
    }

    /// Whether its owner has closed the connection, which may have to say something yet.
    #[inline]
    pub(super) fn is_closing(&self) -> bool {
        self.tls().is_some_and(Tls::is_closing)
    }

    /// Whether what is written next goes out before anything that it keeps.
    pub(super) fn takes(&self) -> bool {
        self.tls().is_none_or(Tls::takes)
    }

    /// The marks of flow control, unless somebody sets others.
    pub(super) fn limits(&self) -> Limits {
        match self {
            Self::Plain => Limits::default(),
            Self::Tls(_) => tls::LIMITS,
        }
    }
}

/// What the transport tells.
impl Layer {
    /// The connection stands, and may be read.
    pub(super) fn begin(&self, this: &Instance<StreamTransport>, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Plain => StreamTransport::tell_of_connection(this, py),
            Self::Tls(tls) => tls.begin(this, py),
        }
    }

    /// In: bytes have come from the socket. They are lent, and no longer there afterwards.
    #[inline]
    pub(super) fn received(
        &self,
        this: &Instance<StreamTransport>,
        py: Python<'_>,
        recipient: Option<&Recipient>,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        match (self, recipient) {
            (Self::Tls(tls), _) => tls.received(this, py, bytes),
            (Self::Plain, Some(recipient)) => this.deliver(py, recipient, Data::Lent(bytes)),
            (Self::Plain, None) => Ok(()),
        }
    }

    /// The peer has ended its side of the socket.
    #[inline]
    pub(super) fn ended(&self, this: &Instance<StreamTransport>, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Plain => StreamTransport::end_of_file(this, py),
            Self::Tls(tls) => tls.ended(this, py),
        }
    }

    /// Out: the protocol has written, on a connection that stands. There is at least one byte.
    #[inline]
    pub(super) fn written(
        &self,
        this: &Instance<StreamTransport>,
        py: Python<'_>,
        way: Way,
        written: Written<'_>,
    ) -> PyResult<()> {
        match self {
            Self::Plain => this.send_or_keep(this, py, way, written),
            Self::Tls(tls) => tls.written(this, py, written),
        }
    }

    /// The kernel has taken all that waited for it.
    #[inline]
    pub(super) fn drained(&self, this: &Instance<StreamTransport>, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Plain => Ok(()),
            Self::Tls(tls) => tls.pump(this, py),
        }
    }

    /// The protocol wants data again.
    pub(super) fn resumed(&self, this: &Instance<StreamTransport>, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Plain => Ok(()),
            Self::Tls(tls) => tls.resumed(this, py),
        }
    }

    /// Its owner closes the connection: it ends once all is sent that has still to be said.
    #[inline]
    pub(super) fn close(&self, this: &Instance<StreamTransport>, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Plain => StreamTransport::end_when_sent(this, py),
            Self::Tls(tls) => tls.close(this, py),
        }
    }

    /// The connection is over, for this reason. Whether the protocol is to be told: it was told of the beginning.
    pub(super) fn lost(&self, py: Python<'_>, error: Option<&Object>) -> PyResult<bool> {
        match self {
            Self::Plain => Ok(true),
            Self::Tls(tls) => tls.lost(py, error),
        }
    }
}
