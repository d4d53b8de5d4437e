//! What a thread knows of the futures that it polls for Python: who has the seat, and that somebody looks into
//! the mailbox afterwards. Kept in one place, since each poll asks for it.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::task::Waker;
use std::thread;

use ironloop_abi::{Facts as Shown, Text};
use pyo3::prelude::*;

use super::awaiting::Seat;
use super::coroutine::Facts;
use super::guest;
use super::table;
use crate::host::Made;

struct Here {
    /// The seat of the coroutine that is being polled here; null in other polls.
    seat: Cell<*const RefCell<Seat>>,
    /// How many polls are under way.
    polls: Cell<u32>,
    /// What was polled last, for reports of what took long.
    last: Cell<Option<Facts>>,
    /// Whether there ever was a mailbox in this thread.
    has_mailbox: Cell<bool>,
    /// Whether what is polled here is polled attached: not by a program without Python, by Tokio's workers, or
    /// detached.
    attached: Cell<bool>,
    /// Where a poll shows what it polls, to whoever looks while it lasts: in ironloop's module, if that is
    /// here. Else null.
    shown: Cell<*const AtomicPtr<Shown>>,
}

thread_local! {
    static HERE: Here = const {
        Here {
            seat: Cell::new(ptr::null()),
            polls: Cell::new(0),
            last: Cell::new(None),
            has_mailbox: Cell::new(false),
            attached: Cell::new(false),
            shown: Cell::new(ptr::null()),
        }
    };
}

impl Here {
    /// Polls, and shows meanwhile what.
    #[inline]
    fn showing<R>(
        &self,
        name: &'static str,
        path: &'static str,
        place: &'static Location<'static>,
        poll: impl FnOnce() -> R,
    ) -> R {
        struct Showing<'a>(&'a AtomicPtr<Shown>, *mut Shown);
        impl Drop for Showing<'_> {
            fn drop(&mut self) {
                self.0.store(self.1, Ordering::Release);
            }
        }
        let Some(word) = self.word() else { return poll() };
        // Who looks from another thread copies it, by reads that cannot fault, and sees whether it was there
        // all the while.
        let mut shown = facts_of(name, path, place);
        let _showing = Showing(word, word.load(Ordering::Relaxed));
        word.store(&raw mut shown, Ordering::Release);
        poll()
    }

    fn word(&self) -> Option<&AtomicPtr<Shown>> {
        if self.shown.get().is_null() {
            // SAFETY: any thread may ask.
            self.shown.set(unsafe { (table::known()?.polled)() });
        }
        // SAFETY: it is valid as long as this thread, of whose own this is.
        unsafe { self.shown.get().as_ref() }
    }
}

fn facts_of(name: &'static str, path: &'static str, place: &'static Location<'static>) -> Shown {
    let line = place.line() as usize;
    Shown { name: Text::new(name), path: Text::new(path), file: Text::new(place.file()), line }
}

/// What a spawned future tells of itself.
pub(super) fn facts_of_spawned(made: Made) -> Shown {
    facts_of(SPAWNED, made.path, made.place)
}

const SPAWNED: &str = "spawned";

/// Polls what was spawned.
pub(super) fn poll_spawned<R>(made: Made, poll: impl FnOnce() -> R) -> R {
    HERE.with(|here| here.showing(SPAWNED, made.path, made.place, poll))
}

/// Polls a coroutine's future, by this waker, with a seat. A panic is given back.
pub(super) fn poll<R>(
    py: Python<'_>,
    facts: Facts,
    seat: &RefCell<Seat>,
    waker: &Waker,
    poll: impl FnOnce() -> R,
) -> thread::Result<R> {
    seat.borrow_mut().top = waker.data().addr();
    HERE.with(|here| {
        let before = here.seat.replace(seat);
        here.polls.set(here.polls.get() + 1);
        here.last.set(Some(facts));
        let attached = here.attached.replace(true);
        let polled =
            catch_unwind(AssertUnwindSafe(|| here.showing(facts.name, facts.path, facts.place, poll)));
        here.attached.set(attached);
        here.polls.set(here.polls.get() - 1);
        here.seat.set(before);
        if here.has_mailbox.get() {
            guest::look(py);
        }
        polled
    })
}

/// What runs here wakes whom it wants; the mailbox is looked into when it is over.
pub(super) fn looks_afterwards<R>(py: Python<'_>, run: impl FnOnce() -> R) -> R {
    struct Running<'a>(&'a Here);
    impl Drop for Running<'_> {
        fn drop(&mut self) {
            self.0.polls.set(self.0.polls.get() - 1);
        }
    }
    HERE.with(|here| {
        here.polls.set(here.polls.get() + 1);
        let running = Running(here);
        let ran = as_attached(here, true, run);
        drop(running);
        guest::look(py);
        ran
    })
}

/// Polls here, attached or not: what it is inside of comes back afterwards, also after a panic.
fn as_attached<R>(here: &Here, attached: bool, poll: impl FnOnce() -> R) -> R {
    struct Before<'a>(&'a Here, bool);
    impl Drop for Before<'_> {
        fn drop(&mut self) {
            self.0.attached.set(self.1);
        }
    }
    let _before = Before(here, here.attached.replace(attached));
    poll()
}

/// Polls something by itself, on a thread that is attached.
pub(super) fn attached<R>(_py: Python<'_>, poll: impl FnOnce() -> R) -> R {
    HERE.with(|here| as_attached(here, true, poll))
}

/// Polls where the thread has let go of the interpreter.
pub(super) fn detached<R>(poll: impl FnOnce() -> R) -> R {
    HERE.with(|here| as_attached(here, false, poll))
}

/// Whether what is polled on this thread is polled attached.
pub(super) fn is_attached() -> bool {
    HERE.with(|here| here.attached.get())
}

/// What was polled last on this thread, if it was since this was asked before.
pub(super) fn last() -> Option<Facts> {
    HERE.with(|here| here.last.take())
}

/// Whether somebody looks into the mailbox soon.
pub(super) fn is_under_way() -> bool {
    HERE.with(|here| here.polls.get() > 0)
}

pub(super) fn has_mailbox() {
    HERE.with(|here| here.has_mailbox.set(true));
}

/// Looks at the seat of the coroutine that is being polled.
pub(super) fn with_seat<R>(look: impl FnOnce(&mut Seat) -> R) -> Option<R> {
    let seat = HERE.with(|here| here.seat.get());
    // SAFETY: `poll` lends it to this thread until the poll is over, and puts back what was there.
    (!seat.is_null()).then(|| look(&mut unsafe { &*seat }.borrow_mut()))
}
