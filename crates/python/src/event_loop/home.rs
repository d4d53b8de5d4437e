//! What Rust code of other extension modules has of a loop: a home, which any thread may keep, and tenants of
//! the loop's slots, which wait here for a wake or a time.
//!
//! A tenant is let go of once: its turn has come, it is taken out, or the loop is closed. A slot that is
//! stale finds nothing. All but [`Home`] belongs to the loop's thread. Who makes tenants (the wing `door`) is
//! not named here.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ironloop_abi::what;
use ironloop_driver::Driver;
use ironloop_engine::{Deadline, Slot};
use ironloop_reactor::Remote;
use pyo3::prelude::*;

use super::item::{Item, Timer};
use super::loop_core::LoopCore;
use super::recorder::watch::RustFuture;
use crate::event_loop::{future, task};
use crate::ffi::callback::Callback;
use crate::ffi::derived::Own;
use crate::ffi::intern::intern;
use crate::ffi::{Object, Traverse, Visit, Visited};

/// A loop for whatever thread, for as long as somebody keeps it.
pub(crate) struct Home {
    remote: Arc<Remote<Item>>,
    pub(crate) driver: Driver,
    /// Of the process that has made it, or has run it last.
    generation: AtomicU32,
}

impl Home {
    pub(super) fn new(remote: Arc<Remote<Item>>, driver: Driver) -> Self {
        Self { remote, driver, generation: AtomicU32::new(ironloop_driver::generation()) }
    }

    /// In a child nothing of its parent's loops is touched: a thread that was not copied may have had the
    /// lock, and who is told is the parent.
    fn is_of_this_process(&self) -> bool {
        self.generation.load(Ordering::Relaxed) == ironloop_driver::generation()
    }

    pub(crate) fn is_closed(&self) -> bool {
        !self.is_of_this_process() || self.remote.is_closed()
    }

    /// Leaves an item. False if nobody will do what it says: the loop is closed, or a parent's.
    pub(crate) fn deliver(&self, item: Item) -> bool {
        // One that cannot be woken has it all the same.
        self.is_of_this_process() && !matches!(self.remote.deliver(item), Ok(Some(_)))
    }
}

/// What waits in a loop's slots.
pub(crate) enum Tenant {
    /// A future of Python's, for which a task waits: the wake gives it its result, once.
    Waits(Object),
    /// Called after each wake; what it polls, if it says so.
    Runs(Callback, Option<Arc<RustFuture>>),
    /// Called when the time has come, once; by this timer.
    Timed(Callback, Slot),
}

impl Traverse for Tenant {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        match self {
            Self::Waits(future) => future.traverse(visit),
            Self::Runs(..) | Self::Timed(..) => Ok(()),
        }
    }
}

impl Tenant {
    /// The loop is closed.
    pub(super) fn discard(self) {
        match self {
            Self::Waits(future) => drop(future),
            Self::Runs(callback, _) | Self::Timed(callback, _) => callback.call(what::ENDED),
        }
    }
}

thread_local! {
    /// The loops that run in this thread, the innermost last.
    static HERE: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
}

struct Entry {
    home: Arc<Home>,
    core: Py<LoopCore>,
    /// In a child, the parent's loops do not run.
    generation: u32,
}

/// A loop runs in this thread, until it is dropped.
pub(super) struct Here(());

impl Here {
    pub(super) fn begin(slf: &Bound<'_, LoopCore>) -> Self {
        let home = Arc::clone(&slf.get().home);
        let generation = ironloop_driver::generation();
        home.generation.store(generation, Ordering::Relaxed);
        let entry = Entry { home, core: slf.clone().unbind(), generation };
        HERE.with_borrow_mut(|here| here.push(entry));
        Self(())
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        drop(HERE.with_borrow_mut(Vec::pop));
    }
}

/// Where the loop that runs in this thread is; it is kept while it runs.
pub(crate) fn here() -> Option<*const Home> {
    innermost(|entry| Some(Arc::as_ptr(&entry.home)))
}

/// The same as an object, if it is this home's.
pub(crate) fn core_here<'py>(py: Python<'py>, of: &Home) -> Option<Bound<'py, LoopCore>> {
    innermost(|entry| std::ptr::eq(&raw const *entry.home, of).then(|| entry.core.bind(py).clone()))
}

