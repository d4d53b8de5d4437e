//! Timers of other extension modules, on the loop's clock.

use ironloop_engine::{Slot, deadline};
use pyo3::prelude::*;

use crate::event_loop::{LoopCore, Parts};
use crate::ffi::callback::Callback;

/// Calls once the loop's clock reads `nanos`. A clock that a tool has given the loop is asked how far it is.
pub(super) fn set(core: &Bound<'_, LoopCore>, nanos: i64, callback: Callback) -> Option<Slot> {
    let own = core.get();
    if own.is_closed() {
        return None;
    }
    let when = if LoopCore::keeps(core, Parts::TIME) {
        deadline::at(nanos as f64 / 1e9)
    } else {
        let left = (nanos - own.driver.now()) as f64 / 1e9;
        deadline::at(LoopCore::time(core).ok()? + left)
    };
    Some(own.lodge_until(when, callback))
}
