//! The loop's time, in seconds for Python and in nanoseconds for the engine.

use std::sync::atomic::Ordering;

use crate::ffi::intern::intern;
use ironloop_driver::now;
use ironloop_engine::Deadline;
use pyo3::prelude::*;
use pyo3::types::PyFloat;

use super::LoopCore;
use crate::ffi::{Arguments, Object, method_of};

const NANOS: f64 = 1e9;

/// Seconds, rounded as Python rounds `time.monotonic()`.
pub(super) fn seconds(nanos: i64) -> f64 {
    nanos as f64 / NANOS
}

/// The first nanosecond at which the clock reads `when` or later: a timer that is due then is never early.
pub(crate) fn deadline(when: f64) -> Deadline {
    let mut deadline = (when * NANOS).ceil() as i64;
    // Large times are coarser than a nanosecond; a step or two corrects the product's rounding.
    while seconds(deadline) < when && deadline < i64::MAX {
        deadline += 1;
    }
    deadline
}

impl LoopCore {
    pub(crate) fn has_foreign_clock(&self) -> bool {
        self.foreign_clock.load(Ordering::Relaxed)
    }

    /// `self.time()`, also where a tool has replaced it.
    pub(crate) fn time(slf: &Bound<'_, Self>) -> PyResult<f64> {
        if slf.get().has_foreign_clock() {
            return slf.call_method0(intern!(slf.py(), "time"))?.extract();
        }
        Ok(seconds(now()))
    }

    /// The same for the engine.
    pub(super) fn now(slf: &Bound<'_, Self>) -> PyResult<Deadline> {
        if slf.get().has_foreign_clock() {
            return Self::time(slf).map(deadline);
        }
        Ok(now())
    }
}

fn time(slf: &Bound<'_, LoopCore>, _: Arguments<'_>) -> PyResult<Object> {
    Ok(PyFloat::new(slf.py(), seconds(now())).into())
}

pub(super) fn methods() -> Vec<pyo3::ffi::PyMethodDef> {
    vec![method_of!(
        LoopCore,
        c"time",
        c"time($self)\n--\n\nThe loop's clock, in seconds: time.monotonic(). (asyncio: loop.time)",
        time
    )]
}
