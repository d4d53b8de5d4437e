//! The loop that a primitive belongs to: the first on which anybody had to wait. (asyncio: `_LoopBoundMixin`)
//!
//! Used by the thread that holds Python's lock.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::waiter::Waiter;
use crate::event_loop::running::Running;
use crate::ffi::cell::LoopCell;
use crate::ffi::intern::intern;
use crate::ffi::{Object, owned};

/// `_loop`
#[derive(Default)]
pub(crate) struct LoopBound(LoopCell<Option<Object>>);

owned!(LoopBound { clears: 0; });

impl LoopBound {
    pub(crate) fn get(&self, py: Python<'_>) -> Option<Object> {
        self.0.with(|owner| owner.as_ref().map(|owner| owner.clone_ref(py)))
    }

    pub(crate) fn set(&self, owner: Option<Object>) {
        drop(self.0.with(|old| std::mem::replace(old, owner)));
    }

    /// A new future of the running loop. A `RuntimeError` if somebody has waited on another.
    pub(crate) fn make_waiter(&self, primitive: &Bound<'_, PyAny>) -> PyResult<Waiter> {
        let running = Running::now(primitive.py())?;
        let address = match &running {
            Running::Native(core) => core.as_ptr(),
            Running::Other(other) => other.as_ptr(),
            Running::None => std::ptr::null_mut(),
        };
        let known = self.0.with(|owner| owner.as_ref().map(Object::as_ptr));
        match known {
            Some(known) if known == address => {}
            Some(_) => {
                let text = format!("{} is bound to a different event loop", primitive.repr()?);
                return Err(PyRuntimeError::new_err(text));
            }
            None => self.set(Some(running.object()?.into())),
        }
        Waiter::on(running)
    }
}

/// The same where `_get_loop` is a program's.
pub(crate) fn make_waiter_by_name(primitive: &Bound<'_, PyAny>) -> PyResult<Waiter> {
    let py = primitive.py();
    Waiter::of_loop(py, &primitive.call_method0(intern!(py, "_get_loop"))?.into())
}
