//! Who waits: for an item, for room, for all work to be done.

use ironloop_trace::{Kept, ObjectKind, Op, Reason};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::core::QueueCore;
use super::hooks::{Hook, Hooks};
use super::state::Limit;
use crate::event_loop::recorder;
use crate::ffi::Object;
use crate::ffi::call::{call, call_method};
use crate::ffi::imports;
use crate::ffi::intern::intern;
use crate::waiting::line::Line;
use crate::waiting::loop_bound;
use crate::waiting::waiter::Waiter;

#[derive(Clone, Copy)]
pub(super) enum Side {
    Getters,
    Putters,
}

impl Side {
    fn reason(self) -> Reason {
        match self {
            Self::Getters => Reason::QueueGet,
            Self::Putters => Reason::QueuePut,
        }
    }
}

impl QueueCore {
    fn line(&self, side: Side) -> &Line {
        match side {
            Side::Getters => &self.getters,
            Side::Putters => &self.putters,
        }
    }

    /// A new future at the end of the line. A `RuntimeError` if somebody has waited on another loop.
    pub(super) fn enqueue(slf: &Bound<'_, Self>, hooks: Hooks, side: Side) -> PyResult<Waiter> {
        let core = slf.get();
        let waiter = if hooks.has(Hook::GetLoop) {
            core.bound.make_waiter(slf)?
        } else {
            loop_bound::make_waiter_by_name(slf)?
        };
        let row = if recorder::is_anywhere() { Self::row(slf) } else { None };
        waiter.is_for(side.reason(), row);
        core.line(side).join(slf.py(), &waiter)?;
        Ok(waiter)
    }

    /// An item went in or out.
    #[inline]
    pub(super) fn note(slf: &Bound<'_, Self>, op: Op) {
        if recorder::is_anywhere() {
            Self::write_down(slf, op);
        }
    }

    #[cold]
    fn write_down(slf: &Bound<'_, Self>, op: Op) {
        let core = slf.get();
        let py = slf.py();
        let (length, shown) = core.state.with(|state| {
            (state.items.known_length(), state.items.exposed().map(|items| items.clone_ref(py)))
        });
        let length = length.or_else(|| shown?.bind(py).len().ok()).unwrap_or_default();
        core.mark.did(py, ObjectKind::Queue, core.room(), op, u32::try_from(length).unwrap_or(u32::MAX));
    }

    #[cold]
    fn row(slf: &Bound<'_, Self>) -> Option<Kept> {
        slf.get().mark.row_here(slf.py(), ObjectKind::Queue, slf.get().room())
    }

    /// How many items there may be; 0: without end, or nobody knows.
    fn room(&self) -> u32 {
        self.state.with(|state| match state.limit {
            Limit::Items(most) => u32::try_from(most).unwrap_or(u32::MAX),
            Limit::None | Limit::Odd => 0,
        })
    }

    /// Takes a future out of the line, if it stands there still.
    pub(super) fn dequeue(slf: &Bound<'_, Self>, side: Side, waiter: &Waiter) -> PyResult<()> {
        let py = slf.py();
        match slf.get().line(side).leave(py, waiter) {
            Err(absent) if !absent.is_instance_of::<PyValueError>(py) => Err(absent),
            _ => Ok(()),
        }
    }

    /// `self._wakeup_next(waiters)`
    pub(super) fn wake_next(slf: &Bound<'_, Self>, hooks: Hooks, side: Side) -> PyResult<()> {
        let py = slf.py();
        let line = slf.get().line(side);
        if hooks.has(Hook::WakeupNext) {
            return line.wake_next(py);
        }
        call_method(py, &slf.into(), intern!(py, "_wakeup_next"), &[&line.expose(py)?]).map(drop)
    }

    /// `self._finished`
    pub(super) fn event(slf: &Bound<'_, Self>) -> PyResult<Object> {
        let py = slf.py();
        let (known, finished) = slf
            .get()
            .state
            .with(|state| (state.event.as_ref().map(|event| event.clone_ref(py)), state.finished));
        if let Some(event) = known {
            return Ok(event);
        }
        let event = call(py, imports::stock_event(py)?, &[])?;
        if finished {
            call_method(py, &event, intern!(py, "set"), &[])?;
        }
        drop(slf.get().state.with(|state| state.event.replace(event.clone_ref(py))));
        Ok(event)
    }

    /// `self._finished.set()` or `.clear()`
    pub(super) fn mark_finished(slf: &Bound<'_, Self>, finished: bool) -> PyResult<()> {
        let py = slf.py();
        let event = slf.get().state.with(|state| {
            state.finished = finished;
            state.event.as_ref().map(|event| event.clone_ref(py))
        });
        let Some(event) = event else { return Ok(()) };
        let name = if finished { intern!(py, "set") } else { intern!(py, "clear") };
        call_method(py, &event, name, &[]).map(drop)
    }
}
