//! Stacks of other threads by the million: for `make captures` (tools/captures.py), and nobody else.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use ironloop_frames::Place;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::ffi::stack_of_others::{self, Eyes, ThreadState};

/// So many threads are looked at, also when they have ended.
const KEPT: usize = 8;

/// Those that stay come first.
static THREADS: Mutex<Vec<ThreadState>> = Mutex::new(Vec::new());

/// The calling thread is looked at from now on: always if it stays, else until others have come.
#[pyfunction]
pub(super) fn show_to_captures(py: Python<'_>, stays: bool) {
    let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    let place = if stays { 0 } else { threads.len() };
    threads.insert(place, ThreadState::of_this_thread(py));
    if threads.len() > KEPT {
        threads.remove(KEPT / 2);
    }
}

/// Reads so many stacks without the interpreter's lock: how many were whole, how many were whole but for the
/// inner calls, how many could not be read; how many frames, and those places of them that are not known.
#[pyfunction]
pub(super) fn capture(
    py: Python<'_>,
    count: usize,
    known: HashSet<String>,
) -> PyResult<([usize; 4], Vec<String>)> {
    stack_of_others::prepare(py);
    py.detach(|| {
        let eyes = Eyes::open().map_err(PyRuntimeError::new_err)?;
        let (mut found, mut strange) = ([0; 4], Vec::new());
        for index in 0..count {
            let threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(thread) = threads.get(index % threads.len().max(1)).copied() else { break };
            drop(threads);
            let (_, _) = (eyes.is_collecting(thread), eyes.other_holder(thread));
            let Some(stack) = eyes.stack(thread, 0) else {
                found[2] += 1;
                continue;
            };
            found[usize::from(stack.restless)] += 1;
            found[3] += stack.places.len();
            strange.extend(stack.places.iter().map(Place::to_string).filter(|place| !known.contains(place)));
        }
        Ok((found, strange))
    })
}
