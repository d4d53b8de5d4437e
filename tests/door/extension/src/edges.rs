//! What tests/test_door_edges.py awaits: futures and streams that end, or let go, as few do.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread;

use futures_core::Stream;
use ironloop::python::Home;
use ironloop::{AsyncIter, Awaitable};
use pyo3::prelude::*;

use super::{Event, Guard};

/// Waits for the awaitable, and for the event; polled again it lets go of the awaitable, and never ends.
#[pyfunction]
pub(crate) fn lets_go(awaitable: Bound<'_, PyAny>, event: &Event) -> PyResult<Awaitable> {
    let (awaiting, event, guard) = (ironloop::awaiting(&awaitable)?, event.clone(), Guard::new());
    Ok(ironloop::coroutine("lets_go", async move {
        let _guard = guard;
        let (mut awaiting, mut event) = (Some(Box::pin(awaiting)), Box::pin(event.is_set()));
        let mut polls = 0;
        poll_fn(move |context| {
            let _ = event.as_mut().poll(context);
            polls += 1;
            match &mut awaiting {
                Some(awaiting) if polls == 1 => drop(awaiting.as_mut().poll(context)),
                _ => awaiting = None,
            }
            Poll::<()>::Pending
        })
        .await;
        Ok::<_, PyErr>(())
    }))
}

#[pyfunction]
pub(crate) fn one_after_another(awaitables: Vec<Bound<'_, PyAny>>) -> PyResult<Awaitable> {
    let awaitings = awaitables.iter().map(ironloop::awaiting).collect::<PyResult<Vec<_>>>()?;
    Ok(ironloop::coroutine("one_after_another", async move {
        for awaiting in awaitings {
            awaiting.await?;
        }
        Ok::<_, PyErr>(())
    }))
}

/// Another thread has borrowed the waker during the first poll, and has used it.
#[pyfunction]
pub(crate) fn lends_its_waker(clones: bool) -> Awaitable {
    ironloop::coroutine("lends_its_waker", async move {
        let mut polls = 0;
        poll_fn(move |context| {
            polls += 1;
            if polls > 1 {
                return Poll::Ready(());
            }
            let waker = context.waker();
            let wakes = || if clones { waker.clone().wake() } else { waker.wake_by_ref() };
            thread::scope(|scope| drop(scope.spawn(wakes).join()));
            Poll::Pending
        })
        .await;
        Ok::<_, PyErr>(())
    })
}

static POLLED: AtomicUsize = AtomicUsize::new(0);

/// Gives one number, and panics.
struct Panics(bool);

impl Stream for Panics {
    type Item = PyResult<u64>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<PyResult<u64>>> {
        POLLED.fetch_add(1, Ordering::Relaxed);
        if std::mem::replace(&mut self.0, true) {
            panic!("oh no");
        }
        Poll::Ready(Some(Ok(1)))
    }
}

#[pyfunction]
pub(crate) fn one_and_a_panic() -> AsyncIter {
    ironloop::iterate("one_and_a_panic", Panics(false))
}

/// How often such a stream was polled.
#[pyfunction]
pub(crate) fn polled() -> usize {
    POLLED.load(Ordering::Relaxed)
}

/// Holds an object, and may panic when it is dropped.
struct Holds(#[allow(dead_code, reason = "it is dropped")] Py<PyAny>, bool);

impl Drop for Holds {
    fn drop(&mut self) {
        if self.1 {
            panic!("oh no");
        }
    }
}

impl Stream for Holds {
    type Item = PyResult<u64>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<PyResult<u64>>> {
        Poll::Ready(None)
    }
}

#[pyfunction]
pub(crate) fn holding(object: Py<PyAny>, panics: bool) -> AsyncIter {
    ironloop::iterate("holding", Holds(object, panics))
}

/// The loop that runs where it is made.
#[pyclass(frozen)]
pub(crate) struct Kept(Home);

#[pymethods]
impl Kept {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        Home::here(py).map(Self)
    }

    /// Has the function called there.
    fn send(&self, function: Py<PyAny>) {
        self.0.send(move |py| drop(function.call0(py)));
    }

    /// Has nothing done there, by a call that holds an object, and may panic when it is dropped.
    fn send_holding(&self, object: Py<PyAny>, panics: bool) {
        let holds = Holds(object, panics);
        self.0.send(move |_| {
            let mut holds = holds;
            holds.1 = false;
        });
    }

    /// The same out of a poll.
    fn sends(&self, function: Py<PyAny>) -> Awaitable {
        let home = self.0.clone();
        ironloop::coroutine("Kept.sends", async move {
            home.send(move |py| drop(function.call0(py)));
            Ok::<_, PyErr>(())
        })
    }
}
