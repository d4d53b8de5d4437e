//! The loop's time: the kernel's clock, or the one that a program has given it.

use crate::ffi::intern::intern;
use ironloop_engine::{Deadline, deadline};
use pyo3::prelude::*;
use pyo3::types::PyFloat;

use super::loop_core::LoopCore;
use super::parts::Parts;
use crate::ffi::{Arguments, Object, method_of};

const NANOS: f64 = 1e9;

/// Seconds, rounded as Python rounds `time.monotonic()`.
fn seconds(nanos: i64) -> f64 {
    nanos as f64 / NANOS
}

impl LoopCore {
    /// The driver's time.
    fn own_time(&self) -> f64 {
        seconds(self.driver.now())
    }

    /// `self.time()`, also where a tool has replaced it.
    pub(crate) fn time(slf: &Bound<'_, Self>) -> PyResult<f64> {
        if Self::keeps(slf, Parts::TIME) {
            return Ok(slf.get().own_time());
        }
        slf.call_method0(intern!(slf.py(), "time"))?.extract()
    }

    /// All that is due at this time is due now. A clock of the program's own may be coarse, and the loop is
    /// told how much.
    pub(super) fn due(slf: &Bound<'_, Self>) -> PyResult<Deadline> {
        if Self::keeps(slf, Parts::TIME) {
            return Ok(deadline::at(slf.get().own_time()));
        }
        let resolution: f64 = slf.getattr(intern!(slf.py(), "_clock_resolution"))?.extract()?;
        Self::time(slf).map(|now| deadline::at(now + resolution))
    }
}

fn time(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let [] = arguments.exactly(slf.py(), "BaseEventLoop.time", [])?;
    Ok(PyFloat::new(slf.py(), slf.get().own_time()).into())
}

pub(super) fn methods() -> Vec<pyo3::ffi::PyMethodDef> {
    vec![method_of!(
        LoopCore,
        c"time",
        c"time($self)\n--\n\nThe loop's clock, in seconds, what time.monotonic() says. Counterpart: asyncio's loop.time.",
        time
    )]
}
