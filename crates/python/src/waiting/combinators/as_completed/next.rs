//! The coroutine that waits for the next future to be done.

use ironloop_trace::Reason;
use pyo3::exceptions::{PyRuntimeError, PyStopAsyncIteration, PyTimeoutError};
use pyo3::prelude::*;

use super::progress::Progress;
use crate::event_loop::future::{self, Future, Outcome};
use crate::event_loop::running::Running;
use crate::ffi::call::call_method;
use crate::ffi::class::ClassKind;
use crate::ffi::derived::Own;
use crate::ffi::intern::intern;
use crate::ffi::observer::Observer;
use crate::ffi::raise::raised;
use crate::ffi::view::View;
use crate::ffi::{Instance, Object, owned};
use crate::waiting::staged::{self, Stages, Transition};

/// What a coroutine gives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Gives {
    /// The result of the next future.
    Result,
    /// The future itself: asynchronous iteration.
    Future,
}

pub(super) enum Next {
    Asked { gives: Gives, progress: Instance<Observer<Progress>> },
    InLine { gives: Gives, progress: Instance<Observer<Progress>>, waiter: Own<Future> },
}

owned!(enum Next { Asked { progress; gives }, InLine { progress, waiter; gives }; });

impl Stages for Next {
    const QUALIFIED_NAME: &'static str = if cfg!(Py_3_13) {
        "_AsCompletedIterator._wait_for_one"
    } else {
        "as_completed.<locals>._wait_for_one"
    };

    fn kind() -> &'static ClassKind {
        static KIND: ClassKind = ClassKind::new();
        &KIND
    }

    fn resume(self, py: Python<'_>, _sent: Option<Object>) -> PyResult<Transition<Self>> {
        match self {
            Self::Asked { gives, progress } => {
                if gives == Gives::Future && !progress.watcher.claim() {
                    return Err(PyStopAsyncIteration::new_err(()));
                }
                Self::attempt(py, gives, progress)
            }
            Self::InLine { gives, progress, .. } => Self::attempt(py, gives, progress),
        }
    }

    fn throw(self, py: Python<'_>, error: PyErr) -> PyResult<Transition<Self>> {
        if let Self::InLine { progress, waiter, .. } = self {
            progress.watcher.give_up(py, &waiter)?;
        }
        Err(error)
    }

    fn awaits(&self, py: Python<'_>) -> Option<Object> {
        match self {
            Self::Asked { .. } => None,
            Self::InLine { waiter, .. } => Some(waiter.object().clone_ref(py)),
        }
    }
}

impl Next {
    pub(super) fn make(
        py: Python<'_>,
        progress: &Instance<Observer<Progress>>,
        gives: Gives,
    ) -> PyResult<Object> {
        staged::make(py, Self::Asked { gives, progress: progress.clone_ref(py) })
    }

    /// Takes one that is done, or waits.
    fn attempt(
        py: Python<'_>,
        gives: Gives,
        progress: Instance<Observer<Progress>>,
    ) -> PyResult<Transition<Self>> {
        match progress.watcher.state.with(|queue| queue.done.pop_front()) {
            Some(Some(future)) => gives.of(py, future).map(Transition::Return),
            Some(None) => Err(PyTimeoutError::new_err(())),
            None => {
                let Running::Native(core) = Running::now(py)? else {
                    return Err(PyRuntimeError::new_err("as_completed is bound to a different event loop"));
                };
                let waiter = future::create(&core)?;
                waiter.payload().is_for(Reason::Group, None);
                progress.watcher.state.with(|queue| queue.waiting.push_back(waiter.clone_ref(py)));
                View::of_own(&waiter).set_blocking(true);
                let yielded = waiter.object().clone_ref(py);
                Ok(Transition::Yield(yielded, Self::InLine { gives, progress, waiter }))
            }
        }
    }
}

impl Gives {
    fn of(self, py: Python<'_>, future: Object) -> PyResult<Object> {
        if self == Self::Future {
            return Ok(future);
        }
        let Some(view) = View::of(&future) else {
            return call_method(py, &future, intern!(py, "result"), &[]);
        };
        match view.outcome(py)? {
            Outcome::Result(result) => Ok(result),
            Outcome::Error(error) => Err(raised(py, &error)),
        }
    }
}
