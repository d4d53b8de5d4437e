//! `Event`: a flag, and those who wait until it is set.

use ironloop_trace::{ObjectKind, Reason};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::core::{Family, Hook, PrimitiveCore};
use super::value::Value;
use super::waiting::{self, Primitive, PrimitiveWait};
use crate::ffi::class::ClassKind;
use crate::ffi::function::set_methods;
use crate::ffi::hooks::Hooks;
use crate::ffi::{Arguments, ExactClass, Object};
use crate::waiting::waiter::Waiter;

#[pyclass(extends = PrimitiveCore, subclass, frozen, module = "ironloop._ironloop")]
pub(crate) struct EventCore;

static FAMILY: Family = Family {
    hooks: Hooks::new(&[&[(Hook::GetLoop, "_get_loop")]]),
    value: "_value",
    kind: ObjectKind::Event,
    reason: Reason::Event,
    is_lazy: false,
};

// For `wait`; the second is for `async with`, which an event has not.
static WAIT: [ClassKind; 2] = [ClassKind::new(), ClassKind::new()];
static EXACT: ExactClass<EventCore> = ExactClass::new();

impl Primitive for EventCore {
    const WAITS: &'static str = "Event.wait";
    const IS_HELD: bool = false;

    fn kinds() -> &'static [ClassKind; 2] {
        &WAIT
    }

    fn exact() -> &'static ExactClass<Self> {
        &EXACT
    }

    fn take(slf: &Bound<'_, Self>) -> PyResult<bool> {
        PrimitiveCore::is_on(slf.as_super())
    }

    fn woken(_slf: &Bound<'_, Self>) -> PyResult<()> {
        Ok(())
    }

    fn failed(_slf: &Bound<'_, Self>, _waiter: &Waiter, _error: &PyErr) -> PyResult<()> {
        Ok(())
    }
}

fn initialize(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (event, arguments) = arguments.split_receiver()?;
    let [] = arguments.exactly(py, "Event.__init__", [])?;
    EXACT.require(&event.bind(py))?.as_super().get().begin(Value::Truth(false));
    Ok(Object::none(py))
}

fn is_set(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let event = arguments.only_receiver(py, "Event.is_set")?.bind(py);
    PrimitiveCore::shown_value(EXACT.require(&event)?.as_super()).map(Object::from)
}

fn set(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let event = arguments.only_receiver(py, "Event.set")?.bind(py);
    let event = EXACT.require(&event)?;
    let event = event.as_super();
    if !PrimitiveCore::is_on(event)? {
        event.get().set_value(Value::Truth(true));
        event.get().waiters.wake(py, &Object::truth(py, true), |_| Ok(false))?;
    }
    Ok(Object::none(py))
}

fn clear(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let event = arguments.only_receiver(py, "Event.clear")?.bind(py);
    EXACT.require(&event)?.as_super().get().set_value(Value::Truth(false));
    Ok(Object::none(py))
}

fn wait(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let event = arguments.only_receiver(py, "Event.wait")?.bind(py);
    PrimitiveWait::<_, false>::make(EXACT.require(&event)?)
}

#[pymethods]
impl EventCore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyClassInitializer<Self> {
        PyClassInitializer::from(PrimitiveCore::new(&FAMILY)).add_subclass(Self)
    }

    #[getter(_value)]
    fn value<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        PrimitiveCore::shown_value(slf.as_super())
    }

    #[setter(_value)]
    fn set_value(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) {
        slf.as_super().get().set_value(Value::of(value));
    }
}

/// Gives `Event` its methods.
#[pyfunction]
fn native_event(class: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    EXACT.learn(&class)?;
    set_methods(
        &class,
        &[("__init__", initialize), ("is_set", is_set), ("set", set), ("clear", clear), ("wait", wait)],
    )?;
    FAMILY.hooks.learn(&[&class])?;
    Ok(class)
}

pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    waiting::prepare::<EventCore>(module.py())?;
    module.add_class::<EventCore>()?;
    module.add_function(wrap_pyfunction!(native_event, module)?)
}
