//! What the `ssl` module's errors say.

use pyo3::prelude::*;

use crate::ffi::intern::intern;

/// Whether the `ssl` module has only said that it needs more from the peer.
pub(super) fn is_again(py: Python<'_>, error: &PyErr) -> bool {
    ["SSLWantReadError", "SSLSyscallError"].iter().any(|name| is_ssl(py, error, name))
}

/// `isinstance(error, ssl.name)`
pub(super) fn is_ssl(py: Python<'_>, error: &PyErr, name: &str) -> bool {
    py.import(intern!(py, "ssl"))
        .and_then(|ssl| ssl.getattr(name))
        .is_ok_and(|class| error.matches(py, class).unwrap_or(false))
}
