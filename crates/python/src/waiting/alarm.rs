//! What ends a timeout: an entry of the loop's own, where asyncio has a handle with a bound method.
//!
//! The entry holds whom it ends, by the object alone. One that was moved to the ready queue cannot be taken out any more: its owner
//! counts it as stale, and it does nothing in its turn. Entries of one owner come in the order in which they were set.

use ironloop_engine::Slot;
use pyo3::prelude::*;

use crate::event_loop::task::Task;
use crate::event_loop::{Item, Kind, LoopCore, Parts, Timer};
use crate::ffi::call::call_method;
use crate::ffi::derived::Own;
use crate::ffi::intern::intern;
use crate::ffi::{Context, Object, Release, Shared, owned};
use crate::waiting::timeouts::TimeoutCore;
use crate::waiting::wait_for::WaitFor;

/// A timeout is over: it, or the `wait_for` whose it is.
static OVERDUE: Kind = Kind { perform: ring, quiet: false };

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
    pub(crate) context: Context,
}

owned!(Entry { visits: owner, context; ignores: slot; });

/// Whether an entry can stand for what `call_at` and `call_soon` would make.
pub(crate) fn may_be_set(owner: &Bound<'_, LoopCore>) -> bool {
    LoopCore::calls_itself(owner, Parts::CALL_AT.and(Parts::CALL_SOON))
}

/// Sets an entry for `target` at `when`, in seconds on the loop's clock.
pub(crate) fn set(owner: &Bound<'_, LoopCore>, when: f64, target: &Object) -> PyResult<Entry> {
    let py = owner.py();
    let (context, target) = (Context::copy_current(py)?, target.clone_ref(py));
    let slot = if when <= LoopCore::time(owner)? {
        owner.get().push(Item::Other(&OVERDUE, target));
        None
    } else {
        Some(owner.get().schedule(when, Timer::Other(&OVERDUE, target)))
    };
    Ok(Entry { slot, owner: Shared::new(owner), context })
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
    pub(crate) fn ring(&mut self) -> Option<Entry> {
        if self.stale > 0 {
            self.stale -= 1;
            return None;
        }
        self.entry.take()
    }
}

/// What an entry runs: asyncio's `Timeout._on_timeout`, bound, in a context.
pub(crate) struct Ending {
    pub(crate) on_timeout: Object,
    pub(crate) context: Context,
}

/// An entry's turn.
fn ring(slf: &Bound<'_, LoopCore>, target: &Object) -> PyResult<()> {
    let py = slf.py();
    let ending = match crate::ffi::Instance::<WaitFor>::of(target) {
        Some(waiting) => waiting.ring(py)?,
        None => TimeoutCore::ring(target.bind(py).cast()?)?,
    };
    match ending {
        Some(Ending { on_timeout, context }) => LoopCore::run_now(slf, &on_timeout, context),
        None => Ok(()),
    }
}

/// `task.cancelling()`
pub(crate) fn cancelling(py: Python<'_>, task: &Object) -> PyResult<i64> {
    match Own::<Task>::of(task) {
        Some(task) => Ok(task.cancels_requested()),
        None => call_method(py, task, intern!(py, "cancelling"), &[])?.bind(py).extract(),
    }
}
