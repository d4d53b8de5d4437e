//! Who waits: for an item, for room, for all work to be done.

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use super::QueueCore;
use super::hooks::{Hooks, Plain};
use super::state::State;
use crate::event_loop::running::Running;
use crate::ffi::Object;
use crate::ffi::call::{call, call_method};
use crate::ffi::imports;
use crate::ffi::intern::intern;
use crate::waiting::waiter::{Waiter, future_is_done, set_result};

#[derive(Clone, Copy)]
pub(super) enum Side {
    Getters,
    Putters,
}

impl State {
    fn side(&mut self, side: Side) -> &mut Option<Object> {
        match side {
            Side::Getters => &mut self.getters,
            Side::Putters => &mut self.putters,
        }
    }
}

impl QueueCore {
    fn known_waiters(slf: &Bound<'_, Self>, side: Side) -> Option<Object> {
        let py = slf.py();
        slf.get().state.with(|state| state.side(side).as_ref().map(|waiters| waiters.clone_ref(py)))
    }

    /// `self._getters` or `self._putters`
    pub(super) fn waiters(slf: &Bound<'_, Self>, side: Side) -> PyResult<Object> {
        if let Some(waiters) = Self::known_waiters(slf, side) {
            return Ok(waiters);
        }
        let py = slf.py();
        let made = imports::deque(py)?.call0()?;
        drop(slf.get().state.with(|state| state.side(side).replace(Object::from(&made))));
        Ok(made.into())
    }

    pub(super) fn set_waiters(&self, side: Side, waiters: &Bound<'_, PyAny>) {
        drop(self.state.with(|state| state.side(side).replace(waiters.into())));
    }

    /// A new future at the end of the line. A `RuntimeError` if somebody has waited on another loop.
    pub(super) fn enqueue(slf: &Bound<'_, Self>, hooks: Hooks, side: Side) -> PyResult<Waiter> {
        let py = slf.py();
        let waiter = if hooks.is_plain(Plain::GetLoop) {
            Self::make_waiter(slf)?
        } else {
            let owner = slf.call_method0(intern!(py, "_get_loop"))?;
            Waiter::of_loop(py, &owner.into())?
        };
        call_method(py, &Self::waiters(slf, side)?, intern!(py, "append"), &[waiter.future()])?;
        Ok(waiter)
    }

    fn make_waiter(slf: &Bound<'_, Self>) -> PyResult<Waiter> {
        let running = Running::now(slf.py())?;
        let owner = running.object()?;
        let bound = slf.get().state.with(|state| {
            let known = state.owner.get_or_insert_with(|| (&owner).into());
            known.as_ptr() == owner.as_ptr()
        });
        if !bound {
            let text = format!("{} is bound to a different event loop", slf.repr()?);
            return Err(PyRuntimeError::new_err(text));
        }
        Waiter::on(running)
    }

    /// Takes a future out of the line, if it stands there still.
    pub(super) fn dequeue(slf: &Bound<'_, Self>, side: Side, waiter: &Waiter) -> PyResult<()> {
        let py = slf.py();
        match call_method(py, &Self::waiters(slf, side)?, intern!(py, "remove"), &[waiter.future()]) {
            Err(absent) if !absent.is_instance_of::<PyValueError>(py) => Err(absent),
            _ => Ok(()),
        }
    }

    /// `self._wakeup_next(waiters)`
    pub(super) fn wake_next(slf: &Bound<'_, Self>, hooks: Hooks, side: Side) -> PyResult<()> {
        let py = slf.py();
        if !hooks.is_plain(Plain::WakeupNext) {
            let waiters = Self::waiters(slf, side)?;
            return call_method(py, &slf.into(), intern!(py, "_wakeup_next"), &[&waiters]).map(drop);
        }
        let Some(waiters) = Self::known_waiters(slf, side) else {
            return Ok(());
        };
        while waiters.bind(py).is_truthy()? {
            let waiter = call_method(py, &waiters, intern!(py, "popleft"), &[])?;
            if !future_is_done(py, &waiter)? {
                return set_result(py, &waiter, Object::none(py));
            }
        }
        Ok(())
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
