//! Wakes a loop that sleeps, from any thread.

use std::io;

use crate::event::{Interest, Token, Trigger};
use crate::poller::Poller;
use crate::sys::eventfd::EventFd;

/// The one descriptor that other threads may write to.
///
/// It is watched edge-triggered: each notification is a new edge, so nobody ever has to read it empty.
pub struct Notifier(EventFd);

impl Notifier {
    /// Makes a notifier whose notifications reach `poller` as events of `token`.
    pub fn new(poller: &Poller, token: Token) -> io::Result<Self> {
        let eventfd = EventFd::new()?;
        poller.add(eventfd.as_raw_fd(), token, Interest::READABLE, Trigger::Edge)?;
        Ok(Self(eventfd))
    }

    /// Ends the current or the next wait of the poller.
    pub fn notify(&self) -> io::Result<()> {
        self.0.signal()
    }
}
