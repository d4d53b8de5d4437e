//! What is watched, and by whom.
//!
//! One lock. It is never held across a call into Python, nor when the lock of the interpreter is taken. Entries
//! are put in and taken out by the thread that runs their loop, so what Python has is dropped by a thread that may.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ironloop_driver::{CpuClock, QuietThread};
use ironloop_reactor::{Pulse, Remote, Stretch};
use ironloop_trace::{ReportId, Reporter};

use super::report::Report;
use crate::event_loop::Item;
use crate::ffi::stack_of_others::ThreadState;

pub(super) struct Registry {
    pub(super) watched: Vec<Watched>,
    pub(super) thread: Option<Running>,
    /// Python ends, or no thread can be had: none is begun any more.
    pub(super) ended: bool,
}

/// The thread, and how it is told to end.
pub(super) struct Running {
    pub(super) thread: QuietThread,
    pub(super) stop: Arc<AtomicBool>,
}

/// A run of a loop.
pub(super) struct Watched {
    pub(super) pulse: Arc<Pulse>,
    pub(super) remote: Arc<Remote<Item>>,
    pub(super) thread: ThreadState,
    /// Where that shows which Rust future it polls.
    pub(super) polled: usize,
    /// The frame that runs the loop: what is inside of it is the program's.
    pub(super) outside: usize,
    pub(super) clock: Option<CpuClock>,
    pub(super) stretch: Stretch,
    pub(super) seen: Seen,
    /// The thread's processor time at the first look into this turn.
    pub(super) turn_cpu: i64,
    /// Where reports go in the loop's file, once it has one.
    pub(super) pen: Option<Reporter>,
    /// What was reported, and goes on; and what it is called there.
    pub(super) open: Option<(Report, Option<ReportId>)>,
    /// What is over, for the loop's own thread.
    pub(super) closed: Vec<Report>,
}

/// What was seen in the stretch that goes on.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    /// The thread's processor time at the first look.
    pub(super) cpu: i64,
    pub(super) looks: u32,
    /// Looks at which the collector ran.
    pub(super) collecting: u32,
    /// Who has had the interpreter's lock at each look.
    pub(super) holder: Option<ThreadState>,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { watched: Vec::new(), thread: None, ended: false });

/// No thread looks: it rests, or there is none. Whoever begins to run a loop, or goes on, calls it then.
pub(super) static ABSENT: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The lock, while this thread forks.
    static HELD: Cell<Option<MutexGuard<'static, Registry>>> = const { Cell::new(None) };
}

pub(super) fn lock() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the thread; returns when the kernel has forgotten it. It is begun again where a loop goes on.
pub(super) fn stop() -> MutexGuard<'static, Registry> {
    loop {
        let mut registry = lock();
        let Some(running) = registry.thread.take() else { return registry };
        drop(registry);
        ABSENT.store(true, Ordering::SeqCst);
        running.stop.store(true, Ordering::Release);
        running.thread.join();
    }
}

/// A child has no threads but one, and a fork of a process that has several is a warning from Python 3.12 on.
pub(super) extern "C" fn before_fork() {
    let registry = stop();
    // A thread that ends can have no loop; then the lock is not held.
    let _ = HELD.try_with(move |held| held.set(Some(registry)));
}

pub(super) extern "C" fn after_fork_in_parent() {
    drop(HELD.try_with(Cell::take));
}

/// The loops are the parent's. Nothing is dropped: the thread may not be attached.
pub(super) extern "C" fn after_fork_in_child() {
    if let Ok(Some(mut registry)) = HELD.try_with(Cell::take) {
        std::mem::forget(std::mem::take(&mut registry.watched));
    }
}
