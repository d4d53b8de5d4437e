//! Rust awaits Python: a task of the loop's, whose outcome any thread may wait for.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use pyo3::exceptions::PyRuntimeError;
use pyo3::exceptions::asyncio::CancelledError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};

use crate::TaskLocals;
use crate::locals::{copy_context, python};
use crate::way::Way;

/// Between the task's callback and who waits.
#[derive(Default)]
struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    stage: Stage,
    waker: Option<Waker>,
    /// Who has waited waits no more.
    unwanted: bool,
}

/// ```text
/// Asked --at home--> Runs --its callback--> Is --polled--> Taken
/// Asked, Runs --the loop has gone--> Is
/// ```
#[derive(Default)]
enum Stage {
    #[default]
    Asked,
    /// Weakly: it has a callback that leads here.
    Runs(Py<PyWeakrefReference>),
    Is(PyResult<Py<PyAny>>),
    Taken,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first outcome is the one.
    fn give(&self, outcome: PyResult<Py<PyAny>>) {
        let mut state = self.lock();
        if matches!(state.stage, Stage::Is(_) | Stage::Taken) {
            return;
        }
        let before = std::mem::replace(&mut state.stage, Stage::Is(outcome));
        let waker = state.waker.take();
        drop(state);
        drop(before);
        waker.into_iter().for_each(Waker::wake);
    }
}

/// Starts it at home. Let go of where it is, the loop is closed.
struct Start(Arc<Shared>);

impl Start {
    fn run(self, py: Python<'_>, context: &Py<PyAny>, awaitable: Py<PyAny>) {
        match start(py, context, awaitable, &self.0) {
            Ok(()) => {}
            Err(error) => self.0.give(Err(error)),
        }
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        if matches!(self.0.lock().stage, Stage::Asked) {
            self.0.give(Err(PyRuntimeError::new_err("Event loop is closed")));
        }
    }
}

/// A task of the awaitable, that begins in the context.
pub(crate) fn ensure_future<'py>(
    py: Python<'py>,
    context: &Py<PyAny>,
    awaitable: Py<PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let ensure = python!(py, "asyncio", "ensure_future")?;
    context.bind(py).call_method1(intern!(py, "run"), (ensure, awaitable))
}

fn start(py: Python<'_>, context: &Py<PyAny>, awaitable: Py<PyAny>, shared: &Arc<Shared>) -> PyResult<()> {
    let task = ensure_future(py, context, awaitable)?;
    let runs = PyWeakrefReference::new(&task)?.unbind();
    let mut state = shared.lock();
    state.stage = Stage::Runs(runs);
    let unwanted = state.unwanted;
    drop(state);
    task.call_method1(intern!(py, "add_done_callback"), (Told(Arc::clone(shared)),))?;
    if unwanted { task.call_method0(intern!(py, "cancel")).map(drop) } else { Ok(()) }
}

/// The task's callback. If it is let go of before, the task has died with its loop.
#[pyclass(frozen, module = "pyo3_async_runtimes")]
struct Told(Arc<Shared>);

#[pymethods]
impl Told {
    fn __call__(&self, task: &Bound<'_, PyAny>) {
        self.0.give(task.call_method0(intern!(task.py(), "result")).map(Bound::unbind));
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.0.give(Err(CancelledError::new_err(())));
    }
}

/// The outcome of a Python awaitable, for whatever thread.
struct Answer {
    shared: Arc<Shared>,
    way: Way,
    polled: bool,
}

/// The context of the locals; where they have none, a copy of what is current here.
pub(crate) fn context_of(py: Python<'_>, locals: &TaskLocals) -> PyResult<Py<PyAny>> {
    let context = locals.context(py);
    let context = if context.is_none() { copy_context(py)? } else { context };
    Ok(context.unbind())
}

/// Waits for a Python awaitable, which runs as a task of the locals' loop from its next turn on, in their
/// context. What was awaited and is dropped cancels it; what was never awaited lets it run.
///
/// # Errors
///
/// The loop is closed.
pub fn into_future_with_locals(
    locals: &TaskLocals,
    awaitable: Bound<'_, PyAny>,
) -> PyResult<impl Future<Output = PyResult<Py<PyAny>>> + Send + use<>> {
    let py = awaitable.py();
    let (way, context) = (locals.way(py)?.clone(), context_of(py, locals)?);
    let (shared, awaitable) = (Arc::new(Shared::default()), awaitable.unbind());
    let start = Start(Arc::clone(&shared));
    way.send(move |py| start.run(py, &context, awaitable));
    Ok(Answer { shared, way, polled: false })
}

impl Future for Answer {
    type Output = PyResult<Py<PyAny>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.polled = true;
        let mut state = self.shared.lock();
        match std::mem::replace(&mut state.stage, Stage::Taken) {
            Stage::Is(outcome) => Poll::Ready(outcome),
            Stage::Taken => panic!("an awaitable was polled after its end"),
            pending => {
                state.stage = pending;
                let before = state.waker.replace(context.waker().clone());
                drop(state);
                drop(before);
                Poll::Pending
            }
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.polled {
            return;
        }
        let mut state = self.shared.lock();
        state.unwanted = true;
        if matches!(state.stage, Stage::Asked | Stage::Is(_) | Stage::Taken) {
            return;
        }
        let Stage::Runs(task) = std::mem::replace(&mut state.stage, Stage::Taken) else { return };
        drop(state);
        self.way.send(move |py| {
            let Some(task) = task.bind(py).upgrade() else { return };
            if let Err(error) = task.call_method0(intern!(py, "cancel")) {
                error.write_unraisable(py, Some(&task));
            }
        });
    }
}
