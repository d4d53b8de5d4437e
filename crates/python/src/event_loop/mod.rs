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
mod item;
mod loop_core;
mod make;
pub(crate) mod named;
mod parts;
mod report;
pub(crate) mod running;
mod schedule;
mod select;
mod sources;
pub(crate) mod task;
mod turn;

use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::ffi::method::add_methods;
pub(crate) use by_name::call_soon_by_name;
pub(crate) use item::{Item, ItemKind, Timer};
pub(crate) use loop_core::LoopCore;
pub(crate) use make::create_native_task;
pub(crate) use parts::Parts;
pub(crate) use sources::{Source, SourceKind, Sources};

/// Gives the Python half of the loop the native methods of this wing.
pub(crate) fn add_methods_to(class: &Bound<'_, PyType>) -> PyResult<()> {
    loop_core::EXACT.learn(class)?;
    for methods in
        [schedule::methods(), turn::methods(), select::methods(), clock::methods(), make::methods()]
    {
        add_methods(class, &methods)?;
    }
    parts::HOOKS.learn(&[class])
}

/// Adds the class to the module.
pub(crate) fn add_class(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<LoopCore>()
}
