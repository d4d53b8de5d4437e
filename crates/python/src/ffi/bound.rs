//! A special method bound to its instance: what `async with` looks up, calls and drops (until Python 3.13).
//!
//! CPython makes its own bound method by the collector's allocator each time. Ours has its memory from a
//! pool. Whoever looks at one sees the `types.MethodType` that it stands for.

use std::ffi::{CStr, c_int, c_void};
use std::marker::PhantomData;

use pyo3::ffi;
use pyo3::prelude::*;

use super::callable::{Callable, call_slot, called};
use super::class::ClassKind;
use super::memory::Pool;
use super::method::enter;
use super::{Class, Instance, Native, Object, owned};

unsafe extern "C" {
    /// Public, and missing in `pyo3::ffi`.
    pub(super) fn PyMethod_New(
        function: *mut ffi::PyObject,
        instance: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject;
}

/// The class of the functions that are bound so.
pub(super) trait Bindable: Callable {
    /// Of their bound methods.
    fn bound() -> &'static ClassKind;
}

#[repr(C)]
pub(super) struct BoundMethod<F> {
    /// First, where the class says that it is.
    vectorcall: ffi::vectorcallfunc,
    function: Object,
    instance: Object,
    kind: PhantomData<fn() -> F>,
}

owned!([F: Bindable] BoundMethod<F> {
    visits: function, instance;
    clears nothing;
    ignores: vectorcall, kind;
});

impl<F: Bindable> Native for BoundMethod<F> {
    const NAME: &'static CStr = c"ironloop.method";
    const DOC: &'static CStr = c"A special method bound to its instance.";
    const OPEN: bool = false;
    // Its memory comes from the pool.
    const TRACKED: bool = false;
    const FINALIZES: bool = false;
    const CALLABLE: bool = true;

    fn class() -> &'static Class {
        F::bound().class()
    }

    fn begins_tracked(&mut self) -> bool {
        true
    }

    fn pool(&self) -> Option<&Pool> {
        Some(F::bound().pool())
    }
}

impl<F: Bindable> BoundMethod<F> {
    /// # Safety
    /// On an attached thread, with a live function of that class, and a live instance of the class whose
    /// method it is.
    pub(super) unsafe fn make(
        function: *mut ffi::PyObject,
        instance: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: the descriptor's slot, which calls this, was given both by the interpreter; each gets a
        // reference of its own.
        unsafe {
            let py = Python::assume_attached();
            let own = |object| Object::from_owned(py, ffi::Py_NewRef(object));
            enter(py, || {
                let (vectorcall, kind) = (call::<F> as ffi::vectorcallfunc, PhantomData);
                let payload = Self { vectorcall, function: own(function), instance: own(instance), kind };
                Ok(Self::class().instantiate(py, payload)?.into_object().into_ptr())
            })
        }
    }

    /// The interpreter's own.
    fn plain(&self, py: Python<'_>) -> PyResult<Object> {
        // SAFETY: an attached thread, and live objects.
        unsafe { Object::from_result(py, PyMethod_New(self.function.as_ptr(), self.instance.as_ptr())) }
    }
}

/// Calls the function with the instance in front.
unsafe extern "C" fn call<F: Bindable>(
    bound: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter on an attached thread with an instance of the class and the arguments
    // of a vectorcall. It lends the place in front of them if it says so.
    unsafe {
        let payload = &*F::bound().class().payload::<BoundMethod<F>>(bound);
        let (function, instance) = (payload.function.as_ptr(), payload.instance.as_ptr());
        let positional = ffi::PyVectorcall_NARGS(count) as usize;
        if count & ffi::PY_VECTORCALL_ARGUMENTS_OFFSET != 0 {
            let values = values.cast_mut().sub(1);
            let lent = values.replace(instance);
            let result = called::<F>(function, values, positional + 1, names);
            values.write(lent);
            return result;
        }
        let keywords = if names.is_null() { 0 } else { ffi::PyTuple_GET_SIZE(names) as usize };
        if positional + keywords == 0 {
            return called::<F>(function, &raw const instance, 1, names);
        }
        let given = std::slice::from_raw_parts(values, positional + keywords);
        let values: Vec<_> = std::iter::once(instance).chain(given.iter().copied()).collect();
        called::<F>(function, values.as_ptr(), positional + 1, names)
    }
}

/// Lets the interpreter's own bound method answer.
unsafe fn ask<F: Bindable>(
    bound: *mut ffi::PyObject,
    question: impl FnOnce(*mut ffi::PyObject) -> *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the slots that call this were called by the interpreter, on an attached thread with an instance
    // of the class.
    unsafe {
        let py = Python::assume_attached();
        enter(py, || {
            Instance::<BoundMethod<F>>::borrowed(&bound, |bound| {
                let answer = question(bound.plain(py)?.as_ptr());
                Object::from_result(py, answer).map(Object::into_ptr)
            })
        })
    }
}

unsafe extern "C" fn attribute<F: Bindable>(
    bound: *mut ffi::PyObject,
    name: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter on an attached thread with an instance of the class.
    unsafe { ask::<F>(bound, |plain| ffi::PyObject_GetAttr(plain, name)) }
}

unsafe extern "C" fn repr<F: Bindable>(bound: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter on an attached thread with an instance of the class.
    unsafe { ask::<F>(bound, |plain| ffi::PyObject_Repr(plain)) }
}

/// Two that stand for the same method are equal, and one is to its plain twin. There is no order.
unsafe extern "C" fn compare<F: Bindable>(
    bound: *mut ffi::PyObject,
    other: *mut ffi::PyObject,
    operator: c_int,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter on an attached thread with an instance of the class, and a live
    // object. `other` is asked about the plain twin: it may be one of ours, and have a twin itself.
    unsafe {
        match operator {
            ffi::Py_EQ | ffi::Py_NE => {
                ask::<F>(bound, |plain| ffi::PyObject_RichCompare(other, plain, operator))
            }
            _ => ffi::Py_NewRef(ffi::Py_NotImplemented()),
        }
    }
}

unsafe extern "C" fn hash<F: Bindable>(bound: *mut ffi::PyObject) -> ffi::Py_hash_t {
    // SAFETY: called by the interpreter on an attached thread with an instance of the class.
    unsafe {
        let mut hash = -1;
        let asked = ask::<F>(bound, |plain| {
            hash = ffi::PyObject_Hash(plain);
            if hash == -1 { std::ptr::null_mut() } else { ffi::Py_NewRef(ffi::Py_None()) }
        });
        ffi::Py_XDECREF(asked);
        hash
    }
}

pub(super) fn add_class<F: Bindable>(py: Python<'_>) -> PyResult<()> {
    let slot = |slot, pfunc| ffi::PyType_Slot { slot, pfunc };
    let slots = [
        call_slot(),
        slot(ffi::Py_tp_getattro, attribute::<F> as *mut c_void),
        slot(ffi::Py_tp_repr, repr::<F> as *mut c_void),
        slot(ffi::Py_tp_richcompare, compare::<F> as *mut c_void),
        slot(ffi::Py_tp_hash, hash::<F> as *mut c_void),
    ];
    F::bound().class().create_hidden::<BoundMethod<F>>(py, &[], &[], &slots)
}
