//! The coroutine of `Lock.acquire`, `Event.wait` and `Semaphore.acquire`: a waiter, unless there is nothing
//! to wait for.

use ironloop_trace::Op;
use pyo3::PyClass;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;

use super::core::PrimitiveCore;
use crate::ffi::class::ClassKind;
use crate::ffi::resumable::Step;
use crate::ffi::{ExactClass, Object, Shared, owned};
use crate::waiting::staged::{self, Stages, Transition};
use crate::waiting::waiter::Waiter;

/// As asyncio's own.
pub(super) const ENTERS: &str = "_ContextManagerMixin.__aenter__";

/// What is waited for.
pub(super) trait Primitive: PyClass<Frozen = True, BaseType = PrimitiveCore> + Send + Sync {
    /// As asyncio's method.
    const WAITS: &'static str;

    /// Whether whoever had not to wait, or was woken, has it from then on.
    const IS_HELD: bool = true;

    /// Of the coroutines of the method that waits, and of `__aenter__`.
    fn kinds() -> &'static [ClassKind; 2];

    fn exact() -> &'static ExactClass<Self>;

    /// Whether nobody need wait; it is taken then.
    fn take(slf: &Bound<'_, Self>) -> PyResult<bool>;

    /// The waiter was woken, and has left the queue.
    fn woken(slf: &Bound<'_, Self>) -> PyResult<()>;

    /// The same for a wait that ends with an error.
    fn failed(slf: &Bound<'_, Self>, waiter: &Waiter, error: &PyErr) -> PyResult<()>;
}

/// The coroutine; `ENTERS` says that it is `__aenter__`. Each has a class of its own, since a coroutine's
/// class knows its name.
pub(super) enum PrimitiveWait<P, const ENTERS: bool> {
    /// Over at once if there is nothing to wait for.
    Asked {
        primitive: Shared<P>,
    },
    InLine {
        primitive: Shared<P>,
        waiter: Waiter,
    },
}

owned!([P: Primitive, const ENTERS: bool] enum PrimitiveWait<P, ENTERS> {
    Asked { primitive },
    InLine { primitive, waiter };
});

impl<P: Primitive, const ENTERS: bool> Stages for PrimitiveWait<P, ENTERS> {
    const QUALIFIED_NAME: &'static str = if ENTERS { self::ENTERS } else { P::WAITS };

    fn kind() -> &'static ClassKind {
        &P::kinds()[usize::from(ENTERS)]
    }

    fn resume(self, py: Python<'_>, sent: Option<Object>) -> PyResult<Transition<Self>> {
        match self {
            Self::Asked { primitive } => Self::begin(py, primitive),
            Self::InLine { primitive, waiter } => {
                let step = waiter.resume(py, sent);
                Self::settle(py, primitive, waiter, step)
            }
        }
    }

    fn throw(self, py: Python<'_>, error: PyErr) -> PyResult<Transition<Self>> {
        match self {
            Self::Asked { .. } => Err(error),
            Self::InLine { primitive, waiter } => Self::settle(py, primitive, waiter, Err(error)),
        }
    }

    fn awaits(&self, py: Python<'_>) -> Option<Object> {
        match self {
            Self::Asked { .. } => None,
            Self::InLine { waiter, .. } => Some(waiter.awaited().clone_ref(py)),
        }
    }

    fn subject(&self, py: Python<'_>) -> Option<Object> {
        let (Self::Asked { primitive } | Self::InLine { primitive, .. }) = self;
        Some(primitive.bind(py).into())
    }
}

impl<P: Primitive, const ENTERS: bool> PrimitiveWait<P, ENTERS> {
    pub(super) fn make(primitive: &Bound<'_, P>) -> PyResult<Object> {
        staged::make(primitive.py(), Self::Asked { primitive: Shared::new(primitive) })
    }

    fn begin(py: Python<'_>, primitive: Shared<P>) -> PyResult<Transition<Self>> {
        let slf = primitive.bind(py);
        if P::take(slf)? {
            return Ok(Self::taken(slf));
        }
        let core = slf.as_super();
        let waiter = PrimitiveCore::make_waiter(core)?;
        core.get().waiters.join(py, &waiter)?;
        let step = waiter.wait(py);
        Self::settle(py, primitive, waiter, step)
    }

    /// What the waiter says.
    fn settle(
        py: Python<'_>,
        primitive: Shared<P>,
        waiter: Waiter,
        step: PyResult<Step>,
    ) -> PyResult<Transition<Self>> {
        if let Ok(Step::Yield(yielded)) = step {
            return Ok(Transition::Yield(yielded, Self::InLine { primitive, waiter }));
        }
        let slf = primitive.bind(py);
        match slf.as_super().get().waiters.leave(py, &waiter).and(step) {
            Err(error) => P::failed(slf, &waiter, &error).and(Err(error)),
            Ok(_) => P::woken(slf).map(|()| Self::taken(slf)),
        }
    }

    fn taken(slf: &Bound<'_, P>) -> Transition<Self> {
        let py = slf.py();
        if P::IS_HELD {
            PrimitiveCore::note(slf.as_super(), Op::Taken);
        }
        Transition::Return(if ENTERS { Object::none(py) } else { Object::truth(py, true) })
    }
}

/// Makes the classes of the method that waits.
pub(super) fn prepare<P: Primitive>(py: Python<'_>) -> PyResult<()> {
    staged::add_class::<PrimitiveWait<P, false>>(py)
}

/// And of `__aenter__`, where there is one.
pub(super) fn prepare_block<P: Primitive>(py: Python<'_>) -> PyResult<()> {
    prepare::<P>(py)?;
    staged::add_class::<PrimitiveWait<P, true>>(py)
}
