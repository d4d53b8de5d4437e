//! The class of timeouts: its state under asyncio's names, and its alarm.

use pyo3::exceptions::PyAttributeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::event_loop::{ItemKind, LoopCore};
use crate::ffi::attributes::missing;
use crate::ffi::cell::LoopCell;
use crate::ffi::hooks::{Own, hooks};
use crate::ffi::imports;
use crate::ffi::intern::intern;
use crate::ffi::{Clear, Object, owned, traverse_class};
use crate::waiting::alarm::{self, Alarm, Entry};

/// asyncio's `_State`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// -> `Entered`
    Created,
    /// -> `Exited`, in time, or `Expiring`, which asyncio's own code sets
    Entered,
    /// -> `Expired`
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

pub(super) struct Inner {
    pub(super) state: State,
    /// None: there is no limit.
    pub(super) when: Option<Object>,
    pub(super) task: Option<Object>,
    /// What `task.cancelling()` was at the beginning.
    pub(super) cancelling: Option<i64>,
    /// What the loop has of it, where the loop is ours.
    pub(super) alarm: Alarm,
    /// The same elsewhere, in debug mode, and where a tool looks: as in asyncio.
    pub(super) handle: Option<Object>,
}

owned!(in_cell Inner { clears: when, task, handle, alarm; ignores: state, cancelling; });

/// The native half of `ironloop.Timeout`.
#[pyclass(subclass, frozen, module = "ironloop._ironloop")]
pub(crate) struct TimeoutCore {
    pub(super) inner: LoopCell<Inner>,
    own_hooks: Own,
}

owned!(TimeoutCore { clears: inner; ignores: own_hooks; });

hooks! {
    /// What asyncio's code calls by name, and is native here.
    pub(super) enum Hook in HOOKS { Reschedule = "reschedule" }
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
        keywords.set_item(intern!(py, "context"), entry.scope.context(py)?.object().bind(py))?;
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
    /// Whether neither a subclass nor a tool has a say in what is native here.
    pub(super) fn is_plain(slf: &Bound<'_, Self>) -> bool {
        HOOKS.intact(slf, &slf.get().own_hooks).has(Hook::Reschedule)
    }

    pub(super) fn state(&self) -> State {
        self.inner.with(|inner| inner.state)
    }

    pub(super) fn handle(&self, py: Python<'_>) -> Option<Object> {
        self.inner.with(|inner| inner.handle.as_ref().map(|handle| handle.clone_ref(py)))
    }

    /// Switches the alarm off.
    fn switch_off(&self, py: Python<'_>) -> Option<Entry> {
        let (entry, timer) = self.inner.with(|inner| inner.alarm.switch_off(py));
        drop(timer);
        entry
    }

    /// Has an alarm instead of the one it had.
    pub(super) fn set_alarm(
        slf: &Bound<'_, Self>,
        owner: &Bound<'_, LoopCore>,
        when: Option<f64>,
    ) -> PyResult<()> {
        drop(slf.get().switch_off(slf.py()));
        if let Some(when) = when {
            let entry = alarm::set(owner, "timeout", when, &slf.into(), &EXPIRES)?;
            slf.get().inner.with(|inner| inner.alarm.set(entry));
        }
        Ok(())
    }
}

/// The alarm of one has come.
static EXPIRES: ItemKind = ItemKind { perform: expire, quiet: false };

fn expire(owner: &Bound<'_, LoopCore>, timeout: &Object) -> PyResult<()> {
    let py = owner.py();
    let timeout = timeout.bind(py).cast::<TimeoutCore>()?;
    let Some(entry) = timeout.get().inner.with(|inner| inner.alarm.expire()) else { return Ok(()) };
    entry.begin(owner);
    let on_timeout = timeout.getattr(intern!(py, "_on_timeout"))?;
    LoopCore::run_now(owner, &on_timeout.into(), entry.scope)
}
