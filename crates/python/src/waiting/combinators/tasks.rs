//! `ensure_future` and `create_task`.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::event_loop::{LoopCore, create_native_task, task};
use crate::ffi::call::call_named;
use crate::ffi::coroutine::is_coroutine;
use crate::ffi::view::View;
use crate::ffi::{Arg, Arguments, Object, imports};

/// A future for each of several awaitables, on one loop.
pub(super) struct Futures<'a, 'py> {
    owner: &'a Bound<'py, LoopCore>,
    /// Coroutines become tasks of ours without a call by name.
    directly: bool,
}

impl<'a, 'py> Futures<'a, 'py> {
    pub(super) fn new(owner: &'a Bound<'py, LoopCore>) -> PyResult<Self> {
        Ok(Self { owner, directly: LoopCore::makes_tasks(owner)? })
    }

    /// `ensure_future(awaitable, loop=loop)`, and whether it made one.
    pub(super) fn of(&self, awaitable: Object) -> PyResult<(Object, bool)> {
        let py = self.owner.py();
        if let Some(view) = View::of(&awaitable) {
            if view.owner.as_ptr() != self.owner.as_ptr() {
                return Err(PyValueError::new_err(
                    "The future belongs to a different loop than the one specified as the loop argument",
                ));
            }
            return Ok((awaitable, false));
        }
        if self.directly && is_coroutine(&awaitable) {
            return Ok((task::create(self.owner, awaitable, None, None)?.into_object(), true));
        }
        let values = [Arg::of(awaitable.bind(py)), Arg::of(self.owner)];
        let names = Some(imports::only_loop(py)?.as_any());
        let future = call_named(imports::stock_ensure_future(py)?.bind(py), &values, 1, names)?;
        let made = future.as_ptr() != awaitable.as_ptr();
        Ok((future, made))
    }
}

/// `ensure_future(coro_or_future, *, loop=None)`, while a loop of ours runs.
pub(super) fn ensure_future(owner: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = owner.py();
    if let (&[only], None) = (arguments.positional(), arguments.raw_parts().2) {
        let awaitable = only.to_object(py);
        if View::of(&awaitable).is_some() {
            return Ok(awaitable);
        }
        if is_coroutine(&awaitable) && LoopCore::makes_tasks(owner)? {
            return Ok(task::create(owner, awaitable, None, None)?.into_object());
        }
    }
    arguments.pass_on(py, imports::stock_ensure_future(py)?)
}

/// `create_task(coro, *, name=None, context=None)`, while a loop of ours runs.
pub(super) fn create_task(owner: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = owner.py();
    if arguments.positional().len() == 1 && LoopCore::makes_tasks(owner)? {
        if let Some(task) = create_native_task(owner, arguments)? {
            return Ok(task.into_object());
        }
    }
    arguments.pass_on(py, imports::stock_create_task(py)?)
}
