//! The attributes of asyncio's code, as properties of the three classes.

use pyo3::prelude::*;

use crate::ffi::Object;
use crate::ffi::cell::LoopCell;

/// An object that a state keeps, None where there is none.
pub(super) fn shown<S>(
    py: Python<'_>,
    state: &LoopCell<S>,
    place: impl FnOnce(&mut S) -> &mut Option<Object>,
) -> Py<PyAny> {
    let found = state.with(|state| place(state).as_ref().map(|object| object.clone_ref(py)));
    found.map_or_else(|| py.None(), |object| object.as_py().clone_ref(py))
}

/// Puts an object there; None is none.
pub(super) fn put<S>(
    state: &LoopCell<S>,
    object: &Bound<'_, PyAny>,
    place: impl FnOnce(&mut S) -> &mut Option<Object>,
) {
    let object = (!object.is_none()).then(|| Object::from(object));
    let old = state.with(|state| std::mem::replace(place(state), object));
    drop(old);
}
