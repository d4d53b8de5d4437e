//! `Event`: a flag, and those who wait until it is set.

use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::core::PrimitiveCore;
use super::waiting::{Answer, Primitive, Wait};
use super::{truth, with_methods};
use crate::ffi::coroutine::Kind;
use crate::ffi::{Arguments, Object};
use crate::running::Waiter;

#[pyclass(extends = PrimitiveCore, subclass, frozen, module = "ironloop._ironloop")]
#[derive(Default)]
pub(crate) struct EventCore {
    flag: AtomicBool,
}

static WAIT: Kind = Kind::new();

impl Primitive for EventCore {
    const COROUTINE: &'static CStr = c"ironloop.event_wait";
    const WAITS: &'static str = "Event.wait";

    fn kind() -> &'static Kind {
        &WAIT
    }

    fn take(slf: &Bound<'_, Self>) -> PyResult<bool> {
        Ok(slf.get().is_on())
    }

    fn woken(_slf: &Bound<'_, Self>) -> PyResult<()> {
        Ok(())
    }

    fn failed(_slf: &Bound<'_, Self>, _waiter: &Waiter, _error: &PyErr) -> PyResult<()> {
        Ok(())
    }
}

impl EventCore {
    fn is_on(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    fn turn(&self, on: bool) {
        self.flag.store(on, Ordering::Relaxed);
    }
}

fn initialize(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (event, arguments) = arguments.split_receiver()?;
    let [] = arguments.exactly(py, "Event.__init__", [])?;
    let event = event.bind(py);
    event.cast::<EventCore>()?.get().turn(false);
    event.cast::<PrimitiveCore>()?.get().waiters.forget();
    Ok(Object::none(py))
}

fn is_set(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let event = arguments.only_receiver("Event.is_set")?.bind(py);
    Ok(truth(py, event.cast::<EventCore>()?.get().is_on()))
}

fn set(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let event = arguments.only_receiver("Event.set")?.bind(py);
    let event = event.cast::<EventCore>()?;
    if !event.get().is_on() {
        event.get().turn(true);
        event.as_super().get().waiters.wake(py, usize::MAX, &truth(py, true))?;
    }
    Ok(Object::none(py))
}

fn clear(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let event = arguments.only_receiver("Event.clear")?.bind(py);
    event.cast::<EventCore>()?.get().turn(false);
    Ok(Object::none(py))
}

fn wait(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let event = arguments.only_receiver("Event.wait")?.bind(py);
    Wait::make(&*event.cast::<EventCore>()?, Answer::True)
}

#[pymethods]
impl EventCore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyClassInitializer<Self> {
        PyClassInitializer::from(PrimitiveCore::default()).add_subclass(Self::default())
    }

    #[getter(_value)]
    fn value(&self) -> bool {
        self.is_on()
    }

    #[setter(_value)]
    fn set_value(&self, on: bool) {
        self.turn(on);
    }
}

/// Gives `Event` its methods.
#[pyfunction]
fn native_event(class: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    with_methods(
        class,
        &[("__init__", initialize), ("is_set", is_set), ("set", set), ("clear", clear), ("wait", wait)],
    )
}

pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    Wait::<EventCore>::prepare(module.py())?;
    module.add_class::<EventCore>()?;
    module.add_function(wrap_pyfunction!(native_event, module)?)
}
