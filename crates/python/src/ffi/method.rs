//! Tables of methods and attributes, and the way from the interpreter into them.
//!
//! A panic becomes a `PanicException`; nothing unwinds into C.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use pyo3::PyClass;
use pyo3::ffi;
use pyo3::panic::PanicException;
use pyo3::prelude::*;

use super::{Arguments, Instance, Native, Object};

/// Runs `body` and hands its result to the interpreter.
pub(crate) fn enter(
    py: Python<'_>,
    body: impl FnOnce() -> PyResult<*mut ffi::PyObject>,
) -> *mut ffi::PyObject {
    let error = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(result)) => return result,
        Ok(Err(error)) => error,
        Err(panic) => {
            let message = panic.downcast_ref::<String>().map(String::as_str);
            let message =
                message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panic in Rust code");
            PyErr::new::<PanicException, _>(message.to_owned())
        }
    };
    error.restore(py);
    ptr::null_mut()
}

/// # Safety
/// Called by the interpreter for a method of `T`'s class, with the arguments of a `METH_FASTCALL | METH_KEYWORDS` call.
pub(crate) unsafe fn call_instance<T: Native>(
    receiver: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
    body: impl FnOnce(Python<'_>, &Instance<T>, Arguments<'_>) -> PyResult<Object>,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter runs on an attached thread, has checked the receiver's type, and keeps all alive.
    unsafe {
        let py = Python::assume_attached();
        let arguments = Arguments::new(values, count, names);
        enter(py, || {
            Instance::borrowed(&receiver, |receiver| body(py, receiver, arguments)).map(Object::into_ptr)
        })
    }
}

/// # Safety
/// The same for a method of a PyO3 class.
pub(crate) unsafe fn call_class<T: PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Sync>(
    receiver: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
    body: impl FnOnce(&Bound<'_, T>, Arguments<'_>) -> PyResult<Object>,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls on an attached thread, has checked the receiver's type, and keeps all alive for the time of
    // the call.
    unsafe {
        let py = Python::assume_attached();
        let arguments = Arguments::new(values, count, names);
        let receiver = pyo3::Borrowed::from_ptr(py, receiver);
        enter(py, || body(&receiver.cast_unchecked::<T>(), arguments).map(Object::into_ptr))
    }
}

/// # Safety
/// Called by the interpreter for an attribute of `T`'s class.
pub(crate) unsafe fn get<T: Native>(
    receiver: *mut ffi::PyObject,
    body: impl FnOnce(Python<'_>, &Instance<T>) -> PyResult<Object>,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls on an attached thread, has checked the receiver's type, and keeps it for the time of the
    // call.
    unsafe {
        let py = Python::assume_attached();
        enter(py, || Instance::borrowed(&receiver, |receiver| body(py, receiver)).map(Object::into_ptr))
    }
}

/// A method of a native class: `method!(Payload, c"name", c"doc", function)`, where the function is
/// `fn(Python, &Instance<Payload>, Arguments) -> PyResult<Object>`.
macro_rules! method {
    ($payload:ty, $name:literal, $doc:literal, $function:expr) => {{
        #[allow(unsafe_code)]
        unsafe extern "C" fn wrapped(
            receiver: *mut pyo3::ffi::PyObject,
            values: *const *mut pyo3::ffi::PyObject,
            count: pyo3::ffi::Py_ssize_t,
            names: *mut pyo3::ffi::PyObject,
        ) -> *mut pyo3::ffi::PyObject {
            // SAFETY: called by the interpreter for a method of this class.
            unsafe {
                $crate::ffi::method::call_instance::<$payload>(receiver, values, count, names, $function)
            }
        }
        $crate::ffi::method::definition($name, $doc, wrapped)
    }};
}
pub(crate) use method;

/// One that takes no arguments, and refuses them in the words of asyncio's method of that qualified name; the function is
/// `fn(Python, &Instance<Payload>) -> PyResult<Object>`.
macro_rules! bare_method {
    ($payload:ty, $name:literal, $doc:literal, $qualified:literal, $function:expr) => {
        $crate::ffi::method!(
            $payload,
            $name,
            $doc,
            |py, receiver: &$crate::ffi::Instance<$payload>, arguments: $crate::ffi::Arguments<'_>| {
                let [] = arguments.exactly(py, $qualified, [])?;
                $function(py, receiver)
            }
        )
    };
}
pub(crate) use bare_method;

