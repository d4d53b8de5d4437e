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
    future: "_asyncio", "Future";
    task: "_asyncio", "Task";
}

/// `socket.SOCK_STREAM`
pub(crate) fn stream_type(py: Python<'_>) -> PyResult<i32> {
    static NUMBER: PyOnceLock<i32> = PyOnceLock::new();
    NUMBER.get_or_try_init(py, || py.import("socket")?.getattr("SOCK_STREAM")?.extract()).copied()
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
