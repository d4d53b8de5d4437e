//! By what a connection's records are read and written, chosen once for the process.

use std::sync::atomic::{AtomicU8, Ordering};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::ffi::openssl;

/// The better come first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    /// OpenSSL's functions.
    OpenSsl,
    /// The methods of `SSLObject`, over memory.
    Ssl,
    /// asyncio's `SSLProtocol`.
    Asyncio,
}

/// The choice, and why it is not a better one.
struct Choice {
    path: Path,
    reason: String,
}

fn choice(py: Python<'_>) -> &Choice {
    static CHOICE: PyOnceLock<Choice> = PyOnceLock::new();
    CHOICE.get_or_init(py, || match openssl::prepare(py) {
        Ok(()) => Choice { path: Path::OpenSsl, reason: String::new() },
        Err(reason) => Choice { path: Path::Ssl, reason },
    })
}

static FORCED: AtomicU8 = AtomicU8::new(0);

pub(super) fn path(py: Python<'_>) -> Path {
    match FORCED.load(Ordering::Relaxed) {
        1 => Path::Ssl,
        2 => Path::Asyncio,
        _ => choice(py).path,
    }
}

/// For tests: another path than the best for the connections from now on, by its name; None takes that back.
#[pyfunction]
pub(crate) fn force_tls_path(path: Option<&str>) {
    let number = match path {
        Some("ssl") => 1,
        Some("asyncio") => 2,
        _ => 0,
    };
    FORCED.store(number, Ordering::Relaxed);
}

/// How TLS is done in this process: `"openssl"`, past Python's objects by the OpenSSL that the ssl module has
/// loaded; `"ssl"`, by the ssl module's own methods, where that OpenSSL hides its functions; or `"asyncio"`,
/// by asyncio's `SSLProtocol`. Found out when first asked, or with the first connection.
#[pyfunction]
pub(crate) fn tls_path(py: Python<'_>) -> &'static str {
    match path(py) {
        Path::OpenSsl => "openssl",
        Path::Ssl => "ssl",
        Path::Asyncio => "asyncio",
    }
}

/// Why it is not a better one; empty for the best.
#[pyfunction]
pub(crate) fn tls_path_reason(py: Python<'_>) -> &str {
    choice(py).reason.as_str()
}
