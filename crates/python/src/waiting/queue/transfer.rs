//! An item goes in or out, and who waits for that is told.

use ironloop_trace::Op;
use pyo3::prelude::*;

use super::core::QueueCore;
use super::hooks::Hooks;
use super::waiters::Side;
use crate::ffi::Object;
#[cfg(Py_3_13)]
use crate::ffi::imports;

impl QueueCore {
    /// A `QueueShutDown`, if so it is.
    #[cfg(Py_3_13)]
    pub(super) fn refuse_if_shut_down(slf: &Bound<'_, Self>) -> PyResult<()> {
        if slf.get().state.with(|state| state.shut_down) {
            return Err(PyErr::from_type(imports::queue_shut_down(slf.py())?.clone(), ()));
        }
        Ok(())
    }

    /// Older Pythons cannot shut queues down.
    #[cfg(not(Py_3_13))]
    pub(super) fn refuse_if_shut_down(_: &Bound<'_, Self>) -> PyResult<()> {
        Ok(())
    }

    /// What `put_nowait` does once it knows that there is room.
    pub(super) fn add(slf: &Bound<'_, Self>, hooks: Hooks, item: &Object) -> PyResult<()> {
        Self::place(slf, hooks, item)?;
        Self::note(slf, Op::Put);
        slf.get().state.with(|state| state.unfinished += 1);
        Self::mark_finished(slf, false)?;
        Self::wake_next(slf, hooks, Side::Getters)
    }

    /// What `get_nowait` does once it knows that there is an item.
    pub(super) fn remove(slf: &Bound<'_, Self>, hooks: Hooks) -> PyResult<Object> {
        let item = Self::take(slf, hooks)?;
        Self::note(slf, Op::Got);
        Self::wake_next(slf, hooks, Side::Putters)?;
        Ok(item)
    }
}
