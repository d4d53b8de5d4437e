//! Handles for what the ready queue holds without any: asyncio has one for each, so there is one for those
//! who look, and for the report of an error.

use pyo3::prelude::*;

use super::item::Item;
use super::loop_core::LoopCore;
use crate::event_loop::handle::{AnyHandle, Handle};
use crate::event_loop::task::{Task, wakeup_of};
use crate::ffi::derived::{Own, track};
use crate::ffi::intern::intern;
use crate::ffi::observer::AnyObserver;
use crate::ffi::{Instance, Object, Scope};

/// What is ready, as one sees it.
pub(super) enum HandleView {
    Handle(Object),
    Step(Object),
    Notify(Object, Object),
    Wake(Object),
}

impl HandleView {
    pub(super) fn of(py: Python<'_>, item: &Item) -> Option<Self> {
        match item {
            Item::Step(task) | Item::Throw(task, _) => Some(Self::Step(task.object().clone_ref(py))),
            Item::Wake(future) => Some(Self::Wake(future.object().clone_ref(py))),
            Item::Notify(observer, future) => {
                Some(Self::Notify(observer.object().clone_ref(py), future.clone_ref(py)))
            }
            Item::Call(_) | Item::CallFromThread(_) | Item::Timer(_) | Item::Foreign(_) => {
                item.object().map(|object| Self::Handle(object.clone_ref(py)))
            }
            Item::Event(..)
            | Item::Other(..)
            | Item::Run(_)
            | Item::End(_)
            | Item::Unwatch(..)
            | Item::Home(_)
            | Item::Blocked => None,
        }
    }

    pub(super) fn into_handle(self, slf: &Bound<'_, LoopCore>) -> PyResult<Object> {
        let py = slf.py();
        let made = match self {
            Self::Handle(handle) => return Ok(handle),
            Self::Step(task) => made_for(slf, &wakeup_of(py, &task)?, &task),
            Self::Notify(observer, future) => made_for(slf, &observer, &future),
            Self::Wake(future) => {
                let set_result = future.bind(py).getattr(intern!(py, "set_result"))?.into();
                made_for(slf, &set_result, &Object::none(py))
            }
        };
        made.map(Instance::into_object)
    }
}

fn made_for(slf: &Bound<'_, LoopCore>, function: &Object, argument: &Object) -> PyResult<Instance<Handle>> {
    let made = Handle::of_done(slf, function, argument, Scope::copy_current(slf.py())?)?;
    // It is for others to keep.
    track(made.object());
    Ok(made)
}

impl LoopCore {
    /// Tells of a step that could not be made as asyncio tells of a callback.
    pub(super) fn step_failed(slf: &Bound<'_, Self>, task: &Own<Task>, error: PyErr) -> PyResult<()> {
        let wakeup = wakeup_of(slf.py(), task.object())?;
        Self::failed(slf, &made_for(slf, &wakeup, task.object())?, error)
    }

    /// The same for a combinator that could not be told.
    pub(super) fn telling_failed(
        slf: &Bound<'_, Self>,
        observer: &AnyObserver,
        future: &Object,
        error: PyErr,
    ) -> PyResult<()> {
        Self::failed(slf, &made_for(slf, observer.object(), future)?, error)
    }

    fn failed(slf: &Bound<'_, Self>, handle: &Instance<Handle>, error: PyErr) -> PyResult<()> {
        let told = Self::callback_failed(slf, handle.object(), error);
        handle.callback().spend(slf.py());
        told
    }
}
