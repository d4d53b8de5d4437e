//! `Queue`, `LifoQueue` and `PriorityQueue`: what runs per item. The rest is asyncio's own code, inherited.

mod attributes;
mod core;
mod hooks;
mod items;
mod methods;
mod state;
mod transfer;
mod waiters;
mod waiting;

use pyo3::prelude::*;

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    waiting::add_classes(module.py())?;
    module.add_class::<core::QueueCore>()?;
    methods::add(module)
}
