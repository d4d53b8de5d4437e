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

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ironloop_driver::{Notifier, Poller, RawFd, Ready, Token};
use ironloop_engine::{Engine, Inbox, Slot};
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
use crate::ffi::{Instance, Object, Traverse, Usual, Visit, Visited, owned, traverse_class};
use crate::io::stream::Transport;
pub(crate) use item::{Item, Timer};
pub(crate) use make::create_native_task;
pub(crate) use parts::Parts;
pub(crate) use schedule::call_soon_by_name;
use shown::Shown;
pub(crate) use sources::{Source, Sources};

/// The token of the notifier; all but this and the next are packed slots.
const NOTIFIER: Token = Token(u64::MAX);

/// The token of the descriptor that Python writes signals to.
const SIGNALS: Token = Token(u64::MAX - 1);

/// Bytes that one read may bring, as in asyncio.
const READ_BUFFER: usize = 256 * 1024;

/// All that belongs to the loop's thread.
pub(crate) struct State {
    pub(crate) engine: Engine<Item, Timer>,
    pub(crate) sources: Sources,
    /// `None` once the loop is closed.
    pub(crate) poller: Option<Arc<Poller>>,
    /// How many items were performed: the number of the callback that runs.
    performed: u64,
    /// Transports with whose last bytes the kernel may wait until the running callback has returned.
    pub(crate) held: Vec<Instance<Transport>>,
    /// Reused from read to read; gone while one is under way.
    read_buffer: Vec<u8>,
    turns_since_poll: u32,
    turns_since_signals: u32,
    /// What `_selector.select` has reported, and nobody has taken back.
    reported: Vec<(Slot, Ready)>,
    /// Sockets that were read until nothing was left, since the last wait.
    emptied: usize,
    /// Empty between collections of the inbox; kept for its room.
    arrivals: VecDeque<Item>,
}

owned!(State {
    visits: engine, held, sources;
    ignores: poller, performed, read_buffer, turns_since_poll, turns_since_signals, reported, emptied, arrivals;
});

impl Traverse for Engine<Item, Timer> {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.ready().try_for_each(|item| item.traverse(visit))?;
        self.scheduled().try_for_each(|timer| timer.traverse(visit))
    }
}

#[pyclass(subclass, frozen, weakref, module = "ironloop._ironloop")]
pub(crate) struct LoopCore {
    pub(crate) state: LoopCell<State>,
    inbox: Inbox<Item>,
    /// Apart from the state, because other threads ring it. `None` once the loop is closed.
    notifier: Mutex<Option<Notifier>>,
    pub(crate) handles: Pool,
    pub(crate) timer_handles: Pool,
    closed: AtomicBool,
    stopping: AtomicBool,
    debug: AtomicBool,
    task_factory: LoopCell<Option<Object>>,
    /// What of [`Parts`] is replaced on the instance.
    own: Own,
    /// How many steps of tasks were made.
    pub(crate) steps: AtomicU64,
    /// The number of the step whose task `asyncio.current_task()` would still name although it is made; 0 if none.
    pub(crate) lingering: AtomicU64,
    /// Where signals are read from; -1 before the first run in the main thread.
    signals: AtomicI32,
    /// The thread that runs the loop, as Python numbers it; 0 while none does.
    thread: AtomicU64,
}

// What other threads have left in the inbox is not shown: it is known to nobody else, and so taken for alive.
owned!(LoopCore {
    visits: state, task_factory;
    ignores: inbox, notifier, handles, timer_handles, closed, stopping, debug, own, steps, lingering, signals, thread;
});

pub(crate) static USUAL: Usual<LoopCore> = Usual::new();

impl LoopCore {
    pub(crate) fn is_debug(&self) -> bool {
        self.debug.load(Ordering::Relaxed)
    }

