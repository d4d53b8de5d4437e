//! Tables of methods and attributes, and the way from the interpreter into them.
//!
//! A panic becomes a `PanicException`; nothing unwinds into C.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use pyo3::ffi;
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{Borrowed, PyClass};

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

/// What a method is called on: the payload of a native class, `Own` of a class below one of asyncio's, or
/// a `View` of whatever future.
pub(crate) trait Receiver {
    /// As the method gets it.
    type Lent<'a>;

    /// Lends it to `body`.
    ///
    /// # Safety
    /// On an attached thread, with an instance of the class that lives as long as `body` runs.
    unsafe fn lend<R>(
        py: Python<'_>,
        instance: *mut ffi::PyObject,
        body: impl FnOnce(Self::Lent<'_>) -> R,
    ) -> R;
}

impl<T: Native> Receiver for T {
    type Lent<'a> = &'a Instance<T>;

    #[inline(always)]
    unsafe fn lend<R>(
        _: Python<'_>,
        instance: *mut ffi::PyObject,
        body: impl FnOnce(&Instance<T>) -> R,
    ) -> R {
        // SAFETY: called by the functions below for the interpreter, which has checked the class and keeps
        // the instance.
        unsafe { Instance::borrowed(&instance, body) }
    }
}

/// A class that PyO3 has made, for [`method_of`].
pub(crate) struct Made<T>(PhantomData<T>);

impl<T: PyClass<Frozen = True> + Sync> Receiver for Made<T> {
    type Lent<'a> = Borrowed<'a, 'a, T>;

    #[inline(always)]
    unsafe fn lend<R>(
        py: Python<'_>,
        instance: *mut ffi::PyObject,
        body: impl FnOnce(Self::Lent<'_>) -> R,
    ) -> R {
        // SAFETY: called by the functions below for the interpreter, which has checked the class and keeps
        // the instance.
        unsafe { body(Borrowed::from_ptr(py, instance).cast_unchecked()) }
    }
}

/// # Safety
/// Called by the interpreter for a method of the receiver's class, with the arguments of a `METH_FASTCALL |
/// METH_KEYWORDS` call.
pub(crate) unsafe fn call<T: Receiver>(
    receiver: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
    body: impl for<'a> FnOnce(Python<'_>, T::Lent<'a>, Arguments<'_>) -> PyResult<Object>,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter runs on an attached thread, has checked the receiver's type, and keeps all
    // alive.
    unsafe {
        let py = Python::assume_attached();
        let arguments = Arguments::new(values, count, names);
        enter(py, || T::lend(py, receiver, |receiver| body(py, receiver, arguments)).map(Object::into_ptr))
    }
}

/// # Safety
/// Called by the interpreter for an attribute or a slot of the receiver's class.
pub(crate) unsafe fn get<T: Receiver>(
    receiver: *mut ffi::PyObject,
    body: impl for<'a> FnOnce(Python<'_>, T::Lent<'a>) -> PyResult<Object>,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls on an attached thread, has checked the receiver's type, and keeps it for
    // the time of the call.
    unsafe {
        let py = Python::assume_attached();
        enter(py, || T::lend(py, receiver, |receiver| body(py, receiver)).map(Object::into_ptr))
    }
}

/// A method: `method!(Receiver, c"name", c"doc", function)`, where the function is `fn(Python, receiver,
/// Arguments) -> PyResult<Object>`, and is given what [`Receiver::Lent`] says.
macro_rules! method {
    ($receiver:ty, $name:literal, $doc:expr, $function:expr) => {{
        #[allow(unsafe_code)]
        unsafe extern "C" fn wrapped(
            receiver: *mut pyo3::ffi::PyObject,
            values: *const *mut pyo3::ffi::PyObject,
            count: pyo3::ffi::Py_ssize_t,
            names: *mut pyo3::ffi::PyObject,
        ) -> *mut pyo3::ffi::PyObject {
            // SAFETY: called by the interpreter for a method of this class.
            unsafe { $crate::ffi::method::call::<$receiver>(receiver, values, count, names, $function) }
        }
        $crate::ffi::method::definition($name, $doc, wrapped)
    }};
}
pub(crate) use method;

/// One of a native class that takes no arguments, and refuses them in the words of asyncio's method of that
/// qualified name; the function is `fn(Python, &Instance<Payload>) -> PyResult<Object>`.
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

/// What a class or method says of itself, where that is put together from what this Python has: `concat!`
/// makes no C string.
pub(crate) const fn documentation(text: &str) -> &CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text,
        Err(_) => panic!("one NUL, at the end"),
    }
}

