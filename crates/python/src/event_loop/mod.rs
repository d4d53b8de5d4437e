//! The native half of a loop: what runs per callback and per byte. The Python half is `python/ironloop/loop.py`.

mod clock;
pub(crate) mod future;
pub(crate) mod handle;
mod item;
mod make;
mod parts;
mod report;
pub(crate) mod running;
mod schedule;
mod select;
mod shown;
mod sources;
pub(crate) mod task;
mod turn;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ironloop_driver::{Driver, Poller};
use ironloop_engine::{Plan, Slot};
use ironloop_reactor::{Reactor, Remote};
use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::ffi::cell::LoopCell;
use crate::ffi::class::Pool;
use crate::ffi::ending::outlive_interpreter;
use crate::ffi::error::os_error;
use crate::ffi::hooks::Own;
use crate::ffi::method::add_methods;
use crate::ffi::object::current_thread;
use crate::ffi::{ExactClass, Object, Traverse, Visit, Visited, owned, traverse_class};
pub(crate) use item::{Item, Kind, Timer};
pub(crate) use make::create_native_task;
pub(crate) use parts::Parts;
pub(crate) use schedule::call_soon_by_name;
use shown::Shown;
pub(crate) use sources::{Source, SourceKind, Sources};

/// Bytes that one read may bring, as in asyncio.
const READ_BUFFER: usize = 256 * 1024;

/// All that belongs to the loop's thread.
pub(crate) struct State {
    pub(crate) reactor: Reactor<Item, Timer, Source>,
    /// Reused from read to read; gone while one is under way.
    read_buffer: Vec<u8>,
    turns_since_signals: u32,
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
    remote: Arc<Remote<Item>>,
    pub(crate) handles: Pool,
    pub(crate) timer_handles: Pool,
    task_factory: LoopCell<Option<Object>>,
    /// What of [`Parts`] is replaced on the instance, and how the loop stands.
    own: Own,
    /// How many steps of tasks were made.
    pub(crate) steps: AtomicU64,
    /// The number of the step whose task `asyncio.current_task()` would still name although it is made; 0 if none.
    pub(crate) lingering: AtomicU64,
}

// What other threads have left in the inbox is not shown: it is known to nobody else, and so taken for alive.
owned!(LoopCore {
    visits: state, task_factory;
    ignores: driver, remote, handles, timer_handles, own, steps, lingering;
});

pub(crate) static EXACT: ExactClass<LoopCore> = ExactClass::new();

impl LoopCore {
    /// The object as a loop, if it is one of ours.
    pub(crate) fn of<'py>(py: Python<'py>, object: &Object) -> Option<Bound<'py, Self>> {
        EXACT.cast(object.bind(py)).cloned()
    }

    pub(crate) fn is_debug(&self) -> bool {
        self.own.has(Parts::CHECKS_NOTHING)
    }

    pub(crate) fn check_open(&self) -> PyResult<()> {
        if self.is_closed() {
            return Err(closed());
        }
        Ok(())
    }

    pub(crate) fn push(&self, item: Item) {
        self.state.with(|state| state.reactor.engine.push(item));
    }

    /// An item that has to follow the running callback at once.
    pub(crate) fn push_afterwards(&self, item: Item) {
        self.state.with(|state| state.reactor.engine.push_afterwards(item));
    }

    fn is_stopping(&self) -> bool {
        self.own.has(Parts::GOES_ON)
    }

    /// The number of the callback that runs.
    pub(crate) fn callback(&self) -> u64 {
        self.state.with(|state| state.reactor.performed())
    }

    /// Whether the calling thread is the one that runs the loop.
    pub(crate) fn runs_here(&self) -> bool {
        self.remote.thread() == Some(current_thread())
    }

    /// Uses the poller; an error once the loop is closed.
    pub(crate) fn with_poller<R>(
        &self,
        body: impl FnOnce(&Poller, &mut Sources) -> io::Result<R>,
    ) -> PyResult<R> {
        let result =
            self.state.with(|state| state.reactor.watching().map(|(poller, sources)| body(poller, sources)));
        result.ok_or_else(closed)?.map_err(os_error)
    }

    /// Takes a timer out, unless it was due before. What comes back must be dropped with nothing borrowed.
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

    /// The loop stops: what it holds may be garbage from now on, and the collector has to know it. Until it runs again nothing is
    /// delivered to the inbox, which the collector does not see.
    fn hand_over(&self) {
        self.state.with(|state| {
            state.reactor.collect_mail();
            state.reactor.engine.ready().for_each(Item::track);
            state.reactor.engine.scheduled().for_each(Timer::track);
        });
    }
}

fn closed() -> PyErr {
    PyRuntimeError::new_err("Event loop is closed")
}

