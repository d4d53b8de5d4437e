//! `put` and `get`: coroutines that wait only where they must.

use std::ffi::c_int;

use pyo3::prelude::*;

use super::core::QueueCore;
use super::hooks::{Hooks, Plain};
use super::waiters::Side;
use crate::ffi::call::call_method;
use crate::ffi::cell::LoopCell;
use crate::ffi::coroutine::{self, Coroutine, Kind, Life};
use crate::ffi::intern::intern;
use crate::ffi::resumable::{Input, Step};
use crate::ffi::{Arguments, Instance, Object, Shared, Visit};
use crate::waiting::waiter::Waiter;

/// What is asked of a queue.
trait Request: Send + Sync + Sized + 'static {
    const QUALIFIED_NAME: &'static str;
    const SIDE: Side;

    fn kind() -> &'static Kind;

    /// Whether it has to wait.
    fn must_wait(queue: &Bound<'_, QueueCore>, hooks: Hooks) -> PyResult<bool>;

    /// Does it, now that it has not.
    fn perform(self, queue: &Bound<'_, QueueCore>, hooks: Hooks) -> PyResult<Object>;

    /// What it holds.
    fn item(&self) -> Option<&Object>;
}

struct Put(Object);

static PUT: Kind = Kind::new();

impl Request for Put {
    const QUALIFIED_NAME: &'static str = "Queue.put";
    const SIDE: Side = Side::Putters;

    fn kind() -> &'static Kind {
        &PUT
    }

    fn must_wait(queue: &Bound<'_, QueueCore>, hooks: Hooks) -> PyResult<bool> {
        QueueCore::is_full(queue, hooks)
    }

    fn perform(self, queue: &Bound<'_, QueueCore>, hooks: Hooks) -> PyResult<Object> {
        let py = queue.py();
        if hooks.is_plain(Plain::PutNowait) && hooks.is_plain(Plain::Full) {
            QueueCore::refuse_if_shut_down(queue)?;
            return QueueCore::add(queue, hooks, &self.0).map(|()| Object::none(py));
        }
        call_method(py, &queue.into(), intern!(py, "put_nowait"), &[&self.0])
    }

    fn item(&self) -> Option<&Object> {
        Some(&self.0)
    }
}

struct Get;

static GET: Kind = Kind::new();

impl Request for Get {
    const QUALIFIED_NAME: &'static str = "Queue.get";
    const SIDE: Side = Side::Getters;

    fn kind() -> &'static Kind {
        &GET
    }

    fn must_wait(queue: &Bound<'_, QueueCore>, hooks: Hooks) -> PyResult<bool> {
        QueueCore::is_empty(queue, hooks)
    }

    fn perform(self, queue: &Bound<'_, QueueCore>, hooks: Hooks) -> PyResult<Object> {
        let py = queue.py();
        if hooks.is_plain(Plain::GetNowait) && hooks.is_plain(Plain::Empty) {
            return QueueCore::remove(queue, hooks);
        }
        call_method(py, &queue.into(), intern!(py, "get_nowait"), &[])
    }

    fn item(&self) -> Option<&Object> {
        None
    }
}

/// A request of a queue, which can be awaited.
struct Waiting<R> {
    life: Life,
    stage: LoopCell<Stage<R>>,
}

enum Stage<R> {
    Asked { queue: Shared<QueueCore>, request: R },
    InLine { queue: Shared<QueueCore>, request: R, waiter: Waiter },
    Over,
}

impl<R: Request> Coroutine for Waiting<R> {
    const QUALIFIED_NAME: &'static str = R::QUALIFIED_NAME;

