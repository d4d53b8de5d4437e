//! `timeout`, `timeout_at`, and the class that they make.
//!
//! Entering, leaving in time, and rescheduling on a loop of ours are native. All else is asyncio's own code, inherited: it finds
//! the state under the names that it has given it.

use pyo3::exceptions::{PyAttributeError, PyRuntimeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyFloat, PyInt, PyTuple, PyType};

use crate::event_loop::LoopCore;
use crate::event_loop::running::{Running, natively};
use crate::event_loop::task;
use crate::ffi::attributes::missing;
use crate::ffi::call::call;
use crate::ffi::cell::LoopCell;
use crate::ffi::coroutine::Kind;
use crate::ffi::function::{Function, set_methods};
use crate::ffi::hooks::{Own, hooks};
use crate::ffi::imports;
use crate::ffi::intern::intern;
use crate::ffi::object::new_instance;
use crate::ffi::{Arg, Arguments, Clear, Object, owned, traverse_class};
use crate::waiting::alarm::{self, Alarm, Ending, Entry};
use crate::waiting::awaiting;
use crate::waiting::immediate::{self, Action};

/// asyncio's `_State`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Created,
    Entered,
    Expiring,
    Expired,
    Exited,
}

impl State {
    const ALL: [(Self, &str); 5] = [
        (Self::Created, "CREATED"),
        (Self::Entered, "ENTERED"),
        (Self::Expiring, "EXPIRING"),
        (Self::Expired, "EXPIRED"),
        (Self::Exited, "EXITED"),
    ];
}

struct Inner {
    state: State,
    /// None: there is no limit.
    when: Option<Object>,
    task: Option<Object>,
    /// What `task.cancelling()` was at the beginning.
    cancelling: Option<i64>,
    /// What the loop has of it, where the loop is ours.
    alarm: Alarm,
    /// The same elsewhere, in debug mode, and where a tool looks: as in asyncio.
    handle: Option<Object>,
}

owned!(in_cell Inner { clears: when, task, handle, alarm; ignores: state, cancelling; });

/// The native half of `ironloop.Timeout`.
#[pyclass(subclass, frozen, module = "ironloop._ironloop")]
pub(crate) struct TimeoutCore {
    inner: LoopCell<Inner>,
    own_hooks: Own,
}

owned!(TimeoutCore { clears: inner; ignores: own_hooks; });

hooks! {
    /// What asyncio's code calls by name, and is native here.
    enum Hook in HOOKS { Reschedule = "reschedule" }
}

static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// `ironloop.Timeout`
fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    let class = CLASS.get(py).ok_or_else(|| PyRuntimeError::new_err("ironloop.timeouts is not imported"))?;
    Ok(class.bind(py))
}

