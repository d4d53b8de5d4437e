//! Coroutines that never wait: the ends of an `async with` block.

use pyo3::prelude::*;

use crate::ffi::class::ClassKind;
use crate::ffi::{Object, Traverse, owned};
use crate::waiting::staged::{self, Stages, Transition};

/// What such a coroutine does.
pub(crate) trait Action: Traverse + Send + Sync + Sized + 'static {
    /// As asyncio's own.
    const QUALIFIED_NAME: &'static str;

    fn kind() -> &'static ClassKind;
    fn perform(self, py: Python<'_>) -> PyResult<Object>;
}

/// The one stage of such a coroutine: the action is still to be done.
struct Immediate<A>(A);

owned!([A: Action] Immediate<A> { visits: 0; });

impl<A: Action> Stages for Immediate<A> {
    const QUALIFIED_NAME: &'static str = A::QUALIFIED_NAME;

    fn kind() -> &'static ClassKind {
        A::kind()
    }

    fn resume(self, py: Python<'_>, _sent: Option<Object>) -> PyResult<Transition<Self>> {
        self.0.perform(py).map(Transition::Return)
    }
}

/// A coroutine that does it once it is awaited.
pub(crate) fn make<A: Action>(py: Python<'_>, action: A) -> PyResult<Object> {
    staged::make(py, Immediate(action))
}

pub(crate) fn add_class<A: Action>(py: Python<'_>) -> PyResult<()> {
    staged::add_class::<Immediate<A>>(py)
}