#[pymethods]
impl LoopCore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(
        _args: &Bound<'_, pyo3::types::PyTuple>,
        _kwargs: Option<&Bound<'_, pyo3::types::PyDict>>,
    ) -> PyResult<Self> {
        outlive_interpreter();
        let driver = Driver::default();
        let reactor = Reactor::new(driver).map_err(os_error)?;
        let remote = Arc::clone(reactor.remote());
        Ok(Self {
            state: LoopCell::new(State { reactor, read_buffer: Vec::new(), turns_since_signals: 0 }),
            driver,
            remote,
            handles: Pool::default(),
            timer_handles: Pool::default(),
            task_factory: LoopCell::new(None),
            own: Own::default(),
            steps: AtomicU64::new(0),
            lingering: AtomicU64::new(0),
        })
    }

    /// Drops all that is scheduled and watched, and closes the loop's descriptors.
    fn _dispose(&self) {
        let mut closed = self.state.with(|state| state.reactor.close());
        closed.items.drain(..).for_each(Item::discard);
        closed.sources.drain(..).for_each(Source::discard);
    }

    pub(crate) fn is_running(&self) -> bool {
        self.remote.thread().is_some()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.own.has(Parts::OPEN)
    }

    fn get_debug(&self) -> bool {
        self.is_debug()
    }

    /// The running turn is the last one.
    fn stop(&self) {
        self.keep(Parts::GOES_ON, false);
    }

    fn _check_closed(&self) -> PyResult<()> {
        self.check_open()
    }

    #[getter]
    fn _closed(&self) -> bool {
        self.is_closed()
    }

    #[setter(_closed)]
    fn set_closed(&self, closed: bool) {
        self.remote.set_closed(closed);
        self.keep(Parts::OPEN, !closed);
    }

    #[getter]
    fn _stopping(&self) -> bool {
        self.is_stopping()
    }

    #[setter(_stopping)]
    fn set_stopping(&self, stopping: bool) {
        self.keep(Parts::GOES_ON, !stopping);
    }

    #[getter]
    fn _debug(&self) -> bool {
        self.is_debug()
    }

    #[setter(_debug)]
    fn set_debug(&self, debug: &Bound<'_, PyAny>) -> PyResult<()> {
        self.keep(Parts::CHECKS_NOTHING, !debug.is_truthy()?);
        Ok(())
    }

    #[getter]
    fn _thread_id(&self) -> Option<u64> {
        self.remote.thread()
    }

    #[setter(_thread_id)]
    fn set_thread_id(&self, thread: Option<u64>) {
        self.remote.set_thread(thread);
        if self.is_native() {
            running::note(thread);
        }
        if thread.is_none() {
            self.hand_over();
        }
    }

    /// Whether tasks and futures are ironloop's own.
    #[getter]
    fn _native(&self) -> bool {
        self.is_native()
    }

    #[setter(_native)]
    fn set_native(&self, native: bool) {
        self.keep(Parts::VOCABULARY, native && crate::ffi::view::is_known());
    }

    /// Whether the loop waits by itself, and not by `_selector.select`.
    #[setter(_waits_itself)]
    fn set_waits_itself(&self, itself: bool) {
        self.keep(Parts::SELECT, itself);
    }

    fn __setattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::set_attribute(slf, name, Some(value))
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::set_attribute(slf, name, None)
    }

    /// When the earliest timer is due, in seconds on the loop's clock.
    fn _next_deadline(&self) -> Option<f64> {
        self.state.with(|state| match state.reactor.engine.plan() {
            Plan::WaitUntil(deadline) => Some(ironloop_engine::deadline::seconds(deadline)),
            Plan::Run | Plan::Wait => None,
        })
    }

    #[getter]
    fn _task_factory(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.task_factory.with(|factory| factory.as_ref().map(|factory| factory.as_py().clone_ref(py)))
    }

    #[setter(_task_factory)]
    fn set_task_factory(&self, factory: Option<Bound<'_, PyAny>>) {
        let old = self.task_factory.with(|known| std::mem::replace(known, factory.map(Object::from)));
        drop(old);
    }

    /// The handles that the next turn runs, in order. A task's turn has none: one is made for those who look.
    fn _ready_handles(slf: &Bound<'_, Self>) -> PyResult<Vec<Py<PyAny>>> {
        let py = slf.py();
        let show = |item: &Item| Shown::of(py, item);
        let shown: Vec<_> =
            slf.get().state.with(|state| state.reactor.engine.ready().filter_map(show).collect());
        shown.into_iter().map(|shown| Ok(shown.into_handle(slf)?.as_py().clone_ref(py))).collect()
    }

    /// The handles of the timers that wait, in no order.
    fn _scheduled_handles(&self, py: Python<'_>) -> Vec<Py<PyAny>> {
        let handles: Vec<Object> = self.state.with(|state| {
            let handles = state.reactor.engine.scheduled().filter_map(Timer::handle);
            handles.map(|handle| handle.object().clone_ref(py)).collect()
        });
        handles.iter().map(|handle| handle.as_py().clone_ref(py)).collect()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // A running loop is no garbage, nor is what it holds: the collector need not walk it all each time.
        if self.is_running() {
            return Ok(());
        }
        traverse_class(self, &visit)
    }

    fn __clear__(&self) {
        self._dispose();
    }
}

/// Gives the Python half of the loop the native methods of this wing.
pub(crate) fn add_methods_to(class: &Bound<'_, PyType>) -> PyResult<()> {
    EXACT.learn(class)?;
    for methods in
        [schedule::methods(), turn::methods(), select::methods(), clock::methods(), make::methods()]
    {
        add_methods(class, &methods)?;
    }
    parts::learn(class)
}

/// Adds the class to the module.
pub(crate) fn add_class(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<LoopCore>()
}
