//! What ends a timeout: an entry of the loop's own, where asyncio has a handle with a bound method.
//!
//! The entry holds whom it ends, by the object alone. One that was moved to the ready queue cannot be taken
//! out any more: its owner counts it as stale, and it does nothing in its turn. Entries of one owner come in
//! the order in which they were set.

use ironloop_engine::Slot;
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt};

use crate::event_loop::recorder::{self, StringId};
use crate::event_loop::task::Task;
use crate::event_loop::{Item, ItemKind, LoopCore, Parts, Timer};
use crate::ffi::call::call_method;
use crate::ffi::derived::Own;
use crate::ffi::intern::intern;
use crate::ffi::{Object, Release, Scope, Shared, owned};

/// The alarm of one timeout.
#[derive(Default)]
pub(crate) struct Alarm {
    entry: Option<Entry>,
    /// Entries that were switched off, and that the ready queue holds still.
    stale: u32,
}

owned!(Alarm { visits: entry; ignores: stale; });

/// It is switched off.
impl Release for Alarm {
    fn release(&mut self, py: Python<'_>) -> impl Sized + use<> {
        self.switch_off(py)
    }
}

/// An entry that the loop has.
pub(crate) struct Entry {
    /// Its place among the timers; none if the deadline had passed: it is in the ready queue.
    pub(crate) slot: Option<Slot>,
    pub(crate) owner: Shared<LoopCore>,
    /// A copy of the context in which it was set: what it runs is run there, as by a handle.
    pub(crate) scope: Scope,
    /// What the recorder calls it.
    label: StringId,
}

owned!(Entry { visits: owner, scope; ignores: slot, label; });

impl Entry {
    /// It has come: what runs now goes by its name.
    pub(crate) fn begin(&self, owner: &Bound<'_, LoopCore>) {
        if owner.get().is_watched() {
            recorder::goes_by(owner.get(), self.label);
        }
    }
}

/// Whether an entry can stand for what `call_at` and `call_soon` would make.
pub(crate) fn may_be_set(owner: &Bound<'_, LoopCore>) -> bool {
    LoopCore::calls_itself(owner, Parts::CALL_AT.and(Parts::CALL_SOON))
}

/// Sets an entry for `target` at `when`, in seconds on the loop's clock; `kind` says what it does then, `name` what
/// it is called.
pub(crate) fn set(
    owner: &Bound<'_, LoopCore>,
    name: &str,
    when: f64,
    target: &Object,
    kind: &'static ItemKind,
) -> PyResult<Entry> {
    let py = owner.py();
    let (scope, target) = (Scope::copy_current(py)?, target.clone_ref(py));
    let now = LoopCore::time(owner)?;
    let label = if owner.get().is_watched() {
        recorder::name_of_limit(owner, name, when - now)
    } else {
        StringId::NONE
    };
    let slot = if when <= now {
        owner.get().push(Item::Other(kind, target));
        None
    } else {
        Some(owner.get().schedule(when, Timer::Other(kind, target)))
    };
    Ok(Entry { slot, owner: Shared::new(owner), scope, label })
}

impl Alarm {
    /// Has an entry; it must be off.
    pub(crate) fn set(&mut self, entry: Entry) {
        self.entry = Some(entry);
    }

    /// Takes the entry out. What comes back is dropped where Python may run.
    pub(crate) fn switch_off(&mut self, py: Python<'_>) -> (Option<Entry>, Option<Timer>) {
        let Some(entry) = self.entry.take() else { return (None, None) };
        let timer = entry.slot.and_then(|slot| entry.owner.get(py).unschedule(slot));
        if timer.is_none() {
            self.stale += 1;
        }
        (Some(entry), timer)
    }

    /// An entry has come; it comes back, nothing if it was a stale one.
    pub(crate) fn expire(&mut self) -> Option<Entry> {
        if self.stale > 0 {
            self.stale -= 1;
            return None;
        }
        self.entry.take()
    }
}

/// `task.cancelling()`
pub(crate) fn cancelling(py: Python<'_>, task: &Object) -> PyResult<i64> {
    match Own::<Task>::of(task) {
        Some(task) => Ok(task.cancels_requested()),
        None => call_method(py, task, intern!(py, "cancelling"), &[])?.bind(py).extract(),
    }
}

/// An argument in seconds, or none (`Some(None)`); nothing if it is something that only Python can compare.
/// Runs no Python.
pub(crate) fn seconds_of(py: Python<'_>, seconds: &Object) -> Option<Option<f64>> {
    let seconds = seconds.bind(py);
    if let Ok(seconds) = seconds.cast_exact::<PyFloat>() {
        return Some(Some(seconds.value()));
    }
    if seconds.is_none() {
        return Some(None);
    }
    seconds.cast_exact::<PyInt>().ok()?.extract().ok().map(Some)
}
