//! A stream's transport: ours without a detour through Python, unless somebody has put methods of his own on
//! it.

use pyo3::prelude::*;

use crate::ffi::call::call_method;
use crate::ffi::intern::intern;
use crate::ffi::{Arg, Instance, Object};
use crate::io::stream::StreamTransport;
use crate::io::transport::Transport;

fn native(transport: &Object) -> Option<&Instance<StreamTransport>> {
    Instance::<StreamTransport>::of(transport).filter(|transport| !transport.has_attributes())
}

/// `transport.write(data)`
pub(super) fn write(py: Python<'_>, transport: &Object, data: Arg<'_>) -> PyResult<()> {
    match native(transport) {
        Some(transport) => StreamTransport::write(transport, py, data),
        None => call_method(py, transport, intern!(py, "write"), &[&data.to_object(py)]).map(drop),
    }
}

/// `drain`: nothing more is to be written for now.
pub(super) fn end_burst(py: Python<'_>, transport: &Object) {
    if let Some(transport) = Instance::<StreamTransport>::of(transport) {
        transport.end_burst(py);
    }
}

/// `transport.is_closing()`
pub(super) fn is_closing(py: Python<'_>, transport: &Object) -> PyResult<bool> {
    match native(transport) {
        Some(transport) => Ok(transport.is_closing()),
        None => call_method(py, transport, intern!(py, "is_closing"), &[])?.bind(py).is_truthy(),
    }
}

/// `transport.pause_reading()`
pub(super) fn pause_reading(py: Python<'_>, transport: &Object) -> PyResult<()> {
    match native(transport) {
        Some(transport) => {
            transport.pause_reading();
            Ok(())
        }
        None => call_method(py, transport, intern!(py, "pause_reading"), &[]).map(drop),
    }
}

/// `transport.resume_reading()`
pub(super) fn resume_reading(py: Python<'_>, transport: &Object) -> PyResult<()> {
    match native(transport) {
        Some(transport) => StreamTransport::resume_reading(transport, py),
        None => call_method(py, transport, intern!(py, "resume_reading"), &[]).map(drop),
    }
}