    fn kind() -> &'static Kind {
        R::kind()
    }

    fn life(&self) -> &Life {
        &self.life
    }

    fn advance(py: Python<'_>, waiting: &Instance<Self>, _first: bool, input: Input) -> PyResult<Step> {
        match (waiting.take(), input) {
            (Stage::Asked { queue, request }, Input::Next(_)) => Self::attempt(py, waiting, queue, request),
            (Stage::InLine { queue, request, waiter }, Input::Next(sent)) => match waiter.resume(py, sent) {
                Ok(Step::Return(_)) => Self::attempt(py, waiting, queue, request),
                Ok(step) => {
                    waiting.set(Stage::InLine { queue, request, waiter });
                    Ok(step)
                }
                Err(error) => Err(give_up::<R>(py, &queue, &waiter, error)),
            },
            (Stage::InLine { queue, waiter, .. }, Input::Throw(error)) => {
                Err(give_up::<R>(py, &queue, &waiter, error))
            }
            (_, Input::Throw(error)) => Err(error),
            (Stage::Over, Input::Next(_)) => Ok(Step::nothing(py)),
        }
    }

    fn awaits(&self, py: Python<'_>) -> Option<Object> {
        self.stage.with(|stage| match stage {
            Stage::InLine { waiter, .. } => Some(waiter.awaited().clone_ref(py)),
            Stage::Asked { .. } | Stage::Over => None,
        })
    }

    fn traverse(&self, visit: &mut Visit<'_>) -> c_int {
        let visited = self.stage.try_with(|stage| match stage {
            Stage::Asked { queue, request } => visit.all([queue.object()].into_iter().chain(request.item())),
            Stage::InLine { queue, request, waiter } => {
                let objects = waiter.objects().into_iter().flatten();
                visit.all(objects.chain([queue.object()]).chain(request.item()))
            }
            Stage::Over => 0,
        });
        visited.unwrap_or(0)
    }

    fn clear(&self, _py: Python<'_>) {
        drop(self.take());
    }
}

impl<R: Request> Waiting<R> {
    fn take(&self) -> Stage<R> {
        self.stage.with(|stage| std::mem::replace(stage, Stage::Over))
    }

    fn set(&self, stage: Stage<R>) {
        drop(self.stage.with(|old| std::mem::replace(old, stage)));
    }

    fn make(py: Python<'_>, queue: &Bound<'_, QueueCore>, request: R) -> PyResult<Object> {
        let stage = LoopCell::new(Stage::Asked { queue: Shared::new(queue), request });
        Self { life: Life::new(), stage }.make(py).map(Instance::into_object)
    }

    fn attempt(
        py: Python<'_>,
        slf: &Instance<Self>,
        shared: Shared<QueueCore>,
        request: R,
    ) -> PyResult<Step> {
        let queue = shared.bind(py);
        let hooks = Hooks::of(queue);
        if !R::must_wait(queue, hooks)? {
            return request.perform(queue, hooks).map(Step::Return);
        }
        QueueCore::refuse_if_shut_down(queue)?;
        let waiter = QueueCore::enqueue(queue, hooks, R::SIDE)?;
        let step = waiter.wait(py)?;
        slf.set(Stage::InLine { queue: shared, request, waiter });
        Ok(step)
    }
}

/// It waits no more. If it was called up already, the next in line is.
fn give_up<R: Request>(py: Python<'_>, queue: &Shared<QueueCore>, waiter: &Waiter, error: PyErr) -> PyErr {
    let leave = || {
        let queue = queue.bind(py);
        waiter.cancel(py)?;
        QueueCore::dequeue(queue, R::SIDE, waiter)?;
        let hooks = Hooks::of(queue);
        if !R::must_wait(queue, hooks)? && !waiter.is_cancelled(py)? {
            QueueCore::wake_next(queue, hooks, R::SIDE)?;
        }
        Ok(())
    };
    leave().err().unwrap_or(error)
}

pub(super) fn put(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (queue, arguments) = QueueCore::receiver(py, arguments)?;
    let [item] = arguments.exactly(py, "Queue.put", ["item"])?;
    Waiting::make(py, &queue, Put(item.to_object(py)))
}

pub(super) fn get(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (queue, arguments) = QueueCore::receiver(py, arguments)?;
    let [] = arguments.exactly(py, "Queue.get", [])?;
    Waiting::make(py, &queue, Get)
}

pub(super) fn add_classes(py: Python<'_>) -> PyResult<()> {
    coroutine::add_class::<Waiting<Put>>(py)?;
    coroutine::add_class::<Waiting<Get>>(py)
}
