//! Who waits for a primitive, in the order of arrival, and the loop that they wait on.
//!
//! asyncio keeps them in `_waiters`, where programs count them, reorder them and take them out. So whoever asks for it gets the
//! very container, which is used from then on, whatever it is; until then it is ours.

use std::collections::VecDeque;

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyIterator;

use super::core::{Hook, PrimitiveCore};
use crate::event_loop::running::Running;
use crate::ffi::Object;
use crate::ffi::call::call_method;
use crate::ffi::cell::LoopCell;
use crate::ffi::imports;
use crate::ffi::intern::intern;
use crate::waiting::waiter::{Waiter, future_is_cancelled, future_is_done, set_result};

/// The futures that tasks wait for. A future stays until its task has had its turn, done or not.
#[derive(Default)]
pub(super) struct Waiters {
    /// The loop: the first on which anybody had to wait.
    owner: LoopCell<Option<Object>>,
    line: LoopCell<Line>,
}

#[derive(Default)]
enum Line {
    /// Nobody has waited yet.
    #[default]
    New,
    Own(VecDeque<Object>),
    Shown(Object),
}

impl Line {
    fn shown(&self, py: Python<'_>) -> Option<Object> {
        match self {
            Self::Shown(container) => Some(container.clone_ref(py)),
            Self::New | Self::Own(_) => None,
        }
    }

    fn own(&self) -> Option<&VecDeque<Object>> {
        match self {
            Self::Own(futures) => Some(futures),
            Self::New | Self::Shown(_) => None,
        }
    }
}

