//! The loop itself: all that it owns, and what the other files of this wing, and the wings above, do with it.
//!
//! Belongs to the thread that runs the loop; other threads have its [`Remote`], and while they have Python's
//! lock they may push into the queue. Knows what becomes ready and
//! what is watched as items and sources, and must not name who makes them above this wing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ironloop_driver::{Driver, Poller};
use ironloop_engine::Slot;
use ironloop_reactor::{Closed, Reactor, Remote};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::item::{Item, Timer};
use super::parts::{HOOKS, Kept, Parts};
use super::sources::{Source, Sources};
use crate::ffi::cell::LoopCell;
use crate::ffi::error::os_error;
use crate::ffi::hooks::Own;
use crate::ffi::intern::intern;
use crate::ffi::memory::Pool;
use crate::ffi::object::current_thread;
use crate::ffi::{ExactClass, Object, Spare, Traverse, Visit, Visited, owned};

/// Bytes that one read may bring, as in asyncio.
const READ_BUFFER: usize = 256 * 1024;

/// All that belongs to the loop's thread.
pub(crate) struct State {
    pub(crate) reactor: Reactor<Item, Timer, Source>,
    /// Reused from read to read; gone while one is under way.
    read_buffer: Vec<u8>,
    pub(super) turns_since_signals: u32,
}

owned!(State {
    visits: reactor;
    ignores: read_buffer, turns_since_signals;
});

impl Traverse for Reactor<Item, Timer, Source> {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.engine.ready().try_for_each(|item| item.traverse(visit))?;
        self.engine.scheduled().try_for_each(|timer| timer.traverse(visit))?;
        self.sources.iter().try_for_each(|source| source.traverse(visit))
    }
}

#[pyclass(subclass, frozen, weakref, module = "ironloop._ironloop")]
pub(crate) struct LoopCore {
    pub(crate) state: LoopCell<State>,
    pub(crate) driver: Driver,
    /// Apart from the state, because other threads have it.
    pub(super) remote: Arc<Remote<Item>>,
    pub(crate) handles: Pool,
    pub(crate) timer_handles: Pool,
    pub(crate) thread_handles: Pool,
    /// What callbacks run in.
    pub(crate) context: Spare,
    pub(super) task_factory: LoopCell<Option<Object>>,
    /// What of [`Parts`] is replaced on the instance, and how the loop stands.
    pub(super) own: Own,
    /// How many steps of tasks were made.
    pub(crate) steps: AtomicU64,
    /// The number of the step whose task `asyncio.current_task()` would still name although it is made; 0 if
    /// none.
    pub(crate) lingering: AtomicU64,
}

// What other threads have left in the inbox is not shown: it is known to nobody else, and so taken for alive.
// The spare context leads nowhere.
owned!(LoopCore {
    visits: state, task_factory;
    ignores: driver, remote, handles, timer_handles, thread_handles, context, own, steps, lingering;
});

pub(crate) static EXACT: ExactClass<LoopCore> = ExactClass::new();

impl LoopCore {
    pub(super) fn make() -> PyResult<Self> {
        let driver = Driver::default();
        let reactor = Reactor::new(driver).map_err(os_error)?;
        let remote = Arc::clone(reactor.remote());
        Ok(Self {
            state: LoopCell::new(State { reactor, read_buffer: Vec::new(), turns_since_signals: 0 }),
            driver,
            remote,
            handles: Pool::for_bursts(),
            timer_handles: Pool::for_bursts(),
            thread_handles: Pool::for_bursts(),
            context: Spare::default(),
            task_factory: LoopCell::new(None),
            own: Own::default(),
            steps: AtomicU64::new(0),
            lingering: AtomicU64::new(0),
        })
    }

