//! How the interpreter itself keeps attributes: what to do in their stead, and when they have changed.

use pyo3::exceptions::PyAttributeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

/// A number that stands for all that the object's class and its bases hold: another once any of it is
/// replaced. 0 while nobody has looked anything up.
pub(crate) fn class_version(object: &Bound<'_, PyAny>) -> u32 {
    // SAFETY: a live object.
    unsafe { (*ffi::Py_TYPE(object.as_ptr())).tp_version_tag }
}

/// The same of a class itself.
pub(crate) fn version_of(class: &Bound<'_, PyType>) -> u32 {
    // SAFETY: a live type.
    unsafe { (*class.as_type_ptr()).tp_version_tag }
}

/// What `object.name = value` does where no class has its own way; without a value, `del object.name`.
pub(crate) fn set_attribute(
    object: &Bound<'_, PyAny>,
    name: &Bound<'_, PyAny>,
    value: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let value = value.map_or(std::ptr::null_mut(), Bound::as_ptr);
    // SAFETY: live objects; what is not 0 has set an error.
    match unsafe { ffi::PyObject_GenericSetAttr(object.as_ptr(), name.as_ptr(), value) } {
        0 => Ok(()),
        _ => Err(PyErr::fetch(object.py())),
    }
}

/// What the interpreter says where an attribute is not there.
pub(crate) fn missing<T>(object: &Bound<'_, T>, name: &str) -> PyErr {
    match object.as_any().get_type().name() {
        Ok(class) => PyAttributeError::new_err(format!("'{class}' object has no attribute '{name}'")),
        Err(error) => error,
    }
}