    pub(crate) fn check_open(&self) -> PyResult<()> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(PyRuntimeError::new_err("Event loop is closed"));
        }
        Ok(())
    }

    pub(crate) fn push(&self, item: Item) {
        self.state.with(|state| state.engine.push(item));
    }

    /// The number of the callback that runs.
    pub(crate) fn callback(&self) -> u64 {
        self.state.with(|state| state.performed)
    }

    /// Whether the calling thread is the one that runs the loop.
    pub(crate) fn runs_here(&self) -> bool {
        self.thread.load(Ordering::Relaxed) == crate::ffi::object::current_thread()
    }

    /// Uses the poller; an error once the loop is closed.
    pub(crate) fn with_poller<R>(
        &self,
        body: impl FnOnce(&Poller, &mut Sources) -> io::Result<R>,
    ) -> PyResult<R> {
        let result =
            self.state.with(|state| state.poller.as_deref().map(|poller| body(poller, &mut state.sources)));
        match result {
            Some(result) => result.map_err(os_error),
            None => Err(PyRuntimeError::new_err("Event loop is closed")),
        }
    }

    /// Whether other threads have left something to do.
    fn has_mail(&self) -> bool {
        self.inbox.is_filled()
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
        self.state.with(|state| state.emptied += 1);
    }

    /// The loop stops: what it holds may be garbage from now on, and the collector has to know it. Until it runs again nothing is
    /// delivered to the inbox, which the collector does not see.
    fn hand_over(&self) {
        self.collect_inbox();
        self.state.with(|state| {
            state.engine.ready().for_each(Item::track);
            state.engine.scheduled().for_each(Timer::track);
        });
    }

    fn wake(&self) -> PyResult<()> {
        match self.notifier.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(notifier) => notifier.notify().map_err(os_error),
            None => Ok(()),
        }
    }
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
        let poller = Poller::new().map_err(os_error)?;
        let notifier = Notifier::new(&poller, NOTIFIER).map_err(os_error)?;
        Ok(Self {
            state: LoopCell::new(State {
                engine: Engine::default(),
                sources: Sources::default(),
                poller: Some(Arc::new(poller)),
                performed: 0,
                held: Vec::new(),
                read_buffer: Vec::new(),
                reported: Vec::new(),
                turns_since_poll: 0,
                turns_since_signals: 0,
                emptied: 0,
                arrivals: VecDeque::new(),
            }),
            inbox: Inbox::default(),
            notifier: Mutex::new(Some(notifier)),
            handles: Pool::default(),
            timer_handles: Pool::default(),
            closed: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            debug: AtomicBool::new(false),
            task_factory: LoopCell::new(None),
            own: Own::default(),
            steps: AtomicU64::new(0),
            lingering: AtomicU64::new(0),
            signals: AtomicI32::new(-1),
            thread: AtomicU64::new(0),
        })
    }

    /// Drops all that is scheduled and watched, and closes the loop's descriptors.
    fn _dispose(&self) {
        let (items, sources, poller, held) = self.state.with(|state| {
            (state.engine.take(), state.sources.take(), state.poller.take(), std::mem::take(&mut state.held))
        });
        let mut inbox = VecDeque::new();
        self.inbox.collect(&mut inbox);
        let notifier = self.notifier.lock().unwrap_or_else(PoisonError::into_inner).take();
        items.into_iter().chain(inbox).for_each(Item::discard);
        sources.into_iter().for_each(Source::discard);
        drop((poller, held, notifier));
    }

    pub(crate) fn is_running(&self) -> bool {
        self.thread.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    fn get_debug(&self) -> bool {
        self.is_debug()
    }

    /// The running turn is the last one.
    fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
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
        self.closed.store(closed, Ordering::Relaxed);
    }

    #[getter]
    fn _stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    #[setter(_stopping)]
    fn set_stopping(&self, stopping: bool) {
        self.stopping.store(stopping, Ordering::Relaxed);
    }

    #[getter]
    fn _debug(&self) -> bool {
        self.is_debug()
    }

    #[setter(_debug)]
    fn set_debug(&self, debug: &Bound<'_, PyAny>) -> PyResult<()> {
        self.debug.store(debug.is_truthy()?, Ordering::Relaxed);
        Ok(())
    }

    #[getter]
    fn _thread_id(&self) -> Option<u64> {
        Some(self.thread.load(Ordering::Relaxed)).filter(|thread| *thread != 0)
    }

    #[setter(_thread_id)]
    fn set_thread_id(&self, thread: Option<u64>) {
        self.thread.store(thread.unwrap_or(0), Ordering::Relaxed);
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
        self.keep(Parts::VOCABULARY, native && crate::ffi::asyncio::is_known());
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
        self.state.with(|state| match state.engine.plan() {
            ironloop_engine::Wait::Until(deadline) => Some(ironloop_engine::deadline::seconds(deadline)),
            _ => None,
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
        let shown: Vec<_> = slf.get().state.with(|state| state.engine.ready().filter_map(show).collect());
        shown.into_iter().map(|shown| Ok(shown.into_handle(slf)?.as_py().clone_ref(py))).collect()
    }

    /// The handles of the timers that wait, in no order.
    fn _scheduled_handles(&self, py: Python<'_>) -> Vec<Py<PyAny>> {
        let handles: Vec<Object> = self.state.with(|state| {
            let handles = state.engine.scheduled().filter_map(Timer::handle);
            handles.map(|handle| handle.object().clone_ref(py)).collect()
        });
        handles.iter().map(|handle| handle.as_py().clone_ref(py)).collect()
    }

    /// The descriptors that handles wait for.
    fn _watched(&self) -> Vec<RawFd> {
        self.state.with(|state| state.sources.watched())
    }

    /// The handles that wait for a descriptor to become readable and writable; None if it is not watched.
    fn _watchers_of(&self, py: Python<'_>, fd: RawFd) -> Option<[Option<Py<PyAny>>; 2]> {
        let handles = self.state.with(|state| match state.sources.at(fd) {
            Some(Source::Watch(watch)) => {
                Some(watch.callbacks(py, Ready { readable: true, writable: true, hung_up: false }))
            }
            _ => None,
        })?;
        Some(handles.map(|handle| handle.map(|handle| handle.object().as_py().clone_ref(py))))
    }

    /// The transport that reads and writes a descriptor, if there is one.
    fn _transport_of(&self, py: Python<'_>, fd: RawFd) -> Option<Py<PyAny>> {
        let found = self.state.with(|state| match state.sources.at(fd) {
            Some(Source::Stream(transport)) => Some(transport.object().clone_ref(py)),
            Some(Source::Datagram(transport)) => Some(transport.object().clone_ref(py)),
            _ => None,
        });
        found.map(|transport| transport.as_py().clone_ref(py))
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

/// A decorator that gives the Python half of the loop the native methods.
///
/// They could be inherited. But the interpreter calls a native method directly only on the very class that it was made for.
#[pyfunction]
fn native_methods<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyType>> {
    USUAL.learn(class)?;
    for methods in [
        schedule::methods(),
        turn::methods(),
        select::methods(),
        crate::io::readers::methods(),
        crate::io::operations::methods(),
        crate::io::listener::methods(),
        clock::methods(),
        make::methods(),
    ] {
        add_methods(class, &methods)?;
    }
    parts::learn(class)?;
    Ok(class.clone())
}

/// Adds the class to the module.
pub(crate) fn add_class(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<LoopCore>()?;
    module.add_function(wrap_pyfunction!(native_methods, module)?)
}
