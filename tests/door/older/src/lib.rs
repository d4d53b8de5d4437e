//! What tools/door_proofs.py awaits beside the other extension module.

use std::time::Duration;

use ironloop::Awaitable;
use pyo3::prelude::*;

#[pyfunction]
fn sleep(milliseconds: u64) -> Awaitable {
    ironloop::coroutine("older.sleep", async move {
        ironloop::time::sleep(Duration::from_millis(milliseconds)).await;
        Ok::<_, PyErr>(milliseconds)
    })
}

/// Gives what the awaitable gives, which may be of the other module.
#[pyfunction]
fn passes_on(awaitable: Bound<'_, PyAny>) -> PyResult<Awaitable> {
    Ok(ironloop::coroutine("older.passes_on", ironloop::awaiting(&awaitable)?))
}

#[pymodule]
mod door_older {
    #[pymodule_export]
    use super::{passes_on, sleep};
}