    /// The object as a loop, if it is one of ours.
    pub(crate) fn of<'py>(py: Python<'py>, object: &Object) -> Option<Bound<'py, Self>> {
        EXACT.cast(object.bind(py)).cloned()
    }

    pub(crate) fn is_debug(&self) -> bool {
        self.own.differs_in(Parts::CHECKS_NOTHING)
    }

    /// Whether it is open, and checks nothing.
    #[inline(always)]
    pub(super) fn is_plain(&self) -> bool {
        !self.own.differs_in(Parts::OPEN.and(Parts::CHECKS_NOTHING))
    }

    pub(crate) fn check_open(&self) -> PyResult<()> {
        if self.is_closed() {
            return Err(closed());
        }
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn push(&self, item: Item) {
        self.state.with(|state| state.reactor.engine.push(item));
    }

    /// The same for an item that is made in its place in the queue: for those of which there are most.
    #[inline(always)]
    pub(crate) fn push_with(&self, make: impl FnOnce() -> Item) {
        self.state.with(|state| state.reactor.engine.push_with(make));
    }

    /// The same from another thread, which has Python's lock; it has to wake the loop afterwards.
    #[inline(always)]
    pub(super) fn push_from_thread(&self, item: Item) {
        self.state.with(|state| state.reactor.push_from_thread(item));
    }

    /// An item that has to follow the running callback at once.
    pub(crate) fn push_afterwards(&self, item: Item) {
        self.state.with(|state| state.reactor.engine.push_afterwards(item));
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.own.differs_in(Parts::OPEN)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.remote.thread().is_some()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.own.differs_in(Parts::GOES_ON)
    }

    /// The number of the callback that runs.
    pub(crate) fn callback(&self) -> u64 {
        self.state.with(|state| state.reactor.performed())
    }

    /// Whether the calling thread is the one that runs the loop.
    pub(crate) fn runs_here(&self) -> bool {
        self.remote.thread() == Some(current_thread())
    }

    /// Uses the poller; an error once the loop is closed. Then `body` is dropped here, with nothing borrowed:
    /// it may own anything.
    pub(crate) fn with_poller<R>(
        &self,
        body: impl FnOnce(&Poller, &mut Sources) -> io::Result<R>,
    ) -> PyResult<R> {
        let mut body = Some(body);
        let result = self.state.with(|state| {
            let (poller, sources) = state.reactor.watching()?;
            body.take().map(|body| body(poller, sources))
        });
        result.ok_or_else(closed)?.map_err(os_error)
    }

    /// Takes a timer out, unless it was due before. What comes back must be dropped with nothing borrowed.
    #[inline]
    pub(crate) fn unschedule(&self, slot: Slot) -> Option<Timer> {
        self.state.with(|state| state.reactor.engine.cancel(slot))
    }

    /// Lends the read buffer.
    pub(crate) fn with_read_buffer<R>(&self, body: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut buffer = self.state.with(|state| std::mem::take(&mut state.read_buffer));
        if buffer.is_empty() {
            buffer = vec![0; READ_BUFFER];
        }
        let result = body(&mut buffer);
        self.state.with(|state| state.read_buffer = buffer);
        result
    }

    /// A socket that was reported to have data has none any more.
    pub(crate) fn note_emptied(&self) {
        self.state.with(|state| state.reactor.note_emptied());
    }

    /// The loop has nothing to do.
    pub(super) fn trim(&self) {
        [&self.handles, &self.timer_handles, &self.thread_handles].into_iter().for_each(Pool::trim);
    }

    /// Drops all that is scheduled and watched, and closes the loop's descriptors.
    pub(super) fn dispose(&self) {
        let Closed { items, sources, .. } = self.state.with(|state| state.reactor.close());
        items.into_iter().for_each(Item::discard);
        sources.into_iter().for_each(Source::discard);
    }

    /// The loop stops: what it holds may be garbage from now on, and the collector has to know it. Until it
    /// runs again nothing is delivered to the inbox, which the collector does not see.
    pub(super) fn hand_over(&self) {
        self.state.with(|state| {
            state.reactor.collect_mail();
            state.reactor.engine.ready().for_each(Item::track);
            state.reactor.engine.scheduled().for_each(Timer::track);
        });
    }
}

pub(super) fn closed() -> PyErr {
    PyRuntimeError::new_err("Event loop is closed")
}

/// What is replaced of it.
impl LoopCore {
    /// The parts that nobody has replaced.
    #[inline(always)]
    pub(crate) fn kept(slf: &Bound<'_, Self>) -> Kept {
        HOOKS.intact(slf, &slf.get().own)
    }

    /// Whether nobody has replaced any of these.
    #[inline(always)]
    pub(crate) fn keeps(slf: &Bound<'_, Self>, parts: Parts) -> bool {
        Self::kept(slf).has(parts)
    }

    /// The part is this loop's own, or another's, whatever its class says.
    pub(super) fn keep(&self, part: Parts, keep: bool) {
        self.own.set(part, !keep);
    }

    /// Whether its tasks and futures are ours.
    pub(crate) fn is_native(&self) -> bool {
        !self.own.differs_in(Parts::VOCABULARY)
    }

    /// `__setattr__` and `__delattr__`.
    pub(super) fn set_attribute(
        slf: &Bound<'_, Self>,
        name: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        HOOKS.set_attribute(slf, &slf.get().own, name, value)?;
        if name.eq(intern!(slf.py(), "_selector"))? {
            slf.call_method0(intern!(slf.py(), "_note_selector"))?;
        }
        Ok(())
    }
}
