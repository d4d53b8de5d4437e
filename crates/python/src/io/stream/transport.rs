//! A stream's connection as a transport: what the loop calls, and what is not as with datagrams.

use ironloop_driver::{Interest, RawFd};
use ironloop_engine::Endpoint;
use ironloop_engine::stream::{Limits, Outgoing};
use pyo3::prelude::*;

use super::chunk::Chunk;
use super::layer::Layer;
use super::loan::Loan;
use super::{Descriptor, State, StreamTransport, closing, reading, writing};
use crate::event_loop::{LoopCore, Open};
use crate::ffi::call::call_method;
use crate::ffi::cell::LoopCell;
use crate::ffi::intern::intern;
use crate::ffi::{Instance, Object, Shared};
use crate::io::Registration;
use crate::io::transport::{self, Kinds, Transport, report};

const WATCH_FAILED: &str = "Fatal error on transport";

static KINDS: Kinds = Kinds::of::<StreamTransport>();

impl transport::State for State {
    type Unsent = Outgoing<Chunk>;

    fn endpoint(&self) -> &Endpoint {
        &self.stream.endpoint
    }

    fn endpoint_mut(&mut self) -> &mut Endpoint {
        &mut self.stream.endpoint
    }

    fn wants_to_write(&self) -> bool {
        self.stream.wants_to_write()
    }

    fn wanted(&self) -> Interest {
        if matches!(self.loan, Loan::Lent) {
            return Interest::default();
        }
        Interest { readable: self.stream.endpoint.wants_to_read(), writable: self.stream.wants_to_write() }
    }

    fn registration(&mut self) -> &mut Registration {
        &mut self.registration
    }

    fn buffered(&self) -> usize {
        self.stream.buffered()
    }

    fn open(&mut self) -> &mut Option<Open> {
        &mut self.open
    }

    fn abort(&mut self) -> Option<Self::Unsent> {
        self.stream.abort()
    }

    fn protocol(&self) -> Option<&Object> {
        self.protocol.as_ref()
    }

    fn set_protocol(&mut self, protocol: Object) -> Option<Object> {
        self.receiver = None;
        self.protocol.replace(protocol)
    }

    fn error(&mut self) -> &mut Option<Object> {
        &mut self.error
    }

    fn dropped(&mut self) -> &mut u32 {
        &mut self.dropped
    }
}

impl Transport for StreamTransport {
    type State = State;

    fn kinds() -> &'static Kinds {
        &KINDS
    }

    fn owner(&self) -> &Shared<LoopCore> {
        &self.owner
    }

    fn state(&self) -> &LoopCell<State> {
        &self.state
    }

    fn fd(&self, state: &State) -> RawFd {
        state.descriptor.fd()
    }

    fn connection_made(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        this.layer.begin(this, py)
    }

    fn readable(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        reading::read(this, py)
    }

    fn writable(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        writing::send_rest(this, py)
    }

    fn follow_up(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        writing::follow_up(this, py)
    }

    fn watch(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        this.owner.get(py).check_open()?;
        if let Some(beneath) = &this.beneath {
            return this.watch_beneath(py, beneath);
        }
        Self::widen(this, py).or_else(|error| Self::fatal_error(this, py, error, WATCH_FAILED))
    }

    fn cannot_narrow(this: &Instance<Self>, py: Python<'_>, error: PyErr) -> PyResult<()> {
        Self::fatal_error(this, py, error, WATCH_FAILED)
    }

    fn close(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        this.layer.close(this, py)
    }

    fn is_closing(&self) -> bool {
        self.state.with(|state| state.stream.endpoint.is_closing())
            || self.layer.is_closing()
            || self.beneath.as_ref().is_some_and(|beneath| beneath.is_closing())
    }

    fn pause_reading(&self) {
        if !self.layer.is_closing() {
            self.state.with(|state| state.stream.endpoint.pause_reading());
            if let Some(beneath) = &self.beneath {
                beneath.pause_reading();
            }
        }
    }

    fn resume_reading(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        if this.state.with(|state| state.stream.endpoint.resume_reading()) {
            this.layer.resumed(this, py)?;
            Self::watch(this, py)?;
        }
        Ok(())
    }

    fn force_close(this: &Instance<Self>, py: Python<'_>, error: Option<Object>) -> PyResult<()> {
        match &this.beneath {
            Some(beneath) => Self::force_close(beneath, py, error),
            None => transport::force_close(this, py, error),
        }
    }

    fn before_the_end(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        if let Some(top) = this.on_top(py) {
            top.mark_lost(py);
        }
        Ok(())
    }

    fn default_limits(&self) -> Limits {
        self.layer.limits()
    }

    fn limits_are_set(&self) {
        // With TLS asyncio looks anew at once.
        if self.layer.tls().is_some() {
            self.state.with(|state| state.stream.ease());
        }
    }

    fn warn_of_dropped(&self, py: Python<'_>) -> PyResult<()> {
        let text = match &self.layer {
            Layer::Plain => report::SEND_FAILED,
            Layer::Tls(_) => "SSL connection is closed",
        };
        transport::warn_of_dropped(self, py, text)
    }

    fn is_ours_alone(state: &State) -> bool {
        matches!(state.descriptor, Descriptor::Native(_))
    }

    fn connection_lost(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        closing::connection_lost(this, py)
    }

    fn let_go(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        closing::let_go(this, py)
    }
}

impl StreamTransport {
    /// The protocol's `connection_made`; then it may get data.
    pub(super) fn tell_of_connection(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        let mut told = Ok(());
        if let Some(protocol) = this.protocol(py) {
            let name = intern!(py, "connection_made");
            let made = this.context.run(py, || call_method(py, &protocol, name, &[this.object()]));
            if let Err(error) = made {
                let (owner, transport) = (this.owner.bind(py), this.object());
                told = report::callback_failed(owner, transport, Some(&protocol), "connection_made", error);
            }
        }
        // Also if it wants the program to end: whoever cleans up then waits for the connection's end.
        this.state.with(|state| state.stream.endpoint.start());
        let watched = Self::watch(this, py);
        told.and(watched)
    }
}
