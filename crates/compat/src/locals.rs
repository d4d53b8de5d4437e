//! Which loop and which context a conversion is for.

use std::sync::{Arc, OnceLock};

use pyo3::prelude::*;
use pyo3::types::PyAny;

use crate::way::Way;

/// `module.name`, looked up once.
macro_rules! python {
    ($py:expr, $module:literal, $name:literal) => {{
        static FOUND: pyo3::sync::PyOnceLock<Py<PyAny>> = pyo3::sync::PyOnceLock::new();
        FOUND
            .get_or_try_init($py, || $py.import($module)?.getattr($name).map(Bound::unbind))
            .map(|found| found.bind($py))
    }};
}
pub(crate) use python;

/// The loop that runs in this thread: `asyncio.get_running_loop()`.
///
/// # Errors
///
/// None does.
pub fn get_running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    python!(py, "asyncio", "get_running_loop")?.call0()
}

pub(crate) fn copy_context(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    python!(py, "contextvars", "copy_context")?.call0()
}

/// A loop and a context, for whatever thread. Clones are of the same.
#[derive(Clone, Debug)]
pub struct TaskLocals(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    event_loop: Py<PyAny>,
    context: Py<PyAny>,
    /// Found when it is asked for.
    way: OnceLock<Way>,
}

impl TaskLocals {
    /// Of a loop, without a context.
    pub fn new(event_loop: Bound<'_, PyAny>) -> Self {
        let context = event_loop.py().None();
        Self(Arc::new(Inner { event_loop: event_loop.unbind(), context, way: OnceLock::new() }))
    }

    /// Of the loop that runs in this thread, without a context.
    ///
    /// # Errors
    ///
    /// None does.
    pub fn with_running_loop(py: Python<'_>) -> PyResult<Self> {
        get_running_loop(py).map(Self::new)
    }

    /// The same loop with this context.
    #[must_use]
    pub fn with_context(self, context: Bound<'_, PyAny>) -> Self {
        let event_loop = self.0.event_loop.clone_ref(context.py());
        Self(Arc::new(Inner { event_loop, context: context.unbind(), way: self.0.way.clone() }))
    }

    /// The same loop with a copy of the context that is current.
    ///
    /// # Errors
    ///
    /// There is no memory for it.
    pub fn copy_context(self, py: Python<'_>) -> PyResult<Self> {
        copy_context(py).map(|context| self.with_context(context))
    }

    /// The loop.
    #[must_use]
    pub fn event_loop<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.0.event_loop.bind(py).clone()
    }

    /// The context; None if there is none.
    #[must_use]
    pub fn context<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.0.context.bind(py).clone()
    }

    /// A clone.
    #[deprecated(note = "please use `clone` instead")]
    #[must_use]
    pub fn clone_ref(&self, _py: Python<'_>) -> Self {
        self.clone()
    }

    /// The way to the loop's thread.
    pub(crate) fn way(&self, py: Python<'_>) -> PyResult<&Way> {
        if let Some(way) = self.0.way.get() {
            return Ok(way);
        }
        let way = Way::to(self.0.event_loop.bind(py))?;
        Ok(self.0.way.get_or_init(|| way))
    }
}
