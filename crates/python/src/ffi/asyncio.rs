//! Futures and tasks as the C structs that they are: asyncio's own and ours.

use std::ffi::c_int;
use std::ops::Deref;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

use super::derived::{Derived, DerivedClass, Own};
use super::fields::FutureFields;
use super::method::enter;
use super::{Arguments, Object};
use crate::event_loop::task::Task;
use crate::event_loop::{self, LoopCore};

/// Our future class, exactly.
pub(crate) static FUTURE: DerivedClass = DerivedClass::new();

/// Our task class, exactly.
pub(crate) static TASK: DerivedClass = DerivedClass::new();

/// The class of what `gather` returns, exactly.
pub(crate) static GATHERING: DerivedClass = DerivedClass::new();

/// asyncio's own classes, each with a reference that is never given back.
static STOCK_FUTURE: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(ptr::null_mut());
static STOCK_TASK: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(ptr::null_mut());

/// Remembers asyncio's classes; their layout is known to be the one that this was built for.
pub(crate) fn remember_stock(future: &Bound<'_, PyType>, task: &Bound<'_, PyType>) {
    STOCK_FUTURE.store(future.clone().into_ptr().cast(), Ordering::Relaxed);
    STOCK_TASK.store(task.clone().into_ptr().cast(), Ordering::Relaxed);
}

/// Whether this Python's classes are laid out as this was built for: else none of ours are there.
pub(crate) fn is_known() -> bool {
    !TASK.kind().is_null()
}

/// A future or task whose fields we know, with itself.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) object: &'a Object,
    fields: &'a FutureFields,
}

impl Deref for View<'_> {
    type Target = FutureFields;

    fn deref(&self) -> &FutureFields {
        self.fields
    }
}

impl<'a> View<'a> {
    /// One of ours.
    pub(crate) fn of_ours(object: &'a Object) -> Option<Self> {
        let ours = [&TASK, &FUTURE, &GATHERING].iter().any(|class| class.is_exactly(object.as_ptr()));
        // SAFETY: instances of these classes begin with the fields.
        ours.then(|| unsafe { Self::cast(object) })
    }

    /// One of ours, or of a Python class below it: what an iterator of ours was made for.
    pub(crate) fn of_iterated(object: &'a Object) -> Self {
        // SAFETY: only the method of our classes makes such iterators.
        unsafe { Self::cast(object) }
    }

    /// One of ours, or exactly one of asyncio's own.
    pub(crate) fn of(object: &'a Object) -> Option<Self> {
        Self::of_ours(object).or_else(|| Self::of_stock(object))
    }

    fn of_stock(object: &'a Object) -> Option<Self> {
        // SAFETY: a live object.
        let kind = unsafe { ffi::Py_TYPE(object.as_ptr()) };
        let stock =
            kind == STOCK_FUTURE.load(Ordering::Relaxed) || kind == STOCK_TASK.load(Ordering::Relaxed);
        // SAFETY: an instance of exactly one of these classes; `lib.rs` has probed their layout before it had them remembered.
        stock.then(|| unsafe { Self::cast(object) })
    }

    /// # Safety
    /// The object is a future of asyncio's, or of a class below it.
    unsafe fn cast(object: &'a Object) -> Self {
        // SAFETY: the caller has looked at the object's class; all such objects begin with the fields.
        Self { object, fields: unsafe { &*object.as_ptr().cast() } }
    }

    pub(crate) fn of_own<T: Derived>(own: &'a Own<T>) -> Self
    where
        Own<T>: IsFuture,
    {
        // SAFETY: `IsFuture` is only implemented for classes that are made below asyncio's.
        unsafe { Self::cast(own.object()) }
    }

    /// Its loop, if it is one of ours.
    pub(crate) fn native_loop<'py>(&self, py: Python<'py>) -> Option<Bound<'py, LoopCore>> {
        as_native_loop(py, &self.owner.get(py)?)
    }
}