/// The same for a PyO3 class; the function is `fn(&Bound<Class>, Arguments) -> PyResult<Object>`.
macro_rules! method_of {
    ($class:ty, $name:literal, $doc:literal, $function:expr) => {{
        #[allow(unsafe_code)]
        unsafe extern "C" fn wrapped(
            receiver: *mut pyo3::ffi::PyObject,
            values: *const *mut pyo3::ffi::PyObject,
            count: pyo3::ffi::Py_ssize_t,
            names: *mut pyo3::ffi::PyObject,
        ) -> *mut pyo3::ffi::PyObject {
            // SAFETY: called by the interpreter for a method of this class.
            unsafe { $crate::ffi::method::call_class::<$class>(receiver, values, count, names, $function) }
        }
        $crate::ffi::method::definition($name, $doc, wrapped)
    }};
}
pub(crate) use method_of;

/// A read-only attribute of a native class; the function is `fn(Python, &Instance<Payload>) -> PyResult<Object>`.
macro_rules! getter {
    ($payload:ty, $name:literal, $function:expr) => {{
        #[allow(unsafe_code)]
        unsafe extern "C" fn wrapped(
            receiver: *mut pyo3::ffi::PyObject,
            _closure: *mut std::ffi::c_void,
        ) -> *mut pyo3::ffi::PyObject {
            // SAFETY: called by the interpreter for an attribute of this class.
            unsafe { $crate::ffi::method::get::<$payload>(receiver, $function) }
        }
        pyo3::ffi::PyGetSetDef {
            name: $name.as_ptr(),
            get: Some(wrapped),
            set: None,
            doc: std::ptr::null(),
            closure: std::ptr::null_mut(),
        }
    }};
}
pub(crate) use getter;

/// A slot of a native class that takes only the object, such as `__next__`; the function is as for an attribute.
macro_rules! object_slot {
    ($slot:ident, $payload:ty, $function:expr) => {{
        #[allow(unsafe_code)]
        unsafe extern "C" fn wrapped(receiver: *mut pyo3::ffi::PyObject) -> *mut pyo3::ffi::PyObject {
            // SAFETY: called by the interpreter for an instance of this class.
            unsafe { $crate::ffi::method::get::<$payload>(receiver, $function) }
        }
        pyo3::ffi::PyType_Slot { slot: pyo3::ffi::$slot, pfunc: wrapped as *mut std::ffi::c_void }
    }};
}
pub(crate) use object_slot;

/// The representation of a native class, for its type's slot; the function is as for an attribute.
macro_rules! repr_slot {
    ($payload:ty, $function:expr) => {
        $crate::ffi::method::object_slot!(Py_tp_repr, $payload, $function)
    };
}
pub(crate) use repr_slot;

type FastCall = unsafe extern "C" fn(
    *mut ffi::PyObject,
    *const *mut ffi::PyObject,
    ffi::Py_ssize_t,
    *mut ffi::PyObject,
) -> *mut ffi::PyObject;

pub(crate) const fn definition(
    name: &'static std::ffi::CStr,
    doc: &'static std::ffi::CStr,
    function: FastCall,
) -> ffi::PyMethodDef {
    ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: function },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: doc.as_ptr(),
    }
}

/// The receiver of a bound method, if it is this one.
pub(crate) fn receiver_of(function: &Object, method: &ffi::PyMethodDef) -> Option<*mut ffi::PyObject> {
    // SAFETY: a live object, checked before it is asked; what is compared are addresses of functions.
    unsafe {
        let function = function.as_ptr();
        if ffi::PyCFunction_CheckExact(function) == 0 {
            return None;
        }
        let same = ffi::PyCFunction_GetFunction(function)
            .is_some_and(|known| std::ptr::fn_addr_eq(known, method.ml_meth.PyCFunction));
        same.then(|| ffi::PyCFunction_GetSelf(function))
    }
}

/// Adds methods to a class that PyO3 has made.
pub(crate) fn add_methods(
    class: &Bound<'_, pyo3::types::PyType>,
    methods: &[ffi::PyMethodDef],
) -> PyResult<()> {
    for method in methods {
        let method = Box::leak(Box::new(*method));
        // SAFETY: a live type and a definition that lives for ever, whose name is a C string.
        let (name, descriptor) = unsafe {
            let descriptor = ffi::PyDescr_NewMethod(class.as_type_ptr(), method);
            (std::ffi::CStr::from_ptr(method.ml_name), Object::from_result(class.py(), descriptor)?)
        };
        class.setattr(name.to_string_lossy().as_ref(), descriptor.bind(class.py()))?;
    }
    Ok(())
}
