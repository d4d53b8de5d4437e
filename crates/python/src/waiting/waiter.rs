//! How native coroutines wait on whatever loop runs, and what they ask of futures of any class.

use ironloop_driver::RawFd;
use ironloop_trace::{Kept, Reason};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::event_loop::future::{self, Future, Outcome};
use crate::event_loop::running::Running;
use crate::event_loop::{LoopCore, Parts};
use crate::ffi::call::call_method;
use crate::ffi::derived::Own;
use crate::ffi::fields::State;
use crate::ffi::intern::intern;
use crate::ffi::raise::raised;
use crate::ffi::resumable::{Input, Step};
use crate::ffi::view::View;
use crate::ffi::{Object, owned};
use crate::waiting::awaiting;

/// A future that a native coroutine waits for: ours, or whatever another loop makes.
pub(crate) enum Waiter {
    Own(Own<Future>),
    Other {
        future: Object,
        /// What its `__await__` gave.
        iterator: Object,
    },
}

owned!(enum Waiter { Own(future), Other { future, iterator }; });

impl Waiter {
    /// A new pending future of the loop that runs.
    pub(crate) fn on(running: Running<'_>) -> PyResult<Self> {
        match running {
            Running::Native(core) if makes_futures(&core) => future::create(&core).map(Self::Own),
            running => Self::made_by(&running.object()?),
        }
    }

    /// A new pending future of this loop.
    pub(crate) fn of_loop(py: Python<'_>, owner: &Object) -> PyResult<Self> {
        match LoopCore::of(py, owner) {
            Some(core) if makes_futures(&core) => future::create(&core).map(Self::Own),
            _ => Self::made_by(owner.bind(py)),
        }
    }

    fn made_by(owner: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = owner.py();
        let future = owner.call_method0(intern!(py, "create_future"))?;
        let iterator = future.call_method0(intern!(py, "__await__"))?;
        Ok(Self::Other { future: future.into(), iterator: iterator.into() })
    }

    /// Whoever awaits it waits for this, of an object that the recorder knows or does not.
    pub(crate) fn is_for(&self, reason: Reason, object: Option<Kept>) {
        if let Self::Own(own) = self {
            own.payload().is_for(reason, object);
        }
    }

    /// The same of a descriptor.
    pub(crate) fn is_for_descriptor(&self, reason: Reason, fd: RawFd) {
        if let Self::Own(own) = self {
            own.payload().is_for_descriptor(reason, fd);
        }
    }

    pub(crate) fn future(&self) -> &Object {
        match self {
            Self::Own(own) => own.object(),
            Self::Other { future, .. } => future,
        }
    }

    /// What the coroutine awaits: the future, or its iterator.
    pub(crate) fn awaited(&self) -> &Object {
        match self {
            Self::Own(own) => own.object(),
            Self::Other { iterator, .. } => iterator,
        }
    }

    /// The coroutine waits: what it yields. Of a future that is done it is the outcome.
    pub(crate) fn wait(&self, py: Python<'_>) -> PyResult<Step> {
        match self {
            Self::Own(own) => {
                let view = View::of_own(own);
                if !view.is_pending() {
                    return self.resume(py, None);
                }
                view.set_blocking(true);
                Ok(Step::Yield(own.object().clone_ref(py)))
            }
            Self::Other { .. } => self.resume(py, None),
        }
    }

    /// The coroutine is resumed, with a value if somebody sends one: the future's outcome.
    pub(crate) fn resume(&self, py: Python<'_>, sent: Option<Object>) -> PyResult<Step> {
        match self {
            Self::Own(own) if View::of_own(own).is_pending() => {
                Err(PyRuntimeError::new_err("await wasn't used with future"))
            }
            Self::Own(own) => match View::of_own(own).outcome(py)? {
                Outcome::Result(result) => Ok(Step::Return(result)),
                Outcome::Error(error) => Err(raised(py, &error)),
            },
            Self::Other { iterator, .. } => awaiting::resume(py, iterator, Input::Next(sent)),
        }
    }

    pub(crate) fn is_done(&self, py: Python<'_>) -> PyResult<bool> {
        future_is_done(py, self.future())
    }

    pub(crate) fn is_cancelled(&self, py: Python<'_>) -> PyResult<bool> {
        future_is_cancelled(py, self.future())
    }

    /// It will not be waited for any more.
    pub(crate) fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        match View::of_ours(self.future()) {
            Some(view) => view.cancel(py, None).map(drop),
            None => call_method(py, self.future(), intern!(py, "cancel"), &[]).map(drop),
        }
    }
}

/// Whether `loop.create_future()` makes futures of ours, and is nobody's but ours: then it need not be
/// called.
fn makes_futures(owner: &Bound<'_, LoopCore>) -> bool {
    LoopCore::keeps(owner, Parts::CREATE_FUTURE.and(Parts::VOCABULARY))
}

/// `future.done()`
pub(crate) fn future_is_done(py: Python<'_>, future: &Object) -> PyResult<bool> {
    match View::of(future) {
        Some(view) => Ok(!view.is_pending()),
        None => call_method(py, future, intern!(py, "done"), &[])?.bind(py).is_truthy(),
    }
}

/// `future.cancelled()`
pub(crate) fn future_is_cancelled(py: Python<'_>, future: &Object) -> PyResult<bool> {
    match View::of(future) {
        Some(view) => Ok(view.state() == State::Cancelled),
        None => call_method(py, future, intern!(py, "cancelled"), &[])?.bind(py).is_truthy(),
    }
}

/// `future.set_result(result)`
pub(crate) fn set_result(py: Python<'_>, future: &Object, result: Object) -> PyResult<()> {
    match View::of_ours(future) {
        Some(view) => view.set_result(py, result),
        None => call_method(py, future, intern!(py, "set_result"), &[&result]).map(drop),
    }
}
