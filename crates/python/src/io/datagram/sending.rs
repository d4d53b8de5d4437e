//! From the protocol to the kernel.

use crate::ffi::intern::intern;
use ironloop_driver::Address;
use ironloop_engine::datagram::Step;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView};

use super::DatagramTransport;
use super::receiving::{is_python_refusal, is_refusal};
use crate::event_loop::recorder::{self, Op};
use crate::ffi::buffer::Buffer;
use crate::ffi::error::os_error;
use crate::ffi::stock::{self, Taker};
use crate::ffi::{Bytes, Instance, Object};
use crate::io::address;
use crate::io::transport::{State as _, Transport, report};

const SEND_FAILED: &str = "Fatal write error on datagram transport";

/// Who takes a datagram to the kernel, and where.
enum Route {
    /// We do, to the socket's peer.
    Connected,
    /// We do, to an address.
    Addressed(Address),
    /// The Python socket does.
    Python,
}

/// What came of an attempt to send.
enum Offer {
    Sent,
    /// There is no room now.
    Refused,
    Failed(PyErr),
}

impl DatagramTransport {
    pub(super) fn send_to(
        this: &Instance<Self>,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        address: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        check_kind(data)?;
        if !stock::datagrams(py)?.sends_empty && data.len()? == 0 {
            return Ok(());
        }
        let own = this.address.as_ref().map(|own| own.bind(py));
        if let (Some(own), Some(given)) = (own, address) {
            if !given.is(own) && !given.eq(own)? {
                return Err(PyValueError::new_err(format!("Invalid address: must be None or {own}")));
            }
        }
        let address = own.or(address);
        // A socket without a peer of its own still sends until it is closed, as in asyncio.
        let (over, at_once) = this.state.with(|state| {
            let lost = state.datagrams.endpoint.is_lost();
            (lost && (own.is_some() || state.socket.is_none()), state.datagrams.may_send_at_once())
        });
        if over {
            return this.warn_of_dropped(py);
        }
        if at_once {
            match this.offer(py, data, address) {
                Offer::Sent => return Ok(()),
                Offer::Refused => {}
                Offer::Failed(error) => return Self::tell_of_error(this, py, error, SEND_FAILED),
            }
        }
        let datagram = Bytes::of(data)?;
        let address = address.map(Object::from);
        let late = this.state.with(|state| state.datagrams.push(datagram, address));
        drop(late);
        Self::follow_up(this, py)?;
        Self::watch(this, py)
    }

    /// The socket is writable: sends what waits.
    pub(super) fn send_waiting(this: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        let mut told = Ok(());
        while let Some((datagram, address)) = this.state.with(|state| state.datagrams.pop()) {
            let to = address.as_ref().map(|address| address.bind(py));
            match this.offer(py, datagram.object().bind(py), to) {
                Offer::Sent => {}
                Offer::Refused => {
                    let late = this.state.with(|state| state.datagrams.put_back(datagram, address));
                    drop(late);
                    break;
                }
                // The next one may do better, when the loop comes back here.
                Offer::Failed(error) => {
                    told = Self::tell_of_error(this, py, error, SEND_FAILED)
                        .or_else(|error| Self::callback_failed(this, py, "error_received", error));
                    break;
                }
            }
        }
        Self::follow_up(this, py)?;
        told
    }

    fn offer(&self, py: Python<'_>, data: &Bound<'_, PyAny>, address: Option<&Bound<'_, PyAny>>) -> Offer {
        let route = self.route(address);
        if matches!(route, Route::Python) {
            return self.offer_to_python(py, data, address);
        }
        let to = match &route {
            Route::Addressed(address) => Some(address),
            Route::Connected | Route::Python => None,
        };
        let core = self.owner.get(py);
        let send = |bytes: &[u8]| {
            let sent = core.driver.send_datagram(self.fd(), bytes, to);
            if sent.is_ok() {
                recorder::moved(core, self.fd(), Op::Sent, bytes.len());
            }
            sent
        };
        let sent = match data.cast_exact::<PyBytes>() {
            Ok(bytes) => send(bytes.as_bytes()),
            Err(_) => match Buffer::lend(data, send) {
                Ok(sent) => sent,
                Err(error) => return Offer::Failed(error),
            },
        };
        match sent {
            Ok(()) => Offer::Sent,
            Err(error) if is_refusal(&error) => Offer::Refused,
            Err(error) => Offer::Failed(os_error(error)),
        }
    }

    fn route(&self, address: Option<&Bound<'_, PyAny>>) -> Route {
        let Some(plain) = &self.plain else {
            return Route::Python;
        };
        if self.connected {
            return Route::Connected;
        }
        let Some(address) = address else {
            return Route::Python;
        };
        let known = self.state.with(|state| state.peers.address(address).cloned());
        known.or_else(|| address::from_python(plain.family, address)).map_or(Route::Python, Route::Addressed)
    }

    fn offer_to_python(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        address: Option<&Bound<'_, PyAny>>,
    ) -> Offer {
        let socket = self.socket(py).unwrap_or_else(|| Object::none(py));
        let sent = if self.connected {
            socket.bind(py).call_method1(intern!(py, "send"), (data,))
        } else {
            socket.bind(py).call_method1(intern!(py, "sendto"), (data, address))
        };
        match sent {
            Ok(_) => Offer::Sent,
            Err(error) if is_python_refusal(py, &error) => Offer::Refused,
            Err(error) => Offer::Failed(error),
        }
    }
}

/// Does all that the machine asks for.
pub(super) fn take_steps(this: &Instance<DatagramTransport>, py: Python<'_>) -> PyResult<()> {
    while let Some(step) = this.state.with(|state| state.datagrams.step()) {
        match (step, this.protocol(py)) {
            (Step::Flow(change), Some(protocol)) => {
                report::tell_of_flow(this.owner.bind(py), this.object(), &protocol, change)?;
            }
            (Step::Flow(_), None) => {}
            (Step::Lose, _) => DatagramTransport::lose(this, py)?,
        }
    }
    this.state.with(|state| state.count_unsent());
    Ok(())
}

/// asyncio takes these three, and nothing else that has a buffer.
fn check_kind(data: &Bound<'_, PyAny>) -> PyResult<()> {
    if data.is_instance_of::<PyBytes>()
        || data.is_instance_of::<PyByteArray>()
        || data.is_instance_of::<PyMemoryView>()
    {
        return Ok(());
    }
    Err(stock::refusal(data, Taker::SendTo))
}
