//! Handles: a callback that waits for its turn, and what its owner can still do about it.
//!
//! `Handle`, `TimerHandle` and `ThreadSafeHandle` are subclasses of asyncio's. Whatever asyncio's Python code
//! asks of a handle (`_callback`, `_args`, `_context`…) is answered from its [`Callback`], the work of which
//! lies where asyncio's classes have their slots.
//!
//! The garbage collector does not walk handles: half of its work would be theirs. What one refers to is let
//! go as soon as it has run, is cancelled, or its loop is closed; until then the loop shows it to the
//! collector as its own.

mod attributes;
mod callback;
mod draft;
mod threadsafe;
mod work;

use std::ffi::CStr;
use std::sync::atomic::{AtomicU64, Ordering};

use ironloop_engine::Slot;
use pyo3::prelude::*;

use crate::event_loop::LoopCore;
use crate::ffi::derived::is_tracked;
use crate::ffi::memory::Pool;
use crate::ffi::place::Places;
use crate::ffi::{
    Arguments, Class, Clear, Instance, Native, Object, Scope, Traverse, Visit, Visited, getter, method,
};
use attributes::getters;
pub(crate) use callback::Callback;
use callback::Rest;
pub(crate) use draft::Draft;
pub(crate) use threadsafe::ThreadSafeHandle;
use work::Slots;

/// What runs in its turn (`asyncio.Handle`).
#[repr(C)]
pub(crate) struct Handle {
    slots: Slots,
    rest: Rest,
}

impl Handle {
    /// A new one, in memory of the loop's.
    #[inline(always)]
    pub(crate) fn make(slf: &Bound<'_, LoopCore>, draft: Draft<'_>) -> PyResult<Instance<Self>> {
        Self::class().instantiate_in(slf.py(), Some(&slf.get().handles), || Self::of(draft.finish(slf)))
    }

    /// `function()`
    pub(crate) fn of_function(
        slf: &Bound<'_, LoopCore>,
        function: &Object,
        scope: Scope,
    ) -> PyResult<Instance<Self>> {
        Self::class().instantiate(slf.py(), Self::of(draft::of_function(slf, function, scope)))
    }

    /// `function(future)`: what a done future tells to one who has asked.
    pub(crate) fn of_done(
        slf: &Bound<'_, LoopCore>,
        function: &Object,
        future: &Object,
        scope: Scope,
    ) -> PyResult<Instance<Self>> {
        Self::class().instantiate(slf.py(), Self::of(draft::of_done(slf, function, future, scope)))
    }

    #[inline(always)]
    fn of((slots, rest): (Slots, Rest)) -> Self {
        Self { slots, rest }
    }
}

/// What runs at a time (`asyncio.TimerHandle`).
#[repr(C)]
pub(crate) struct TimerHandle {
    slots: Slots,
    /// `_scheduled`, which stays empty, and `_when`: the time, where it was not given as a float.
    places: Places<2>,
    rest: Rest,
    when: f64,
    /// Its place among the loop's timers, packed; it may have left it.
    slot: AtomicU64,
}

/// `_when`
const GIVEN: usize = 1;

impl TimerHandle {
    /// A new one, in memory of the loop's.
    #[inline(always)]
    pub(crate) fn make(slf: &Bound<'_, LoopCore>, draft: Draft<'_>, when: f64) -> PyResult<Instance<Self>> {
        Self::class().instantiate_in(slf.py(), Some(&slf.get().timer_handles), || {
            let (slots, rest) = draft.finish(slf);
            let slot = AtomicU64::new(u64::MAX);
            Self { slots, places: Places::new([None, None]), rest, when, slot }
        })
    }

    /// When it is due, in seconds on the loop's clock.
    pub(crate) fn when(&self) -> f64 {
        self.when
    }

    pub(crate) fn set_slot(&self, slot: Slot) {
        self.slot.store(slot.pack(), Ordering::Relaxed);
    }

    fn slot(&self) -> Slot {
        Slot::unpack(self.slot.load(Ordering::Relaxed))
    }

    /// What `when()` answers.
    pub(crate) fn set_given(&self, py: Python<'_>, when: Object) {
        drop(self.callback().with(|_, _| self.places.put(py, GIVEN, when)));
    }

    fn given(&self, py: Python<'_>) -> Option<Object> {
        self.callback().with(|_, _| self.places.get(py, GIVEN))
    }
}

/// All kinds, to the code that they share.
pub(crate) trait AnyHandle: Native {
    fn callback(&self) -> Callback<'_>;
}

impl AnyHandle for Handle {
    #[inline(always)]
    fn callback(&self) -> Callback<'_> {
        Callback { slots: &self.slots, rest: &self.rest }
    }
}

impl AnyHandle for TimerHandle {
    #[inline(always)]
    fn callback(&self) -> Callback<'_> {
        Callback { slots: &self.slots, rest: &self.rest }
    }
}

