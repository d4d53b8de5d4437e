//! A datagram socket as a transport: what the loop calls, and what is not as with streams.

use std::collections::VecDeque;

use ironloop_driver::{RawFd, Ready};
use ironloop_engine::Endpoint;
use pyo3::prelude::*;

use super::{DatagramTransport, State, closing, sending};
use crate::event_loop::{LoopCore, Open};
use crate::ffi::call::call_method;
use crate::ffi::cell::LoopCell;
use crate::ffi::intern::intern;
use crate::ffi::{Bytes, Context, Instance, Object, Shared};
use crate::io::Registration;
use crate::io::transport::{self, Kinds, Transport};

static KINDS: Kinds = Kinds::of::<DatagramTransport>();

impl transport::State for State {
    type Unsent = VecDeque<(Bytes, Option<Object>)>;

    fn endpoint(&self) -> &Endpoint {
        &self.datagrams.endpoint
    }

    fn endpoint_mut(&mut self) -> &mut Endpoint {
        &mut self.datagrams.endpoint
    }

    fn wants_to_write(&self) -> bool {
        self.datagrams.wants_to_write()
    }

    fn registration(&mut self) -> &mut Registration {
        &mut self.registration
    }

    fn buffered(&self) -> usize {
        self.datagrams.buffered()
    }

    fn open(&mut self) -> &mut Option<Open> {
        &mut self.open
    }

    fn abort(&mut self) -> Option<Self::Unsent> {
        self.datagrams.abort()
    }

    fn protocol(&self) -> Option<&Object> {
        self.protocol.as_ref()
    }

    fn set_protocol(&mut self, protocol: Object) -> Option<Object> {
        self.protocol.replace(protocol)
    }

    fn error(&mut self) -> &mut Option<Object> {
        &mut self.error
    }

    fn dropped(&mut self) -> &mut u32 {
        &mut self.dropped
    }
}

impl Transport for DatagramTransport {
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

    fn fd(&self, _state: &State) -> RawFd {
        self.fd()
    }

    /// In a context of its own, as in asyncio.
    fn connection_made(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        if let Some(protocol) = this.protocol(py) {
            let name = intern!(py, "connection_made");
            let context = this.context.copy(py)?;
            let told = context.run(py, || call_method(py, &protocol, name, &[this.object()]));
            if let Err(error) = told {
                Self::callback_failed(this, py, "connection_made", error)?;
            }
        }
        this.state.with(|state| state.datagrams.endpoint.start());
        Self::watch(this, py)
            .or_else(|error| Self::fatal_error(this, py, error, "Fatal error on datagram transport"))
    }

    fn ready(this: &Instance<Self>, py: Python<'_>, ready: Ready) -> PyResult<()> {
        this.context.run(py, || {
            Self::serve(this, py, ready)?;
            if this.plain.as_ref().is_some_and(|plain| plain.socket.is_gone()) {
                return Self::descriptor_is_gone(this, py);
            }
            Ok(())
        })
    }

    fn readable(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        Self::receive_batch(this, py)
    }

    fn writable(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        Self::send_waiting(this, py)
    }

    fn follow_up(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        sending::take_steps(this, py)
    }

    fn watch(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        Self::widen(this, py)
    }

    /// The socket is gone, which `ready` looks for.
    fn cannot_narrow(_this: &Instance<Self>, _py: Python<'_>, _error: PyErr) -> PyResult<()> {
        Ok(())
    }

    fn close(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        if this.state.with(|state| state.datagrams.close()) {
            Self::follow_up(this, py)?;
        }
        Ok(())
    }

    fn before_the_end(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        let context = Context::copy_current(py)?;
        let old = this.state.with(|state| state.lost_in.replace(context));
        drop(old);
        Ok(())
    }

    fn connection_lost(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        closing::connection_lost(this, py)
    }

    fn let_go(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        closing::let_go(this, py)
    }
}
