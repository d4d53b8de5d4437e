//! What a watchdog sees of a loop: what it does now, and whether it moves.
//!
//! The loop's thread alone writes, plain stores; any other may read, at any time. Nothing here orders anything
//! else.

use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// What the loop's thread does. Away → awake (a run begins) ⇄ away; awake → asleep (it waits for the kernel)
/// → returning (the wait is over, and the interpreter's lock is asked for) → awake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Doing {
    #[default]
    Away,
    Awake,
    Asleep,
    Returning,
}

/// A loop's.
#[derive(Default)]
pub struct Pulse {
    /// How many items were performed: the number of the one that runs.
    performed: AtomicU64,
    turns: AtomicU64,
    doing: AtomicU8,
    /// What the running item is about, as the binding names it; 0 if nothing that has a name.
    subject: AtomicUsize,
}

/// A pulse at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    pub performed: u64,
    pub turns: u64,
    pub doing: Doing,
    pub subject: usize,
}

impl Pulse {
    /// The number of the item that runs.
    #[inline]
    #[must_use]
    pub fn performed(&self) -> u64 {
        self.performed.load(Ordering::Relaxed)
    }

    /// The next item's turn has come.
    #[inline(always)]
    pub(crate) fn count_item(&self) {
        self.performed.store(self.performed() + 1, Ordering::Relaxed);
    }

    /// The number of the turn.
    pub(crate) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// A turn's batch is cut.
    #[inline(always)]
    pub(crate) fn count_turn(&self) {
        self.turns.store(self.turns() + 1, Ordering::Relaxed);
    }

    /// What the running item is about.
    #[inline(always)]
    pub fn set_subject(&self, subject: usize) {
        self.subject.store(subject, Ordering::Relaxed);
    }

    #[inline]
    pub fn set(&self, doing: Doing) {
        self.doing.store(doing as u8, Ordering::Relaxed);
    }

    /// For whoever watches. The parts need not be of the very same moment.
    #[must_use]
    pub fn beat(&self) -> Beat {
        let doing = match self.doing.load(Ordering::Relaxed) {
            1 => Doing::Awake,
            2 => Doing::Asleep,
            3 => Doing::Returning,
            _ => Doing::Away,
        };
        Beat {
            performed: self.performed(),
            turns: self.turns(),
            doing,
            subject: self.subject.load(Ordering::Relaxed),
        }
    }
}
