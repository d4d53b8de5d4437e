//! Names of the standard library that are needed again and again.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};

/// Functions that import a class once.
macro_rules! classes {
    ($($function:ident: $module:literal, $name:literal;)*) => {$(
        pub(crate) fn $function(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
            static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
            CLASS.import(py, $module, $name)
        }
    )*};
}

classes! {
    buffered_protocol: "asyncio.protocols", "BufferedProtocol";
    transport_socket: "asyncio.trsock", "TransportSocket";
    socket: "socket", "socket";
    base_socket: "_socket", "socket";
    deque: "collections", "deque";
    future: "_asyncio", "Future";
    task: "_asyncio", "Task";
}

/// Whether a socket is a stream of one of the Internet families.
pub(crate) fn is_internet_stream(socket: &Bound<'_, PyAny>) -> PyResult<bool> {
    static NUMBERS: PyOnceLock<[i32; 3]> = PyOnceLock::new();
    let py = socket.py();
    let [stream, v4, v6] = *NUMBERS.get_or_try_init(py, || {
        let module = py.import("socket")?;
        let number = |name: &str| module.getattr(name)?.extract();
        PyResult::Ok([number("SOCK_STREAM")?, number("AF_INET")?, number("AF_INET6")?])
    })?;
    let family: i32 = socket.getattr(intern!(py, "family"))?.extract()?;
    let kind: i32 = socket.getattr(intern!(py, "type"))?.extract()?;
    Ok(kind == stream && (family == v4 || family == v6))
}

/// Whether datagrams pass through a socket as its base class makes them: nothing on the way was replaced.
pub(crate) fn is_plain_datagram_socket(socket: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = socket.py();
    let class = self::socket(py)?;
    // Its instances have no attributes of their own.
    if !socket.get_type().is(class) {
        return Ok(false);
    }
    for name in [intern!(py, "recvfrom"), intern!(py, "send"), intern!(py, "sendto")] {
        if !class.getattr(name)?.is(&base_socket(py)?.getattr(name)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `warnings.warn`, imported with the module: when it is needed, the interpreter may be shutting down.
pub(crate) fn warn(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static WARN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    WARN.get_or_try_init(py, || Ok(py.import("warnings")?.getattr("warn")?.unbind()))
        .map(|warn| warn.bind(py))
}

/// `("loop",)`
pub(crate) fn only_loop(py: Python<'_>) -> PyResult<&Bound<'_, PyTuple>> {
    static NAMES: PyOnceLock<Py<PyTuple>> = PyOnceLock::new();
    NAMES
        .get_or_try_init(py, || Ok(PyTuple::new(py, [intern!(py, "loop")])?.unbind()))
        .map(|names| names.bind(py))
}

/// Whether `Server._attach` takes the transport (3.12.1 and later) or only counts.
pub(crate) fn servers_know_transports(py: Python<'_>) -> PyResult<bool> {
    static ANSWER: PyOnceLock<bool> = PyOnceLock::new();
    ANSWER
        .get_or_try_init(py, || {
            let attach =
                py.import("asyncio.base_events")?.getattr("Server")?.getattr(intern!(py, "_attach"))?;
            let count: usize = attach.getattr("__code__")?.getattr("co_argcount")?.extract()?;
            Ok(count > 1)
        })
        .copied()
}