/// One of a class that PyO3 has made; the function is `fn(&Bound<Class>, Arguments) -> PyResult<Object>`.
macro_rules! method_of {
    ($class:ty, $name:literal, $doc:expr, $function:expr) => {
        $crate::ffi::method!(
            $crate::ffi::method::Made<$class>,
            $name,
            $doc,
            |_, receiver: pyo3::Borrowed<'_, '_, $class>, arguments: $crate::ffi::Arguments<'_>| {
                $function(&receiver, arguments)
            }
        )
    };
}
pub(crate) use method_of;

/// A read-only attribute; the function is `fn(Python, receiver) -> PyResult<Object>`.
macro_rules! getter {
    ($receiver:ty, $name:literal, $function:expr) => {{
        #[allow(unsafe_code)]
        unsafe extern "C" fn wrapped(
            receiver: *mut pyo3::ffi::PyObject,
            _closure: *mut std::ffi::c_void,
        ) -> *mut pyo3::ffi::PyObject {
            // SAFETY: called by the interpreter for an attribute of this class.
            unsafe { $crate::ffi::method::get::<$receiver>(receiver, $function) }
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

/// A slot that takes only the object, such as `__next__`; the function is as for an attribute.
macro_rules! object_slot {
    ($slot:ident, $receiver:ty, $function:expr) => {{
        #[allow(unsafe_code)]
        unsafe extern "C" fn wrapped(receiver: *mut pyo3::ffi::PyObject) -> *mut pyo3::ffi::PyObject {
            // SAFETY: called by the interpreter for an instance of this class.
            unsafe { $crate::ffi::method::get::<$receiver>(receiver, $function) }
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

/// The hash of a native class, for its type's slot; the function takes a reference to the receiver, runs no
/// Python, and answers a number that is not 0, or 0 for that of any object.
macro_rules! hash_slot {
    ($receiver:ty, $function:expr) => {{
        #[allow(unsafe_code)]
        unsafe extern "C" fn wrapped(receiver: *mut pyo3::ffi::PyObject) -> pyo3::ffi::Py_hash_t {
            // SAFETY: called by the interpreter, on an attached thread, for an instance of this class.
            let own = unsafe {
                let py = pyo3::Python::assume_attached();
                <$receiver as $crate::ffi::method::Receiver>::lend(py, receiver, $function)
            };
            match own {
                0 => $crate::ffi::method::hash_of_address(receiver),
                own => own,
            }
        }
        pyo3::ffi::PyType_Slot { slot: pyo3::ffi::Py_tp_hash, pfunc: wrapped as *mut std::ffi::c_void }
    }};
}
pub(crate) use hash_slot;

/// As the interpreter has it of an object without a hash of its own; -1 would be an error.
pub(crate) fn hash_of_address(object: *mut ffi::PyObject) -> ffi::Py_hash_t {
    match (object as usize).rotate_right(4) as ffi::Py_hash_t {
        -1 => -2,
        hash => hash,
    }
}

/// # Safety
/// Called by the interpreter for the `__init__`, or for a call, of an instance of the receiver's class.
pub(crate) unsafe fn call_with_tuple<T: Receiver>(
    receiver: *mut ffi::PyObject,
    positional: *mut ffi::PyObject,
    keywords: *mut ffi::PyObject,
    body: impl for<'a, 'py> FnOnce(
        Python<'py>,
        T::Lent<'a>,
        &Bound<'py, PyTuple>,
        Option<&Bound<'py, PyDict>>,
    ) -> PyResult<()>,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter runs on an attached thread, has checked the receiver's type, and keeps all
    // alive: also a tuple, and a dictionary or nothing.
    unsafe {
        let py = Python::assume_attached();
        let positional = Bound::from_borrowed_ptr(py, positional).cast_into_unchecked();
        let keywords = Bound::from_borrowed_ptr_or_opt(py, keywords).map(|k| k.cast_into_unchecked());
        enter(py, || {
            T::lend(py, receiver, |receiver| body(py, receiver, &positional, keywords.as_ref()))
                .map(|()| Object::none(py).into_ptr())
        })
    }
}

/// The slot of `__init__`; the function is `fn(Python, receiver, positional, keywords) -> PyResult<()>`.
macro_rules! initializer {
    ($receiver:ty, $function:expr) => {{
        #[allow(unsafe_code)]
        unsafe extern "C" fn wrapped(
            receiver: *mut pyo3::ffi::PyObject,
            positional: *mut pyo3::ffi::PyObject,
            keywords: *mut pyo3::ffi::PyObject,
        ) -> std::ffi::c_int {
            // SAFETY: called by the interpreter for the `__init__` of this class; the answer is ours.
            unsafe {
                let done = $crate::ffi::method::call_with_tuple::<$receiver>(
                    receiver, positional, keywords, $function,
                );
                if done.is_null() {
                    return -1;
                }
                pyo3::ffi::Py_DECREF(done);
                0
            }
        }
        pyo3::ffi::PyType_Slot { slot: pyo3::ffi::Py_tp_init, pfunc: wrapped as *mut std::ffi::c_void }
    }};
}
pub(crate) use initializer;

/// The slot of a call, whatever its arguments; the function is `fn(Python, receiver) -> PyResult<()>`.
macro_rules! call_slot {
    ($receiver:ty, $function:expr) => {{
        #[allow(unsafe_code)]
        unsafe extern "C" fn wrapped(
            receiver: *mut pyo3::ffi::PyObject,
            positional: *mut pyo3::ffi::PyObject,
            keywords: *mut pyo3::ffi::PyObject,
        ) -> *mut pyo3::ffi::PyObject {
            // SAFETY: called by the interpreter for an instance of this class.
            unsafe {
                $crate::ffi::method::call_with_tuple::<$receiver>(
                    receiver,
                    positional,
                    keywords,
                    |py, receiver, _, _| $function(py, receiver),
                )
            }
        }
        pyo3::ffi::PyType_Slot { slot: pyo3::ffi::Py_tp_call, pfunc: wrapped as *mut std::ffi::c_void }
    }};
}
pub(crate) use call_slot;

/// A built-in function of one argument, which it does not look at: bound to an object that it is called for.
pub(crate) struct Builtin(ffi::PyMethodDef);

// SAFETY: never changed.
unsafe impl Sync for Builtin {}

impl Builtin {
    pub(crate) const fn new(name: &'static CStr, function: ffi::PyCFunction) -> Self {
        Self(ffi::PyMethodDef {
            ml_name: name.as_ptr(),
            ml_meth: ffi::PyMethodDefPointer { PyCFunction: function },
            ml_flags: ffi::METH_O,
            ml_doc: ptr::null(),
        })
    }

    /// Makes the function for this object.
    pub(crate) fn bind(&'static self, py: Python<'_>, object: &Object) -> PyResult<Object> {
        // SAFETY: a definition that lives for ever and a live object; the result is new, or an error is set.
        unsafe {
            let definition = (&raw const self.0).cast_mut();
            let made = ffi::PyCFunction_NewEx(definition, object.as_ptr(), ptr::null_mut());
            Object::from_result(py, made)
        }
    }
}

/// # Safety
/// Called by the interpreter for a [`Builtin`], with the object that it was made for.
pub(crate) unsafe fn call_builtin(
    object: *mut ffi::PyObject,
    body: impl FnOnce(Python<'_>, &Object) -> PyResult<()>,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter runs on an attached thread, and the function keeps the object, whose reference
    // is not given back.
    unsafe {
        let py = Python::assume_attached();
        let object = ManuallyDrop::new(Object::from_owned(py, object));
        enter(py, || body(py, &object).map(|()| Object::none(py).into_ptr()))
    }
}

/// One of them; the function is `fn(Python, &Object) -> PyResult<()>`.
macro_rules! builtin {
    ($name:literal, $function:expr) => {{
        #[allow(unsafe_code)]
        unsafe extern "C" fn wrapped(
            object: *mut pyo3::ffi::PyObject,
            _argument: *mut pyo3::ffi::PyObject,
        ) -> *mut pyo3::ffi::PyObject {
            // SAFETY: called by the interpreter for the function that is made here.
            unsafe { $crate::ffi::method::call_builtin(object, $function) }
        }
        $crate::ffi::method::Builtin::new($name, wrapped)
    }};
}
pub(crate) use builtin;

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
