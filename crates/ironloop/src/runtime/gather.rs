//! Several futures at once.

use std::collections::VecDeque;
use std::fmt;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::runtime::{JoinError, JoinHandle, spawn_local};

/// Runs futures at once, each [spawned](spawn_local), and hands over what they gave, in the order of the
/// arguments. Dropped, it ends those that still run.
///
/// ```
/// use std::time::Duration;
/// use ironloop::{gather, time::sleep};
///
/// let squares = ironloop::block_on(async {
///     gather((1..=3).map(|number| async move {
///         sleep(Duration::from_millis(5 - number)).await;
///         number * number
///     }))
///     .await
/// });
/// assert_eq!(squares, [1, 4, 9]);
/// ```
///
/// # Panics
///
/// Where no loop polls. Awaited, it panics with what one of them has panicked with, once those before it have
/// ended.
#[track_caller]
pub fn gather<F>(futures: impl IntoIterator<Item = F>) -> Gather<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    Gather { runs: futures.into_iter().map(spawn_local).collect(), outputs: Vec::new() }
}

/// Waits for several futures: of [`gather`].
#[must_use = "it waits when it is awaited, and ends them when it is dropped"]
pub struct Gather<T> {
    /// In the order of the arguments. The first is awaited; what the others have ended with they keep.
    runs: VecDeque<JoinHandle<T>>,
    outputs: Vec<T>,
}

// Nothing of it is pinned.
impl<T> Unpin for Gather<T> {}

impl<T> Future for Gather<T> {
    type Output = Vec<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Vec<T>> {
        while let Some(first) = self.runs.front_mut() {
            let outcome = ready!(Pin::new(first).poll(context));
            self.runs.pop_front();
            match outcome {
                Ok(output) => self.outputs.push(output),
                Err(JoinError::Panicked(payload)) => resume_unwind(payload),
                // The loop ends, and drops whoever waits here too.
                Err(JoinError::Cancelled) => return Poll::Pending,
            }
        }
        Poll::Ready(std::mem::take(&mut self.outputs))
    }
}

impl<T> Drop for Gather<T> {
    fn drop(&mut self) {
        self.runs.iter().for_each(JoinHandle::abort);
    }
}

impl<T> fmt::Debug for Gather<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Gather").field("runs", &self.runs.len()).finish()
    }
}
