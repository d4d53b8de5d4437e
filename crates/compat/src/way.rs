//! The way to a loop's thread, also to a loop that runs elsewhere or not yet.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ironloop::python::Home;
use pyo3::prelude::*;

use crate::locals::python;

type Call = Box<dyn FnOnce(Python<'_>) + Send>;

/// Any thread may send by it, attached or not.
#[derive(Clone)]
pub(crate) enum Way {
    /// The loop ran in the thread that has asked.
    Known(Home),
    Sought(Arc<Sought>),
}

/// A loop that was asked to call back, once it runs.
pub(crate) struct Sought(Mutex<Found>);

/// ```text
/// Waits --the loop calls--> Known      what has waited is called
/// Waits --it never will---> Gone       what has waited is dropped, as all that comes after
/// ```
enum Found {
    Waits(Vec<Call>),
    Known(Home),
    Gone,
}

impl Way {
    /// # Errors
    ///
    /// The loop is closed.
    pub(crate) fn to(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = event_loop.py();
        if python!(py, "asyncio", "_get_running_loop")?.call0()?.is(event_loop) {
            return Home::here(py).map(Self::Known);
        }
        let sought = Arc::new(Sought(Mutex::new(Found::Waits(Vec::new()))));
        let arrival = Bound::new(py, Arrival(Arc::clone(&sought)))?;
        event_loop.call_method1(pyo3::intern!(py, "call_soon_threadsafe"), (arrival,))?;
        Ok(Self::Sought(sought))
    }

    /// Has the loop's thread call, in a turn of its own. Where the loop is closed the call is dropped.
    pub(crate) fn send<F>(&self, call: F)
    where
        F: FnOnce(Python<'_>) + Send + 'static,
    {
        match self {
            Self::Known(home) => home.send(call),
            Self::Sought(sought) => {
                let mut found = sought.lock();
                match &mut *found {
                    Found::Waits(calls) => calls.push(Box::new(call)),
                    Found::Known(home) => {
                        let home = home.clone();
                        drop(found);
                        home.send(call);
                    }
                    Found::Gone => drop(found),
                }
            }
        }
    }
}

impl Sought {
    fn lock(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, found: Found) -> Vec<Call> {
        match std::mem::replace(&mut *self.lock(), found) {
            Found::Waits(calls) => calls,
            Found::Known(_) | Found::Gone => Vec::new(),
        }
    }
}

/// The loop calls it. If it is let go of before, it never will.
#[pyclass(frozen, module = "pyo3_async_runtimes")]
struct Arrival(Arc<Sought>);

#[pymethods]
impl Arrival {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let home = Home::here(py)?;
        // In the order in which they have come: they are the first that this home is sent.
        self.0.settle(Found::Known(home)).into_iter().for_each(|call| call(py));
        Ok(())
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let mut found = self.0.lock();
        if matches!(&*found, Found::Waits(_)) {
            let before = std::mem::replace(&mut *found, Found::Gone);
            drop(found);
            drop(before);
        }
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Way")
    }
}
