//! What of a connection's TLS is to be seen: `get_extra_info`, and what `python/ironloop/tls_view.py` shows under
//! asyncio's private names.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{Phase, Tls};
use crate::ffi::Object;
use crate::ffi::call::call_method;
use crate::ffi::intern::intern;

impl Tls {
    /// What `get_extra_info` tells of TLS; all but the context when the handshake is over.
    pub(in super::super) fn extra_info(&self, py: Python<'_>, name: &str) -> PyResult<Option<Object>> {
        let object = self.session.object();
        Ok(match name {
            "sslcontext" => Some(self.context.clone_ref(py)),
            _ if self.phase() == Phase::Handshaking => None,
            "ssl_object" => Some(object.clone_ref(py)),
            "peercert" => Some(call_method(py, object, intern!(py, "getpeercert"), &[])?),
            "cipher" => Some(call_method(py, object, intern!(py, "cipher"), &[])?),
            "compression" => Some(call_method(py, object, intern!(py, "compression"), &[])?),
            _ => None,
        })
    }

    /// How it stands, as a dictionary.
    pub(in super::super) fn standing(&self, py: Python<'_>) -> PyResult<Object> {
        let phase = match self.phase() {
            Phase::Handshaking => "handshaking",
            Phase::Open => "open",
            Phase::Flushing => "flushing",
            Phase::Closing | Phase::Awaiting => "closing",
        };
        let standing = PyDict::new(py);
        standing.set_item("phase", phase)?;
        standing.set_item("object", self.session.object().bind(py))?;
        standing.set_item("received", self.session.received(py)?)?;
        standing.set_item("handshake_timeout", self.handshake_timeout.bind(py))?;
        standing.set_item("shutdown_timeout", self.shutdown_timeout.bind(py))?;
        Ok(standing.into_any().into())
    }
}
