//! `ironloop._ironloop`: the native half of ironloop.

mod address;
mod cell;
mod datagram;
mod error;
mod event_loop;
mod ffi;
mod handle;
mod imports;
mod transport;

use pyo3::prelude::*;

/// The module. It does not turn the lock of a free-threaded interpreter back on.
#[pymodule(gil_used = false)]
fn _ironloop(module: &Bound<'_, PyModule>) -> PyResult<()> {
    imports::prepare(module.py())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    event_loop::add_class(module)?;
    handle::add_classes(module)?;
    transport::add_class(module)?;
    datagram::add_class(module)
}
