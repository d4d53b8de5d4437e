//! `put` and `get`: coroutines that wait only where they must.

use pyo3::prelude::*;

use super::core::QueueCore;
use super::hooks::{Hook, Hooks};
use super::waiters::Side;
use crate::ffi::call::call_method;
use crate::ffi::class::ClassKind;
use crate::ffi::intern::intern;
use crate::ffi::resumable::Step;
use crate::ffi::{Arguments, Object, Shared, Traverse, owned};
use crate::waiting::staged::{self, Stages, Transition};
use crate::waiting::waiter::Waiter;

/// What is asked of a queue.
trait Request: Traverse + Send + Sync + Sized + 'static {
    const QUALIFIED_NAME: &'static str;
    const SIDE: Side;

    fn kind() -> &'static ClassKind;

    /// Whether it has to wait.
    fn must_wait(queue: &Bound<'_, QueueCore>, hooks: Hooks) -> PyResult<bool>;

    /// Does it, now that it has not.
    fn perform(self, queue: &Bound<'_, QueueCore>, hooks: Hooks) -> PyResult<Object>;
}

struct Put(Object);

owned!(Put { visits: 0; });

static PUT: ClassKind = ClassKind::new();

impl Request for Put {
    const QUALIFIED_NAME: &'static str = "Queue.put";
    const SIDE: Side = Side::Putters;

    fn kind() -> &'static ClassKind {
        &PUT
    }

    fn must_wait(queue: &Bound<'_, QueueCore>, hooks: Hooks) -> PyResult<bool> {
        QueueCore::is_full(queue, hooks)
    }

    fn perform(self, queue: &Bound<'_, QueueCore>, hooks: Hooks) -> PyResult<Object> {
        let py = queue.py();
        if hooks.has(Hook::PutNowait) && hooks.has(Hook::Full) {
            QueueCore::refuse_if_shut_down(queue)?;
            return QueueCore::add(queue, hooks, &self.0).map(|()| Object::none(py));
        }
        call_method(py, &queue.into(), intern!(py, "put_nowait"), &[&self.0])
    }
}

struct Get;

owned!(Get {});

static GET: ClassKind = ClassKind::new();

impl Request for Get {
    const QUALIFIED_NAME: &'static str = "Queue.get";
    const SIDE: Side = Side::Getters;

    fn kind() -> &'static ClassKind {
        &GET
    }

    fn must_wait(queue: &Bound<'_, QueueCore>, hooks: Hooks) -> PyResult<bool> {
        QueueCore::is_empty(queue, hooks)
    }

    fn perform(self, queue: &Bound<'_, QueueCore>, hooks: Hooks) -> PyResult<Object> {
        let py = queue.py();
        if hooks.has(Hook::GetNowait) && hooks.has(Hook::Empty) {
            return QueueCore::remove(queue, hooks);
        }
        call_method(py, &queue.into(), intern!(py, "get_nowait"), &[])
    }
}

/// A request of a queue, which can be awaited.
enum Waiting<R> {
    /// Over at once if it need not wait.
    Asked { queue: Shared<QueueCore>, request: R },
    /// It tries again once it is called up.
    InLine { queue: Shared<QueueCore>, request: R, waiter: Waiter },
}

owned!([R: Request] enum Waiting<R> { Asked { queue, request }, InLine { queue, request, waiter }; });

impl<R: Request> Stages for Waiting<R> {
    const QUALIFIED_NAME: &'static str = R::QUALIFIED_NAME;

    fn kind() -> &'static ClassKind {
        R::kind()
    }

    fn resume(self, py: Python<'_>, sent: Option<Object>) -> PyResult<Transition<Self>> {
        match self {
            Self::Asked { queue, request } => Self::attempt(py, queue, request),
            Self::InLine { queue, request, waiter } => match waiter.resume(py, sent) {
                Ok(Step::Return(_)) => Self::attempt(py, queue, request),
                Ok(Step::Yield(yielded)) => {
                    Ok(Transition::Yield(yielded, Self::InLine { queue, request, waiter }))
                }
                Err(error) => Err(give_up::<R>(py, &queue, &waiter, error)),
            },
        }
    }

    fn throw(self, py: Python<'_>, error: PyErr) -> PyResult<Transition<Self>> {
        match self {
            Self::Asked { .. } => Err(error),
            Self::InLine { queue, waiter, .. } => Err(give_up::<R>(py, &queue, &waiter, error)),
        }
    }

    fn awaits(&self, py: Python<'_>) -> Option<Object> {
        match self {
            Self::Asked { .. } => None,
            Self::InLine { waiter, .. } => Some(waiter.awaited().clone_ref(py)),
        }
    }

    fn subject(&self, py: Python<'_>) -> Option<Object> {
        let (Self::Asked { queue, .. } | Self::InLine { queue, .. }) = self;
        Some(queue.bind(py).into())
    }
}

impl<R: Request> Waiting<R> {
    fn make(queue: &Bound<'_, QueueCore>, request: R) -> PyResult<Object> {
        staged::make(queue.py(), Self::Asked { queue: Shared::new(queue), request })
    }

    fn attempt(py: Python<'_>, shared: Shared<QueueCore>, request: R) -> PyResult<Transition<Self>> {
        let queue = shared.bind(py);
        let hooks = Hooks::of(queue);
        if !R::must_wait(queue, hooks)? {
            return request.perform(queue, hooks).map(Transition::Return);
        }
        QueueCore::refuse_if_shut_down(queue)?;
        let waiter = QueueCore::enqueue(queue, hooks, R::SIDE)?;
        Ok(match waiter.wait(py)? {
            Step::Yield(yielded) => {
                Transition::Yield(yielded, Self::InLine { queue: shared, request, waiter })
            }
            Step::Return(value) => Transition::Return(value),
        })
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
    Waiting::make(&queue, Put(item.to_object(py)))
}

pub(super) fn get(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (queue, arguments) = QueueCore::receiver(py, arguments)?;
    let [] = arguments.exactly(py, "Queue.get", [])?;
    Waiting::make(&queue, Get)
}

pub(super) fn add_classes(py: Python<'_>) -> PyResult<()> {
    staged::add_class::<Waiting<Put>>(py)?;
    staged::add_class::<Waiting<Get>>(py)
}
