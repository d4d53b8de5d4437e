//! Futures that keep the loop from what else it has to do.

use std::thread;
use std::time::Duration;

use ironloop::Awaitable;
use pyo3::prelude::*;

/// Spawns one that keeps its thread for so long, and awaits it.
#[pyfunction]
pub fn spawns_what_is_busy(milliseconds: u64) -> Awaitable {
    ironloop::local_coroutine("spawns", async move {
        let busy = ironloop::spawn_local(async move { thread::sleep(Duration::from_millis(milliseconds)) });
        busy.await.expect("it has not panicked");
        Ok::<_, PyErr>(())
    })
}
