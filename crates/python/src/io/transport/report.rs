//! What a transport says: to its protocol, to the loop's exception handler, in warnings.

use crate::ffi::intern::intern;
use ironloop_engine::stream::FlowChange;
use pyo3::exceptions::{PyOSError, PyResourceWarning};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::event_loop::LoopCore;
use crate::ffi::Object;
use crate::ffi::call::call_method;
use crate::ffi::imports;

/// After so many sends through a transport that is closed or broken a warning is logged, as in asyncio.
const DROPPED_SENDS_BEFORE_WARNING: u32 = 5;

/// What it says of a socket.
pub(crate) const SEND_FAILED: &str = "socket.send() raised exception.";

/// Tells a protocol to write less, or that it may write again.
pub(crate) fn tell_of_flow(
    owner: &Bound<'_, LoopCore>,
    transport: &Object,
    protocol: &Object,
    change: FlowChange,
) -> PyResult<()> {
    let py = owner.py();
    let (name, message) = match change {
        FlowChange::Pause => (intern!(py, "pause_writing"), "protocol.pause_writing() failed"),
        FlowChange::Resume => (intern!(py, "resume_writing"), "protocol.resume_writing() failed"),
    };
    let Err(error) = call_method(py, protocol, name, &[]) else {
        return Ok(());
    };
    let about = [("transport", Some(transport)), ("protocol", Some(protocol))];
    LoopCore::report(owner, message, error, &about)
}

/// Something was sent, for the `count`th time, through a transport that is closed or broken.
pub(crate) fn warn_of_dropped(py: Python<'_>, count: u32, text: &str) -> PyResult<()> {
    if count >= DROPPED_SENDS_BEFORE_WARNING {
        let logger = py.import(intern!(py, "asyncio.log"))?.getattr(intern!(py, "logger"))?;
        logger.call_method1(intern!(py, "warning"), (text,))?;
    }
    Ok(())
}

/// Tells of an error that a transport does not survive: one of the operating system in debug mode only.
pub(crate) fn fatal(
    owner: &Bound<'_, LoopCore>,
    transport: &Object,
    protocol: Option<&Object>,
    error: PyErr,
    message: &str,
) -> PyResult<()> {
    let py = owner.py();
    if !error.is_instance_of::<PyOSError>(py) {
        return LoopCore::report(
            owner,
            message,
            error,
            &[("transport", Some(transport)), ("protocol", protocol)],
        );
    }
    if owner.get().is_debug() {
        owner.call_method1(intern!(py, "_log_lost"), (transport.bind(py), message, error))?;
    }
    Ok(())
}

/// The `ResourceWarning` for a transport that nobody closed and nobody refers to.
pub(crate) fn warn_unclosed(py: Python<'_>, transport: &Object) {
    let warned = (|| {
        let text = format!("unclosed transport {}", transport.bind(py).repr()?);
        let source = PyDict::new(py);
        source.set_item("source", transport.bind(py))?;
        imports::warn(py)?.call((text, py.get_type::<PyResourceWarning>()), Some(&source)).map(drop)
    })();
    if let Err(error) = warned {
        error.write_unraisable(py, Some(transport.bind(py)));
    }
}

/// A method of the protocol has raised. The transport lives on.
pub(crate) fn callback_failed(
    owner: &Bound<'_, LoopCore>,
    transport: &Object,
    protocol: Option<&Object>,
    name: &str,
    error: PyErr,
) -> PyResult<()> {
    let method = protocol.and_then(|protocol| protocol.bind(owner.py()).getattr(name).ok());
    let method = method.map_or_else(|| name.into(), |method| method.to_string());
    let about = [("transport", Some(transport)), ("protocol", protocol)];
    LoopCore::report(owner, &format!("Exception in callback {method}"), error, &about)
}
