//! Futures that need Tokio, on our loop: polled by Tokio's workers, or here in Tokio's context.
//!
//! | | [`spawn`] | [`context`] |
//! |---|---|---|
//! | who polls | Tokio's workers, at once with the loop | the loop's thread |
//! | for | what computes, or asks to be moved between threads | clients that wait (their sockets and timers are Tokio's) and are called often |
//! | needs | `Send` | nothing |
//! | a call costs | a thread or two are woken | one wake from Tokio's thread for each wait |
//!
//! Sockets and timers of Tokio's are watched by its own threads, which wake the loop. Ours ([`net`](crate::net),
//! [`time`](crate::time)) are watched by the loop itself; they work inside of [`context`], and not in what is
//! spawned.
//!
//! There is one runtime in a process (of each extension module), made at the first use and never ended. A
//! child that was forked makes its own; what the parent's was doing is not there.

use std::any::Any;
use std::fmt;
#[cfg(feature = "pyo3")]
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use ::tokio::runtime::{Builder, Handle};
use ::tokio::task::{self, Unconstrained};

use crate::JoinError;

/// The runtime, and the process whose threads it has.
static RUNTIME: Mutex<Option<(u32, Handle)>> = Mutex::new(None);

/// The runtime of this process: what `tokio::spawn` and Tokio's sockets ask for, for code of one's own.
///
/// # Panics
///
/// If the system has no threads or descriptors for it.
pub fn handle() -> Handle {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    match &*runtime {
        Some((of, handle)) if *of == process => handle.clone(),
        before => {
            // The threads of a parent's are not here to be ended.
            std::mem::forget(before.clone());
            let made = Builder::new_multi_thread().thread_name("ironloop-tokio").enable_all().build();
            let made = made.expect("Tokio takes threads and descriptors");
            let handle = made.handle().clone();
            // Its threads go on to the end of the process.
            std::mem::forget(made);
            *runtime = Some((process, handle.clone()));
            handle
        }
    }
}

/// Has Tokio's workers poll a future; only its end is awaited here. Dropped, it is aborted.
///
/// ```
/// let sum = ironloop::block_on(async {
///     ironloop::tokio::spawn(async {
///         tokio::time::sleep(std::time::Duration::from_millis(1)).await;
///         (1..=10).sum::<u32>()
///     })
///     .await
/// });
/// assert_eq!(sum.unwrap(), 55);
/// ```
///
/// # Panics
///
/// As [`handle`] does.
pub fn spawn<F>(future: F) -> Spawned<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Spawned(handle().spawn(future))
}

/// What Tokio's workers poll: of [`spawn`]. It may be awaited on any loop.
#[must_use = "dropped, it is aborted"]
pub struct Spawned<T>(task::JoinHandle<T>);

impl<T> Future for Spawned<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Outside of Tokio there is no budget to be had.
        let outcome = ready!(Pin::new(&mut task::unconstrained(&mut self.0)).poll(context));
        Poll::Ready(outcome.map_err(|error| match error.try_into_panic() {
            Ok(payload) => JoinError::Panicked(payload as Box<dyn Any + Send>),
            Err(_) => JoinError::Cancelled,
        }))
    }
}

impl<T> Drop for Spawned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T> fmt::Debug for Spawned<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Spawned").field("is_finished", &self.0.is_finished()).finish()
    }
}

/// An awaitable for Python of a future that Tokio's workers poll, from the first `await` on: they never attach
/// to Python for it, and its value becomes Python's on the loop's thread. Cancelling the task aborts it.
///
/// One that is polled here, with Tokio at hand, is `ironloop::coroutine(name, ironloop::tokio::context(future))`.
#[cfg(feature = "pyo3")]
#[track_caller]
pub fn coroutine<F, T, E>(name: &'static str, future: F) -> crate::Awaitable
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: for<'py> pyo3::IntoPyObject<'py> + Send + 'static,
    E: Into<pyo3::PyErr> + Send + 'static,
{
    crate::coroutine(name, async move {
        match spawn(future).await {
            Ok(outcome) => outcome.map_err(Into::into),
            Err(JoinError::Panicked(payload)) => resume_unwind(payload),
            // Nobody but us aborts it.
            Err(JoinError::Cancelled) => {
                Err(pyo3::exceptions::PyRuntimeError::new_err("the Tokio runtime has ended"))
            }
        }
    })
}

/// A future that is polled here, and finds Tokio: its sockets, its timers, `tokio::spawn`. It need not be
/// `Send`.
///
/// ```
/// use tokio::time::{Duration, timeout};
///
/// let answer = ironloop::block_on(ironloop::tokio::context(async {
///     timeout(Duration::from_secs(1), ironloop::time::sleep(Duration::from_millis(1))).await.is_ok()
/// }));
/// assert!(answer);
/// ```
///
/// # Panics
///
/// As [`handle`] does.
pub fn context<F: Future>(future: F) -> InContext<F> {
    InContext { handle: handle(), future: Some(Box::pin(task::unconstrained(future))) }
}

/// A future in Tokio's context: of [`context`].
pub struct InContext<F> {
    handle: Handle,
    /// Gone when this is dropped.
    ///
    /// Unconstrained: Tokio's budget is given out by its workers anew for each poll, and here by nobody.
    future: Option<Pin<Box<Unconstrained<F>>>>,
}

impl<F: Future> Future for InContext<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { handle, future } = &mut *self;
        let _entered = handle.enter();
        future.as_mut().expect("it is there until this is dropped").as_mut().poll(context)
    }
}

impl<F> Drop for InContext<F> {
    fn drop(&mut self) {
        let _entered = self.handle.enter();
        // Here, since what it drops may ask for Tokio, too.
        drop(self.future.take());
    }
}

impl<F> fmt::Debug for InContext<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("InContext")
    }
}
