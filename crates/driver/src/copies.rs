//! Whether a descriptor may have a copy in another process, and whether this is one.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::sys::fork;

static FORKS: AtomicU32 = AtomicU32::new(0);

extern "C" fn note() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// How often the process has forked since this was first asked for: as long as the number stays, no child has
/// got a copy of a descriptor. A child by `vfork` is not counted, which soon runs another program and has no
/// copy of ours then.
pub fn forks() -> u32 {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| fork::before_each(note));
    FORKS.load(Ordering::Relaxed)
}

static GENERATION: AtomicU32 = AtomicU32::new(0);

extern "C" fn nothing() {}

extern "C" fn born() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// How many forks lie between this process and the one that has first asked: what was made in another
/// generation is a parent's.
pub fn generation() -> u32 {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| fork::around_each(nothing, nothing, born));
    GENERATION.load(Ordering::Relaxed)
}
