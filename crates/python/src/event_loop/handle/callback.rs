//! What is done with a callback, of a handle of whatever kind: run, cancelled, looked at, let go of.

use pyo3::prelude::*;

use super::work::{Kept, Slots, Work};
use crate::event_loop::LoopCore;
use crate::ffi::cell::LoopCell;
use crate::ffi::derived::track;
use crate::ffi::{Object, Scope, Shared, Traverse, Visit, Visited, owned};

/// What has become of a callback.
#[derive(Clone, Copy)]
pub(super) enum State {
    /// Its slots have the work.
    Scheduled(Kept),
    /// It has run, or never will, because its loop is closed.
    Spent,
    /// With the work still, as long as the handle is asked how it looks. Debug mode asks.
    BeingCancelled(Kept),
    Cancelled,
}

/// What lies behind the slots: what has to be of its kind.
pub(super) struct Rest {
    /// Who has it in hands may use the slots.
    state: LoopCell<State>,
    scope: Scope,
    pub(super) owner: Shared<LoopCore>,
}

owned!(Rest { visits: scope, owner; ignores: state; });

impl Rest {
    #[inline(always)]
    pub(super) fn new(kept: Kept, scope: Scope, owner: &Bound<'_, LoopCore>) -> Self {
        Self { state: LoopCell::new(State::Scheduled(kept)), scope, owner: Shared::new(owner) }
    }
}

/// A handle's callback, which lies in two parts.
#[derive(Clone, Copy)]
pub(crate) struct Callback<'a> {
    pub(super) slots: &'a Slots,
    pub(super) rest: &'a Rest,
}

impl Traverse for Callback<'_> {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.rest.traverse(visit)?;
        self.rest.state.try_with(|_| self.slots.traverse(visit)).unwrap_or(Ok(()))
    }
}

impl Callback<'_> {
    /// With the state in hands, and so the slots.
    #[inline(always)]
    pub(super) fn with<R>(self, body: impl FnOnce(&mut State, &Slots) -> R) -> R {
        self.rest.state.with(|state| body(state, self.slots))
    }

    /// The same for the collector, which may come at any time.
    pub(super) fn try_with<R>(self, body: impl FnOnce(&mut State, &Slots) -> R) -> Option<R> {
        self.rest.state.try_with(|state| body(state, self.slots))
    }

    /// Whether it is `future.set_result`, of a future of ours: nobody's code runs in it.
    pub(crate) fn sets_result(self) -> bool {
        self.with(|state, slots| matches!(state, State::Scheduled(_)) && slots.sets_result())
    }

    pub(crate) fn is_cancelled(self) -> bool {
        self.with(|state, _| matches!(state, State::BeingCancelled(_) | State::Cancelled))
    }

    /// Runs it in its context, unless it was cancelled, and lets it go. An error leaves it whole, for the
    /// report.
    pub(crate) fn run_once(self, py: Python<'_>) -> PyResult<()> {
        let owner = self.rest.owner.get(py);
        if owner.is_debug() {
            return self.run(py);
        }
        let Some(work) = self.take(py) else { return Ok(()) };
        let context = self.rest.scope.context_to_run(py, &owner.context);
        let result = context.and_then(|context| context.run(py, || work.call(py).map(drop)));
        if result.is_err() {
            self.put_back(py, work);
        }
        result
    }

    /// It is spent: the work, if it had any.
    #[inline(always)]
    fn take(self, py: Python<'_>) -> Option<Work> {
        self.with(|state, slots| match *state {
            State::Scheduled(kept) => {
                *state = State::Spent;
                slots.take(py, kept)
            }
            _ => None,
        })
    }

    #[cold]
    fn put_back(self, py: Python<'_>, work: Work) {
        let old = self.with(|state, slots| match *state {
            State::Spent => {
                let (kept, old) = slots.put(py, work);
                *state = State::Scheduled(kept);
                Ok(old)
            }
            _ => Err(work),
        });
        drop(old);
    }

    /// Runs it in its context, unless it was cancelled; it may run again.
    pub(crate) fn run(self, py: Python<'_>) -> PyResult<()> {
        let work = self.with(|state, slots| match *state {
            State::Scheduled(kept) => slots.share(py, kept),
            _ => None,
        });
        match work {
            Some(work) => self.rest.scope.context(py)?.run(py, || work.call(py).map(drop)),
            None => Ok(()),
        }
    }

    /// What it will call.
    pub(crate) fn known_function(self, py: Python<'_>) -> Option<Object> {
        self.shown(py).map(Work::into_function)
    }

    /// What Python sees of it.
    pub(super) fn shown(self, py: Python<'_>) -> Option<Work> {
        self.with(|state, slots| match *state {
            State::Scheduled(kept) | State::BeingCancelled(kept) => slots.share(py, kept),
            State::Spent | State::Cancelled => None,
        })
    }

    /// The context that it runs in.
    pub(super) fn context(self, py: Python<'_>) -> PyResult<Object> {
        Ok(self.rest.scope.context(py)?.into_object())
    }

    /// How it looked before it was cancelled; debug mode knows.
    pub(super) fn repr(self, py: Python<'_>) -> Option<Object> {
        self.with(|state, slots| match state {
            State::Cancelled => slots.repr(py),
            _ => None,
        })
    }

    /// Where it was made; debug mode knows.
    pub(super) fn source(self, py: Python<'_>) -> Option<Object> {
        self.with(|_, slots| slots.source(py))
    }

    /// It has run, and only the loop has its handle, to drop it.
    pub(crate) fn give_back(self, py: Python<'_>) {
        self.rest.scope.give_back(py, &self.rest.owner.get(py).context);
    }

    /// It will not run (again): lets go of what it refers to.
    pub(crate) fn spend(self, py: Python<'_>) {
        drop(self.take(py));
    }

    /// True if it was not cancelled before.
    pub(crate) fn cancel(self, py: Python<'_>, handle: &Object) -> PyResult<bool> {
        if self.is_cancelled() {
            return Ok(false);
        }
        // The loop lets go of it, whoever cancels it has not yet.
        track(handle);
        if self.rest.owner.get(py).is_debug() {
            return self.cancel_with_its_looks(py, handle).map(|()| true);
        }
        drop(self.end(py));
        Ok(true)
    }

    /// It is cancelled: the work, if it had any.
    fn end(self, py: Python<'_>) -> Option<Work> {
        self.with(|state, slots| match std::mem::replace(state, State::Cancelled) {
            State::Scheduled(kept) | State::BeingCancelled(kept) => slots.take(py, kept),
            State::Spent | State::Cancelled => None,
        })
    }

    #[cold]
    fn cancel_with_its_looks(self, py: Python<'_>, handle: &Object) -> PyResult<()> {
        self.with(|state, _| match *state {
            State::Scheduled(kept) => *state = State::BeingCancelled(kept),
            _ => *state = State::Cancelled,
        });
        let repr = handle.bind(py).repr();
        drop(self.end(py));
        let repr = repr?.into();
        drop(self.with(|_, slots| slots.set_repr(py, repr)));
        Ok(())
    }
}
