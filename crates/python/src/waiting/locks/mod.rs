//! `Lock`, `Event`, `Condition`, `Semaphore` and `BoundedSemaphore`. (`Barrier` is asyncio's own on a `Condition` of ours.)
//!
//! The classes that programs see are in `python/ironloop/locks.py`: subclasses of asyncio's, below a core that has the state.
//! What waits is a future in the core's [`waiters::Waiters`]; whoever waits takes it out in its own turn.

mod block;
mod condition;
mod core;
mod event;
mod lock;
mod semaphore;
mod value;
mod waiters;
mod waiting;

use pyo3::prelude::*;
use pyo3::types::PyBool;

use crate::ffi::Object;
use crate::ffi::function::{Method, equip};

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    block::prepare(module.py())?;
    module.add_class::<core::PrimitiveCore>()?;
    lock::add(module)?;
    event::add(module)?;
    condition::add(module)?;
    semaphore::add(module)
}

fn truth(py: Python<'_>, value: bool) -> Object {
    PyBool::new(py, value).to_owned().into()
}

/// The body of a class decorator: native methods in the place of those of the class it stands for.
fn with_methods<'py>(class: Bound<'py, PyAny>, methods: &[(&str, Method)]) -> PyResult<Bound<'py, PyAny>> {
    equip(&class, &class.getattr("_stands_for")?, methods)?;
    Ok(class)
}
