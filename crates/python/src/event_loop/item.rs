//! What the ready queue and the timers hold.

use ironloop_driver::Ready;
use ironloop_engine::Slot;

use crate::event_loop::future::{self, Future};
use crate::event_loop::handle::{Handle, ThreadSafeHandle, TimerHandle};
use crate::event_loop::task::Task;
use crate::ffi::derived::{Own, track};
use crate::ffi::observer::AnyObserver;
use crate::ffi::{Instance, Object, Traverse, Visit, Visited};
use crate::io::datagram::DatagramTransport;
use crate::io::stream::Transport;

/// What is ready to run.
pub(crate) enum Item {
    Call(Instance<Handle>),
    CallFromThread(Instance<ThreadSafeHandle>),
    Timer(Instance<TimerHandle>),
    /// A handle that was not made here: asyncio's own, for signals.
    Foreign(Object),
    /// The kernel has reported a descriptor.
    Ready(Slot, Ready),
    /// A task's turn.
    Step(Own<Task>),
    /// The same; it has made a mistake, and hears of it.
    Throw(Own<Task>, Object),
    /// A sleep is over.
    Awake(Own<Future>),
    /// A combinator is to be told of a future that is done.
    Told(AnyObserver, Object),
    /// A timeout is over: it, or the `wait_for` whose it is.
    Overdue(Object),
    /// A protocol is to be told of its connection.
    Made(Instance<Transport>),
    /// A protocol is to be told of the end of its connection.
    Lost(Instance<Transport>),
    /// The same for a datagram socket.
    DatagramMade(Instance<DatagramTransport>),
    DatagramLost(Instance<DatagramTransport>),
}

/// What becomes ready at a time.
pub(crate) enum Timer {
    Handle(Instance<TimerHandle>),
    /// The future that a sleeping task waits for.
    Sleep(Own<Future>),
    /// A timeout, or the `wait_for` whose it is.
    Overdue(Object),
}

impl Traverse for Item {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        match self {
            Self::Call(handle) => handle.traverse_owned(visit),
            Self::CallFromThread(handle) => handle.traverse_owned(visit),
            Self::Timer(handle) => handle.traverse_owned(visit),
            Self::Foreign(object) | Self::Overdue(object) => object.traverse(visit),
            Self::Ready(..) => Ok(()),
            Self::Step(task) => task.traverse(visit),
            Self::Throw(task, error) => (task, error).traverse(visit),
            Self::Awake(future) => future.traverse(visit),
            Self::Told(observer, future) => (observer, future).traverse(visit),
            Self::Made(transport) | Self::Lost(transport) => transport.traverse(visit),
            Self::DatagramMade(transport) | Self::DatagramLost(transport) => transport.traverse(visit),
        }
    }
}

impl Traverse for Timer {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        match self {
            Self::Handle(handle) => handle.traverse_owned(visit),
            Self::Sleep(future) => future.traverse(visit),
            Self::Overdue(target) => target.traverse(visit),
        }
    }
}

impl From<Timer> for Item {
    fn from(timer: Timer) -> Self {
        match timer {
            Timer::Handle(handle) => Self::Timer(handle),
            Timer::Sleep(future) => Self::Awake(future),
            Timer::Overdue(target) => Self::Overdue(target),
        }
    }
}

impl Timer {
    pub(super) fn handle(&self) -> Option<&Instance<TimerHandle>> {
        match self {
            Self::Handle(handle) => Some(handle),
            Self::Sleep(_) | Self::Overdue(_) => None,
        }
    }

    /// Tells the collector of it: the loop does not run.
    pub(super) fn track(&self) {
        match self {
            Self::Handle(handle) => track(handle.object()),
            Self::Sleep(future) => future::track_with_waiter(future),
            // It is known, as all of its kind.
            Self::Overdue(_) => {}
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
            Self::Awake(future) => future::track_with_waiter(future),
            // They are known, as all of their kinds.
            Self::Foreign(_)
            | Self::Ready(..)
            | Self::Told(..)
            | Self::Overdue(_)
            | Self::Made(_)
            | Self::Lost(_)
            | Self::DatagramMade(_)
            | Self::DatagramLost(_) => {}
        }
    }

    pub(super) fn object(&self) -> Option<&Object> {
        match self {
            Self::Call(handle) => Some(handle.object()),
            Self::CallFromThread(handle) => Some(handle.object()),
            Self::Timer(handle) => Some(handle.object()),
            Self::Foreign(object) | Self::Overdue(object) => Some(object),
            Self::Step(task) | Self::Throw(task, _) => Some(task.object()),
            Self::Awake(future) => Some(future.object()),
            Self::Told(observer, _) => Some(observer.object()),
            Self::Made(transport) | Self::Lost(transport) => Some(transport.object()),
            Self::DatagramMade(transport) | Self::DatagramLost(transport) => Some(transport.object()),
            Self::Ready(..) => None,
        }
    }

    /// It will never run.
    pub(super) fn discard(self) {
        match self {
            Self::Call(handle) => handle.0.spend(),
            Self::CallFromThread(handle) => handle.callback().spend(),
            Self::Timer(handle) => handle.callback.spend(),
            _ => {}
        }
    }
}
