//! The loop itself: all that it owns, and what the other files of this wing, and the wings above, do with it.
//!
//! Belongs to the thread that runs the loop; other threads have its [`Remote`], and while they have Python's
//! lock they may push into the queue. Knows what becomes ready and
//! what is watched as items and sources, and must not name who makes them above this wing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ironloop_driver::{Driver, Poller, RawFd};
use ironloop_engine::{Slot, Slots};
use ironloop_reactor::{Closed, Pulse, Reactor, Remote};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::home::{Home, Tenant};
use super::item::{Item, Timer};
use super::load::Transports;
use super::parts::{HOOKS, Kept, Parts};
use super::recorder::watch::Watch;
use super::sources::{Source, Sources};
use crate::ffi::blank::Blank;
use crate::ffi::cell::LoopCell;
use crate::ffi::error::os_error;
use crate::ffi::hooks::Own;
use crate::ffi::intern::intern;
use crate::ffi::memory::Pool;
use crate::ffi::object::current_thread;
use crate::ffi::recycled::Recycled;
use crate::ffi::{Bytes, ExactClass, Object, Spare, Traverse, Visit, Visited, owned};

/// Bytes that one read may bring, as in asyncio.
pub(crate) const READ_BUFFER: usize = 256 * 1024;

/// Room that is kept for what is written: a slice of TLS.
const MOST_OUTGOING: usize = 72 * 1024;

/// Steps of TLS handshakes in one turn: each may take a signature's time, half a millisecond or more.
const MOST_HANDSHAKES: u32 = 4;

/// All that belongs to the loop's thread.
pub(crate) struct State {
    pub(crate) reactor: Reactor<Item, Timer, Source>,
    /// What Rust code of other extension modules has here.
    pub(super) tenants: Slots<Tenant>,
    /// Reused from read to read; gone while one is under way.
    read_buffer: Vec<u8>,
    /// What was received, for the next to be received.
    recycled: Recycled,
    /// Room for what a layer makes of what is written; gone while it is used.
    outgoing: Vec<u8>,
    /// The last turn in which handshakes went on, and how many did.
    handshakes: (u64, u32),
    pub(super) turns_since_signals: u32,
}

owned!(State {
    visits: reactor, tenants;
    ignores: read_buffer, recycled, outgoing, handshakes, turns_since_signals;
});

impl Traverse for Slots<Tenant> {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.iter().try_for_each(|tenant| tenant.traverse(visit))
    }
}

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
    pub(crate) remote: Arc<Remote<Item>>,
    /// The same for Rust code of other extension modules.
    pub(crate) home: Arc<Home>,
    /// The remote's, at hand.
    pub(super) pulse: Arc<Pulse>,
    pub(crate) handles: Pool,
    pub(crate) timer_handles: Pool,
    pub(crate) thread_handles: Pool,
    /// What callbacks run in.
    pub(crate) context: Spare,
    pub(super) task_factory: LoopCell<Option<Object>>,
    /// Who is told of each item, once that is performed: a simulation.
    pub(super) hearer: LoopCell<Option<Object>>,
    /// Who records what it does.
    pub(super) watch: LoopCell<Watch>,
    /// What its transports have come to.
    pub(crate) transports: Arc<Transports>,
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
    visits: state, task_factory, hearer;
    ignores: driver, remote, home, pulse, handles, timer_handles, thread_handles, context, watch, transports, own,
        steps, lingering;
});

pub(crate) static EXACT: ExactClass<LoopCore> = ExactClass::new();

