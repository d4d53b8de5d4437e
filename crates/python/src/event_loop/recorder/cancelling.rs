//! Who asks for the end of a task.

use pyo3::prelude::*;

use crate::event_loop::running::Running;
use crate::event_loop::task::Task;
use crate::ffi::Object;
use crate::ffi::derived::Own;

/// `task.cancel()` is called; where [`super::is_anywhere`].
#[inline(never)]
pub(super) fn asked(py: Python<'_>, task: &Object) {
    let Some(task) = Own::<Task>::of_any(task) else { return };
    let Ok(Running::Native(owner)) = Running::now(py) else { return };
    if !task.view().is_pending() || !owner.get().is_watched() {
        return;
    }
    let mark = task.payload().mark.get();
    owner.get().watch.with(|watch| {
        let (current, label) = (watch.current, watch.label);
        let Some(area) = watch.area() else { return };
        if let Some(slot) = area.find(mark) {
            area.cancelled(slot, current, label);
        }
    });
}
