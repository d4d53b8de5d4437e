//! What a loop can ask of a descriptor, and what the kernel answers.

use std::os::fd::RawFd;

use crate::sys::epoll;

/// Names a registration. The kernel hands it back with each event; its meaning is the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(pub u64);

impl Token {
    /// The notifier, by which other threads wake the loop.
    pub const NOTIFIER: Self = Self(u64::MAX);
    /// The descriptor that signals are written to.
    pub const SIGNALS: Self = Self(u64::MAX - 1);

    /// Whether it is one of those, and comes when it comes.
    #[must_use]
    pub fn is_wake_up(self) -> bool {
        self.0 >= Self::SIGNALS.0
    }
}

/// What to watch a descriptor for. Errors and hang-ups are always reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    pub readable: bool,
    pub writable: bool,
}

impl Interest {
    pub const READABLE: Self = Self { readable: true, writable: false };
    pub const WRITABLE: Self = Self { readable: false, writable: true };
    pub const BOTH: Self = Self { readable: true, writable: true };

    #[must_use]
    pub const fn is_none(self) -> bool {
        !self.readable && !self.writable
    }
}

/// What a poller was told of one descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    pub fd: RawFd,
    pub token: Token,
    pub interest: Interest,
    pub trigger: Trigger,
}

/// When the kernel reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// As long as the descriptor is ready.
    Level,
    /// Once each time that it becomes ready.
    Edge,
}

/// One descriptor became ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub token: Token,
    pub ready: Ready,
}

/// For what it became ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// A read will not block: there is data, an end of file, or an error to fetch.
    pub readable: bool,
    /// A write will not block: there is room, or an error to fetch.
    pub writable: bool,
    /// The peer has closed its side, or the descriptor has failed: no later event may tell so again.
    pub hung_up: bool,
}

/// The kernel's answer to one wait. Reused from wait to wait.
pub struct Events(pub(crate) epoll::EventList);

impl Events {
    /// Room for `capacity` events a wait; what does not fit comes with the next one.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self(epoll::EventList::with_capacity(capacity))
    }

    /// How many events the last wait brought.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The event at `index` of the last wait.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Event> {
        self.0.get(index)
    }

    /// What was reported at once changes places, but for wake-ups: by a choice from so many each time.
    pub(crate) fn shuffle(&mut self, choose: impl FnMut(u32) -> u32) {
        self.0.shuffle(choose);
    }

    /// Forgets the last wait's events.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
