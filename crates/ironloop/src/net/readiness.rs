//! What is known of a socket, and who waits for it.
//!
//! The kernel reports edges. A side is worth a try until it has refused one; from then on it is not, until it
//! is reported. Reports and refusals come on the loop's thread alone, so none is lost between the two.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use ironloop_driver::Ready;

/// One direction of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Read,
    Write,
}

/// Who waits, among those that wait for one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// The one that has the side for itself, `&mut`: it replaces what it was before.
    Owner,
    /// One of several that share the socket.
    Shared(u64),
}

impl Waits {
    pub(crate) fn shared() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self::Shared(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

#[derive(Default)]
struct End {
    /// Refused, and not reported since.
    refuses: bool,
    waiting: Vec<(Waits, Waker)>,
}

#[derive(Default)]
struct State {
    read: End,
    write: End,
    /// The peer has hung up: there may be no further edge.
    hung_up: bool,
    /// The loop that watched it is closed.
    ended: bool,
}

impl State {
    fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Read => &mut self.read,
            Side::Write => &mut self.write,
        }
    }

    /// Somebody to be woken.
    fn next(&mut self, ready: Ready) -> Option<Waker> {
        let read = if ready.readable { self.read.waiting.pop() } else { None };
        let next = read.or_else(|| if ready.writable { self.write.waiting.pop() } else { None });
        next.map(|(_, waker)| waker)
    }
}

#[derive(Default)]
pub(crate) struct Readiness(Mutex<State>);

impl fmt::Debug for Readiness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Readiness")
    }
}

impl Readiness {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a try is worth its system call.
    pub(crate) fn is_worth_a_try(&self, side: Side) -> bool {
        !self.state().end(side).refuses
    }

    /// It would have blocked.
    pub(crate) fn refused(&self, side: Side) {
        self.state().end(side).refuses = true;
    }

    /// It gave or took less than it was asked for: the next try would be refused.
    pub(crate) fn drained(&self, side: Side) {
        let mut state = self.state();
        state.end(side).refuses = !state.hung_up;
    }

    /// Somebody is woken when the side is reported. False: it was meanwhile.
    pub(crate) fn wait(&self, side: Side, who: Waits, context: &Context<'_>) -> bool {
        let waker = context.waker().clone();
        let mut state = self.state();
        let end = state.end(side);
        if !end.refuses {
            return false;
        }
        let mut before = None;
        match end.waiting.iter_mut().find(|(other, _)| *other == who) {
            Some((_, old)) => before = Some(std::mem::replace(old, waker)),
            None => end.waiting.push((who, waker)),
        }
        drop(state);
        drop(before);
        true
    }

    /// Somebody waits no longer.
    pub(crate) fn leave(&self, side: Side, who: Waits) {
        let mut state = self.state();
        let waiting = &mut state.end(side).waiting;
        let left = waiting.iter().position(|(other, _)| *other == who).map(|at| waiting.swap_remove(at));
        drop(state);
        drop(left);
    }

    /// The kernel has reported it.
    pub(crate) fn report(&self, ready: Ready) {
        let mut state = self.state();
        state.hung_up |= ready.hung_up;
        state.read.refuses &= !ready.readable;
        state.write.refuses &= !ready.writable;
        // Each is woken with nothing locked.
        while let Some(waker) = state.next(ready) {
            drop(state);
            waker.wake();
            state = self.state();
        }
    }

    /// Its loop is closed: who waits finds the error.
    pub(crate) fn end(&self) {
        self.state().ended = true;
        self.report(Ready { readable: true, writable: true, hung_up: true });
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state().ended
    }
}
