//! What goes wrong, and the exceptions of `elephant.errors` for it.

use std::error::Error as _;
use std::io;

use pyo3::exceptions::{PyConnectionError, PyRuntimeError};
use pyo3::prelude::*;

pub enum Error {
    Connect(io::Error),
    /// By the server, or by its connection.
    Postgres(tokio_postgres::Error),
    Misuse(&'static str),
    Python(PyErr),
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        // What a value said that is not what the statement takes.
        match error.source().and_then(|source| source.downcast_ref::<PyErr>()) {
            Some(raised) => Self::Python(Python::attach(|py| raised.clone_ref(py))),
            None => Self::Postgres(error),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Connect(error)
    }
}

impl From<PyErr> for Error {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        match error {
            Error::Connect(error) => error.into(),
            Error::Misuse(text) => PyRuntimeError::new_err(text),
            Error::Python(error) => error,
            Error::Postgres(error) => match error.as_db_error() {
                Some(told) => Python::attach(|py| {
                    let class =
                        py.import("elephant.errors").and_then(|module| module.getattr("PostgresError"));
                    let raised = class.and_then(|class| class.call1((told.message(), told.code().code())));
                    raised.map_or_else(|error| error, PyErr::from_value)
                }),
                None => match error.source() {
                    Some(cause) => PyConnectionError::new_err(format!("{error}: {cause}")),
                    None => PyConnectionError::new_err(error.to_string()),
                },
            },
        }
    }
}