#[pymethods]
impl TimeoutCore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        let inner = Inner {
            state: State::Created,
            when: None,
            task: None,
            cancelling: None,
            alarm: Alarm::default(),
            handle: None,
        };
        Self { inner: LoopCell::new(inner), own_hooks: Own::default() }
    }

    #[getter]
    fn _state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let state = self.state();
        let name = State::ALL.iter().find(|(known, _)| *known == state).map_or("", |(_, name)| name);
        imports::stock_timeout_state(py)?.getattr(name)
    }

    #[setter(_state)]
    fn set_state(&self, state: &Bound<'_, PyAny>) -> PyResult<()> {
        let name: String = state.getattr("name")?.extract()?;
        let known = State::ALL.iter().find(|(_, known)| *known == name);
        let (state, _) = known.ok_or_else(|| PyAttributeError::new_err("no such state"))?;
        self.inner.with(|inner| inner.state = *state);
        Ok(())
    }

    #[getter]
    fn _when(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.inner.with(|inner| inner.when.as_ref().map(|when| when.as_py().clone_ref(py)))
    }

    #[setter(_when)]
    fn set_when(&self, when: Option<Bound<'_, PyAny>>) {
        drop(self.inner.with(|inner| std::mem::replace(&mut inner.when, when.map(Object::from))));
    }

    #[getter]
    fn _task(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.inner.with(|inner| inner.task.as_ref().map(|task| task.as_py().clone_ref(py)))
    }

    #[setter(_task)]
    fn set_task(&self, task: Option<Bound<'_, PyAny>>) {
        drop(self.inner.with(|inner| std::mem::replace(&mut inner.task, task.map(Object::from))));
    }

    #[getter]
    fn _cancelling(slf: &Bound<'_, Self>) -> PyResult<i64> {
        slf.get().inner.with(|inner| inner.cancelling).ok_or_else(|| missing(slf, "_cancelling"))
    }

    #[setter(_cancelling)]
    fn set_cancelling(&self, count: i64) {
        self.inner.with(|inner| inner.cancelling = Some(count));
    }

    /// For those who look, and for asyncio's own code, an alarm becomes a handle.
    #[getter]
    fn _timeout_handler(slf: &Bound<'_, Self>) -> PyResult<Option<Py<PyAny>>> {
        let py = slf.py();
        let on_timeout = || slf.getattr(intern!(py, "_on_timeout"));
        let Some(entry) = slf.get().switch_off(py) else {
            return Ok(slf.get().handle(py).map(|handle| handle.as_py().clone_ref(py)));
        };
        let (owner, keywords) = (entry.owner.bind(py), PyDict::new(py));
        keywords.set_item(intern!(py, "context"), entry.context.object().bind(py))?;
        let handle = if entry.slot.is_some() {
            let when = slf.getattr(intern!(py, "_when"))?;
            owner.call_method(intern!(py, "call_at"), (when, on_timeout()?), Some(&keywords))?
        } else {
            owner.call_method(intern!(py, "call_soon"), (on_timeout()?,), Some(&keywords))?
        };
        slf.get().set_timeout_handler(py, Some(handle.clone()));
        Ok(Some(handle.unbind()))
    }

    #[setter(_timeout_handler)]
    fn set_timeout_handler(&self, py: Python<'_>, handle: Option<Bound<'_, PyAny>>) {
        drop(self.switch_off(py));
        drop(self.inner.with(|inner| std::mem::replace(&mut inner.handle, handle.map(Object::from))));
    }

    fn __setattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        HOOKS.set_attribute(slf, &slf.get().own_hooks, name, Some(value))
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyAny>) -> PyResult<()> {
        HOOKS.set_attribute(slf, &slf.get().own_hooks, name, None)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        traverse_class(self, &visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        self.clear(py);
    }
}

impl TimeoutCore {
    fn state(&self) -> State {
        self.inner.with(|inner| inner.state)
    }

    fn handle(&self, py: Python<'_>) -> Option<Object> {
        self.inner.with(|inner| inner.handle.as_ref().map(|handle| handle.clone_ref(py)))
    }

    /// Switches the alarm off.
    fn switch_off(&self, py: Python<'_>) -> Option<Entry> {
        let (entry, timer) = self.inner.with(|inner| inner.alarm.switch_off(py));
        drop(timer);
        entry
    }

    /// Has an alarm instead of the one it had.
    fn set_alarm(slf: &Bound<'_, Self>, owner: &Bound<'_, LoopCore>, when: Option<f64>) -> PyResult<()> {
        drop(slf.get().switch_off(slf.py()));
        if let Some(when) = when {
            let entry = alarm::set(owner, when, &slf.into())?;
            slf.get().inner.with(|inner| inner.alarm.set(entry));
        }
        Ok(())
    }

    /// The alarm's turn: what is to be called.
    pub(crate) fn ring(slf: &Bound<'_, Self>) -> PyResult<Option<Ending>> {
        let py = slf.py();
        let Some(entry) = slf.get().inner.with(|inner| inner.alarm.ring()) else { return Ok(None) };
        let on_timeout = slf.getattr(intern!(py, "_on_timeout"))?.into();
        Ok(Some(Ending { on_timeout, context: entry.context }))
    }
}

