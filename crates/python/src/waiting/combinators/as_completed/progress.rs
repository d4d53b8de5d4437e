//! Who is done, and who waits for the next: what the futures' observer knows, and the iterator and its
//! coroutines share.

use pyo3::prelude::*;
use pyo3::types::PySet;
use std::collections::VecDeque;

use crate::event_loop::future::Future;
use crate::ffi::call::call_method;
use crate::ffi::cell::LoopCell;
use crate::ffi::class::ClassKind;
use crate::ffi::derived::Own;
use crate::ffi::fields::State;
use crate::ffi::intern::intern;
use crate::ffi::observer::{Observe, Observer};
use crate::ffi::view::View;
use crate::ffi::{Instance, Object, owned};
use crate::waiting::combinators::awaiter::Awaiter;
use crate::waiting::combinators::children::unwatch;

/// The observer's part of `as_completed`.
pub(crate) struct Progress {
    pub(super) state: LoopCell<Queue>,
    /// A set of those that have not told yet; empty after a time-out.
    pub(super) todo: Object,
    pub(super) awaiter: Awaiter,
}

owned!(Progress { visits: todo, awaiter; clears: state; });

pub(super) struct Queue {
    /// How many are still to be given out.
    pub(super) left: usize,
    /// Done, in that order; None stands for a time-out.
    pub(super) done: VecDeque<Option<Object>>,
    pub(super) waiting: VecDeque<Own<Future>>,
    pub(super) timer: Option<Object>,
}

owned!(in_cell Queue { clears: done, waiting, timer; ignores: left; });

impl Observe for Progress {
    const QUALIFIED_NAME: &'static str = if cfg!(Py_3_13) {
        "_AsCompletedIterator._handle_completion"
    } else {
        "as_completed.<locals>._on_completion"
    };

    fn kind() -> &'static ClassKind {
        static KIND: ClassKind = ClassKind::new();
        &KIND
    }

    fn told(observer: &Instance<Observer<Self>>, py: Python<'_>, future: &Object) -> PyResult<()> {
        observer.watcher.future_done(py, future)
    }

    fn timed_out(observer: &Instance<Observer<Self>>, py: Python<'_>) -> PyResult<()> {
        observer.watcher.time_out(py, observer)
    }
}

impl Progress {
    fn todo<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PySet>> {
        Ok(self.todo.bind(py).cast::<PySet>()?.clone())
    }

    fn future_done(&self, py: Python<'_>, future: &Object) -> PyResult<()> {
        let todo = self.todo(py)?;
        if todo.is_empty() {
            return Ok(());
        }
        todo.discard(future.bind(py))?;
        self.awaiter.awaits_no_more(py, future)?;
        self.put(py, Some(future.clone_ref(py)))?;
        match self.state.with(|queue| queue.timer.take_if(|_| todo.is_empty())) {
            Some(timer) => call_method(py, &timer, intern!(py, "cancel"), &[]).map(drop),
            None => Ok(()),
        }
    }

    /// Each of those that are not done counts as one time-out.
    fn time_out(&self, py: Python<'_>, observer: &Instance<Observer<Self>>) -> PyResult<()> {
        // In debug mode it stays whole, and holds the observer.
        drop(self.state.with(|queue| queue.timer.take()));
        let todo = self.todo(py)?;
        let late: Vec<Object> = todo.iter().map(Object::from).collect();
        for future in late {
            unwatch(py, &future, observer)?;
            self.awaiter.awaits_no_more(py, &future)?;
            self.put(py, None)?;
        }
        todo.clear();
        Ok(())
    }

    fn put(&self, py: Python<'_>, done: Option<Object>) -> PyResult<()> {
        self.state.with(|queue| queue.done.push_back(done));
        self.wake_next(py)
    }

    /// The first that waits still may go on.
    fn wake_next(&self, py: Python<'_>) -> PyResult<()> {
        while let Some(waiter) = self.state.with(|queue| queue.waiting.pop_front()) {
            let waiter = View::of_own(&waiter);
            if waiter.is_pending() {
                return waiter.set_result(py, Object::none(py));
            }
        }
        Ok(())
    }

    /// One is to be given out; false if there is none left.
    pub(super) fn claim(&self) -> bool {
        self.state.with(|queue| {
            let some = queue.left > 0;
            queue.left = queue.left.saturating_sub(1);
            some
        })
    }

    /// A wait that fails; `waiter` is no longer waited for.
    pub(super) fn give_up(&self, py: Python<'_>, waiter: &Own<Future>) -> PyResult<()> {
        let view = View::of_own(waiter);
        view.cancel(py, None)?;
        let (gone, waits) = self.state.with(|queue| {
            let place =
                queue.waiting.iter().position(|other| other.object().as_ptr() == waiter.object().as_ptr());
            // From Python 3.14 on the next may ask again.
            queue.left += usize::from(cfg!(Py_3_14));
            (place.and_then(|place| queue.waiting.remove(place)), !queue.done.is_empty())
        });
        drop(gone);
        if waits && view.state() != State::Cancelled { self.wake_next(py) } else { Ok(()) }
    }
}
