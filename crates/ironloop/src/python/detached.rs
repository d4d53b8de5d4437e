//! Futures that compute between their waits: polled while others may run Python.
//!
//! Belongs to the loop's thread, which lets go of the interpreter for each poll. Sockets and timers of
//! ironloop's loops attach for themselves where they ask Python's side for something (`host/table.rs`).

use std::pin::Pin;
use std::task::{Context, Poll};

use pyo3::prelude::*;

use super::polling;

/// Has a future polled while the loop's thread lets go of the interpreter, so that other threads run Python
/// meanwhile: for one that computes for a while between its waits, or takes locks whose owners may want Python.
///
/// The loop itself waits for the poll, as for any other; what takes milliseconds belongs to
/// [`blocking`](crate::blocking). Letting go and coming back cost about as much as the poll of a future that
/// is ready, and another thread may keep the interpreter for its switch interval, 5 ms: so this pays where polls
/// take tens of microseconds, and never for what mostly waits. Futures inside may await Python
/// ([`awaiting`](crate::awaiting)) and use `time` and `net`; they attach for it. Where a thread runs no Python,
/// it is the future itself.
///
/// ```ignore
/// ironloop::coroutine("digest", ironloop::detached(async move {
///     let mut hash = Sha256::new();
///     while let Some(chunk) = chunks.next().await {
///         hash.update(&chunk);
///     }
///     Ok::<_, PyErr>(hash.finalize().to_vec())
/// }))
/// ```
pub fn detached<F>(future: F) -> Detached<F>
where
    F: Future + Send,
    F::Output: Send,
{
    Detached(future)
}

/// The future of [`detached`].
#[must_use = "it does nothing until it is polled"]
#[derive(Debug)]
pub struct Detached<F>(F);

impl<F> Future for Detached<F>
where
    F: Future + Send,
    F::Output: Send,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the field is pinned as the whole is: nothing moves out of it.
        let future = unsafe { self.map_unchecked_mut(|detached| &mut detached.0) };
        // A context may not be taken along; its waker may.
        let waker = context.waker();
        let poll = || future.poll(&mut Context::from_waker(waker));
        if !polling::is_attached() {
            return poll();
        }
        Python::attach(|py| py.detach(|| polling::detached(poll)))
    }
}
