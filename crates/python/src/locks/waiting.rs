//! The coroutine of `Lock.acquire`, `Event.wait` and `Semaphore.acquire`: a waiter, unless there is nothing to wait for.

use std::ffi::{CStr, c_int};
use std::marker::PhantomData;

use pyo3::PyClass;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;

use super::core::PrimitiveCore;
use crate::cell::LoopCell;
use crate::ffi::class::Pool;
use crate::ffi::coroutine::{
    Coroutine, Input, Life, Resumable, Step, coroutine_getters, coroutine_slots, finalize, resumable_methods,
};
use crate::ffi::derived::track;
use crate::ffi::{Class, Instance, Native, Object, Visit};
use crate::running::Waiter;

/// What is waited for.
pub(super) trait Primitive: PyClass<Frozen = True> + Send + Sync {
    const COROUTINE: &'static CStr;
    /// As asyncio's method.
    const WAITS: &'static str;

    fn coroutine() -> &'static Class;
    fn pool() -> &'static Pool;
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
    stage: LoopCell<Stage>,
    answer: Answer,
    primitive: PhantomData<fn() -> P>,
}

enum Stage {
    Asked { primitive: Object },
    Waiting { primitive: Object, waiter: Waiter },
    Over,
}

impl<P: Primitive> Native for Wait<P> {
    const NAME: &'static CStr = P::COROUTINE;
    const DOC: &'static CStr = c"A wait for a primitive.";
    const OPEN: bool = false;
    // Once it waits the collector must know it: the future leads to the task, and so back to it.
    const TRACKED: bool = false;
    const FINALIZES: bool = true;

    fn class() -> &'static Class {
        P::coroutine()
    }

    fn traverse(&self, visit: &mut Visit<'_>) -> c_int {
        let visited = self.stage.try_with(|stage| match stage {
            Stage::Asked { primitive } => visit.object(primitive),
            Stage::Waiting { primitive, waiter } => match visit.object(primitive) {
                0 => waiter.traverse(visit),
                stop => stop,
            },
            Stage::Over => 0,
        });
        visited.unwrap_or(0)
    }

    fn clear(&self, _py: Python<'_>) {
        drop(self.take());
    }

    fn finalize(instance: &Instance<Self>, py: Python<'_>) {
        finalize(instance, py);
    }

    fn needs_finalizer(&self) -> bool {
        self.life.is_open()
    }

    fn pool(&self) -> Option<&Pool> {
        Some(P::pool())
    }
}

impl<P: Primitive> Coroutine for Wait<P> {
    const QUALIFIED_NAME: &'static str = P::WAITS;

    fn life(&self) -> &Life {
        &self.life
    }

    fn qualified_name(&self) -> &'static str {
        match self.answer {
            Answer::True => P::WAITS,
            Answer::Nothing => super::block::ENTERS,
        }
    }
}

impl<P: Primitive> Resumable for Wait<P> {
    fn resume(py: Python<'_>, wait: &Instance<Self>, input: Input) -> PyResult<Step> {
        wait.life.drive(input, |_, input| match (wait.take(), input) {
            (Stage::Asked { primitive }, Input::Next) => Self::begin(py, wait, primitive),
            (Stage::Waiting { primitive, waiter }, input) => wait.go_on(py, primitive, waiter, input),
            (_, Input::Throw(error)) => Err(error),
            (Stage::Over, Input::Next) => Ok(Step::nothing(py)),
        })
    }
}

impl<P: Primitive> Wait<P> {
    pub(super) fn make(primitive: &Bound<'_, P>, answer: Answer) -> PyResult<Object> {
        let stage = LoopCell::new(Stage::Asked { primitive: primitive.into() });
        let wait = Self { life: Life::new(), stage, answer, primitive: PhantomData };
        P::coroutine().instantiate(primitive.py(), wait).map(Instance::into_object)
    }

    fn take(&self) -> Stage {
        self.stage.with(|stage| std::mem::replace(stage, Stage::Over))
    }

    fn put(&self, stage: Stage) {
        drop(self.stage.with(|old| std::mem::replace(old, stage)));
    }

    fn answer(&self, py: Python<'_>) -> Step {
        match self.answer {
            Answer::True => Step::Return(super::truth(py, true)),
            Answer::Nothing => Step::nothing(py),
        }
    }

    fn begin(py: Python<'_>, wait: &Instance<Self>, primitive: Object) -> PyResult<Step> {
        let slf = primitive.bind(py);
        if P::take(slf.cast()?)? {
            return Ok(wait.answer(py));
        }
        let waiters = &slf.cast::<PrimitiveCore>()?.get().waiters;
        let waiter = waiters.make(slf)?;
        waiters.join(py, &waiter);
        track(wait.object());
        let step = waiter.wait(py);
        wait.settle(py, primitive, waiter, step)
    }

    fn go_on(&self, py: Python<'_>, primitive: Object, waiter: Waiter, input: Input) -> PyResult<Step> {
        let step = match input {
            Input::Next => waiter.resume(py),
            Input::Throw(error) => Err(error),
        };
        self.settle(py, primitive, waiter, step)
    }

    fn settle(
        &self,
        py: Python<'_>,
        primitive: Object,
        waiter: Waiter,
        step: PyResult<Step>,
    ) -> PyResult<Step> {
        if matches!(step, Ok(Step::Yield(_))) {
            self.put(Stage::Waiting { primitive, waiter });
            return step;
        }
        let slf = primitive.bind(py);
        slf.cast::<PrimitiveCore>()?.get().waiters.leave(&waiter);
        match step {
            Err(error) => P::failed(slf.cast()?, &waiter, &error).and(Err(error)),
            Ok(_) => P::woken(slf.cast()?).map(|()| self.answer(py)),
        }
    }

    pub(super) fn prepare(py: Python<'_>) -> PyResult<()> {
        P::coroutine().create_hidden::<Self>(
            py,
            &resumable_methods::<Self>(),
            &coroutine_getters::<Self>(),
            &coroutine_slots::<Self>(),
        )
    }
}
