//! Jobs of executors' threads: how long they waited for a thread, and ran. A job is called by a callable of ours around the
//! program's, in whatever thread; its loop writes it down when a turn ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use ironloop_trace::{Clock, Reason, StringId, Waker};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::labels;
use crate::event_loop::LoopCore;
use crate::event_loop::future::Future;
use crate::ffi::Object;
use crate::ffi::derived::Own;

struct Done {
    /// Whose it is.
    number: u64,
    label: StringId,
    by: Waker,
    moments: [u64; 3],
}

static DONE: Mutex<Vec<Done>> = Mutex::new(Vec::new());
/// More than this nobody has written down: their loops do not run.
const MOST: usize = 1 << 12;
static ANY_DONE: AtomicBool = AtomicBool::new(false);

/// What a thread calls in the place of a function.
#[pyclass(frozen, module = "ironloop._ironloop")]
struct Job {
    function: Py<PyAny>,
    number: u64,
    label: StringId,
    by: Waker,
    clock: Clock,
    asked: u64,
}

#[pymethods]
impl Job {
    #[pyo3(signature = (*arguments, **keywords))]
    fn __call__(
        &self,
        py: Python<'_>,
        arguments: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        let began = self.clock.now();
        let result = self.function.call(py, arguments, keywords);
        let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
        if done.len() < MOST {
            let moments = [self.asked, began, self.clock.now()];
            done.push(Done { number: self.number, label: self.label, by: self.by, moments });
            ANY_DONE.store(true, Ordering::Release);
        }
        result
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.function.bind(py).repr()?.to_string())
    }
}

/// The function, or a callable in its place that says how long it took, if the loop is recorded.
#[pyfunction]
fn recorded_job<'py>(
    owner: &Bound<'py, LoopCore>,
    function: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    if !owner.get().is_watched() {
        return Ok(function);
    }
    let label = labels::of_object(owner, &Object::from(&function));
    let job = owner.get().watch.with(|watch| {
        let (number, by) = (watch.number, watch.current);
        let clock = watch.area()?.clock();
        Some((number, by, clock, clock.now()))
    });
    let Some((number, by, clock, asked)) = job else { return Ok(function) };
    let job = Job { function: function.clone().unbind(), number, label, by, clock, asked };
    Ok(Bound::new(function.py(), job)?.into_any())
}

/// Who awaits this future waits for a job of an executor.
#[pyfunction]
fn awaits_job(future: &Bound<'_, PyAny>) {
    if let Some(future) = Own::<Future>::of(&Object::from(future)) {
        future.payload().is_for(Reason::Executor, None);
    }
}

/// A turn ends: the jobs that are done.
#[inline]
pub(super) fn write_down(core: &LoopCore) {
    if ANY_DONE.load(Ordering::Acquire) {
        write_down_all(core);
    }
}

#[inline(never)]
fn write_down_all(core: &LoopCore) {
    let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    core.watch.with(|watch| {
        let number = watch.number;
        let Some(area) = watch.area() else { return };
        done.retain(|job| {
            if job.number == number {
                area.job(job.label, job.by, job.moments);
            }
            job.number != number
        });
    });
    ANY_DONE.store(!done.is_empty(), Ordering::Release);
}

pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(recorded_job, module)?)?;
    module.add_function(wrap_pyfunction!(awaits_job, module)?)
}
