//! What Python has of a simulation: its clock, and the world in which chance has a say.
//!
//! The loop that is made with one keeps it as its driver. Nothing here runs a loop or knows one; the Python
//! half is `python/ironloop/simulator`.

use std::sync::Arc;

use ironloop_driver::{Choices, Driver, Order, RawFd, Simulated};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::ffi::clocks;

const NANOS: f64 = 1e9;

/// The longest that a clock counts, in seconds: some 292 years.
const LONGEST: f64 = (i64::MAX / 1_000_000_000) as f64;

fn nanos(seconds: f64, what: &str) -> PyResult<i64> {
    if !(0.0..=LONGEST).contains(&seconds) {
        return Err(PyValueError::new_err(format!(
            "{what} must be from 0 to {LONGEST} seconds, not {seconds}"
        )));
    }
    Ok((seconds * NANOS).round() as i64)
}

/// A clock for `new_event_loop(clock=…)`: where the loop has nothing to do it does not wait, the clock jumps.
///
/// Sleeps and timeouts of hours take no time, in the order in which they would be over. It knows nothing of
/// what is under way outside of the loop: a timeout may come before the data that a real peer or a thread is
/// about to send. `ironloop.simulation` is for programs with those.
///
/// Args:
///     start: what it reads at first, in seconds.
///
/// Raises:
///     ValueError: `start` is negative, or no number that a clock can read.
///
/// asyncio has no counterpart.
#[pyclass(frozen, subclass, module = "ironloop")]
pub(crate) struct VirtualClock(Arc<Simulated>);

#[pymethods]
impl VirtualClock {
    #[new]
    #[pyo3(signature = (start = 0.0))]
    fn new(start: f64) -> PyResult<Self> {
        Ok(Self(Arc::new(Simulated::clock(nanos(start, "start")?))))
    }

    /// What it reads, in seconds.
    fn time(&self) -> f64 {
        self.0.now() as f64 / NANOS
    }

    /// So many seconds pass at once, as if the loop had been blocked for so long.
    ///
    /// Raises:
    ///     ValueError: `seconds` is negative, or no number that a clock can read.
    fn advance(&self, seconds: f64) -> PyResult<()> {
        self.0.advance(nanos(seconds, "seconds")?);
        Ok(())
    }

    /// A thread works of which the loop will hear: time stands still until it is released.
    fn _hold(&self) {
        self.0.hold();
    }

    fn _release(&self) {
        self.0.release();
    }

    /// A thread that was held has called the loop, and may wait for it from now on.
    fn _asks(&self) {
        self.0.asks();
    }

    /// A thread that has asked is done.
    fn _answered(&self) {
        self.0.answered();
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        Ok(format!("<{} at {:.6} s>", slf.get_type().name()?, slf.get().time()))
    }
}

/// A clock, and what chance decides: a run's seed or its list of choices, and what became of it.
#[pyclass(frozen, extends = VirtualClock, module = "ironloop._ironloop")]
pub(crate) struct World(Arc<Simulated>);

#[pymethods]
impl World {
    #[new]
    fn new(seed: u64, choices: Option<Vec<u32>>, order: &str) -> PyResult<PyClassInitializer<Self>> {
        let order = match order {
            "asyncio" => Order::Documented,
            "tasks" => Order::Tasks,
            _ => {
                return Err(PyValueError::new_err(format!(
                    "order must be 'asyncio' or 'tasks', not {order:?}"
                )));
            }
        };
        let choices = choices.map_or_else(|| Choices::seeded(seed), Choices::replayed);
        let world = Arc::new(Simulated::world(0, choices, order));
        Ok(PyClassInitializer::from(VirtualClock(Arc::clone(&world))).add_subclass(Self(world)))
    }

    /// One of `range(of)`.
    fn choose(&self, of: u32) -> u32 {
        self.0.choose(of)
    }

    /// The same, 0 in all but one case of `one_in`.
    fn choose_rarely(&self, of: u32, one_in: u32) -> u32 {
        self.0.choose_rarely(of, one_in.max(1))
    }

    /// Something has happened that two runs of one seed must agree on.
    fn note(&self, what: u64) {
        self.0.note(what);
    }

    /// A connection, which is known by the name of the simulator's end, has failed: its socket raises this
    /// error once.
    fn fail(&self, connection: Vec<u8>, error: i32) {
        self.0.fail(connection, error);
    }

    /// What the connection of a descriptor has failed with, if nobody was told; 0 if it has not.
    fn take_failure(&self, fd: RawFd) -> i32 {
        self.0.take_failure(fd).and_then(|error| error.raw_os_error()).unwrap_or(0)
    }

    /// What chance has answered so far.
    #[getter]
    fn choices(&self) -> Vec<u32> {
        self.0.made()
    }

    #[getter]
    fn digest(&self) -> u64 {
        self.0.digest()
    }

    #[getter]
    fn turns(&self) -> u64 {
        self.0.turns()
    }

    /// From now on the clocks of `time` and `datetime` follow this one, in the calling thread; `epoch` is what
    /// `time.time()` reads where this clock reads 0, in seconds. `host` is the context variable of the host whose
    /// code runs: by its `_clock_offset`, in nanoseconds, its wall clock is ahead.
    fn enter(&self, epoch: i64, host: Bound<'_, PyAny>) {
        clocks::follow(&self.0, epoch.saturating_mul(1_000_000_000), host.into());
    }

    /// They are the kernel's again.
    fn leave(&self) {
        clocks::leave();
    }
}

/// The driver of a loop that is made with `clock`.
pub(super) fn driver_of(clock: Option<&Bound<'_, PyAny>>) -> PyResult<Driver> {
    let Some(clock) = clock.filter(|clock| !clock.is_none()) else { return Ok(Driver::Kernel) };
    match clock.cast::<VirtualClock>() {
        Ok(clock) => Ok(Driver::Simulated(Arc::clone(&clock.get().0))),
        Err(_) => Err(PyTypeError::new_err(format!(
            "clock must be an ironloop.VirtualClock or None, not {}",
            clock.get_type().name()?
        ))),
    }
}

pub(crate) fn add_classes(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<VirtualClock>()?;
    module.add_class::<World>()?;
    module.add_function(wrap_pyfunction!(lead_clocks, module)?)
}

/// Has `time` and `datetime` ask us what time it is, from now on; names those functions that are not laid out
/// as we know them, and go on as they are.
#[pyfunction]
fn lead_clocks(py: Python<'_>) -> PyResult<Vec<String>> {
    clocks::lead(py)
}
