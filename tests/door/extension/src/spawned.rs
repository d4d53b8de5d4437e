//! What futures spawn, and how that ends.

use std::future::pending;
use std::thread;
use std::time::Duration;

use ironloop::Awaitable;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::Guard;

/// The awaitable runs in a future that was spawned.
#[pyfunction]
pub(crate) fn spawned(awaitable: Bound<'_, PyAny>) -> PyResult<Awaitable> {
    let awaiting = ironloop::awaiting(&awaitable)?;
    Ok(ironloop::local_coroutine("spawned", async move {
        let handle = ironloop::spawn_local(awaiting);
        handle.await.map_err(|error| PyValueError::new_err(error.to_string()))?
    }))
}

/// Something is spawned that waits for ever.
#[pyfunction]
pub(crate) fn spawns_what_never_ends() -> Awaitable {
    ironloop::local_coroutine("spawns", async move {
        let guard = Guard::new();
        drop(ironloop::spawn_local(async move {
            let _guard = guard;
            pending::<()>().await;
        }));
        ironloop::yield_now().await;
        Ok::<_, PyErr>(())
    })
}

/// Spawns three, one of which is ready, one is aborted and one panics; gives how each has ended.
#[pyfunction]
pub(crate) fn spawns_what_ends() -> Awaitable {
    ironloop::local_coroutine("spawns", async move {
        let ready = ironloop::spawn_local(is_ready());
        let aborted = ironloop::spawn_local(is_aborted());
        let panics = ironloop::spawn_local(has_panicked());
        ironloop::yield_now().await;
        aborted.abort();
        let words = [ready.await, aborted.await, panics.await].map(|outcome| format!("{outcome:?}"));
        Ok::<_, PyErr>(words.to_vec())
    })
}

async fn is_ready() {}

async fn is_aborted() {
    pending::<()>().await;
}

async fn has_panicked() {
    panic!("on purpose");
}

/// Spawns one that calls, and ends in the same poll.
#[pyfunction]
pub(crate) fn spawns_what_calls(callable: Py<PyAny>) -> Awaitable {
    ironloop::local_coroutine("spawns", async move {
        let calls = ironloop::spawn_local(async move { Python::attach(|py| callable.call0(py).map(drop)) });
        calls.await.expect("it has not panicked")
    })
}

/// Spawns one that keeps its thread for so long, and awaits it.
#[pyfunction]
pub(crate) fn spawns_what_is_busy(milliseconds: u64) -> Awaitable {
    ironloop::local_coroutine("spawns", async move {
        let busy = ironloop::spawn_local(async move { thread::sleep(Duration::from_millis(milliseconds)) });
        busy.await.expect("it has not panicked");
        Ok::<_, PyErr>(())
    })
}
