//! The task that has called a combinator: it awaits the children, and from Python 3.14 on that is written
//! down in them.

use pyo3::prelude::*;

use crate::event_loop::LoopCore;
use crate::ffi::{Object, owned};

/// The task; before Python 3.14 nobody.
pub(super) struct Awaiter(#[cfg(Py_3_14)] Option<Object>);

#[cfg(Py_3_14)]
owned!(Awaiter { visits: 0; });

#[cfg(Py_3_14)]
impl Awaiter {
    pub(super) fn current(owner: &Bound<'_, LoopCore>) -> PyResult<Self> {
        let (py, object) = (owner.py(), Object::from(owner));
        let task = crate::ffi::call::call(py, crate::ffi::imports::current_task(py)?, &[&object])?;
        Ok(Self((!task.bind(py).is_none()).then_some(task)))
    }

    pub(super) fn awaits(&self, py: Python<'_>, future: &Object) -> PyResult<()> {
        self.0.as_ref().map_or(Ok(()), |task| crate::event_loop::task::awaited(py, task, future))
    }

    pub(super) fn awaits_no_more(&self, py: Python<'_>, future: &Object) -> PyResult<()> {
        self.0.as_ref().map_or(Ok(()), |task| crate::event_loop::task::not_awaited_any_more(py, task, future))
    }
}

#[cfg(not(Py_3_14))]
owned!(Awaiter {});

#[cfg(not(Py_3_14))]
impl Awaiter {
    #[expect(clippy::unnecessary_wraps, reason = "on later Pythons it may fail")]
    pub(super) fn current(_: &Bound<'_, LoopCore>) -> PyResult<Self> {
        Ok(Self())
    }

    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "as above")]
    pub(super) fn awaits(&self, _: Python<'_>, _: &Object) -> PyResult<()> {
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "as above")]
    pub(super) fn awaits_no_more(&self, _: Python<'_>, _: &Object) -> PyResult<()> {
        Ok(())
    }
}
