//! Streams: `StreamReader`, `StreamWriter` and the protocol between them and the transport.
//!
//! Each class is asyncio's own, with the state of its hot methods in Rust: the attributes of asyncio's code
//! are properties here, so whatever is cold is asyncio's code, inherited (`python/ironloop/streams.py`). A
//! method that is native does what asyncio's does as long as nobody has replaced what it would call
//! (`crate::ffi::hooks`); else asyncio's method does it.

mod attributes;
mod buffer;
mod protocol;
mod read;
mod reader;
mod request;
mod transport;
mod until;
mod writer;

use pyo3::prelude::*;

use crate::ffi::function::set_methods;

/// Gives the three Python classes their native methods.
#[pyfunction]
fn native_streams(
    reader: &Bound<'_, PyAny>,
    writer: &Bound<'_, PyAny>,
    protocol: &Bound<'_, PyAny>,
) -> PyResult<()> {
    set_methods(reader, reader::METHODS)?;
    set_methods(reader, read::METHODS)?;
    set_methods(writer, writer::METHODS)?;
    set_methods(protocol, protocol::METHODS)?;
    reader::EXACT.learn(reader)?;
    writer::EXACT.learn(writer)?;
    protocol::EXACT.learn(protocol)?;
    reader::HOOKS.learn(&[reader])?;
    protocol::HOOKS.learn(&[protocol])
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<reader::StreamReaderCore>()?;
    module.add_class::<writer::StreamWriterCore>()?;
    module.add_class::<protocol::StreamReaderProtocolCore>()?;
    read::add_classes(module.py())?;
    writer::add_class(module.py())?;
    protocol::NATIVE.register();
    module.add_function(wrap_pyfunction!(native_streams, module)?)
}