impl Traverse for Handle {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.callback().traverse(visit)
    }
}

impl Traverse for TimerHandle {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.callback().traverse(visit)?;
        self.callback().try_with(|_, _| self.places.traverse(visit)).unwrap_or(Ok(()))
    }
}

impl Clear for Handle {
    fn clear(&self, py: Python<'_>) {
        self.callback().spend(py);
    }
}

impl Clear for TimerHandle {
    fn clear(&self, py: Python<'_>) {
        self.callback().spend(py);
    }
}

impl<T: AnyHandle> Instance<T> {
    /// Shows the collector a handle that a loop holds: if nobody else does, its references are the loop's.
    pub(crate) fn traverse_owned(&self, visit: &mut Visit<'_>) -> Visited {
        if is_tracked(self.object()) {
            self.traverse(visit)
        } else if self.is_exclusive() {
            T::traverse(self, visit)
        } else {
            Ok(())
        }
    }
}

static HANDLE: Class = Class::new();
static TIMER_HANDLE: Class = Class::new();

impl Native for Handle {
    const NAME: &'static CStr = c"ironloop.Handle";
    const DOC: &'static CStr = c"A scheduled callback; see asyncio.Handle.";
    const OPEN: bool = false;
    const IN_BASE: usize = size_of::<Slots>();
    const TRACKED: bool = false;
    const FINALIZES: bool = false;

    fn class() -> &'static Class {
        &HANDLE
    }

    fn pool(&self) -> Option<&Pool> {
        Some(&self.rest.owner.peek().handles)
    }

    fn keeper(&self, py: Python<'_>) -> Option<Object> {
        Some(self.rest.owner.object().clone_ref(py))
    }
}

impl Native for TimerHandle {
    const NAME: &'static CStr = c"ironloop.TimerHandle";
    const DOC: &'static CStr = c"A callback scheduled for a time; see asyncio.TimerHandle.";
    const OPEN: bool = false;
    const IN_BASE: usize = size_of::<Slots>() + size_of::<Places<2>>();
    const TRACKED: bool = false;
    const FINALIZES: bool = false;

    fn class() -> &'static Class {
        &TIMER_HANDLE
    }

    fn pool(&self) -> Option<&Pool> {
        Some(&self.rest.owner.peek().timer_handles)
    }

    fn keeper(&self, py: Python<'_>) -> Option<Object> {
        Some(self.rest.owner.object().clone_ref(py))
    }
}

fn cancel(py: Python<'_>, handle: &Instance<Handle>, arguments: Arguments<'_>) -> PyResult<Object> {
    let [] = arguments.exactly(py, "Handle.cancel", [])?;
    handle.callback().cancel(py, handle.object())?;
    Ok(Object::none(py))
}

fn cancel_timer(
    py: Python<'_>,
    handle: &Instance<TimerHandle>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [] = arguments.exactly(py, "TimerHandle.cancel", [])?;
    if handle.callback().cancel(py, handle.object())? {
        let timer = handle.rest.owner.get(py).unschedule(handle.slot());
        drop(timer);
    }
    Ok(Object::none(py))
}

fn cancelled<T: AnyHandle>(
    py: Python<'_>,
    handle: &Instance<T>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [] = arguments.exactly(py, "Handle.cancelled", [])?;
    attributes::cancelled(py, handle)
}

/// Adds all classes to the module.
pub(crate) fn add_classes(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let events = module.py().import("asyncio.events")?;
    HANDLE.create::<Handle>(
        module,
        &[events.getattr("Handle")?.cast()?],
        &[
            method!(Handle, c"cancel", c"cancel($self)\n--\n\nKeeps the callback from running.", cancel),
            method!(Handle, c"cancelled", c"cancelled($self)\n--\n\nWhether it was cancelled.", cancelled),
        ],
        &getters!(Handle),
        &[],
    )?;
    threadsafe::add_class(module)?;
    let mut getters = getters!(TimerHandle).to_vec();
    getters.push(getter!(TimerHandle, c"_when", attributes::when));
    getters.push(getter!(TimerHandle, c"_scheduled", attributes::scheduled));
    TIMER_HANDLE.create::<TimerHandle>(
        module,
        &[events.getattr("TimerHandle")?.cast()?],
        &[
            method!(
                TimerHandle,
                c"cancel",
                c"cancel($self)\n--\n\nKeeps the callback from running.",
                cancel_timer
            ),
            method!(
                TimerHandle,
                c"cancelled",
                c"cancelled($self)\n--\n\nWhether it was cancelled.",
                cancelled
            ),
            method!(
                TimerHandle,
                c"when",
                c"when($self)\n--\n\nWhen it is due, in seconds on the loop's clock.",
                |py, handle, arguments| {
                    let [] = arguments.exactly(py, "TimerHandle.when", [])?;
                    attributes::when(py, handle)
                }
            ),
        ],
        &getters,
        &[],
    )
}
