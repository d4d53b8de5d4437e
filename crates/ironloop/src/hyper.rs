//! What hyper asks of a runtime: sockets (the streams of [`net`](crate::net) are its `Read` and `Write`), a
//! [`Timer`] and an [`Executor`].

use std::pin::Pin;
use std::time::Duration;

use crate::time::{self, Instant, Sleep};

/// hyper's timers, by the clock of the loop that polls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer;

impl hyper::rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(time::sleep(duration))
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep(deadline.saturating_duration_since(std::time::Instant::now()))
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn hyper::rt::Sleep>>, deadline: std::time::Instant) {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        match sleep.as_mut().downcast_mut_pin::<Sleep>() {
            Some(sleep) => sleep.get_mut().reset(Instant::now() + left),
            None => *sleep = self.sleep(left),
        }
    }
}

impl hyper::rt::Sleep for Sleep {}

/// Has hyper's futures polled beside the caller, on the same thread: they need not be `Send`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Executor;

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        drop(crate::spawn_local(future));
    }
}
