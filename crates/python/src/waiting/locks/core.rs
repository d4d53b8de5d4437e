//! What all primitives have: a value, who waits, the loop that they wait on, and hooks.

use ironloop_trace::{ObjectKind, Op, Reason};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::value::Value;
use crate::event_loop::recorder::{self, ObjectMark};
use crate::ffi::cell::LoopCell;
use crate::ffi::hooks::{self, Hooks, Own};
use crate::ffi::{Clear, Object, owned, traverse_class};
use crate::waiting::line::Line;
use crate::waiting::loop_bound::{self, LoopBound};
use crate::waiting::waiter::Waiter;

/// What asyncio's code of primitives calls by name. A family says how it is called, if it has it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hook {
    GetLoop,
    Wake,
    Acquire,
    Release,
    Locked,
    /// `BoundedSemaphore` has one of its own.
    ReleaseBounded,
}

impl hooks::Hook for Hook {
    #[inline(always)]
    fn bits(self) -> u32 {
        1 << self as u32
    }
}

/// What the instances of one of asyncio's classes have in common.
pub(super) struct Family {
    pub(super) hooks: Hooks<Hook>,
    /// The name of the value.
    pub(super) value: &'static str,
    /// As the recorder knows it, and who waits for it.
    pub(super) kind: ObjectKind,
    pub(super) reason: Reason,
    /// Whether `_waiters` is None until somebody waits.
    pub(super) is_lazy: bool,
}

#[pyclass(subclass, frozen, module = "ironloop._ironloop")]
pub(crate) struct PrimitiveCore {
    family: &'static Family,
    /// `_locked` or `_value`; a condition has none.
    pub(super) value: LoopCell<Value>,
    pub(super) waiters: Line,
    bound: LoopBound,
    own_hooks: Own,
    mark: ObjectMark,
}

owned!(PrimitiveCore { clears: value, waiters, bound; ignores: family, own_hooks, mark; });

impl PrimitiveCore {
    pub(super) fn new(family: &'static Family) -> Self {
        Self {
            family,
            value: LoopCell::new(Value::Missing),
            waiters: Line::default(),
            bound: LoopBound::default(),
            own_hooks: Own::default(),
            mark: ObjectMark::default(),
        }
    }

    /// As after `__init__`; the loop stays.
    pub(super) fn begin(&self, value: Value) {
        self.set_value(value);
        self.waiters.forget();
    }

    pub(super) fn set_value(&self, value: Value) {
        drop(self.value.with(|old| std::mem::replace(old, value)));
    }

    /// The value as Python sees it. An AttributeError if there is none.
    pub(super) fn shown_value<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let core = slf.get();
        let value = core.value.with(|value| value.clone_ref(slf.py()));
        value.show(slf, core.family.value)
    }

    /// Whether the value is true.
    pub(super) fn is_on(slf: &Bound<'_, Self>) -> PyResult<bool> {
        match slf.get().value.with(|value| value.truth()) {
            Some(truth) => Ok(truth),
            None => Self::shown_value(slf)?.is_truthy(),
        }
    }

    /// Whether what asyncio would call is what we know.
    pub(super) fn is_intact(slf: &Bound<'_, Self>, hook: Hook) -> bool {
        let core = slf.get();
        let intact = core.family.hooks.intact(slf, &core.own_hooks);
        intact.has(hook) || (hook == Hook::Release && intact.has(Hook::ReleaseBounded))
    }

    /// A new future of the loop that `_get_loop` names.
    pub(super) fn make_waiter(slf: &Bound<'_, Self>) -> PyResult<Waiter> {
        let waiter = if Self::is_intact(slf, Hook::GetLoop) {
            slf.get().bound.make_waiter(slf)
        } else {
            loop_bound::make_waiter_by_name(slf)
        }?;
        let core = slf.get();
        let known = recorder::is_anywhere();
        let row = if known { core.mark.row_here(slf.py(), core.family.kind, 0) } else { None };
        waiter.is_for(core.family.reason, row);
        Ok(waiter)
    }

    /// The running task has it, or does not any more.
    #[inline]
    pub(super) fn note(slf: &Bound<'_, Self>, op: Op) {
        if recorder::is_anywhere() {
            let core = slf.get();
            let value = core.value.with(|value| value.count()).unwrap_or_default();
            core.mark.did(slf.py(), core.family.kind, 0, op, u32::try_from(value).unwrap_or_default());
        }
    }
}

/// The row of the task that has a lock, as the loop that runs has recorded it; None if nobody knows.
#[pyfunction]
fn object_owner(primitive: &Bound<'_, PyAny>) -> Option<u32> {
    let primitive = primitive.cast::<PrimitiveCore>().ok()?;
    primitive.get().mark.owner(primitive.py())
}

pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(object_owner, module)?)
}

#[pymethods]
impl PrimitiveCore {
    #[getter(_waiters)]
    fn waiters(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        if self.family.is_lazy && self.waiters.is_new() {
            return Ok(py.None());
        }
        Ok(self.waiters.expose(py)?.as_py().clone_ref(py))
    }

    #[setter(_waiters)]
    fn set_waiters(&self, waiters: Option<&Bound<'_, PyAny>>) {
        match waiters {
            Some(waiters) => self.waiters.replace(waiters),
            None => self.waiters.forget(),
        }
    }

    #[getter(_loop)]
    fn owner(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.bound.get(py).map(|owner| owner.as_py().clone_ref(py))
    }

    #[setter(_loop)]
    fn set_owner(&self, owner: Option<Bound<'_, PyAny>>) {
        self.bound.set(owner.map(Object::from));
    }

    fn __setattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let core = slf.get();
        core.family.hooks.set_attribute(slf, &core.own_hooks, name, Some(value))
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyAny>) -> PyResult<()> {
        let core = slf.get();
        core.family.hooks.set_attribute(slf, &core.own_hooks, name, None)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        traverse_class(self, &visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        self.clear(py);
    }
}
