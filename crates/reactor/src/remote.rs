//! What other threads may have of a loop, however long they keep it.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ironloop_driver::{Notifier, Watched};
use ironloop_engine::{Delivery, Inbox, Sleep};

use crate::pulse::Pulse;

/// Names a thread; how is for the binding to say. Never 0.
pub type Thread = u64;

/// The door of a loop: it outlives the loop, and then says so.
///
/// Open, until it is [closed](Self::set_closed); what is delivered later comes back to whoever delivers.
pub struct Remote<R> {
    inbox: Inbox<R>,
    /// `None` once the loop has given up its descriptors.
    notifier: Mutex<Option<Notifier>>,
    /// The thread that runs the loop; 0 while none does.
    thread: AtomicU64,
    /// What a watchdog looks at.
    pulse: Arc<Pulse>,
}

impl<R> Remote<R> {
    pub(crate) fn new(notifier: Notifier) -> Self {
        Self {
            inbox: Inbox::default(),
            notifier: Mutex::new(Some(notifier)),
            thread: AtomicU64::new(0),
            pulse: Arc::default(),
        }
    }

    /// Leaves an item, and wakes the loop if it sleeps. `Some` is the item of a loop that is closed. An
    /// error: it was left, and the loop could not be woken.
    pub fn deliver(&self, item: R) -> io::Result<Option<R>> {
        match self.leave(item) {
            Ok(false) => Ok(None),
            Ok(true) => self.rouse().map(|()| None),
            Err(item) => Ok(Some(item)),
        }
    }

    /// The first half of [`deliver`](Self::deliver), for who holds a lock that the loop will want: whether the loop
    /// sleeps, and nobody else wakes it. Then [`rouse`](Self::rouse) has to follow.
    pub fn leave(&self, item: R) -> Result<bool, R> {
        match self.inbox.deliver(item) {
            Delivery::Left => Ok(false),
            Delivery::LeftWithSleeper => Ok(true),
            Delivery::Refused(item) => Err(item),
        }
    }

    /// The second half.
    pub fn rouse(&self) -> io::Result<()> {
        self.notifier().as_ref().map_or(Ok(()), Notifier::notify)
    }

    /// Ends the loop's sleep, if it sleeps.
    pub fn wake(&self) -> io::Result<()> {
        if self.inbox.request_wake() { self.rouse() } else { Ok(()) }
    }

    /// From now on nothing arrives, or again.
    pub fn set_closed(&self, closed: bool) {
        if closed {
            self.inbox.close();
        } else {
            self.inbox.open();
        }
    }

    /// Whether nothing arrives any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inbox.is_closed()
    }

    /// The thread that runs the loop.
    #[inline]
    #[must_use]
    pub fn thread(&self) -> Option<Thread> {
        Some(self.thread.load(Ordering::Relaxed)).filter(|thread| *thread != 0)
    }

    /// For the thread that begins to run the loop, or ends.
    pub fn set_thread(&self, thread: Option<Thread>) {
        self.thread.store(thread.unwrap_or(0), Ordering::Relaxed);
    }

    /// What the loop's thread does, for whoever watches it.
    #[inline(always)]
    #[must_use]
    pub fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    /// Whether somebody has left something.
    #[inline]
    #[must_use]
    pub(crate) fn has_mail(&self) -> bool {
        self.inbox.is_filled()
    }

    /// For the loop's thread: swaps what was left against an empty queue. False, at the cost of one load,
    /// where there is nothing.
    #[inline]
    pub(crate) fn collect(&self, empty: &mut VecDeque<R>) -> bool {
        self.inbox.collect(empty)
    }

    pub(crate) fn fall_asleep(&self) -> Sleep {
        self.inbox.fall_asleep()
    }

    /// For the loop's thread: the wait is over.
    pub fn wake_up(&self) {
        self.inbox.wake_up();
    }

    /// What the loop's poller was told of the notifier.
    pub(crate) fn watched(&self) -> Option<Watched> {
        self.notifier().as_ref().map(Notifier::watched)
    }

    /// The loop's descriptors end.
    pub(crate) fn take_notifier(&self) -> Option<Notifier> {
        self.notifier().take()
    }

    fn notifier(&self) -> MutexGuard<'_, Option<Notifier>> {
        self.notifier.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
