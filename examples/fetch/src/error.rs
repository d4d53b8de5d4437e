//! What goes wrong, and the exceptions of `fetch.errors` for it.

use std::error::Error as _;
use std::fmt::Display;
use std::io;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

pub enum Error {
    InvalidUrl(String),
    /// The name has no address, or nobody answers there.
    Connect(String, io::Error),
    ConnectTimeout(String, Duration),
    Tls(String),
    Timeout(Duration),
    TooManyRedirects(u32, String),
    /// The connection has ended in the middle.
    Disconnected(String),
    /// What came is not HTTP.
    Protocol(String),
    /// The client, or the reply, is closed; or the body was given out already.
    Closed(&'static str),
    /// Raised in Python, by a request's body for instance.
    Python(PyErr),
}

impl Error {
    fn into_exception(self, py: Python<'_>) -> PyResult<PyErr> {
        let new = |name: &str, text: String| {
            let class = errors(py)?.getattr(name)?;
            Ok(PyErr::from_value(class.call1((text,))?))
        };
        match self {
            Self::InvalidUrl(text) => new("InvalidURL", text),
            Self::Connect(whom, error) => {
                let Some(number) = error.raw_os_error() else {
                    return new("ConnectError", format!("cannot connect to {whom}: {error}"));
                };
                let reason = py.import("os")?.call_method1("strerror", (number,))?;
                let arguments = (number, format!("cannot connect to {whom}: {reason}"));
                Ok(PyErr::from_value(errors(py)?.getattr("ConnectError")?.call1(arguments)?))
            }
            Self::ConnectTimeout(whom, limit) => {
                new("ConnectTimeout", format!("no connection to {whom} within {limit:?}"))
            }
            Self::Tls(text) => new("TLSError", text),
            Self::Timeout(limit) => new("Timeout", format!("no whole reply within {limit:?}")),
            Self::TooManyRedirects(count, url) => {
                new("TooManyRedirects", format!("{count} redirects, and {url} redirects again"))
            }
            Self::Disconnected(text) => new("Disconnected", text),
            Self::Protocol(text) => new("ProtocolError", text),
            Self::Closed(text) => new("ClosedError", text.to_owned()),
            Self::Python(error) => Ok(error),
        }
    }
}

fn errors(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || py.import("fetch.errors").map(Bound::unbind))?;
    Ok(module.bind(py))
}

/// A future fails where it is polled, and that is attached already.
impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        Python::attach(|py| error.into_exception(py).unwrap_or_else(|error| error))
    }
}

impl From<PyErr> for Error {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl From<hyper::Error> for Error {
    fn from(error: hyper::Error) -> Self {
        if let Some(raised) = error.source().and_then(|source| source.downcast_ref::<PyErr>()) {
            return Self::Python(Python::attach(|py| raised.clone_ref(py)));
        }
        let text = with_causes(&error);
        let broken = error.source().is_some_and(|source| source.is::<io::Error>());
        if error.is_incomplete_message() || error.is_closed() || error.is_canceled() || broken {
            return Self::Disconnected(text);
        }
        Self::Protocol(text)
    }
}

fn with_causes(error: &hyper::Error) -> String {
    let first: &dyn Display = error;
    let mut text = first.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
