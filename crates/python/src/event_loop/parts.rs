//! Which parts of a loop are its own still, and how it stands: one word.
//!
//! asyncio's code calls a loop's methods by name, so that a subclass or a tool that replaces one changes all
//! that is built on it. Ours calls by name only what was replaced: by a class, on the instance, at any time.
//!
//! How a loop stands is in the same word, so that the hot paths ask once. Open → closed (`close`; a test may
//! open it again); goes on → stopping (`stop`) → goes on (`run_forever` has returned); checks nothing → debug
//! mode and back (`set_debug`); unwatched → recorded and back (`recorder`); unheard → heard and back (`_hear`).
//! Whether it runs, and in which thread, other threads have to know: that is
//! [`Remote`](ironloop_reactor::Remote)'s.

use crate::ffi::hooks::{Hook, Hooks, Intact};

/// The methods among them. What is none can be replaced on one loop only ([`LoopCore::keep`]).
pub(super) static HOOKS: Hooks<Parts> = Hooks::new(&[&[
    (Parts::CALL_SOON, "call_soon"),
    (Parts::CALL_AT, "call_at"),
    (Parts::CALL_LATER, "call_later"),
    (Parts::TIME, "time"),
    (Parts::CREATE_FUTURE, "create_future"),
    (Parts::CREATE_TASK, "create_task"),
    (Parts::RUN_ONCE, "_run_once"),
    (Parts::PROCESS_EVENTS, "_process_events"),
]]);

/// A part, or a set of several.
#[derive(Clone, Copy)]
pub(crate) struct Parts(u32);

impl Hook for Parts {
    #[inline(always)]
    fn bits(self) -> u32 {
        self.0
    }
}

impl Parts {
    pub(crate) const CALL_SOON: Self = Self(1);
    pub(crate) const CALL_AT: Self = Self(1 << 1);
    pub(crate) const CALL_LATER: Self = Self(1 << 2);
    pub(crate) const TIME: Self = Self(1 << 3);
    pub(crate) const CREATE_FUTURE: Self = Self(1 << 4);
    pub(crate) const CREATE_TASK: Self = Self(1 << 5);
    pub(crate) const RUN_ONCE: Self = Self(1 << 6);
    pub(crate) const PROCESS_EVENTS: Self = Self(1 << 7);
    /// `_selector.select`
    pub(crate) const SELECT: Self = Self(1 << 24);
    /// The classes of its tasks and futures.
    pub(crate) const VOCABULARY: Self = Self(1 << 25);

    /// It is not closed.
    pub(crate) const OPEN: Self = Self(1 << 26);
    /// The running turn is not the last one.
    pub(crate) const GOES_ON: Self = Self(1 << 27);
    /// It is not in debug mode.
    pub(crate) const CHECKS_NOTHING: Self = Self(1 << 28);
    /// Nobody records what it does.
    pub(crate) const UNWATCHED: Self = Self(1 << 29);
    /// Nobody is told of each item.
    pub(crate) const UNHEARD: Self = Self(1 << 30);

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Has the parts of one loop, of a moment: whoever runs Python asks again.
pub(crate) type Kept = Intact<Parts>;