/// The loop itself, if it is one of ours.
pub(crate) fn as_native_loop<'py>(py: Python<'py>, owner: &Object) -> Option<Bound<'py, LoopCore>> {
    event_loop::USUAL.cast(owner.bind(py)).cloned()
}

/// Classes of ours that begin with the fields of a future.
pub(crate) trait IsFuture {}

/// # Safety
/// Called by the interpreter for a method of our future or task class, with the arguments of a
/// `METH_FASTCALL | METH_KEYWORDS` call.
pub(crate) unsafe fn call_future(
    receiver: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
    body: impl FnOnce(Python<'_>, View<'_>, Arguments<'_>) -> PyResult<Object>,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter runs on an attached thread, has checked the receiver's type, and keeps all alive.
    unsafe {
        let py = Python::assume_attached();
        let arguments = Arguments::new(values, count, names);
        let receiver = std::mem::ManuallyDrop::new(Object::from_owned(py, receiver));
        enter(py, || body(py, View::cast(&receiver), arguments).map(Object::into_ptr))
    }
}

/// A method of our futures and tasks; the function is `fn(Python, View, Arguments) -> PyResult<Object>`.
macro_rules! future_method {
    ($name:literal, $doc:literal, $function:expr) => {{
        #[allow(unsafe_code)]
        unsafe extern "C" fn wrapped(
            receiver: *mut pyo3::ffi::PyObject,
            values: *const *mut pyo3::ffi::PyObject,
            count: pyo3::ffi::Py_ssize_t,
            names: *mut pyo3::ffi::PyObject,
        ) -> *mut pyo3::ffi::PyObject {
            // SAFETY: called by the interpreter for a method of one of these classes.
            unsafe { $crate::ffi::asyncio::call_future(receiver, values, count, names, $function) }
        }
        $crate::ffi::method::definition($name, $doc, wrapped)
    }};
}
pub(crate) use future_method;

/// # Safety
/// Called by the interpreter for an attribute or a slot of our future or task class.
pub(crate) unsafe fn ask_future(
    receiver: *mut ffi::PyObject,
    body: impl FnOnce(Python<'_>, View<'_>) -> PyResult<Object>,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls on an attached thread, has checked the receiver's class, and keeps it for the time of the
    // call.
    unsafe {
        let py = Python::assume_attached();
        let receiver = std::mem::ManuallyDrop::new(Object::from_owned(py, receiver));
        enter(py, || body(py, View::cast(&receiver)).map(Object::into_ptr))
    }
}

/// A read-only attribute of our futures and tasks; the function is `fn(Python, View) -> PyResult<Object>`.
macro_rules! future_getter {
    ($name:literal, $function:expr) => {{
        #[allow(unsafe_code)]
        unsafe extern "C" fn wrapped(
            receiver: *mut pyo3::ffi::PyObject,
            _closure: *mut std::ffi::c_void,
        ) -> *mut pyo3::ffi::PyObject {
            // SAFETY: called by the interpreter for an attribute of one of these classes.
            unsafe { $crate::ffi::asyncio::ask_future(receiver, $function) }
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
pub(crate) use future_getter;

/// A slot that takes only the object, such as `__await__`; the function is as for an attribute.
macro_rules! future_slot {
    ($slot:ident, $function:expr) => {{
        #[allow(unsafe_code)]
        unsafe extern "C" fn wrapped(receiver: *mut pyo3::ffi::PyObject) -> *mut pyo3::ffi::PyObject {
            // SAFETY: called by the interpreter for an instance of one of these classes.
            unsafe { $crate::ffi::asyncio::ask_future(receiver, $function) }
        }
        pyo3::ffi::PyType_Slot { slot: pyo3::ffi::$slot, pfunc: wrapped as *mut std::ffi::c_void }
    }};
}
pub(crate) use future_slot;

/// # Safety
/// Called by the interpreter for a method of `T`'s class, with the arguments of a `METH_FASTCALL | METH_KEYWORDS` call.
pub(crate) unsafe fn call_own<T: Derived>(
    receiver: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
    body: impl FnOnce(Python<'_>, &Own<T>, Arguments<'_>) -> PyResult<Object>,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls on an attached thread, has checked the receiver's class, and keeps it and the arguments for
    // the time of the call.
    unsafe {
        let py = Python::assume_attached();
        let arguments = Arguments::new(values, count, names);
        enter(py, || Own::<T>::borrowed(receiver, |own| body(py, own, arguments)).map(Object::into_ptr))
    }
}

/// A method of one class; the function is `fn(Python, &Own<T>, Arguments) -> PyResult<Object>`.
macro_rules! own_method {
    ($class:ty, $name:literal, $doc:literal, $function:expr) => {{
        #[allow(unsafe_code)]
        unsafe extern "C" fn wrapped(
            receiver: *mut pyo3::ffi::PyObject,
            values: *const *mut pyo3::ffi::PyObject,
            count: pyo3::ffi::Py_ssize_t,
            names: *mut pyo3::ffi::PyObject,
        ) -> *mut pyo3::ffi::PyObject {
            // SAFETY: called by the interpreter for a method of this class.
            unsafe { $crate::ffi::asyncio::call_own::<$class>(receiver, values, count, names, $function) }
        }
        $crate::ffi::method::definition($name, $doc, wrapped)
    }};
}
pub(crate) use own_method;

/// A read-only attribute of one class; the function is `fn(Python, &Own<T>) -> PyResult<Object>`.
macro_rules! own_getter {
    ($class:ty, $name:literal, $function:expr) => {{
        #[allow(unsafe_code)]
        unsafe extern "C" fn wrapped(
            receiver: *mut pyo3::ffi::PyObject,
            _closure: *mut std::ffi::c_void,
        ) -> *mut pyo3::ffi::PyObject {
            // SAFETY: called by the interpreter for an attribute of this class.
            unsafe {
                $crate::ffi::asyncio::call_own::<$class>(
                    receiver,
                    std::ptr::null(),
                    0,
                    std::ptr::null_mut(),
                    |py, own, _| $function(py, own),
                )
            }
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
pub(crate) use own_getter;

/// What `__init__` does: `fn(Python, &Own<T>, positional, keywords)`.
type Initialize<T> = fn(Python<'_>, &Own<T>, &Bound<'_, PyTuple>, Option<&Bound<'_, PyDict>>) -> PyResult<()>;

/// # Safety
/// Called by the interpreter for the `__init__` of `T`'s class.
pub(crate) unsafe fn initialize<T: Derived>(
    receiver: *mut ffi::PyObject,
    positional: *mut ffi::PyObject,
    keywords: *mut ffi::PyObject,
    body: Initialize<T>,
) -> c_int {
    // SAFETY: an attached thread; a tuple, and a dictionary or nothing, that live as long as the call.
    unsafe {
        let py = Python::assume_attached();
        let positional = Bound::from_borrowed_ptr(py, positional).cast_into_unchecked();
        let keywords = Bound::from_borrowed_ptr_or_opt(py, keywords).map(|k| k.cast_into_unchecked());
        let done = enter(py, || {
            Own::<T>::borrowed(receiver, |own| body(py, own, &positional, keywords.as_ref()))
                .map(|()| Object::none(py).into_ptr())
        });
        if done.is_null() {
            return -1;
        }
        ffi::Py_DECREF(done);
        0
    }
}

/// The slot of `__init__`.
macro_rules! initializer {
    ($class:ty, $function:expr) => {{
        #[allow(unsafe_code)]
        unsafe extern "C" fn wrapped(
            receiver: *mut pyo3::ffi::PyObject,
            positional: *mut pyo3::ffi::PyObject,
            keywords: *mut pyo3::ffi::PyObject,
        ) -> std::ffi::c_int {
            // SAFETY: called by the interpreter for the `__init__` of this class.
            unsafe { $crate::ffi::asyncio::initialize::<$class>(receiver, positional, keywords, $function) }
        }
        pyo3::ffi::PyType_Slot { slot: pyo3::ffi::Py_tp_init, pfunc: wrapped as *mut std::ffi::c_void }
    }};
}
pub(crate) use initializer;

/// What asyncio's C code calls, where it finds a task of ours among the callbacks of a future.
pub(crate) fn call_slot() -> ffi::PyType_Slot {
    unsafe extern "C" fn called(
        task: *mut ffi::PyObject,
        _positional: *mut ffi::PyObject,
        _keywords: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: called by the interpreter on an attached thread with an instance of the class, or of one below it.
        unsafe {
            let py = Python::assume_attached();
            enter(py, || {
                Own::<Task>::borrowed(task, |task| crate::event_loop::task::called(py, task))
                    .map(|()| Object::none(py).into_ptr())
            })
        }
    }
    ffi::PyType_Slot { slot: ffi::Py_tp_call, pfunc: called as *mut std::ffi::c_void }
}

/// The callable by which a future that is not ours wakes a task of ours; its name is asyncio's.
pub(crate) fn wakeup_of(py: Python<'_>, task: &Object) -> PyResult<Object> {
    static DEFINITION: Definition = Definition(ffi::PyMethodDef {
        ml_name: c"task_wakeup".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: wake_up },
        ml_flags: ffi::METH_O,
        ml_doc: ptr::null(),
    });
    struct Definition(ffi::PyMethodDef);
    // SAFETY: never changed.
    unsafe impl Sync for Definition {}

    unsafe extern "C" fn wake_up(
        task: *mut ffi::PyObject,
        _future: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: called by the interpreter on an attached thread, with the task that it was made for.
        unsafe {
            let py = Python::assume_attached();
            let task = std::mem::ManuallyDrop::new(Object::from_owned(py, task));
            enter(py, || {
                crate::event_loop::task::woken_by_call(py, &task).map(|()| Object::none(py).into_ptr())
            })
        }
    }

    // SAFETY: a definition that lives for ever and a live object; the result is new, or an error is set.
    unsafe {
        let made =
            ffi::PyCFunction_NewEx((&raw const DEFINITION.0).cast_mut(), task.as_ptr(), ptr::null_mut());
        Object::from_result(py, made)
    }
}

/// What a coroutine answers when it is resumed.
pub(crate) enum Resumed {
    Yielded(Object),
    Returned(Object),
}

/// `coroutine.send(value)`
pub(crate) fn send(py: Python<'_>, coroutine: &Object, value: Option<&Object>) -> PyResult<Resumed> {
    let mut result = ptr::null_mut();
    // SAFETY: live objects; what comes back is new, or an error is set.
    unsafe {
        let value = value.map_or_else(|| ffi::Py_None(), Object::as_ptr);
        match ffi::PyIter_Send(coroutine.as_ptr(), value, &raw mut result) {
            ffi::PySendResult::PYGEN_NEXT => Ok(Resumed::Yielded(Object::from_owned(py, result))),
            ffi::PySendResult::PYGEN_RETURN => Ok(Resumed::Returned(Object::from_owned(py, result))),
            ffi::PySendResult::PYGEN_ERROR => Err(PyErr::fetch(py)),
        }
    }
}

/// Whether this is a coroutine beyond doubt: the interpreter's or one of ours.
pub(crate) fn is_coroutine(object: &Object) -> bool {
    // SAFETY: a live object.
    unsafe { ffi::PyCoro_CheckExact(object.as_ptr()) != 0 || super::coroutine::is_native(object.as_ptr()) }
}

pub(crate) fn is_generator(object: &Object) -> bool {
    // SAFETY: a live object.
    unsafe { ffi::PyGen_Check(object.as_ptr()) != 0 }
}
