//! What programs, subclasses and asyncio's own code reach under asyncio's private names: `_queue`, `_getters`
//! and `_putters` are the very containers, not copies of them, so what is done to them is done to the queue.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::core::QueueCore;
use super::hooks::HOOKS;
use super::state::{Items, Limit, State};
use crate::ffi::attributes::missing;
use crate::ffi::{Clear, Object, traverse_class};

/// `self._name`, which an initialiser that was never called has not set.
fn or_missing<'py>(
    queue: &Bound<'py, QueueCore>,
    name: &str,
    select: impl FnOnce(&mut State) -> &mut Option<Object>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = queue.py();
    let found = queue.get().state.with(|state| select(state).as_ref().map(|object| object.clone_ref(py)));
    match found {
        Some(object) => Ok(object.bind(py).clone()),
        None => Err(missing(queue, name)),
    }
}

#[pymethods]
impl QueueCore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self::default()
    }

    #[getter]
    fn _queue<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::expose_items(slf)?
            .map_or_else(|| Err(missing(slf, "_queue")), |items| Ok(items.bind(slf.py()).clone()))
    }

    #[setter(_queue)]
    fn set_queue(&self, items: &Bound<'_, PyAny>) {
        let items = Items::Exposed(items.into());
        drop(self.state.with(|state| std::mem::replace(&mut state.items, items)));
    }

    #[getter]
    fn _maxsize<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        or_missing(slf, "_maxsize", |state| &mut state.maxsize)
    }

    #[setter(_maxsize)]
    fn set_maxsize(&self, maxsize: &Bound<'_, PyAny>) {
        let limit = Limit::of(maxsize);
        let old = self.state.with(|state| {
            state.limit = limit;
            state.maxsize.replace(maxsize.into())
        });
        drop(old);
    }

    #[getter]
    fn _getters(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(self.getters.expose(py)?.as_py().clone_ref(py))
    }

    #[setter(_getters)]
    fn set_getters(&self, waiters: &Bound<'_, PyAny>) {
        self.getters.replace(waiters);
    }

    #[getter]
    fn _putters(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(self.putters.expose(py)?.as_py().clone_ref(py))
    }

    #[setter(_putters)]
    fn set_putters(&self, waiters: &Bound<'_, PyAny>) {
        self.putters.replace(waiters);
    }

    #[getter]
    fn _unfinished_tasks(&self) -> i64 {
        self.state.with(|state| state.unfinished)
    }

    #[setter(_unfinished_tasks)]
    fn set_unfinished_tasks(&self, count: i64) {
        self.state.with(|state| state.unfinished = count);
    }

    #[getter]
    fn _finished<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Ok(Self::event(slf)?.bind(slf.py()).clone())
    }

    #[setter(_finished)]
    fn set_finished(&self, event: &Bound<'_, PyAny>) {
        drop(self.state.with(|state| state.event.replace(event.into())));
    }

    #[getter]
    fn _loop(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.bound.get(py).map(|owner| owner.as_py().clone_ref(py))
    }

    #[setter(_loop)]
    fn set_loop(&self, owner: Option<&Bound<'_, PyAny>>) {
        self.bound.set(owner.map(Object::from));
    }

    #[cfg(Py_3_13)]
    #[getter]
    fn _is_shutdown(&self) -> bool {
        self.state.with(|state| state.shut_down)
    }

    #[cfg(Py_3_13)]
    #[setter(_is_shutdown)]
    fn set_is_shutdown(&self, shut_down: &Bound<'_, PyAny>) -> PyResult<()> {
        let shut_down = shut_down.is_truthy()?;
        self.state.with(|state| state.shut_down = shut_down);
        Ok(())
    }

    fn __setattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        HOOKS.set_attribute(slf, &slf.get().own_hooks, name, Some(value))
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyAny>) -> PyResult<()> {
        HOOKS.set_attribute(slf, &slf.get().own_hooks, name, None)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        traverse_class(self, &visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        self.clear(py);
    }
}
