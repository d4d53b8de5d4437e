//! Who waits for a primitive, in the order of arrival, and the loop that they wait on.

use std::collections::VecDeque;

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::cell::LoopCell;
use crate::ffi::Object;
use crate::ffi::intern::intern;
use crate::running::{Running, Waiter, future_is_cancelled, future_is_done, set_result};

/// The futures that tasks wait for. A future stays until its task has had its turn, done or not.
#[derive(Default)]
pub(super) struct Waiters {
    /// The loop: the first on which anybody had to wait.
    owner: LoopCell<Option<Object>>,
    queue: LoopCell<VecDeque<Object>>,
}

impl Waiters {
    /// A new future of the running loop. A `RuntimeError` if somebody has waited on another.
    pub(super) fn make(&self, primitive: &Bound<'_, PyAny>) -> PyResult<Waiter> {
        let py = primitive.py();
        let running = Running::now(py)?;
        let address = match &running {
            Running::Native(core) => core.as_ptr(),
            Running::Other(other) => other.as_ptr(),
            Running::None => std::ptr::null_mut(),
        };
        let known = self.owner.with(|owner| owner.as_ref().map(Object::as_ptr));
        match known {
            Some(known) if known == address => {}
            Some(_) => {
                let text = format!("{} is bound to a different event loop", primitive.repr()?);
                return Err(PyRuntimeError::new_err(text));
            }
            None => self.bind(Some(running.object()?.into())),
        }
        Waiter::on(running)
    }

    pub(super) fn bind(&self, owner: Option<Object>) {
        drop(self.owner.with(|old| std::mem::replace(old, owner)));
    }

    pub(super) fn owner(&self, py: Python<'_>) -> Option<Object> {
        self.owner.with(|owner| owner.as_ref().map(|owner| owner.clone_ref(py)))
    }

    pub(super) fn join(&self, py: Python<'_>, waiter: &Waiter) {
        let future = waiter.future().clone_ref(py);
        self.queue.with(|queue| queue.push_back(future));
    }

    pub(super) fn leave(&self, waiter: &Waiter) {
        let future = waiter.future().as_ptr();
        drop(self.queue.with(|queue| {
            let place = queue.iter().position(|other| other.as_ptr() == future);
            place.and_then(|place| queue.remove(place))
        }));
    }

    pub(super) fn len(&self) -> usize {
        self.queue.with(|queue| queue.len())
    }

    fn get(&self, py: Python<'_>, place: usize) -> Option<Object> {
        self.queue.with(|queue| queue.get(place).map(|future| future.clone_ref(py)))
    }

    fn iterate<'a>(&'a self, py: Python<'a>) -> impl Iterator<Item = Object> + 'a {
        (0..).map_while(move |place| self.get(py, place))
    }

    pub(super) fn first(&self, py: Python<'_>) -> Option<Object> {
        self.get(py, 0)
    }

    pub(super) fn first_pending(&self, py: Python<'_>) -> PyResult<Option<Object>> {
        for future in self.iterate(py) {
            if !future_is_done(py, &future)? {
                return Ok(Some(future));
            }
        }
        Ok(None)
    }

    pub(super) fn all_cancelled(&self, py: Python<'_>) -> PyResult<bool> {
        for future in self.iterate(py) {
            if !future_is_cancelled(py, &future)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Gives a result to the first `most` that have none.
    pub(super) fn wake(&self, py: Python<'_>, most: usize, result: &Object) -> PyResult<()> {
        let mut left = most;
        for future in self.iterate(py) {
            if left == 0 {
                break;
            }
            if !future_is_done(py, &future)? {
                left -= 1;
                set_result(py, &future, result.clone_ref(py))?;
            }
        }
        Ok(())
    }

    /// What asyncio keeps in `_waiters`.
    pub(super) fn show<'py>(&self, primitive: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = primitive.py();
        let all: Vec<Object> = self.iterate(py).collect();
        let all: Vec<&Bound<'_, PyAny>> = all.iter().map(|future| future.bind(py)).collect();
        primitive.call_method1(intern!(py, "_show_waiters"), (all,))
    }

    /// `_waiters` is set, to None or futures.
    pub(super) fn replace(&self, futures: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut queue = VecDeque::new();
        if !futures.is_none() {
            for future in futures.try_iter()? {
                queue.push_back(Object::from(future?));
            }
        }
        drop(self.queue.with(|old| std::mem::replace(old, queue)));
        Ok(())
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        let visited =
            self.queue.try_with(|queue| queue.iter().try_for_each(|future| visit.call(future.as_py())));
        visited.unwrap_or(Ok(()))?;
        let visited =
            self.owner.try_with(|owner| owner.iter().try_for_each(|owner| visit.call(owner.as_py())));
        visited.unwrap_or(Ok(()))
    }

    /// As new; the loop stays.
    pub(super) fn forget(&self) {
        drop(self.queue.with(std::mem::take));
    }

    pub(super) fn clear(&self) {
        self.forget();
        drop(self.owner.with(Option::take));
    }
}
