//! What asyncio's own code (`__repr__`, `_run`, comparisons) reads of a handle.

use pyo3::prelude::*;
use pyo3::types::PyFloat;

use super::{AnyHandle, TimerHandle};
use crate::ffi::{Instance, Object};

pub(super) fn cancelled<T: AnyHandle>(py: Python<'_>, handle: &Instance<T>) -> PyResult<Object> {
    Ok(Object::truth(py, handle.callback().is_cancelled()))
}

pub(super) fn callback<T: AnyHandle>(py: Python<'_>, handle: &Instance<T>) -> PyResult<Object> {
    Ok(handle.callback().shown(py).map_or_else(|| Object::none(py), |work| work.into_function()))
}

pub(super) fn arguments<T: AnyHandle>(py: Python<'_>, handle: &Instance<T>) -> PyResult<Object> {
    handle.callback().shown(py).map_or_else(|| Ok(Object::none(py)), |work| work.arguments(py))
}

pub(super) fn or_none(py: Python<'_>, object: Option<Object>) -> PyResult<Object> {
    Ok(object.unwrap_or_else(|| Object::none(py)))
}

pub(super) fn when(py: Python<'_>, handle: &Instance<TimerHandle>) -> PyResult<Object> {
    Ok(handle.given(py).unwrap_or_else(|| PyFloat::new(py, handle.when).into()))
}

pub(super) fn scheduled(py: Python<'_>, handle: &Instance<TimerHandle>) -> PyResult<Object> {
    let core = handle.callback().rest.owner.get(py);
    let scheduled = core.state.with(|state| state.reactor.engine.timer(handle.slot()).is_some());
    Ok(Object::truth(py, scheduled))
}

macro_rules! getters {
    ($kind:ty) => {
        [
            getter!($kind, c"_callback", attributes::callback),
            getter!($kind, c"_args", attributes::arguments),
            getter!($kind, c"_context", |py, handle| handle.callback().context(py)),
            getter!($kind, c"_loop", |py, handle| Ok(handle.callback().rest.owner.object().clone_ref(py))),
            getter!($kind, c"_cancelled", attributes::cancelled),
            getter!($kind, c"_repr", |py, handle| attributes::or_none(py, handle.callback().repr(py))),
            getter!($kind, c"_source_traceback", |py, handle| {
                attributes::or_none(py, handle.callback().source(py))
            }),
        ]
    };
}
pub(super) use getters;
