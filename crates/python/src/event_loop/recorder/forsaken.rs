//! A task that waits for a future which nobody else holds: nobody can end it, so the task waits for ever.
//!
//! Few references are looked at here; whose they are, `ironloop.forsaken` finds out.

use ironloop_trace::{Flags, Reason, State};
use pyo3::prelude::*;

use crate::event_loop::LoopCore;
use crate::event_loop::task::Task;
use crate::ffi::derived::Own;
use crate::ffi::intern::intern;

/// What a future has at most that only its waiter holds: of the task, of its iterator, of a local variable.
const FEW: usize = 3;

/// Whether a task that has just begun to wait is worth a closer look.
#[inline]
pub(super) fn is_suspicious(state: State, task: &Own<Task>) -> bool {
    let mut few = false;
    if state == State::Suspended(Reason::Future) {
        task.waiting_for.lend(|future| few = future.references() <= FEW);
    }
    few
}

/// Looks, and says so in its row. What the look itself fails by is nobody's business.
#[inline(never)]
pub(super) fn look(slf: &Bound<'_, LoopCore>, task: &Own<Task>) {
    let py = slf.py();
    let is_forsaken = || -> PyResult<bool> {
        let module = py.import(intern!(py, "ironloop.forsaken"))?;
        module.call_method1(intern!(py, "is_forsaken"), (task.object().bind(py),))?.extract()
    };
    let forsaken = is_forsaken().unwrap_or(false);
    let mark = task.payload().mark.get();
    slf.get().watch.with(|watch| {
        if let Some(area) = watch.area()
            && let Some(slot) = area.find(mark)
        {
            area.flag(slot, Flags::FORSAKEN, forsaken);
        }
    });
}
