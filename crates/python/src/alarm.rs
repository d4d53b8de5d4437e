//! What ends a timeout: an entry of the loop's own, where asyncio has a handle with a bound method.
//!
//! The entry holds whom it ends, by the object alone. One that was moved to the ready queue cannot be taken out any more: its owner
//! counts it as stale, and it does nothing in its turn. Entries of one owner come in the order in which they were set.

use std::ffi::c_int;

use ironloop_engine::Slot;
use pyo3::prelude::*;

use crate::event_loop::{Item, LoopCore, Parts, Timer};
use crate::ffi::call::call_method;
use crate::ffi::derived::Own;
use crate::ffi::intern::intern;
use crate::ffi::{Context, Object, Shared, Visit};
use crate::task::Task;
use crate::timeouts::TimeoutCore;
use crate::wait_for::WaitFor;

/// The alarm of one timeout.
#[derive(Default)]
pub(crate) struct Alarm {
    place: Place,
    /// Entries that were switched off, and that the ready queue holds still.
    stale: u32,
}

/// Where the loop has the entry.
#[derive(Default)]
pub(crate) enum Place {
    #[default]
    Off,
    Timer(Slot, Shared<LoopCore>),
    /// The deadline had passed: in the ready queue.
    Soon(Shared<LoopCore>),
}

/// Whether an entry can stand for what `call_at` and `call_soon` would make.
pub(crate) fn may_be_set(owner: &Bound<'_, LoopCore>) -> bool {
    LoopCore::calls_itself(owner, Parts::CALL_AT.and(Parts::CALL_SOON))
}

/// Sets an entry for `target` at `when`, in seconds on the loop's clock.
pub(crate) fn set(owner: &Bound<'_, LoopCore>, when: f64, target: &Object) -> PyResult<Place> {
    let target = target.clone_ref(owner.py());
    if when <= LoopCore::time(owner)? {
        owner.get().push(Item::Overdue(target));
        return Ok(Place::Soon(Shared::new(owner)));
    }
    let slot = owner.get().schedule(when, Timer::Overdue(target));
    Ok(Place::Timer(slot, Shared::new(owner)))
}

impl Alarm {
    /// Stands in a place; it must be off.
    pub(crate) fn set(&mut self, place: Place) {
        self.place = place;
    }

    /// Takes the entry out. What comes back is dropped where Python may run.
    pub(crate) fn switch_off(&mut self, py: Python<'_>) -> (Place, Option<Timer>) {
        let place = std::mem::take(&mut self.place);
        let taken = match &place {
            Place::Off => return (place, None),
            Place::Timer(slot, owner) => owner.get(py).state.with(|state| state.engine.cancel(*slot)),
            Place::Soon(_) => None,
        };
        if taken.is_none() {
            self.stale += 1;
        }
        (place, taken)
    }

    /// An entry has come; what comes back is the place that it has left, nothing if it was a stale one.
    pub(crate) fn ring(&mut self) -> Option<Place> {
        if self.stale > 0 {
            self.stale -= 1;
            return None;
        }
        Some(std::mem::take(&mut self.place)).filter(|place| !matches!(place, Place::Off))
    }

    pub(crate) fn traverse(&self, visit: &mut Visit<'_>) -> c_int {
        match &self.place {
            Place::Off => 0,
            Place::Timer(_, owner) | Place::Soon(owner) => visit.object(owner.object()),
        }
    }
}

/// What an entry runs: asyncio's `Timeout._on_timeout`, bound, for the task that is to be cancelled.
pub(crate) struct Ending {
    pub(crate) on_timeout: Object,
    pub(crate) task: Object,
}

/// An entry's turn.
pub(crate) fn ring(slf: &Bound<'_, LoopCore>, target: &Object) -> PyResult<()> {
    let py = slf.py();
    let ending = match crate::ffi::Instance::<WaitFor>::of(target) {
        Some(waiting) => waiting.ring(py)?,
        None => TimeoutCore::ring(target.bind(py).cast()?)?,
    };
    let Some(ending) = ending else { return Ok(()) };
    // asyncio has copied the context when the timeout was set, which is the task's.
    let context = match Own::<Task>::of(&ending.task).and_then(|task| task.context.get(py)) {
        Some(context) => Context::known(context).copy(py)?,
        None => Context::copy_current(py)?,
    };
    LoopCore::run_now(slf, &ending.on_timeout, context)
}

/// `task.cancelling()`
pub(crate) fn cancelling(py: Python<'_>, task: &Object) -> PyResult<i64> {
    match Own::<Task>::of(task) {
        Some(task) => Ok(task.cancels_requested()),
        None => call_method(py, task, intern!(py, "cancelling"), &[])?.bind(py).extract(),
    }
}
