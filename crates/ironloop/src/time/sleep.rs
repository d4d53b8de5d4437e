//! Waiting until a point in time.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::host::{self, Timer};
use crate::time::Instant;

/// Waits for so long, from now on.
///
/// # Panics
///
/// [`Sleep`] panics where no loop polls it.
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(Instant::now() + duration)
}

/// Waits until then. What has passed is ready at once.
///
/// # Panics
///
/// [`Sleep`] panics where no loop polls it.
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep { deadline, timer: None }
}

/// Waits for its deadline: of [`sleep`] and [`sleep_until`].
///
/// The timer is set when it is first polled, and cancelled when it is dropped; it goes along if another loop
/// polls it.
#[derive(Debug)]
#[must_use = "it waits when it is awaited"]
pub struct Sleep {
    deadline: Instant,
    timer: Option<Timer>,
}

impl Sleep {
    /// When it is ready.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether that has come.
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Waits for another deadline from now on. Whoever awaits it has to poll it again.
    pub fn reset(&mut self, deadline: Instant) {
        self.deadline = deadline;
        self.timer = None;
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let host = host::current().expect("time passes on a loop: poll this future on one");
        if host.now() >= self.deadline.nanos {
            self.timer = None;
            return Poll::Ready(());
        }
        let deadline = self.deadline.nanos;
        host.set_timer(&mut self.timer, deadline, context.waker());
        Poll::Pending
    }
}
