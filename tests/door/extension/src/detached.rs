//! Futures that are polled while others may run Python.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use ironloop::Awaitable;
use pyo3::exceptions::{PyTimeoutError, PyValueError};
use pyo3::prelude::*;

use super::Event;

#[derive(Default)]
struct Place {
    begun: AtomicBool,
    there: Mutex<bool>,
    comes: Condvar,
}

/// A poll waits here until a thread that runs Python has come.
#[pyclass(frozen)]
#[derive(Default)]
pub(crate) struct Meeting(Arc<Place>);

impl Place {
    async fn meet(self: Arc<Self>) -> PyResult<&'static str> {
        poll_fn(|_| {
            self.begun.store(true, Ordering::Release);
            let there = self.there.lock().unwrap();
            let waited = self.comes.wait_timeout_while(there, Duration::from_secs(10), |there| !*there);
            Poll::Ready(if waited.unwrap().1.timed_out() {
                Err(PyTimeoutError::new_err("nobody came"))
            } else {
                Ok("met")
            })
        })
        .await
    }
}

#[pymethods]
impl Meeting {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn has_begun(&self) -> bool {
        self.0.begun.load(Ordering::Acquire)
    }

    fn come(&self) {
        *self.0.there.lock().unwrap() = true;
        self.0.comes.notify_all();
    }

    fn meet(&self) -> Awaitable {
        ironloop::coroutine("Meeting.meet", ironloop::detached(Arc::clone(&self.0).meet()))
    }

    /// In a future of its own.
    fn meet_spawned(&self) -> Awaitable {
        let meets = ironloop::detached(Arc::clone(&self.0).meet());
        ironloop::local_coroutine("Meeting.meet_spawned", async move {
            let handle = ironloop::spawn_local(meets);
            handle.await.map_err(|error| PyValueError::new_err(error.to_string()))?
        })
    }

    /// On a thread of Tokio's, which does not attach.
    fn meet_on_workers(&self) -> Awaitable {
        ironloop::tokio::coroutine("Meeting.meet_on_workers", ironloop::detached(Arc::clone(&self.0).meet()))
    }
}

/// Waits for time, for a socket, for Python, and for whoever sets the event, on the thread of the loop.
#[pyfunction]
pub(crate) fn waits_detached(awaitable: Bound<'_, PyAny>, event: &Event) -> PyResult<Awaitable> {
    let (awaiting, event, here) = (ironloop::awaiting(&awaitable)?, event.clone(), thread::current().id());
    Ok(ironloop::coroutine(
        "waits_detached",
        ironloop::detached(async move {
            ironloop::time::sleep(Duration::from_millis(1)).await;
            let listener = ironloop::net::TcpListener::bind("127.0.0.1:0").await?;
            let mut near = ironloop::net::TcpStream::connect(listener.local_addr()?).await?;
            let (mut far, _) = listener.accept().await?;
            near.write_all(b"word").await?;
            let mut word = [0; 4];
            far.read_exact(&mut word).await?;
            let given = awaiting.await?;
            event.is_set().await;
            // Given up before it is due.
            let limit = Duration::from_secs(60);
            let limited = ironloop::time::timeout(limit, ironloop::yield_now()).await;
            Ok::<_, PyErr>((given, word == *b"word" && limited.is_ok() && thread::current().id() == here))
        }),
    ))
}

/// Holds an object until its end, or its panic.
#[pyfunction]
pub(crate) fn holds_detached(object: Py<PyAny>, panics: bool) -> Awaitable {
    ironloop::coroutine(
        "holds_detached",
        ironloop::detached(async move {
            let _object = object;
            ironloop::yield_now().await;
            if panics {
                panic!("oh no");
            }
            Ok::<_, PyErr>(())
        }),
    )
}
