//! Which loop runs in this thread, and what runs in which context there.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::loop_core::LoopCore;
use super::parts::Parts;

use crate::ffi::call::call;
use crate::ffi::ending::outlive_interpreter;
use crate::ffi::imports;
use crate::ffi::intern::intern;
use crate::ffi::object::current_thread;
use crate::ffi::{Arguments, Context, Object};

/// The thread that has begun to run a loop of ours last; 0 if that one has ended.
static THREAD: AtomicU64 = AtomicU64::new(0);

/// This thread begins to run a loop of ours, or has ended.
pub(crate) fn note(thread: Option<u64>) {
    THREAD.store(thread.unwrap_or(0), Ordering::Relaxed);
}

/// Whether a loop of ours runs in this thread, for those who can live with a wrong answer. (Somebody may have
/// told asyncio that another runs.)
pub(crate) fn probably_native(py: Python<'_>) -> PyResult<bool> {
    let here = THREAD.load(Ordering::Relaxed) == current_thread();
    Ok(here || matches!(Running::now(py)?, Running::Native(_)))
}

/// The loop that runs in this thread.
pub(crate) enum Running<'py> {
    /// One of ours, which makes tasks and futures of ours.
    Native(Bound<'py, LoopCore>),
    Other(Bound<'py, PyAny>),
    None,
}

impl<'py> Running<'py> {
    pub(crate) fn now(py: Python<'py>) -> PyResult<Self> {
        let found = call(py, imports::get_running_loop(py)?, &[])?;
        if let Some(core) = LoopCore::of(py, &found).filter(|core| core.get().is_native()) {
            return Ok(Self::Native(core));
        }
        // What comes next may run Python in a thread that has nothing else of ours.
        outlive_interpreter();
        Ok(if found.bind(py).is_none() { Self::None } else { Self::Other(found.bind(py).clone()) })
    }

    /// The loop, if it is one of ours, and nobody has replaced these parts of it.
    pub(crate) fn keeping(&self, parts: Parts) -> Option<&Bound<'py, LoopCore>> {
        match self {
            Self::Native(core) if LoopCore::keeps(core, parts) => Some(core),
            _ => None,
        }
    }

    /// The loop, as Python sees it; an error if none runs.
    pub(crate) fn object(&self) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Native(core) => Ok(core.clone().into_any()),
            Self::Other(other) => Ok(other.clone()),
            Self::None => Err(PyRuntimeError::new_err("no running event loop")),
        }
    }
}

/// `body(owner, arguments)` if a loop of ours runs in this thread; nothing if not.
#[inline(always)]
pub(crate) fn if_native(
    py: Python<'_>,
    arguments: Arguments<'_>,
    body: impl FnOnce(&Bound<'_, LoopCore>, Arguments<'_>) -> PyResult<Object>,
) -> PyResult<Option<Object>> {
    match Running::now(py)? {
        Running::Native(core) => body(&core, arguments).map(Some),
        Running::Other(_) | Running::None => Ok(None),
    }
}

/// What a function does that stands for one of asyncio's, while a loop of ours runs: `fn(&Bound<LoopCore>,
/// Arguments)`.
macro_rules! natively {
    ($body:path) => {
        $crate::ffi::function::Body::Sometimes(|py, arguments| {
            $crate::event_loop::running::if_native(py, arguments, $body)
        })
    };
}
pub(crate) use natively;

impl Context {
    /// `context.run(body)`, or `copy.run(body)` where [`Self::instead`] gives one.
    #[inline(always)]
    pub(crate) fn run<R>(&self, py: Python<'_>, body: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
        match self.enter(py) {
            Ok(()) => self.leave_after(py, body),
            Err(entered) => self.instead(py, entered)?.run(py, body),
        }
    }

    /// `context.run(body)` for one who keeps the context for the next time: where it has to be a copy, `keep`
    /// takes that.
    pub(crate) fn run_or_keep<R>(
        &self,
        py: Python<'_>,
        keep: impl FnOnce(&Self),
        body: impl FnOnce() -> PyResult<R>,
    ) -> PyResult<R> {
        match self.enter(py) {
            Ok(()) => self.leave_after(py, body),
            Err(entered) => {
                let copy = self.instead(py, entered)?;
                keep(&copy);
                copy.run(py, body)
            }
        }
    }

    /// A context cannot be entered twice. In a nested run its caller may have entered it, and stands still:
    /// then a copy takes its place. Else, as in asyncio, that is the error.
    #[cold]
    fn instead(&self, py: Python<'_>, entered: PyErr) -> PyResult<Self> {
        if may_nest(py)? { self.copy(py) } else { Err(entered) }
    }
}

/// Whether the loop that runs in this thread may turn inside what it runs.
fn may_nest(py: Python<'_>) -> PyResult<bool> {
    let found = call(py, imports::get_running_loop(py)?, &[])?;
    match LoopCore::of(py, &found) {
        Some(core) => core.getattr(intern!(py, "_may_nest"))?.is_truthy(),
        None => Ok(false),
    }
}

/// Whether a loop runs in this thread that is not ours, or whose vocabulary is asyncio's.
#[pyfunction]
fn runs_elsewhere(py: Python<'_>) -> PyResult<bool> {
    Ok(matches!(Running::now(py)?, Running::Other(_)))
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(runs_elsewhere, module)?)
}
