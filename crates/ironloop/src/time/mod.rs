//! Waiting for time: [`sleep`], [`timeout`], [`interval`].
//!
//! The clock is that of the loop that polls: in a simulation it jumps. A timer is never early.

mod instant;
mod interval;
mod sleep;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

pub use instant::Instant;
pub use interval::{Interval, interval};
pub use sleep::{Sleep, sleep, sleep_until};

/// Waits for a future, for so long at most; then it is dropped. The time counts from this call.
///
/// ```
/// use std::{future::pending, time::Duration};
/// use ironloop::time::timeout;
///
/// ironloop::block_on(async {
///     assert_eq!(timeout(Duration::from_secs(1), async { 5 }).await, Ok(5));
///     assert!(timeout(Duration::from_millis(1), pending::<()>()).await.is_err());
/// });
/// ```
///
/// # Errors
///
/// [`Elapsed`] if the time was up before the future was ready.
pub fn timeout<F>(limit: Duration, future: F) -> impl Future<Output = Result<F::Output, Elapsed>>
where
    F: IntoFuture,
{
    let (limit, future) = (sleep(limit), future.into_future());
    async move {
        let (mut limit, mut future) = (pin!(limit), pin!(future));
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => limit.as_mut().poll(context).map(|()| Err(Elapsed(()))),
        })
        .await
    }
}

/// The time of a [`timeout`] was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the time is up")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(io::ErrorKind::TimedOut, elapsed)
    }
}
