//! The native half of a queue, which `python/ironloop/queues.py` puts below asyncio's classes.

use pyo3::Borrowed;
use pyo3::prelude::*;

use super::state::State;
use crate::event_loop::recorder::ObjectMark;
use crate::ffi::cell::LoopCell;
use crate::ffi::hooks::Own;
use crate::ffi::{Arguments, ExactClass, owned};
use crate::waiting::line::Line;
use crate::waiting::loop_bound::LoopBound;

#[pyclass(subclass, frozen, module = "ironloop._ironloop")]
#[derive(Default)]
pub(crate) struct QueueCore {
    pub(super) state: LoopCell<State>,
    /// Who waits for an item.
    pub(super) getters: Line,
    /// Who waits for room.
    pub(super) putters: Line,
    pub(super) bound: LoopBound,
    pub(super) own_hooks: Own,
    pub(super) mark: ObjectMark,
}

owned!(QueueCore { clears: state, getters, putters, bound; ignores: own_hooks, mark; });

pub(super) static EXACT: ExactClass<QueueCore> = ExactClass::new();

impl QueueCore {
    /// The instance that a method was called on, and the arguments behind it.
    pub(super) fn receiver<'a, 'py>(
        py: Python<'py>,
        arguments: Arguments<'a>,
    ) -> PyResult<(Borrowed<'a, 'py, Self>, Arguments<'a>)> {
        let (receiver, arguments) = arguments.split_receiver()?;
        Ok((EXACT.receiver(receiver.bind(py))?, arguments))
    }
}
