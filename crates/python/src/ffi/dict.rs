//! What PyO3 does not offer of dictionaries.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::Object;

/// `dict.setdefault(key, value)`, in one look-up: what stood there already, if anything did.
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
