//! Coroutines that never wait: the ends of an `async with` block.

use std::ffi::c_int;

use pyo3::prelude::*;

use crate::ffi::cell::LoopCell;
use crate::ffi::coroutine::{self, Coroutine, Kind, Life};
use crate::ffi::resumable::{Input, Step};
use crate::ffi::{Instance, Object, Visit};

/// What such a coroutine does.
pub(crate) trait Deed: Send + Sync + Sized + 'static {
    /// As asyncio's own.
    const QUALIFIED_NAME: &'static str;

    fn kind() -> &'static Kind;
    fn perform(self, py: Python<'_>) -> PyResult<Object>;
    fn traverse(&self, visit: &mut Visit<'_>) -> c_int;
}

/// The coroutine of one deed.
pub(crate) struct Momentary<D> {
    life: Life,
    deed: LoopCell<Option<D>>,
}

impl<D: Deed> Coroutine for Momentary<D> {
    const QUALIFIED_NAME: &'static str = D::QUALIFIED_NAME;

    fn kind() -> &'static Kind {
        D::kind()
    }

    fn life(&self) -> &Life {
        &self.life
    }

    fn advance(py: Python<'_>, instance: &Instance<Self>, _first: bool, _input: Input) -> PyResult<Step> {
        match instance.deed.with(Option::take) {
            Some(deed) => deed.perform(py).map(Step::Return),
            None => Ok(Step::nothing(py)),
        }
    }

    fn traverse(&self, visit: &mut Visit<'_>) -> c_int {
        let visited = self.deed.try_with(|deed| deed.as_ref().map_or(0, |deed| deed.traverse(visit)));
        visited.unwrap_or(0)
    }

    fn clear(&self, _py: Python<'_>) {
        drop(self.deed.with(Option::take));
    }
}

/// A coroutine that does it once it is awaited.
pub(crate) fn make<D: Deed>(py: Python<'_>, deed: D) -> PyResult<Object> {
    let coroutine = Momentary { life: Life::new(), deed: LoopCell::new(Some(deed)) };
    coroutine.make(py).map(Instance::into_object)
}

pub(crate) fn add_class<D: Deed>(py: Python<'_>) -> PyResult<()> {
    coroutine::add_class::<Momentary<D>>(py)
}
