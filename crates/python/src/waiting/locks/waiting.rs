//! The coroutine of `Lock.acquire`, `Event.wait` and `Semaphore.acquire`: a waiter, unless there is nothing to wait for.

use std::ffi::c_int;

use pyo3::PyClass;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;

use super::core::PrimitiveCore;
use crate::ffi::cell::LoopCell;
use crate::ffi::coroutine::{self, Coroutine, Kind, Life};
use crate::ffi::resumable::{Input, Step};
use crate::ffi::{Instance, Object, Shared, Usual, Visit};
use crate::waiting::waiter::Waiter;

/// What is waited for.
pub(super) trait Primitive: PyClass<Frozen = True, BaseType = PrimitiveCore> + Send + Sync {
    /// As asyncio's method.
    const WAITS: &'static str;

    fn kind() -> &'static Kind;
    fn usual() -> &'static Usual<Self>;

    /// Whether nobody need wait; it is taken then.
    fn take(slf: &Bound<'_, Self>) -> PyResult<bool>;

    /// The waiter was woken, and has left the queue.
    fn woken(slf: &Bound<'_, Self>) -> PyResult<()>;

    /// The same for a wait that ends with an error.
    fn failed(slf: &Bound<'_, Self>, waiter: &Waiter, error: &PyErr) -> PyResult<()>;
}

/// What the coroutine returns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    True,
    /// It is `__aenter__`.
    Nothing,
}

pub(super) struct Wait<P> {
    life: Life,
    stage: LoopCell<Stage<P>>,
    answer: Answer,
}

enum Stage<P> {
    Asked { primitive: Shared<P> },
    Waiting { primitive: Shared<P>, waiter: Waiter },
    Over,
}

impl<P: Primitive> Coroutine for Wait<P> {
    const QUALIFIED_NAME: &'static str = P::WAITS;

    fn kind() -> &'static Kind {
        P::kind()
    }

    fn life(&self) -> &Life {
        &self.life
    }

    fn qualified_name(&self) -> &'static str {
        match self.answer {
            Answer::True => P::WAITS,
            Answer::Nothing => super::block::ENTERS,
        }
    }

    fn advance(py: Python<'_>, wait: &Instance<Self>, _first: bool, input: Input) -> PyResult<Step> {
        match (wait.take(), input) {
            (Stage::Asked { primitive }, Input::Next(_)) => Self::begin(py, wait, primitive),
            (Stage::Waiting { primitive, waiter }, input) => wait.go_on(py, primitive, waiter, input),
            (_, Input::Throw(error)) => Err(error),
            (Stage::Over, Input::Next(_)) => Ok(Step::nothing(py)),
        }
    }

    fn awaits(&self, py: Python<'_>) -> Option<Object> {
        self.stage.with(|stage| match stage {
            Stage::Waiting { waiter, .. } => Some(waiter.awaited().clone_ref(py)),
            Stage::Asked { .. } | Stage::Over => None,
        })
    }

    fn traverse(&self, visit: &mut Visit<'_>) -> c_int {
        let visited = self.stage.try_with(|stage| match stage {
            Stage::Asked { primitive } => visit.object(primitive.object()),
            Stage::Waiting { primitive, waiter } => {
                visit.all(waiter.objects().into_iter().flatten().chain([primitive.object()]))
            }
            Stage::Over => 0,
        });
        visited.unwrap_or(0)
    }

    fn clear(&self, _py: Python<'_>) {
        drop(self.take());
    }
}

impl<P: Primitive> Wait<P> {
    pub(super) fn make(primitive: &Bound<'_, P>, answer: Answer) -> PyResult<Object> {
        let stage = LoopCell::new(Stage::Asked { primitive: Shared::new(primitive) });
        let wait = Self { life: Life::new(), stage, answer };
        Coroutine::make(wait, primitive.py()).map(Instance::into_object)
    }

    fn take(&self) -> Stage<P> {
        self.stage.with(|stage| std::mem::replace(stage, Stage::Over))
    }

    fn put(&self, stage: Stage<P>) {
        drop(self.stage.with(|old| std::mem::replace(old, stage)));
    }

    fn answer(&self, py: Python<'_>) -> Step {
        match self.answer {
            Answer::True => Step::Return(Object::truth(py, true)),
            Answer::Nothing => Step::nothing(py),
        }
    }

    fn begin(py: Python<'_>, wait: &Instance<Self>, primitive: Shared<P>) -> PyResult<Step> {
        let slf = primitive.bind(py);
        if P::take(slf)? {
            return Ok(wait.answer(py));
        }
        let core = slf.as_super();
        let waiter = PrimitiveCore::make_waiter(core)?;
        core.get().waiters.join(py, &waiter)?;
        let step = waiter.wait(py);
        wait.settle(py, primitive, waiter, step)
    }

    fn go_on(&self, py: Python<'_>, primitive: Shared<P>, waiter: Waiter, input: Input) -> PyResult<Step> {
        let step = match input {
            Input::Next(sent) => waiter.resume(py, sent),
            Input::Throw(error) => Err(error),
        };
        self.settle(py, primitive, waiter, step)
    }

    fn settle(
        &self,
        py: Python<'_>,
        primitive: Shared<P>,
        waiter: Waiter,
        step: PyResult<Step>,
    ) -> PyResult<Step> {
        if matches!(step, Ok(Step::Yield(_))) {
            self.put(Stage::Waiting { primitive, waiter });
            return step;
        }
        let slf = primitive.bind(py);
        match slf.as_super().get().waiters.leave(py, &waiter).and(step) {
            Err(error) => P::failed(slf, &waiter, &error).and(Err(error)),
            Ok(_) => P::woken(slf).map(|()| self.answer(py)),
        }
    }

    pub(super) fn prepare(py: Python<'_>) -> PyResult<()> {
        coroutine::add_class::<Self>(py)
    }
}
