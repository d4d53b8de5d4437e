//! Instances of native classes that can be called.

use pyo3::ffi;
use pyo3::prelude::*;

use super::method::enter;
use super::{Arguments, Instance, Native, Object};

/// A class with [`Native::CALLABLE`]: its payload begins with [`called`].
pub(crate) trait Callable: Native {
    fn call(instance: &Instance<Self>, py: Python<'_>, arguments: Arguments<'_>) -> PyResult<Object>;
}

/// # Safety
/// Called by the interpreter on an attached thread with an instance of `T`'s class, and the arguments of a
/// vectorcall.
pub(crate) unsafe extern "C" fn called<T: Callable>(
    instance: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls by the instance's own vectorcall field, and keeps instance and arguments
    // for the time of the call.
    unsafe {
        let py = Python::assume_attached();
        let arguments = Arguments::new(values, ffi::PyVectorcall_NARGS(count), names);
        enter(py, || {
            Instance::borrowed(&instance, |instance| T::call(instance, py, arguments)).map(Object::into_ptr)
        })
    }
}

/// The slot of such a class.
pub(crate) fn call_slot() -> ffi::PyType_Slot {
    ffi::PyType_Slot { slot: ffi::Py_tp_call, pfunc: ffi::PyVectorcall_Call as *mut std::ffi::c_void }
}
