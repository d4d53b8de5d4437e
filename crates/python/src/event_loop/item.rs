//! What the ready queue and the timers hold.
//!
//! What loop, handles, tasks and futures are made of has variants of its own: each runs per callback. All
//! else is of a [`ItemKind`], a static of the module that makes it, so that a new one touches no file of the
//! loop.

use ironloop_abi::what;
use ironloop_driver::{RawFd, Ready};
use ironloop_engine::Slot;
use ironloop_reactor::Event;
use pyo3::prelude::*;

use super::loop_core::LoopCore;
use crate::event_loop::future::{self, Future};
use crate::event_loop::handle::{AnyHandle, Handle, ThreadSafeHandle, TimerHandle};
use crate::event_loop::task::Task;
use crate::ffi::callback::Callback;
use crate::ffi::derived::{Own, track};
use crate::ffi::observer::AnyObserver;
use crate::ffi::{Instance, Object, Traverse, Visit, Visited};

/// What another module's items do. Their objects are known to the collector from the beginning.
pub(crate) struct ItemKind {
    /// Its turn has come.
    pub(crate) perform: fn(&Bound<'_, LoopCore>, &Object) -> PyResult<()>,
    /// Whether nobody's code runs in it: the task that ran last may stay the current one.
    pub(crate) quiet: bool,
}

/// What is ready to run. Copied with each push and pop: a tag of less than a word would have what follows
/// copied from odd addresses.
#[repr(usize)]
pub(crate) enum Item {
    Call(Instance<Handle>),
    CallFromThread(Instance<ThreadSafeHandle>),
    Timer(Instance<TimerHandle>),
    /// A handle that was not made here: asyncio's own, for signals.
    Foreign(Object),
    /// The kernel has reported a source.
    Event(Slot, Ready),
    /// A task's turn.
    Step(Own<Task>),
    /// The same; it has made a mistake, and hears of it.
    Throw(Own<Task>, Object),
    /// A sleep is over: its future gets its result.
    Wake(Own<Future>),
    /// An observer is to be told of a future that is done.
    Notify(AnyObserver, Object),
    Other(&'static ItemKind, Object),
    /// What waits in this slot was woken, or its time has come.
    Run(Slot),
    /// Another thread has given up what waits in this slot.
    End(Slot),
    /// The same of a descriptor that is watched.
    Unwatch(RawFd, Slot),
    /// Another thread has something called here.
    Home(Callback),
    /// The watchdog has found something: the program is told. Made by its thread, so it has nothing of Python's.
    Blocked,
}

/// What becomes ready at a time.
#[repr(usize)]
pub(crate) enum Timer {
    Handle(Instance<TimerHandle>),
    /// The future that a sleeping task waits for.
    Sleep(Own<Future>),
    Other(&'static ItemKind, Object),
    /// What waits in this slot.
    Run(Slot),
}

impl Traverse for Item {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        match self {
            Self::Call(handle) => handle.traverse_owned(visit),
            Self::CallFromThread(handle) => handle.traverse_owned(visit),
            Self::Timer(handle) => handle.traverse_owned(visit),
            Self::Foreign(object) | Self::Other(_, object) => object.traverse(visit),
            Self::Event(..)
            | Self::Run(_)
            | Self::End(_)
            | Self::Unwatch(..)
            | Self::Home(_)
            | Self::Blocked => Ok(()),
            Self::Step(task) => task.traverse(visit),
            Self::Throw(task, error) => (task, error).traverse(visit),
            Self::Wake(future) => future.traverse(visit),
            Self::Notify(observer, future) => (observer, future).traverse(visit),
        }
    }
}

impl Traverse for Timer {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        match self {
            Self::Handle(handle) => handle.traverse_owned(visit),
            Self::Sleep(future) => future.traverse(visit),
            Self::Other(_, object) => object.traverse(visit),
            Self::Run(_) => Ok(()),
        }
    }
}

impl From<Timer> for Item {
    fn from(timer: Timer) -> Self {
        match timer {
            Timer::Handle(handle) => Self::Timer(handle),
            Timer::Sleep(future) => Self::Wake(future),
            Timer::Other(kind, object) => Self::Other(kind, object),
            Timer::Run(slot) => Self::Run(slot),
        }
    }
}

impl Event for Item {
    #[inline]
    fn event(slot: Slot, ready: Ready) -> Self {
        Self::Event(slot, ready)
    }

    fn is_step(&self) -> bool {
        // What Rust code has woken is a step too, of a task or of a future of its own.
        matches!(self, Self::Step(_) | Self::Throw(..) | Self::Run(_))
    }
}

impl Timer {
    pub(super) fn handle(&self) -> Option<&Instance<TimerHandle>> {
        match self {
            Self::Handle(handle) => Some(handle),
            Self::Sleep(_) | Self::Other(..) | Self::Run(_) => None,
        }
    }

    /// What a look at it shows; of Rust code's there is nothing.
    pub(super) fn object(&self) -> Option<&Object> {
        match self {
            Self::Handle(handle) => Some(handle.object()),
            Self::Sleep(future) => Some(future.object()),
            Self::Other(_, object) => Some(object),
            Self::Run(_) => None,
        }
    }

    /// Tells the collector of it: the loop does not run.
    pub(super) fn track(&self) {
        match self {
            Self::Handle(handle) => track(handle.object()),
            Self::Sleep(future) => future::track_with_waiter(future),
            // It is known, as all of its kind.
            Self::Other(..) | Self::Run(_) => {}
        }
    }
}

impl Item {
    /// Tells the collector of it: the loop does not run.
    pub(super) fn track(&self) {
        match self {
            Self::Call(handle) => track(handle.object()),
            Self::CallFromThread(handle) => track(handle.object()),
            Self::Timer(handle) => track(handle.object()),
            Self::Step(task) | Self::Throw(task, _) => track(task.object()),
            Self::Wake(future) => future::track_with_waiter(future),
            // They are known, as all of their kinds.
            Self::Foreign(_)
            | Self::Event(..)
            | Self::Notify(..)
            | Self::Other(..)
            | Self::Run(_)
            | Self::End(_)
            | Self::Unwatch(..)
            | Self::Home(_)
            | Self::Blocked => {}
        }
    }

    pub(super) fn object(&self) -> Option<&Object> {
        match self {
            Self::Call(handle) => Some(handle.object()),
            Self::CallFromThread(handle) => Some(handle.object()),
            Self::Timer(handle) => Some(handle.object()),
            Self::Foreign(object) | Self::Other(_, object) => Some(object),
            Self::Step(task) | Self::Throw(task, _) => Some(task.object()),
            Self::Wake(future) => Some(future.object()),
            Self::Notify(observer, _) => Some(observer.object()),
            Self::Event(..)
            | Self::Run(_)
            | Self::End(_)
            | Self::Unwatch(..)
            | Self::Home(_)
            | Self::Blocked => None,
        }
    }

    /// It will never run.
    pub(super) fn discard(self, py: Python<'_>) {
        match self {
            Self::Call(handle) => handle.callback().spend(py),
            Self::CallFromThread(handle) => handle.callback().spend(py),
            Self::Timer(handle) => handle.callback().spend(py),
            Self::Home(callback) => callback.call(what::ENDED),
            Self::Foreign(_)
            | Self::Event(..)
            | Self::Run(_)
            | Self::End(_)
            | Self::Unwatch(..)
            | Self::Step(_)
            | Self::Throw(..)
            | Self::Wake(_)
            | Self::Notify(..)
            | Self::Other(..)
            | Self::Blocked => {}
        }
    }
}
