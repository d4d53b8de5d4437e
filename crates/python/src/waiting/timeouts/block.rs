//! `async with` a timeout, and its rescheduling: native on a loop of ours, and in time; else asyncio's own
//! code does it.

use pyo3::prelude::*;

use super::core::{State, TimeoutCore};
use crate::event_loop::running::Running;
use crate::event_loop::task;
use crate::ffi::call::call;
use crate::ffi::class::ClassKind;
use crate::ffi::function::Method;
use crate::ffi::imports;
use crate::ffi::{Arg, Arguments, Object, owned};
use crate::waiting::alarm;
use crate::waiting::awaiting;
use crate::waiting::immediate::{self, Action};

/// The timeout, if it is one of ours.
fn of<'a, 'py>(py: Python<'py>, object: &'a Object) -> Option<&'a Bound<'py, TimeoutCore>> {
    object.bind(py).cast().ok()
}

/// A point in time, or none (`Some(None)`); nothing if it is something that only Python can compare.
fn point_of(py: Python<'_>, when: Option<&Object>) -> Option<Option<f64>> {
    match when {
        None => Some(None),
        Some(when) => alarm::seconds_of(py, when),
    }
}

/// The beginning of the block.
struct Enter(Object);

owned!(Enter { visits: 0; });

/// Its end, with the exception that has ended it.
struct Exit {
    timeout: Object,
    exception: [Object; 3],
}

owned!(Exit { visits: timeout, exception; });

impl Enter {
    /// False where asyncio's own code has to do it.
    fn natively(&self, py: Python<'_>) -> PyResult<bool> {
        let Some(timeout) = of(py, &self.0) else { return Ok(false) };
        if !TimeoutCore::is_plain(timeout) {
            return Ok(false);
        }
        let Running::Native(owner) = Running::now(py)? else { return Ok(false) };
        let (state, when) =
            timeout.get().inner.with(|inner| (inner.state, point_of(py, inner.when.as_ref())));
        let Some(when) = when.filter(|_| state == State::Created && alarm::may_be_set(&owner)) else {
            return Ok(false);
        };
        let Some(task) = task::current(&owner)? else { return Ok(false) };
        let cancelling = alarm::cancelling(py, &task)?;
        let old = timeout.get().inner.with(|inner| {
            inner.state = State::Entered;
            inner.cancelling = Some(cancelling);
            inner.task.replace(task)
        });
        drop(old);
        TimeoutCore::set_alarm(timeout, &owner, when)?;
        Ok(true)
    }
}

impl Exit {
    /// In time; false where asyncio's own code has to do it.
    fn natively(&self, py: Python<'_>) -> PyResult<bool> {
        let Some(timeout) = of(py, &self.timeout) else { return Ok(false) };
        let left = timeout.get().inner.with(|inner| {
            let native = inner.state == State::Entered && inner.handle.is_none();
            native.then(|| {
                inner.state = State::Exited;
                inner.alarm.switch_off(py)
            })
        });
        Ok(left.is_some())
    }
}

impl Action for Enter {
    const QUALIFIED_NAME: &'static str = "Timeout.__aenter__";

    fn kind() -> &'static ClassKind {
        static KIND: ClassKind = ClassKind::new();
        &KIND
    }

    fn perform(self, py: Python<'_>) -> PyResult<Object> {
        if self.natively(py)? {
            return Ok(self.0);
        }
        let method = stock_method(py, "__aenter__")?;
        awaiting::complete(py, &call(py, &method, &[&self.0])?)
    }
}

impl Action for Exit {
    const QUALIFIED_NAME: &'static str = "Timeout.__aexit__";

    fn kind() -> &'static ClassKind {
        static KIND: ClassKind = ClassKind::new();
        &KIND
    }

    fn perform(self, py: Python<'_>) -> PyResult<Object> {
        if self.natively(py)? {
            return Ok(Object::none(py));
        }
        let [kind, value, traceback] = &self.exception;
        leave(py, &self.timeout, [kind, value, traceback])
    }
}

/// asyncio's own `Timeout.__aexit__`, which never waits.
pub(crate) fn leave(
    py: Python<'_>,
    timeout: &Object,
    [kind, value, traceback]: [&Object; 3],
) -> PyResult<Object> {
    let method = stock_method(py, "__aexit__")?;
    awaiting::complete(py, &call(py, &method, &[timeout, kind, value, traceback])?)
}

fn stock_method(py: Python<'_>, name: &str) -> PyResult<Object> {
    imports::stock_timeout(py)?.getattr(name).map(Object::from)
}

fn enter(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let [timeout] = arguments.exactly(py, "__aenter__", ["self"])?;
    immediate::make(py, Enter(timeout.to_object(py)))
}

fn exit(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let names = ["self", "exc_type", "exc_val", "exc_tb"];
    let [timeout, kind, value, traceback] = arguments.exactly(py, "__aexit__", names)?;
    let exception = [kind, value, traceback].map(|part: Arg<'_>| part.to_object(py));
    immediate::make(py, Exit { timeout: timeout.to_object(py), exception })
}

fn reschedule(py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let [timeout, when] = arguments.exactly(py, "reschedule", ["self", "when"])?;
    let (timeout, when) = (timeout.to_object(py), when.to_object(py));
    if let (Some(ours), Running::Native(owner)) = (of(py, &timeout), Running::now(py)?) {
        let native = ours.get().state() == State::Entered
            && alarm::may_be_set(&owner)
            && ours.get().handle(py).is_none();
        if let (true, Some(point)) = (native, alarm::seconds_of(py, &when)) {
            let known = Some(when).filter(|_| point.is_some());
            drop(ours.get().inner.with(|inner| std::mem::replace(&mut inner.when, known)));
            TimeoutCore::set_alarm(ours, &owner, point)?;
            return Ok(Object::none(py));
        }
    }
    call(py, &stock_method(py, "reschedule")?, &[&timeout, &when])
}

pub(super) const METHODS: [(&str, Method); 3] =
    [("__aenter__", enter), ("__aexit__", exit), ("reschedule", reschedule)];

pub(super) fn add_classes(py: Python<'_>) -> PyResult<()> {
    immediate::add_class::<Enter>(py)?;
    immediate::add_class::<Exit>(py)
}
