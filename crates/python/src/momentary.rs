//! Coroutines that never wait: the ends of an `async with` block.

use std::ffi::{CStr, c_int};

use pyo3::prelude::*;

use crate::cell::LoopCell;
use crate::ffi::class::Pool;
use crate::ffi::coroutine::{
    Coroutine, Input, Life, Resumable, Step, coroutine_getters, coroutine_slots, finalize, resumable_methods,
};
use crate::ffi::{Class, Instance, Native, Object, Visit};

/// What such a coroutine does.
pub(crate) trait Deed: Send + Sync + Sized + 'static {
    const NAME: &'static CStr;
    /// As asyncio's own.
    const QUALIFIED_NAME: &'static str;

    fn class() -> &'static Class;
    fn pool() -> &'static Pool;
    fn perform(self, py: Python<'_>) -> PyResult<Object>;
    fn traverse(&self, visit: &mut Visit<'_>) -> c_int;
}

/// The coroutine of one deed.
pub(crate) struct Momentary<D> {
    life: Life,
    deed: LoopCell<Option<D>>,
}

impl<D: Deed> Native for Momentary<D> {
    const NAME: &'static CStr = D::NAME;
    const DOC: &'static CStr = c"One end of an async with block.";
    const OPEN: bool = false;
    // It is awaited where it is made.
    const TRACKED: bool = false;
    const FINALIZES: bool = true;

    fn class() -> &'static Class {
        D::class()
    }

    fn traverse(&self, visit: &mut Visit<'_>) -> c_int {
        let visited = self.deed.try_with(|deed| deed.as_ref().map_or(0, |deed| deed.traverse(visit)));
        visited.unwrap_or(0)
    }

    fn clear(&self, _py: Python<'_>) {
        drop(self.deed.with(Option::take));
    }

    fn finalize(instance: &Instance<Self>, py: Python<'_>) {
        finalize(instance, py);
    }

    fn needs_finalizer(&self) -> bool {
        self.life.is_open()
    }

    fn pool(&self) -> Option<&Pool> {
        Some(D::pool())
    }
}

impl<D: Deed> Coroutine for Momentary<D> {
    const QUALIFIED_NAME: &'static str = D::QUALIFIED_NAME;

    fn life(&self) -> &Life {
        &self.life
    }
}

impl<D: Deed> Resumable for Momentary<D> {
    fn resume(py: Python<'_>, instance: &Instance<Self>, input: Input) -> PyResult<Step> {
        instance.life.drive(input, |_, _| match instance.deed.with(Option::take) {
            Some(deed) => deed.perform(py).map(Step::Return),
            None => Ok(Step::nothing(py)),
        })
    }
}

/// A coroutine that does it once it is awaited.
pub(crate) fn make<D: Deed>(py: Python<'_>, deed: D) -> PyResult<Object> {
    let coroutine = Momentary { life: Life::new(), deed: LoopCell::new(Some(deed)) };
    D::class().instantiate(py, coroutine).map(Instance::into_object)
}

pub(crate) fn add_class<D: Deed>(py: Python<'_>) -> PyResult<()> {
    let slots = coroutine_slots::<Momentary<D>>();
    D::class().create_hidden::<Momentary<D>>(
        py,
        &resumable_methods::<Momentary<D>>(),
        &coroutine_getters::<Momentary<D>>(),
        &slots,
    )
}
