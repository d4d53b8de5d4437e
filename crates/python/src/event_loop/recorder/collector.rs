//! Pauses of Python's collector, as `gc.callbacks` tells of them: one of ours stands there while any loop records.
//! What runs in another thread than a recorded loop's is told to nobody.

use std::cell::Cell;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::watch::is_anywhere;
use crate::event_loop::running::Running;
use crate::ffi::intern::intern;

thread_local! {
    /// When the collector began in this thread, by the clock of its loop's file.
    static BEGAN: Cell<u64> = const { Cell::new(0) };
}

fn callbacks(py: Python<'_>) -> PyResult<(Bound<'_, PyAny>, Bound<'_, PyAny>)> {
    let ours = py.import("ironloop._ironloop")?.getattr("collector_runs")?;
    Ok((py.import("gc")?.getattr("callbacks")?, ours))
}

/// A loop records.
pub(super) fn listen(py: Python<'_>) {
    // A program that has broken its `gc.callbacks` is not told so by us.
    let _ = callbacks(py).and_then(|(all, ours)| {
        if all.contains(&ours)? { Ok(()) } else { all.call_method1("append", (ours,)).map(drop) }
    });
}

/// One ceases to: if it was the last one, nobody listens any more.
pub(crate) fn listen_no_more(py: Python<'_>) {
    if !is_anywhere() {
        let _ = callbacks(py).and_then(|(all, ours)| {
            if all.contains(&ours)? { all.call_method1("remove", (ours,)).map(drop) } else { Ok(()) }
        });
    }
}

/// `phase` is "start" or "stop".
#[pyfunction]
pub(super) fn collector_runs(py: Python<'_>, phase: &str, about: &Bound<'_, PyDict>) {
    let Ok(Running::Native(owner)) = Running::now(py) else { return };
    let number = |name: &Bound<'_, pyo3::types::PyString>| {
        about.get_item(name).ok().flatten().and_then(|value| value.extract().ok()).unwrap_or(0_u32)
    };
    let (generation, objects) = (number(intern!(py, "generation")), number(intern!(py, "collected")));
    // It comes at any time: a loop that is being looked at goes without.
    owner.get().watch.try_with(|watch| {
        let Some(area) = watch.area() else { return };
        if phase == "start" {
            BEGAN.set(area.clock().now());
        } else if let began @ 1.. = BEGAN.take() {
            area.collected(began, generation as u8, objects);
        }
    });
}
