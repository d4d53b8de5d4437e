//! Ends somebody else's wait at a time.

use std::io;
use std::os::fd::RawFd;

use crate::sys::timerfd::TimerFd;

/// A deadline as a descriptor, for a loop that another loop waits for.
///
/// Watched by edges it becomes readable once each time that it is due, and need not be read.
pub struct Alarm(TimerFd);

impl Alarm {
    pub fn new() -> io::Result<Self> {
        TimerFd::new().map(Self)
    }

    /// Due when the clock ([`now`](crate::now)) reads so many nanoseconds, and not when it was told before.
    pub fn set(&self, deadline: i64) -> io::Result<()> {
        self.0.set(deadline)
    }

    #[must_use]
    pub fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Events, Interest, Poller, Timeout, Token, Trigger, now};

    #[test]
    fn it_ends_a_wait_once_each_time_that_it_is_set_and_never_early() {
        let (poller, alarm) = (Poller::new().unwrap(), Alarm::new().unwrap());
        poller.add(alarm.as_raw_fd(), Token(7), Interest::READABLE, Trigger::Edge).unwrap();
        let mut events = Events::with_capacity(2);
        alarm.set(now() + 3_600_000_000_000).unwrap();
        for deadline in [now() + 2_000_000, now() + 4_000_000, 0] {
            alarm.set(deadline).unwrap();
            while events.is_empty() {
                let _ = poller.wait(&mut events, Timeout::Never);
            }
            assert!(now() >= deadline);
            poller.wait(&mut events, Timeout::Now).unwrap();
            assert!(events.is_empty());
        }
    }
}