impl LoopCore {
    pub(super) fn make(driver: Driver) -> PyResult<Self> {
        let reactor = Reactor::new(driver.clone()).map_err(os_error)?;
        let remote = Arc::clone(reactor.remote());
        Ok(Self {
            state: LoopCell::new(State {
                reactor,
                tenants: Slots::default(),
                read_buffer: Vec::new(),
                recycled: Recycled::default(),
                outgoing: Vec::new(),
                handshakes: (0, 0),
                turns_since_signals: 0,
            }),
            home: Arc::new(Home::new(Arc::clone(&remote), driver.clone())),
            driver,
            pulse: Arc::clone(remote.pulse()),
            remote,
            handles: Pool::for_bursts(),
            timer_handles: Pool::for_bursts(),
            thread_handles: Pool::for_bursts(),
            context: Spare::default(),
            task_factory: LoopCell::new(None),
            hearer: LoopCell::new(None),
            watch: LoopCell::new(Watch::default()),
            transports: Arc::default(),
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

    /// Whether somebody records what it does.
    #[inline(always)]
    pub(crate) fn is_watched(&self) -> bool {
        self.own.differs_in(Parts::UNWATCHED)
    }

    /// Whether somebody is told of each item.
    pub(super) fn is_heard(&self) -> bool {
        self.own.differs_in(Parts::UNHEARD)
    }

    /// Whether nobody looks at what it performs: it is neither in debug mode, nor recorded, nor heard.
    #[inline(always)]
    pub(super) fn is_unobserved(&self) -> bool {
        !self.own.differs_in(Parts::CHECKS_NOTHING.and(Parts::UNWATCHED).and(Parts::UNHEARD))
    }

    /// Whether it is recorded, and nobody else looks at what it performs.
    #[inline(always)]
    pub(super) fn is_only_watched(&self) -> bool {
        self.is_watched() && !self.own.differs_in(Parts::CHECKS_NOTHING.and(Parts::UNHEARD))
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

    /// The number of the turn.
    pub(crate) fn turn_number(&self) -> u64 {
        self.state.with(|state| state.reactor.turn())
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

    /// Another thread has given up a descriptor; it may be another's by now.
    fn drop_source(&self, fd: RawFd, slot: Slot) -> Option<Source> {
        self.state.with(|state| {
            let (poller, sources) = state.reactor.watching()?;
            sources.remove_slot(poller, fd, slot)
        })
    }

    pub(super) fn unwatch(&self, py: Python<'_>, fd: RawFd, slot: Slot) {
        if let Some(source) = self.drop_source(fd, slot) {
            source.discard(py);
        }
    }

    /// What was received, as a `bytes`.
    #[inline]
    pub(crate) fn bytes(&self, py: Python<'_>, content: &[u8]) -> Bytes {
        if Recycled::takes(content.len()) {
            if let Ok(mut blank) = self.state.with(|state| state.recycled.blank(py, content.len())) {
                blank.room()[..content.len()].copy_from_slice(content);
                return self.recycle(py, blank, content.len());
            }
        }
        Bytes::new(py, content)
    }

    /// What `fill` puts into a buffer of that size, and says the length of, as a `bytes`.
    #[inline]
    pub(crate) fn filled<R>(
        &self,
        py: Python<'_>,
        size: usize,
        fill: impl FnOnce(&mut [u8]) -> PyResult<(usize, R)>,
    ) -> PyResult<(Bytes, R)> {
        let mut blank = self.state.with(|state| state.recycled.blank(py, size))?;
        let (count, result) = fill(&mut blank.room()[..size])?;
        if Recycled::takes(size) && blank.fits(count) {
            return Ok((self.recycle(py, blank, count), result));
        }
        Ok((Bytes::of(blank.finish(py, count)?.as_any())?, result))
    }

    #[inline]
    fn recycle(&self, py: Python<'_>, mut blank: Blank, length: usize) -> Bytes {
        let bytes = blank.share(py, length);
        self.state.with(|state| state.recycled.keep(blank));
        bytes
    }

    /// Empty, with as much room as it had when it was given back.
    #[inline]
    pub(crate) fn take_outgoing(&self) -> Vec<u8> {
        self.state.with(|state| std::mem::take(&mut state.outgoing))
    }

    #[inline]
    pub(crate) fn give_back_outgoing(&self, mut room: Vec<u8>) {
        if room.capacity() <= MOST_OUTGOING {
            room.clear();
            self.state.with(|state| state.outgoing = room);
        }
    }

    /// Whether one more handshake may go on in this turn, which it does then.
    pub(crate) fn may_shake_hands(&self) -> bool {
        self.state.with(|state| {
            let turn = state.reactor.turn();
            let (last, count) = state.handshakes;
            state.handshakes = (turn, if last == turn { count + 1 } else { 1 });
            state.handshakes.1 <= MOST_HANDSHAKES
        })
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
    pub(super) fn dispose(&self, py: Python<'_>) {
        drop(self.watch.with(std::mem::take));
        self.keep(Parts::UNWATCHED, true);
        let (Closed { items, sources, .. }, tenants) =
            self.state.with(|state| (state.reactor.close(), state.tenants.take()));
        items.into_iter().for_each(|item| item.discard(py));
        tenants.into_iter().for_each(Tenant::discard);
        sources.into_iter().for_each(|source| source.discard(py));
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
