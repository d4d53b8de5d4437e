//! How much a thread may read at once until its loop turns again, for a task that is never refused never waits. All
//! tasks share it; who has been refused, and has waited a turn, gets one read of its own in any case: else the one
//! that is first in each turn would leave nothing to the others.
//!
//! Counted in nanoseconds that reads are thought to take: a clock would cost as much as a read.

use std::cell::Cell;

/// About 100 µs: some fifty reads of 4 KiB.
const SLICE: usize = 100_000;

/// Of a read by a system call, or from what is ahead.
const CALL: usize = 1_500;

/// Beyond this a read is a thread's: it takes so long that the way there and back counts little.
pub(super) const AT_ONCE: usize = 1 << 20;

thread_local! {
    static SPENT: Cell<usize> = const { Cell::new(0) };
    /// The loop and its turn in which it was renewed last.
    static RENEWED: Cell<(usize, u64)> = const { Cell::new((0, 0)) };
}

/// Whether anything is left.
pub(super) fn is_left() -> bool {
    SPENT.get() < SLICE
}

/// A read of so many bytes.
pub(super) fn spend(count: usize) {
    SPENT.set(SPENT.get().saturating_add(CALL + count / 8));
}

pub(super) fn renew() {
    SPENT.set(0);
}

/// In the turn of that number of a loop: once a turn, and then as much as one read needs.
pub(super) fn renew_in(core: usize, turn: u64) {
    if RENEWED.replace((core, turn)) == (core, turn) {
        SPENT.set(SPENT.get().min(SLICE - 1));
    } else {
        SPENT.set(0);
    }
}
