//! Who is told natively that a future is done.
//!
//! In a future of ours an observer stands like a callback, and the loop tells it in the turn in which it would call one,
//! without a handle. To any other future it is a common callback: it can be called.

use std::ffi::{CStr, c_int};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::as_completed::Progress;
use super::gather::Gather;
use super::shield::Shield;
use super::wait::Awaited;
use crate::ffi::callable::{Callable, call_slot, called};
use crate::ffi::class::Pool;
use crate::ffi::{Arguments, Class, Instance, Native, Object, Visit, getter};

/// On whose behalf it watches.
pub(super) enum Role {
    Gather(Gather),
    Wait(Awaited),
    Shield(Shield),
    AsCompleted(Progress),
}

#[repr(C)]
pub(crate) struct Observer {
    /// First, where the class says that it is.
    vectorcall: ffi::vectorcallfunc,
    pub(super) role: Role,
}

static OBSERVER: Class = Class::new();
static POOL: Pool = Pool::new();

impl Native for Observer {
    const NAME: &'static CStr = c"ironloop.Observer";
    const DOC: &'static CStr = c"A combinator's callback.";
    const OPEN: bool = false;
    // Its memory comes from the pool.
    const TRACKED: bool = false;
    const FINALIZES: bool = false;
    const CALLABLE: bool = true;

    fn class() -> &'static Class {
        &OBSERVER
    }

    /// The futures that it watches lead back to it.
    fn begins_tracked(&mut self) -> bool {
        true
    }

    fn traverse(&self, visit: &mut Visit<'_>) -> c_int {
        match &self.role {
            Role::Gather(gather) => gather.traverse(visit),
            Role::Wait(awaited) => awaited.traverse(visit),
            Role::Shield(shield) => shield.traverse(visit),
            Role::AsCompleted(progress) => progress.traverse(visit),
        }
    }

    fn clear(&self, _py: Python<'_>) {
        match &self.role {
            Role::Gather(gather) => gather.clear(),
            // The futures and the coroutine that refer to these are cleared.
            Role::Wait(_) | Role::Shield(_) => {}
            Role::AsCompleted(progress) => progress.clear(),
        }
    }

    fn pool(&self) -> Option<&Pool> {
        Some(&POOL)
    }
}

impl Observer {
    pub(super) fn make(py: Python<'_>, role: Role) -> PyResult<Instance<Self>> {
        OBSERVER.instantiate(py, Self { vectorcall: called::<Self>, role })
    }

    /// The future is done.
    pub(crate) fn told(observer: &Instance<Self>, py: Python<'_>, future: &Object) -> PyResult<()> {
        match &observer.role {
            Role::Gather(gather) => gather.told(py, future),
            Role::Wait(awaited) => awaited.told(py, future),
            Role::Shield(shield) => shield.told(py, observer, future),
            Role::AsCompleted(progress) => progress.told(py, future),
        }
    }

    /// Called by a timer.
    fn timed_out(observer: &Instance<Self>, py: Python<'_>) -> PyResult<()> {
        match &observer.role {
            Role::Wait(awaited) => awaited.release(py),
            Role::AsCompleted(progress) => progress.timed_out(py, observer),
            Role::Gather(_) | Role::Shield(_) => Ok(()),
        }
    }

    /// The name of asyncio's callback.
    fn name(&self) -> &'static str {
        match &self.role {
            Role::Gather(_) => "gather.<locals>._done_callback",
            Role::Wait(_) => "_wait.<locals>._on_completion",
            Role::Shield(_) => "shield.<locals>._inner_done_callback",
            Role::AsCompleted(_) if cfg!(Py_3_13) => "_AsCompletedIterator._handle_completion",
            Role::AsCompleted(_) => "as_completed.<locals>._on_completion",
        }
    }
}

impl Callable for Observer {
    /// With the future that is done, or with nothing by a timer.
    fn call(observer: &Instance<Self>, py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
        match arguments.positional() {
            [] => Self::timed_out(observer, py)?,
            [future, ..] => Self::told(observer, py, &future.to_object(py))?,
        }
        Ok(Object::none(py))
    }
}

pub(super) fn add_class(py: Python<'_>) -> PyResult<()> {
    let name =
        getter!(Observer, c"__qualname__", |py, observer| Ok(PyString::new(py, observer.name()).into()));
    OBSERVER.create_hidden::<Observer>(py, &[], &[name], &[call_slot()])
}
