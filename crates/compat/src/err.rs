//! Errors.

// The macro's are not documented, and it makes more of them public than is used.
#[allow(missing_docs, unreachable_pub)]
mod exceptions {
    use pyo3::create_exception;
    use pyo3::exceptions::PyException;

    create_exception!(pyo3_async_runtimes, RustPanic, PyException, "A future of Rust's has panicked.");
}

pub use exceptions::RustPanic;

use std::any::Any;

use pyo3::PyErr;

/// What Python gets of a panic.
pub(crate) fn of_panic(payload: &(dyn Any + Send)) -> PyErr {
    let said = payload.downcast_ref::<&str>().copied();
    let said = said.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    RustPanic::new_err(format!("rust future panicked: {}", said.unwrap_or("unknown error")))
}
