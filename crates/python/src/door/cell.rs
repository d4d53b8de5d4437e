//! What is woken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ironloop_engine::Slot;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::event_loop::home::{Home, Tenant, core_here};
use crate::event_loop::recorder::rust;
use crate::event_loop::recorder::watch::RustFuture;
use crate::event_loop::{Item, LoopCore};
use crate::ffi::Object;
use crate::ffi::callback::Callback;
use crate::ffi::resumable::Step;
use crate::waiting::waiter::Waiter;

/// No slot.
const NOWHERE: u64 = u64::MAX;

/// One that may be woken, by any thread, as often as one likes. What waits for it is a tenant of its loop, so
/// it has nothing of Python's, and may die anywhere.
pub(crate) struct Cell {
    home: Arc<Home>,
    /// Where its tenant is. Written on the loop's thread.
    slot: AtomicU64,
    /// What is polled after each wake, if that says what it is.
    future: Option<Arc<RustFuture>>,
}

impl Cell {
    pub(super) fn new(home: Arc<Home>) -> Self {
        Self { home, slot: AtomicU64::new(NOWHERE), future: None }
    }

    /// One that calls after each wake.
    pub(super) fn that_calls(
        home: Arc<Home>,
        core: &LoopCore,
        callback: Callback,
        future: Option<RustFuture>,
    ) -> Self {
        let future = future.map(Arc::new);
        if let Some(future) = &future {
            rust::spawned(core, future);
        }
        let slot = core.lodge(Tenant::Runs(callback, future.clone()));
        Self { home, slot: AtomicU64::new(slot.pack()), future }
    }

    pub(super) fn future(&self) -> Option<&RustFuture> {
        self.future.as_deref()
    }

    pub(super) fn home(&self) -> &Home {
        &self.home
    }

    fn take(&self) -> Option<Slot> {
        let slot = self.slot.swap(NOWHERE, Ordering::AcqRel);
        (slot != NOWHERE).then(|| Slot::unpack(slot))
    }

    /// What an awaitable yields, which is told of the next wake.
    pub(super) fn wait(&self, py: Python<'_>) -> PyResult<Object> {
        let core = core_here(py, &self.home)
            .ok_or_else(|| PyRuntimeError::new_err("a future is awaited on another loop than it began on"))?;
        let waiter = Waiter::of_loop(py, &Object::from(&core))?;
        let Step::Yield(yielded) = waiter.wait(py)? else {
            return Err(PyRuntimeError::new_err("a new future is done"));
        };
        let slot = core.get().lodge(Tenant::Waits(waiter.future().clone_ref(py)));
        if let Some(before) = self.take() {
            drop(core.get().evict(before));
        }
        self.slot.store(slot.pack(), Ordering::Release);
        Ok(yielded)
    }

    /// False if nobody will be told.
    pub(super) fn wake(&self) -> bool {
        match self.slot.load(Ordering::Acquire) {
            NOWHERE => !self.home.is_closed(),
            slot => self.home.deliver(Item::Run(Slot::unpack(slot))),
        }
    }

    /// Its tenant, if it has not been told.
    pub(super) fn end(&self, core: &LoopCore) -> Option<Tenant> {
        core.evict(self.take()?)
    }

    /// The same where the loop does not run.
    pub(super) fn end_elsewhere(&self) {
        if let Some(slot) = self.take() {
            // A loop that is closed has let go of it.
            self.home.deliver(Item::End(slot));
        }
    }
}
