//! An owned reference without PyO3's bookkeeping.

use std::mem::ManuallyDrop;
use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyTuple, PyType, PyWeakrefMethods, PyWeakrefReference};

/// A strong reference to a Python object.
///
/// `Py<T>` asks on every drop whether the thread is attached, because it may be dropped anywhere. An `Object`
/// may not: dropping it is one decrement, and may run any Python code.
#[repr(transparent)]
pub(crate) struct Object(ManuallyDrop<Py<PyAny>>);

impl Object {
    /// Takes over a new reference.
    ///
    /// # Safety
    /// `pointer` is a valid object, and the caller gives up one reference to it.
    pub(crate) unsafe fn from_owned(py: Python<'_>, pointer: *mut ffi::PyObject) -> Self {
        // SAFETY: who calls this has the reference from a C function, or by `Py_NewRef`, and says so; it is
        // taken over here.
        Self(ManuallyDrop::new(unsafe { Bound::from_owned_ptr(py, pointer) }.unbind()))
    }

    /// Takes over the new reference that a C function has returned, or the error that it has set.
    ///
    /// # Safety
    /// `pointer` is a valid object to which the caller gives up one reference, or null, and an exception is
    /// set.
    pub(crate) unsafe fn from_result(py: Python<'_>, pointer: *mut ffi::PyObject) -> PyResult<Self> {
        if pointer.is_null() {
            return Err(PyErr::fetch(py));
        }
        // SAFETY: not null, so it is the new reference.
        Ok(unsafe { Self::from_owned(py, pointer) })
    }

    pub(crate) fn none(py: Python<'_>) -> Self {
        py.None().into()
    }

    pub(crate) fn truth(py: Python<'_>, value: bool) -> Self {
        PyBool::new(py, value).to_owned().into()
    }

    pub(crate) fn bind<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.0.bind(py)
    }

    /// How many refer to it.
    pub(crate) fn references(&self) -> usize {
        // SAFETY: a live object.
        unsafe { ffi::Py_REFCNT(self.as_ptr()) as usize }
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self(ManuallyDrop::new(self.0.clone_ref(py)))
    }

    pub(crate) fn as_ptr(&self) -> *mut ffi::PyObject {
        self.0.as_ptr()
    }

    /// Gives the reference away.
    pub(crate) fn into_ptr(self) -> *mut ffi::PyObject {
        ManuallyDrop::new(self).as_ptr()
    }

    /// For PyO3's garbage collection visitor.
    pub(crate) fn as_py(&self) -> &Py<PyAny> {
        &self.0
    }

    /// A weak reference; the same one each time, as long as the object lives and somebody keeps it.
    pub(crate) fn weak(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        // SAFETY: a live object; the result is new, or an error is set.
        unsafe { Self::from_result(object.py(), ffi::PyWeakref_NewRef(object.as_ptr(), ptr::null_mut())) }
    }

    /// Whether this is a weak reference to that very object.
    pub(crate) fn leads_to(&self, object: &Bound<'_, PyAny>) -> bool {
        let weak = self.bind(object.py()).cast::<PyWeakrefReference>();
        weak.is_ok_and(|weak| weak.upgrade().is_some_and(|found| found.is(object)))
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: owned, and dropped by an attached thread as the module demands.
        unsafe { ffi::Py_DECREF(self.0.as_ptr()) };
    }
}

impl<T> From<Py<T>> for Object {
    fn from(object: Py<T>) -> Self {
        Self(ManuallyDrop::new(object.into_any()))
    }
}

impl<T> From<Bound<'_, T>> for Object {
    fn from(object: Bound<'_, T>) -> Self {
        object.into_any().unbind().into()
    }
}

impl<T> From<&Bound<'_, T>> for Object {
    fn from(object: &Bound<'_, T>) -> Self {
        object.clone().into()
    }
}

/// `kind.__new__(kind)`
pub(crate) fn new_instance(kind: &Bound<'_, PyType>) -> PyResult<Object> {
    let py = kind.py();
    let none = PyTuple::empty(py);
    // SAFETY: a live type, and the arguments that its slot takes; the result is new, or an error is set.
    unsafe {
        match (*kind.as_type_ptr()).tp_new {
            Some(new) => Object::from_result(py, new(kind.as_type_ptr(), none.as_ptr(), ptr::null_mut())),
            None => kind.call0().map(Object::from),
        }
    }
}

/// `float(int)`; an error if that is too large.
pub(crate) fn float_of(int: &Bound<'_, PyInt>) -> PyResult<f64> {
    // SAFETY: a live int. Where the result may be an error's, it is asked for.
    let value = unsafe { ffi::PyLong_AsDouble(int.as_ptr()) };
    if value == -1.0 && PyErr::occurred(int.py()) { Err(PyErr::fetch(int.py())) } else { Ok(value) }
}

/// The calling thread, as `threading.get_ident()` numbers it.
pub(crate) fn current_thread() -> u64 {
    // SAFETY: asks the platform, whatever the interpreter's state.
    unsafe { ffi::PyThread_get_thread_ident() }
}
