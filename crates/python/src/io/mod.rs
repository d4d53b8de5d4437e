//! I/O on the loop: transports of streams and datagrams, listening sockets, a user's own sockets and
//! descriptors, and the stream readers and writers above.

pub(crate) mod address;
pub(crate) mod datagram;
pub(crate) mod files;
mod inspect;
mod listener;
mod lookups;
mod make;
mod operations;
mod readers;
mod registration;
mod sock_calls;
mod socket_work;
pub(crate) mod stream;
pub(crate) mod streams;
mod transport;
mod watch;

pub(crate) use registration::Registration;

use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::ffi::method::add_methods;

/// Gives the Python half of the loop the native methods of this wing.
pub(crate) fn add_methods_to(class: &Bound<'_, PyType>) -> PyResult<()> {
    let all = [readers::methods(), listener::methods(), make::methods(), inspect::methods()];
    all.iter().try_for_each(|methods| add_methods(class, methods))?;
    sock_calls::add_methods_to(class)
}

pub(crate) fn add_classes(module: &Bound<'_, PyModule>) -> PyResult<()> {
    watch::add_class(module.py())?;
    listener::add_class(module.py())?;
    module.add_function(wrap_pyfunction!(stream::tls_path, module)?)?;
    module.add_function(wrap_pyfunction!(stream::tls_path_reason, module)?)?;
    module.add_function(wrap_pyfunction!(stream::force_tls_path, module)?)?;
    lookups::add(module)?;
    stream::add_class(module)?;
    datagram::add_class(module)
}

/// The classes of this wing's coroutines.
pub(crate) fn add_coroutines(module: &Bound<'_, PyModule>) -> PyResult<()> {
    sock_calls::add_classes(module.py())
}
