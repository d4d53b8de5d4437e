//! A cancellation that a future is told of, so that it can end cleanly.

use std::any::type_name;
use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use pyo3::{IntoPyObject, PyErr};

use super::coroutine::{Awaitable, Facts, of_future};

/// Says to a future of [`cancellable`] that its task was cancelled. Any thread may have it.
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Inner>);

#[derive(Default)]
struct Inner {
    cancelled: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
}

impl CancelToken {
    /// Whether the task was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Waits until the task is cancelled.
    pub async fn cancelled(&self) {
        poll_fn(|context| {
            let mut wakers = self.0.wakers.lock().unwrap_or_else(PoisonError::into_inner);
            if self.is_cancelled() {
                return Poll::Ready(());
            }
            if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
                wakers.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// False if it was before.
    pub(super) fn cancel(&self) -> bool {
        let mut wakers = self.0.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        let first = !self.0.cancelled.swap(true, Ordering::AcqRel);
        let woken = std::mem::take(&mut *wakers);
        drop(wakers);
        woken.into_iter().for_each(Waker::wake);
        first
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CancelToken").field("is_cancelled", &self.is_cancelled()).finish()
    }
}

/// An awaitable as of [`coroutine`](super::coroutine()), of a future that is not dropped when its task is
/// cancelled: its token says so, and it is polled until it ends. Then the cancellation is raised, or the
/// error that the future has ended with. A second cancellation drops it.
#[track_caller]
pub fn cancellable<F, T, E>(name: &'static str, make: impl FnOnce(CancelToken) -> F) -> Awaitable
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: for<'py> IntoPyObject<'py> + 'static,
    E: Into<PyErr>,
{
    let token = CancelToken::default();
    let facts = Facts { name, place: Location::caller(), path: type_name::<F>(), home: None };
    of_future(facts, make(token.clone()), Some(token))
}
