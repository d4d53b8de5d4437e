//! What PyO3 does not offer of dictionaries.

#[cfg(not(Py_3_14))]
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;

#[cfg(not(Py_3_14))]
use super::Object;

/// A number that is another once anything in the dictionary, or any other dictionary at its place, has
/// changed. From Python 3.14 on there is none: 0.
pub(crate) fn version(dict: &Bound<'_, PyDict>) -> u64 {
    #[cfg(not(Py_3_14))]
    // SAFETY: a live dictionary. (The interpreters that still have the number deprecate it.)
    #[allow(deprecated)]
    unsafe {
        (*dict.as_ptr().cast::<ffi::PyDictObject>()).ma_version_tag
    }
    #[cfg(Py_3_14)]
    {
        let _ = dict;
        0
    }
}

/// `dict.setdefault(key, value)`, in one look-up: what stood there already, if anything did.
#[cfg(not(Py_3_14))]
pub(crate) fn set_default(
    dict: &Bound<'_, PyDict>,
    key: &Bound<'_, PyAny>,
    value: &Bound<'_, PyAny>,
) -> PyResult<Option<Object>> {
    let mut found = std::ptr::null_mut();
    // SAFETY: live objects; `found` takes a new reference, unless there is an error.
    unsafe {
        let before =
            ffi::compat::PyDict_SetDefaultRef(dict.as_ptr(), key.as_ptr(), value.as_ptr(), &raw mut found);
        let there = Object::from_result(dict.py(), found)?;
        Ok((before > 0).then_some(there))
    }
}