/// A point in time, or none (`Some(None)`); nothing if it is something that only Python can compare.
fn point_of(py: Python<'_>, when: Option<&Object>) -> Option<Option<f64>> {
    match when {
        None => Some(None),
        Some(when) => seconds_of(py, when),
    }
}

/// The same in seconds, of an argument. Runs no Python.
pub(crate) fn seconds_of(py: Python<'_>, seconds: &Object) -> Option<Option<f64>> {
    let seconds = seconds.bind(py);
    if let Ok(seconds) = seconds.cast_exact::<PyFloat>() {
        return Some(Some(seconds.value()));
    }
    if seconds.is_none() {
        return Some(None);
    }
    seconds.cast_exact::<PyInt>().ok()?.extract().ok().map(Some)
}

/// The timeout, if it is one of ours.
fn of<'a, 'py>(py: Python<'py>, object: &'a Object) -> Option<&'a Bound<'py, TimeoutCore>> {
    object.bind(py).cast().ok()
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
        if !HOOKS.intact(timeout, &timeout.get().own_hooks).has(Hook::Reschedule) {
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

    fn kind() -> &'static Kind {
        static KIND: Kind = Kind::new();
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

    fn kind() -> &'static Kind {
        static KIND: Kind = Kind::new();
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
        if let (true, Some(point)) = (native, seconds_of(py, &when)) {
            let known = Some(when).filter(|_| point.is_some());
            drop(ours.get().inner.with(|inner| std::mem::replace(&mut inner.when, known)));
            TimeoutCore::set_alarm(ours, &owner, point)?;
            return Ok(Object::none(py));
        }
    }
    call(py, &stock_method(py, "reschedule")?, &[&timeout, &when])
}

fn make(py: Python<'_>, when: Option<Object>) -> PyResult<Object> {
    let made = new_instance(class(py)?)?;
    made.bind(py).cast::<TimeoutCore>()?.get().inner.with(|inner| inner.when = when);
    Ok(made)
}

/// `timeout(delay)`, while a loop of ours runs.
fn timeout(owner: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = owner.py();
    let [delay] = arguments.exactly(py, "timeout", ["delay"])?;
    if delay.is_none() {
        return make(py, None);
    }
    let (now, delay) = (LoopCore::time(owner)?, delay.bind(py));
    let when = match delay.cast_exact::<PyFloat>() {
        Ok(delay) => PyFloat::new(py, now + delay.value()).into(),
        Err(_) => PyFloat::new(py, now).add(delay)?.into(),
    };
    make(py, Some(when))
}

/// `timeout_at(when)`, while a loop of ours runs.
fn timeout_at(owner: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = owner.py();
    let [when] = arguments.exactly(py, "timeout_at", ["when"])?;
    make(py, Some(when.to_object(py)).filter(|when| !when.bind(py).is_none()))
}

/// Gives the class its native methods, and remembers it.
#[pyfunction]
fn native_timeout<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyType>> {
    let py = class.py();
    let methods: [(&str, crate::ffi::function::Method); 3] =
        [("__aenter__", enter), ("__aexit__", exit), ("reschedule", reschedule)];
    set_methods(class, &methods)?;
    HOOKS.learn(&[class])?;
    // A second import of the package in one process keeps the first.
    let _ = CLASS.set(py, class.clone().unbind());
    Ok(class.clone())
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    immediate::add_class::<Enter>(py)?;
    immediate::add_class::<Exit>(py)?;
    module.add_class::<TimeoutCore>()?;
    module.add_function(wrap_pyfunction!(native_timeout, module)?)?;
    let stock = imports::stock_timeout_function(py)?.clone_ref(py);
    module.add("timeout", Function::make(py, natively!(timeout), stock)?.bind(py))?;
    let stock = imports::stock_timeout_at(py)?.clone_ref(py);
    module.add("timeout_at", Function::make(py, natively!(timeout_at), stock)?.bind(py))
}
