//! The loop: callbacks and timers, turns, tasks and futures: what runs per callback. The Python half is
//! `python/ironloop/loop.py`.
//!
//! `loop_core` owns it all. Loop, items, handles, tasks and futures name each other, and nothing else does.
//! Must not name the wings above: their items and sources are of kinds.

mod attributes;
mod by_name;
mod clock;
pub(crate) mod future;
pub(crate) mod handle;
mod handle_view;
pub(crate) mod home;
mod item;
mod load;
mod loop_core;
mod make;
pub(crate) mod named;
mod parts;
pub(crate) mod recorder;
mod report;
pub(crate) mod running;
mod schedule;
mod select;
mod simulated;
mod sources;
pub(crate) mod task;
mod turn;
mod watchdog;

use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::ffi::method::add_methods;
pub(crate) use by_name::call_soon_by_name;
pub(crate) use item::{Item, ItemKind, Timer};
pub(crate) use load::Open;
pub(crate) use loop_core::{LoopCore, READ_BUFFER};
pub(crate) use make::create_native_task;
pub(crate) use parts::Parts;
pub(crate) use simulated::add_classes as add_simulated_classes;
pub(crate) use sources::{Source, SourceKind, Sources};
pub(crate) use watchdog::polled::here as polled_here;

/// Gives the Python half of the loop the native methods of this wing.
pub(crate) fn add_methods_to(class: &Bound<'_, PyType>) -> PyResult<()> {
    loop_core::EXACT.learn(class)?;
    for methods in [
        schedule::methods(),
        turn::methods(),
        select::methods(),
        clock::methods(),
        make::methods(),
        recorder::methods(),
    ] {
        add_methods(class, &methods)?;
    }
    parts::HOOKS.learn(&[class])
}

/// Adds the class to the module.
pub(crate) fn add_class(module: &Bound<'_, PyModule>) -> PyResult<()> {
    watchdog::add(module)?;
    recorder::add(module)?;
    module.add_class::<LoopCore>()
}
