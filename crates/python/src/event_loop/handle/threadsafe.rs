//! The handle of `call_soon_threadsafe` from Python 3.14 on: another thread that cancels it, or asks whether
//! it is cancelled, waits as long as its callback runs.

use std::ffi::CStr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use pyo3::prelude::*;

use super::attributes::{self, getters};
use super::callback::Rest;
use super::work::Slots;
use super::{AnyHandle, Callback, Draft};
use crate::event_loop::LoopCore;
use crate::ffi::memory::Pool;
use crate::ffi::object::current_thread;
use crate::ffi::place::Places;
use crate::ffi::{
    Arguments, Class, Clear, Instance, Native, Object, Traverse, Visit, Visited, getter, method,
};

/// `asyncio.events._ThreadSafeHandle`
#[repr(C)]
pub(crate) struct ThreadSafeHandle {
    slots: Slots,
    /// `_lock`, which stays empty.
    places: Places<1>,
    rest: Rest,
    /// The thread that runs the callback; 0 if none does.
    runner: AtomicU64,
}

static THREAD_SAFE_HANDLE: Class = Class::new();

/// Threads that wait for some handle: hardly ever one.
static WAITING: AtomicUsize = AtomicUsize::new(0);
static ENDED: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());

impl ThreadSafeHandle {
    /// A new one, in memory of the loop's.
    pub(crate) fn make(slf: &Bound<'_, LoopCore>, draft: Draft<'_>) -> PyResult<Instance<Self>> {
        Self::class().instantiate_in(slf.py(), Some(&slf.get().thread_handles), || {
            let (slots, rest) = draft.finish(slf);
            Self { slots, places: Places::new([None]), rest, runner: AtomicU64::new(0) }
        })
    }

    /// While `body` runs, other threads wait.
    pub(crate) fn running<R>(&self, body: impl FnOnce() -> R) -> R {
        self.runner.store(current_thread(), Ordering::SeqCst);
        let result = body();
        self.runner.store(0, Ordering::SeqCst);
        if WAITING.load(Ordering::SeqCst) > 0 {
            drop(ENDED.0.lock().unwrap_or_else(PoisonError::into_inner));
            ENDED.1.notify_all();
        }
        result
    }

    fn runs_elsewhere(&self) -> bool {
        let runner = self.runner.load(Ordering::SeqCst);
        runner != 0 && runner != current_thread()
    }

    /// Returns when no other thread runs the callback.
    fn wait(&self, py: Python<'_>) {
        if !self.runs_elsewhere() {
            return;
        }
        py.detach(|| {
            WAITING.fetch_add(1, Ordering::SeqCst);
            let mut guard = ENDED.0.lock().unwrap_or_else(PoisonError::into_inner);
            while self.runs_elsewhere() {
                guard = ENDED.1.wait(guard).unwrap_or_else(PoisonError::into_inner);
            }
            drop(guard);
            WAITING.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

impl AnyHandle for ThreadSafeHandle {
    #[inline(always)]
    fn callback(&self) -> Callback<'_> {
        Callback { slots: &self.slots, rest: &self.rest }
    }
}

impl Traverse for ThreadSafeHandle {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.callback().traverse(visit)?;
        self.callback().try_with(|_, _| self.places.traverse(visit)).unwrap_or(Ok(()))
    }
}

impl Clear for ThreadSafeHandle {
    fn clear(&self, py: Python<'_>) {
        self.callback().spend(py);
    }
}

impl Native for ThreadSafeHandle {
    const NAME: &'static CStr = c"ironloop.ThreadSafeHandle";
    const DOC: &'static CStr = c"A callback scheduled by any thread; see asyncio.Handle.";
    const OPEN: bool = false;
    const IN_BASE: usize = size_of::<Slots>() + size_of::<Places<1>>();
    const TRACKED: bool = false;
    const FINALIZES: bool = false;

    fn class() -> &'static Class {
        &THREAD_SAFE_HANDLE
    }

    fn pool(&self) -> Option<&Pool> {
        Some(&self.rest.owner.peek().thread_handles)
    }

    fn keeper(&self, py: Python<'_>) -> Option<Object> {
        Some(self.rest.owner.object().clone_ref(py))
    }
}

fn cancel(py: Python<'_>, handle: &Instance<ThreadSafeHandle>, _: Arguments<'_>) -> PyResult<Object> {
    handle.wait(py);
    handle.callback().cancel(py, handle.object())?;
    Ok(Object::none(py))
}

fn cancelled(py: Python<'_>, handle: &Instance<ThreadSafeHandle>, _: Arguments<'_>) -> PyResult<Object> {
    handle.wait(py);
    attributes::cancelled(py, handle)
}

/// Adds the class to the module, where this Python has such handles.
pub(super) fn add_class(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let Some(base) = crate::ffi::imports::thread_safe_handle(module.py())? else { return Ok(()) };
    THREAD_SAFE_HANDLE.create::<ThreadSafeHandle>(
        module,
        &[base],
        &[
            method!(
                ThreadSafeHandle,
                c"cancel",
                c"cancel($self)\n--\n\nKeeps the callback from running; waits while another thread runs it.",
                cancel
            ),
            method!(
                ThreadSafeHandle,
                c"cancelled",
                c"cancelled($self)\n--\n\nWhether it was cancelled; waits while another thread runs it.",
                cancelled
            ),
        ],
        &getters!(ThreadSafeHandle),
        &[],
    )
}
