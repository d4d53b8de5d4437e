//! `Lock`, `Event`, `Condition`, `Semaphore` and `BoundedSemaphore`. (`Barrier` is asyncio's own on a
//! `Condition` of ours.)
//!
//! The classes that programs see are in `python/ironloop/locks.py`: subclasses of asyncio's, below a core
//! that has the state. What waits is a future in the core's [`Line`](super::line::Line); whoever waits takes
//! it out in its own turn.

mod block;
mod condition;
mod core;
mod event;
mod lock;
mod semaphore;
mod value;
mod waiting;

use pyo3::prelude::*;

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    block::prepare(module.py())?;
    module.add_class::<core::PrimitiveCore>()?;
    core::add(module)?;
    lock::add(module)?;
    event::add(module)?;
    condition::add(module)?;
    semaphore::add(module)
}
