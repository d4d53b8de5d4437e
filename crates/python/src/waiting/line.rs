//! A line of waiters: the futures that tasks wait for, in the order of arrival. Locks have one, queues one on
//! either side.
//!
//! asyncio keeps them in a deque (`_waiters`, `_getters`, `_putters`), which programs count, reorder and take
//! futures out of. So whoever asks for it gets the very container, which is used from then on, whatever it
//! is; until then the line is ours, and no call is needed to reach it.
//!
//! Used by the thread that holds Python's lock. It knows nothing of the primitive that it belongs to.

use std::collections::VecDeque;

use pyo3::prelude::*;
use pyo3::types::PyIterator;

use super::waiter::{Waiter, future_is_cancelled, future_is_done, set_result};
use crate::ffi::call::call_method;
use crate::ffi::cell::LoopCell;
use crate::ffi::imports;
use crate::ffi::intern::intern;
use crate::ffi::{Object, owned};

#[derive(Default)]
pub(crate) struct Line(LoopCell<State>);

owned!(Line { clears: 0; });

/// `New` becomes `Own` when first somebody waits; either becomes `Exposed` when first somebody looks.
#[derive(Default)]
enum State {
    /// Nobody has waited yet.
    #[default]
    New,
    Own(VecDeque<Object>),
    Exposed(Object),
}

owned!(enum State { Own(futures), Exposed(container); New });

impl State {
    fn exposed(&self, py: Python<'_>) -> Option<Object> {
        match self {
            Self::Exposed(container) => Some(container.clone_ref(py)),
            Self::New | Self::Own(_) => None,
        }
    }

    fn own(&self) -> Option<&VecDeque<Object>> {
        match self {
            Self::Own(futures) => Some(futures),
            Self::New | Self::Exposed(_) => None,
        }
    }
}

