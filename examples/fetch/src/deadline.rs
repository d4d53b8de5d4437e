//! The time that a request and its reply may take, from the call to the last byte.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use ironloop::time::{Sleep, sleep};

use crate::error::Error;

/// One timer for all of it.
pub struct Deadline {
    limit: Option<(Sleep, Duration)>,
}

impl Deadline {
    pub fn after(limit: Option<Duration>) -> Self {
        Self { limit: limit.map(|limit| (sleep(limit), limit)) }
    }

    /// Ready when the time is up.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        match &mut self.limit {
            Some((sleep, limit)) => Pin::new(sleep).poll(cx).map(|()| Error::Timeout(*limit)),
            None => Poll::Pending,
        }
    }

    /// What the future gives, unless the time is up before: then it is dropped.
    pub async fn within<T>(&mut self, future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(outcome),
            Poll::Pending => self.poll(cx).map(Err),
        })
        .await
    }
}