/// Those who wait, one after another.
enum Each<'a, 'py> {
    Own { line: &'a LoopCell<Line>, place: usize },
    Shown(Bound<'py, PyIterator>),
}

impl Each<'_, '_> {
    fn next(&mut self, py: Python<'_>) -> PyResult<Option<Object>> {
        match self {
            Self::Own { line, place } => {
                *place += 1;
                let index = *place - 1;
                Ok(line.with(|line| line.own()?.get(index).map(|future| future.clone_ref(py))))
            }
            Self::Shown(iterator) => iterator.next().transpose().map(|found| found.map(Object::from)),
        }
    }
}

impl Waiters {
    /// A new future of the running loop. A `RuntimeError` if somebody has waited on another.
    pub(super) fn make(primitive: &Bound<'_, PrimitiveCore>) -> PyResult<Waiter> {
        let py = primitive.py();
        if !PrimitiveCore::is_intact(primitive, Hook::GetLoop) {
            let owner = primitive.call_method0(intern!(py, "_get_loop"))?;
            return Waiter::of_loop(py, &owner.into());
        }
        let waiters = &primitive.get().waiters;
        let running = Running::now(py)?;
        let address = match &running {
            Running::Native(core) => core.as_ptr(),
            Running::Other(other) => other.as_ptr(),
            Running::None => std::ptr::null_mut(),
        };
        let known = waiters.owner.with(|owner| owner.as_ref().map(Object::as_ptr));
        match known {
            Some(known) if known == address => {}
            Some(_) => {
                let text = format!("{} is bound to a different event loop", primitive.repr()?);
                return Err(PyRuntimeError::new_err(text));
            }
            None => waiters.bind(Some(running.object()?.into())),
        }
        Waiter::on(running)
    }

    pub(super) fn bind(&self, owner: Option<Object>) {
        drop(self.owner.with(|old| std::mem::replace(old, owner)));
    }

    pub(super) fn owner(&self, py: Python<'_>) -> Option<Object> {
        self.owner.with(|owner| owner.as_ref().map(|owner| owner.clone_ref(py)))
    }

    pub(super) fn join(&self, py: Python<'_>, waiter: &Waiter) -> PyResult<()> {
        let future = waiter.future().clone_ref(py);
        let shown = self.line.with(|line| {
            match line {
                Line::New => *line = Line::Own(VecDeque::from([future])),
                Line::Own(futures) => futures.push_back(future),
                Line::Shown(container) => return Some((container.clone_ref(py), future)),
            }
            None
        });
        match shown {
            Some((container, future)) => {
                call_method(py, &container, intern!(py, "append"), &[&future]).map(drop)
            }
            None => Ok(()),
        }
    }

    /// A `ValueError` if somebody has taken it out of the container.
    pub(super) fn leave(&self, py: Python<'_>, waiter: &Waiter) -> PyResult<()> {
        if let Some(container) = self.line.with(|line| line.shown(py)) {
            return call_method(py, &container, intern!(py, "remove"), &[waiter.future()]).map(drop);
        }
        let future = waiter.future().as_ptr();
        drop(self.line.with(|line| {
            let Line::Own(futures) = line else { return None };
            let place = futures.iter().position(|other| other.as_ptr() == future)?;
            futures.remove(place)
        }));
        Ok(())
    }

    /// `len(self._waiters)`
    pub(super) fn len(&self, py: Python<'_>) -> PyResult<usize> {
        match self.line.with(|line| line.shown(py)) {
            Some(container) => container.bind(py).len(),
            None => Ok(self.line.with(|line| line.own().map_or(0, VecDeque::len))),
        }
    }

    fn each<'py>(&self, py: Python<'py>) -> PyResult<Each<'_, 'py>> {
        match self.line.with(|line| line.shown(py)) {
            Some(container) => container.bind(py).try_iter().map(Each::Shown),
            None => Ok(Each::Own { line: &self.line, place: 0 }),
        }
    }

    pub(super) fn first(&self, py: Python<'_>) -> PyResult<Option<Object>> {
        self.each(py)?.next(py)
    }

    pub(super) fn first_pending(&self, py: Python<'_>) -> PyResult<Option<Object>> {
        let mut each = self.each(py)?;
        while let Some(future) = each.next(py)? {
            if !future_is_done(py, &future)? {
                return Ok(Some(future));
            }
        }
        Ok(None)
    }

    pub(super) fn all_cancelled(&self, py: Python<'_>) -> PyResult<bool> {
        let mut each = self.each(py)?;
        while let Some(future) = each.next(py)? {
            if !future_is_cancelled(py, &future)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Gives a result to those who have none, until so many are woken that it is enough.
    pub(super) fn wake(
        &self,
        py: Python<'_>,
        result: &Object,
        is_enough: impl Fn(usize) -> PyResult<bool>,
    ) -> PyResult<()> {
        let mut each = self.each(py)?;
        let mut woken = 0;
        while let Some(future) = each.next(py)? {
            if is_enough(woken)? {
                break;
            }
            if !future_is_done(py, &future)? {
                woken += 1;
                set_result(py, &future, result.clone_ref(py))?;
            }
        }
        Ok(())
    }

    /// `self._waiters`; `is_lazy` says that it is None until somebody waits.
    pub(super) fn show(&self, py: Python<'_>, is_lazy: bool) -> PyResult<Option<Object>> {
        let futures: Vec<Object> = match self.line.with(|line| line.shown(py)) {
            Some(container) => return Ok(Some(container)),
            None if is_lazy && self.line.with(|line| matches!(line, Line::New)) => return Ok(None),
            None => self
                .line
                .with(|line| line.own().into_iter().flatten().map(|future| future.clone_ref(py)).collect()),
        };
        let futures: Vec<&Bound<'_, PyAny>> = futures.iter().map(|future| future.bind(py)).collect();
        let container = imports::deque(py)?.call1((futures,))?;
        self.replace(Some(&container));
        Ok(Some(container.into()))
    }

    /// `self._waiters = container`
    pub(super) fn replace(&self, container: Option<&Bound<'_, PyAny>>) {
        let line = container.map_or(Line::New, |container| Line::Shown(container.into()));
        drop(self.line.with(|old| std::mem::replace(old, line)));
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        let visited = self.line.try_with(|line| match line {
            Line::New => Ok(()),
            Line::Own(futures) => futures.iter().try_for_each(|future| visit.call(future.as_py())),
            Line::Shown(container) => visit.call(container.as_py()),
        });
        visited.unwrap_or(Ok(()))?;
        let visited =
            self.owner.try_with(|owner| owner.iter().try_for_each(|owner| visit.call(owner.as_py())));
        visited.unwrap_or(Ok(()))
    }

    /// As new; the loop stays.
    pub(super) fn forget(&self) {
        self.replace(None);
    }

    pub(super) fn clear(&self) {
        self.forget();
        drop(self.owner.with(Option::take));
    }
}
