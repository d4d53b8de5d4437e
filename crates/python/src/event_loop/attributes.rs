//! The loop's class, and what of the loop's state Python sees and sets.

use ironloop_engine::{Plan, deadline};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::handle_view::HandleView;
use super::item::{Item, Timer};
use super::loop_core::LoopCore;
use super::parts::Parts;
use super::recorder;
use super::running;
use super::simulated;
use crate::ffi::ending::outlive_interpreter;
use crate::ffi::{Object, traverse_class, view};

#[pymethods]
impl LoopCore {
    #[new]
    #[pyo3(signature = (*_args, clock = None, **_kwargs))]
    fn new(
        _args: &Bound<'_, pyo3::types::PyTuple>,
        clock: Option<&Bound<'_, PyAny>>,
        _kwargs: Option<&Bound<'_, pyo3::types::PyDict>>,
    ) -> PyResult<Self> {
        outlive_interpreter();
        Self::make(simulated::driver_of(clock)?)
    }

    /// Drops all that is scheduled and watched, and closes the loop's descriptors.
    fn _dispose(&self, py: Python<'_>) {
        self.dispose(py);
        recorder::listen_no_more(py);
    }

    /// Whether the loop runs now. Counterpart: asyncio's loop.is_running.
    #[pyo3(name = "is_running")]
    fn py_is_running(&self) -> bool {
        self.is_running()
    }

    /// Whether `close` was called. Counterpart: asyncio's loop.is_closed.
    #[pyo3(name = "is_closed")]
    fn py_is_closed(&self) -> bool {
        self.is_closed()
    }

    /// Whether the loop is in debug mode. Counterpart: asyncio's loop.get_debug.
    fn get_debug(&self) -> bool {
        self.is_debug()
    }

    /// Ends `run_forever` after the running turn. Counterpart: asyncio's loop.stop.
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

    /// Whether its time is a simulation's.
    #[getter]
    fn _is_simulated(&self) -> bool {
        self.driver.world().is_some()
    }

    /// Whether tasks and futures are ironloop's own.
    #[getter]
    fn _native(&self) -> bool {
        self.is_native()
    }

    #[setter(_native)]
    fn set_native(&self, native: bool) {
        self.keep(Parts::VOCABULARY, native && view::is_known());
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
            Plan::WaitUntil(deadline) => Some(deadline::seconds(deadline)),
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

    /// From now on `hearer(what)` is called after each item: with the task that has made a step, else with what
    /// the item is called. What it raises ends the run. None: nobody is told.
    fn _hear(&self, hearer: Option<Bound<'_, PyAny>>) {
        self.keep(Parts::UNHEARD, hearer.is_none());
        let old = self.hearer.with(|known| std::mem::replace(known, hearer.map(Object::from)));
        drop(old);
    }

    /// The handles that the next turn runs, in order. A task's turn has none: one is made for those who look.
    fn _ready_handles(slf: &Bound<'_, Self>) -> PyResult<Vec<Py<PyAny>>> {
        let py = slf.py();
        let show = |item: &Item| HandleView::of(py, item);
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

    /// When each timer is due, in seconds on the loop's clock, and what it is for: its handle, the future of a
    /// sleep, who has a timeout; None of Rust code's.
    fn _timers(&self, py: Python<'_>) -> Vec<(f64, Py<PyAny>)> {
        let timers: Vec<(f64, Object)> = self.state.with(|state| {
            let timers = state.reactor.engine.timers();
            let shown = |timer: &Timer| {
                timer.object().map_or_else(|| Object::none(py), |object| object.clone_ref(py))
            };
            timers.map(|(due, timer)| (deadline::seconds(due), shown(timer))).collect()
        });
        timers.into_iter().map(|(due, object)| (due, object.as_py().clone_ref(py))).collect()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // A running loop is no garbage, nor is what it holds: the collector need not walk it all each time.
        if self.is_running() {
            return Ok(());
        }
        traverse_class(self, &visit)
    }

    fn __clear__(&self) {
        Python::attach(|py| self.dispose(py));
    }
}