fn innermost<R>(look: impl FnOnce(&Entry) -> Option<R>) -> Option<R> {
    let look = |here: &RefCell<Vec<Entry>>| {
        let here = here.borrow();
        look(here.last().filter(|entry| entry.generation == ironloop_driver::generation())?)
    };
    HERE.try_with(look).ok().flatten()
}

impl LoopCore {
    /// A new tenant.
    pub(crate) fn lodge(&self, tenant: Tenant) -> Slot {
        self.state.with(|state| state.tenants.insert(tenant))
    }

    /// One that a timer wakes.
    pub(crate) fn lodge_until(&self, deadline: Deadline, callback: Callback) -> Slot {
        self.state.with(|state| {
            let engine = &mut state.reactor.engine;
            state
                .tenants
                .insert_with(|slot| Tenant::Timed(callback, engine.schedule(deadline, Timer::Run(slot))))
        })
    }

    /// It waits no more, unless it has been told already. To be dropped with nothing borrowed.
    pub(crate) fn evict(&self, slot: Slot) -> Option<Tenant> {
        self.state.with(|state| {
            let tenant = state.tenants.remove(slot)?;
            let timer = match tenant {
                Tenant::Timed(_, timer) => state.reactor.engine.cancel(timer),
                Tenant::Waits(_) | Tenant::Runs(..) => None,
            };
            // A timer that leads to a slot owns nothing.
            debug_assert!(timer.is_none_or(|timer| matches!(timer, Timer::Run(_))));
            Some(tenant)
        })
    }

    /// Its future is said to run.
    fn tenant_that_runs(&self, slot: Slot) -> Option<Callback> {
        self.state.with(|state| match state.tenants.get(slot) {
            Some(Tenant::Runs(callback, future)) => {
                future.as_ref().inspect(|future| future.runs());
                Some(*callback)
            }
            _ => None,
        })
    }

    /// Its poll is over.
    fn has_run(&self, slot: Slot) {
        self.state.with(|state| {
            if let Some(Tenant::Runs(_, Some(future))) = state.tenants.get(slot) {
                future.waits();
            }
        });
    }

    /// The one that is polled at each wake, until it has ended.
    pub(super) fn rust_future(&self, slot: Slot) -> Option<Arc<RustFuture>> {
        self.state.with(|state| match state.tenants.get(slot) {
            Some(Tenant::Runs(_, future)) => future.clone(),
            _ => None,
        })
    }

    /// Those that are polled here by themselves, in no order.
    pub(super) fn rust_futures(&self) -> Vec<Arc<RustFuture>> {
        let future = |tenant: &Tenant| match tenant {
            Tenant::Runs(_, future) => future.clone(),
            Tenant::Waits(_) | Tenant::Timed(..) => None,
        };
        self.state.with(|state| state.tenants.iter().filter_map(future).collect())
    }
}

/// A tenant's turn.
pub(super) fn run(slf: &Bound<'_, LoopCore>, slot: Slot) -> PyResult<()> {
    if let Some(callback) = slf.get().tenant_that_runs(slot) {
        task::vacate(slf)?;
        callback.call(what::WOKEN);
        slf.get().has_run(slot);
        return Ok(());
    }
    match slf.get().state.with(|state| state.tenants.remove(slot)) {
        None => Ok(()),
        Some(Tenant::Waits(future)) => give_result(slf, &future),
        Some(Tenant::Runs(callback, _) | Tenant::Timed(callback, _)) => {
            task::vacate(slf)?;
            callback.call(what::DUE);
            Ok(())
        }
    }
}

fn give_result(slf: &Bound<'_, LoopCore>, future: &Object) -> PyResult<()> {
    if let Some(own) = Own::of(future) {
        return future::wake_waiter(slf, own);
    }
    let (py, future) = (slf.py(), future.bind(slf.py()));
    if future.call_method0(intern!(py, "done"))?.is_truthy()? {
        return Ok(());
    }
    future.call_method1(intern!(py, "set_result"), (py.None(),)).map(drop)
}

/// Another thread has given a tenant up.
pub(super) fn end(slf: &Bound<'_, LoopCore>, slot: Slot) {
    if let Some(tenant) = slf.get().evict(slot) {
        tenant.discard();
    }
}

/// What was sent home has come.
pub(super) fn come(slf: &Bound<'_, LoopCore>, callback: Callback) -> PyResult<()> {
    task::vacate(slf)?;
    callback.call(what::HOME);
    Ok(())
}
