//! Wakes a loop that sleeps, from any thread.

use std::io;

use crate::event::{Interest, Token, Trigger, Watched};
use crate::poller::Poller;
use crate::sys::eventfd::EventFd;

/// The one descriptor that other threads may write to.
///
/// It is watched edge-triggered: each notification is a new edge, so nobody ever has to read it empty.
pub struct Notifier {
    eventfd: EventFd,
    token: Token,
}

impl Notifier {
    /// Makes a notifier whose notifications reach `poller` as events of `token`.
    pub fn new(poller: &Poller, token: Token) -> io::Result<Self> {
        let notifier = Self { eventfd: EventFd::new()?, token };
        let Watched { fd, token, interest, trigger } = notifier.watched();
        poller.add(fd, token, interest, trigger)?;
        Ok(notifier)
    }

    /// What its poller was told, for [`Poller::renew`].
    #[must_use]
    pub fn watched(&self) -> Watched {
        Watched {
            fd: self.eventfd.as_raw_fd(),
            token: self.token,
            interest: Interest::READABLE,
            trigger: Trigger::Edge,
        }
    }

    /// Ends the current or the next wait of the poller.
    pub fn notify(&self) -> io::Result<()> {
        self.eventfd.signal()
    }
}