/// Those who wait, one after another.
enum Each<'a, 'py> {
    Own { line: &'a Line, place: usize },
    Exposed(Bound<'py, PyIterator>),
}

impl Each<'_, '_> {
    fn next(&mut self, py: Python<'_>) -> PyResult<Option<Object>> {
        match self {
            Self::Own { line, place } => {
                *place += 1;
                let index = *place - 1;
                let found = line.0.with(|state| match state {
                    State::New => Ok(None),
                    State::Own(futures) => Ok(futures.get(index).map(|future| future.clone_ref(py))),
                    State::Exposed(container) => Err(container.clone_ref(py)),
                });
                match found {
                    Ok(found) => Ok(found),
                    // Somebody has looked meanwhile: the same stand there.
                    Err(container) if index < container.bind(py).len()? => {
                        container.bind(py).get_item(index).map(|found| Some(found.into()))
                    }
                    Err(_) => Ok(None),
                }
            }
            Self::Exposed(iterator) => iterator.next().transpose().map(|found| found.map(Object::from)),
        }
    }
}

impl Line {
    pub(crate) fn join(&self, py: Python<'_>, waiter: &Waiter) -> PyResult<()> {
        let future = waiter.future().clone_ref(py);
        let shown = self.0.with(|state| {
            match state {
                State::New => *state = State::Own(VecDeque::from([future])),
                State::Own(futures) => futures.push_back(future),
                State::Exposed(container) => return Some((container.clone_ref(py), future)),
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
    pub(crate) fn leave(&self, py: Python<'_>, waiter: &Waiter) -> PyResult<()> {
        if let Some(container) = self.exposed(py) {
            return call_method(py, &container, intern!(py, "remove"), &[waiter.future()]).map(drop);
        }
        let future = waiter.future().as_ptr();
        drop(self.0.with(|state| {
            let State::Own(futures) = state else { return None };
            let place = futures.iter().position(|other| other.as_ptr() == future)?;
            futures.remove(place)
        }));
        Ok(())
    }

    /// `len(self._waiters)`
    pub(crate) fn len(&self, py: Python<'_>) -> PyResult<usize> {
        match self.exposed(py) {
            Some(container) => container.bind(py).len(),
            None => Ok(self.0.with(|state| state.own().map_or(0, VecDeque::len))),
        }
    }

    fn each<'py>(&self, py: Python<'py>) -> PyResult<Each<'_, 'py>> {
        match self.exposed(py) {
            Some(container) => container.bind(py).try_iter().map(Each::Exposed),
            None => Ok(Each::Own { line: self, place: 0 }),
        }
    }

    pub(crate) fn first(&self, py: Python<'_>) -> PyResult<Option<Object>> {
        self.each(py)?.next(py)
    }

    pub(crate) fn first_pending(&self, py: Python<'_>) -> PyResult<Option<Object>> {
        let mut each = self.each(py)?;
        while let Some(future) = each.next(py)? {
            if !future_is_done(py, &future)? {
                return Ok(Some(future));
            }
        }
        Ok(None)
    }

    pub(crate) fn all_cancelled(&self, py: Python<'_>) -> PyResult<bool> {
        let mut each = self.each(py)?;
        while let Some(future) = each.next(py)? {
            if !future_is_cancelled(py, &future)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Gives a result to those who have none, until so many are woken that it is enough. All stay in the
    /// line.
    pub(crate) fn wake(
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

    /// Gives None to the first who has no result. It leaves the line, and so do those before it.
    pub(crate) fn wake_next(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_surely_empty() {
            return Ok(());
        }
        while let Some(future) = self.take_first(py)? {
            if !future_is_done(py, &future)? {
                return set_result(py, &future, Object::none(py));
            }
        }
        Ok(())
    }

    /// What each item of a queue comes to where nobody waits.
    #[inline]
    fn is_surely_empty(&self) -> bool {
        self.0.with(|state| match state {
            State::New => true,
            State::Own(futures) => futures.is_empty(),
            State::Exposed(_) => false,
        })
    }

    fn take_first(&self, py: Python<'_>) -> PyResult<Option<Object>> {
        let taken = self.0.with(|state| match state {
            State::New => Ok(None),
            State::Own(futures) => Ok(futures.pop_front()),
            State::Exposed(container) => Err(container.clone_ref(py)),
        });
        match taken {
            Ok(first) => Ok(first),
            Err(container) if container.bind(py).is_truthy()? => {
                call_method(py, &container, intern!(py, "popleft"), &[]).map(Some)
            }
            Err(_) => Ok(None),
        }
    }

    fn exposed(&self, py: Python<'_>) -> Option<Object> {
        self.0.with(|state| state.exposed(py))
    }

    /// Nobody has waited or looked since it was made or forgotten.
    pub(crate) fn is_new(&self) -> bool {
        self.0.with(|state| matches!(state, State::New))
    }

    /// `self._waiters`
    pub(crate) fn expose(&self, py: Python<'_>) -> PyResult<Object> {
        if let Some(container) = self.exposed(py) {
            return Ok(container);
        }
        let empty: Object = imports::deque(py)?.call0()?.into();
        // To make it may have run Python: what stands in the line is asked now.
        let old = self.0.with(|state| match state {
            State::Exposed(container) => Err(container.clone_ref(py)),
            _ => Ok(std::mem::replace(state, State::Exposed(empty.clone_ref(py)))),
        });
        match old {
            Err(container) => return Ok(container),
            Ok(old) => {
                for future in old.own().into_iter().flatten() {
                    crate::ffi::call::call(py, imports::deque_append(py)?, &[&empty, future])?;
                }
            }
        }
        Ok(empty)
    }

    /// `self._waiters = container`
    pub(crate) fn replace(&self, container: &Bound<'_, PyAny>) {
        self.put(State::Exposed(container.into()));
    }

    /// As new.
    pub(crate) fn forget(&self) {
        self.put(State::New);
    }

    fn put(&self, state: State) {
        drop(self.0.with(|old| std::mem::replace(old, state)));
    }
}
