//! A reference to an instance of a PyO3 class that owns others, such as the loop that a handle belongs to.

use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::{Borrowed, PyClass};

use super::{Object, Traverse, Visit, Visited};

/// A strong reference to a frozen PyO3 object.
pub(crate) struct Shared<T>(Object, PhantomData<T>);

impl<T: PyClass<Frozen = True> + Sync> Shared<T> {
    pub(crate) fn new(object: &Bound<'_, T>) -> Self {
        Self(object.into(), PhantomData)
    }

    pub(crate) fn bind<'py>(&self, py: Python<'py>) -> &Bound<'py, T> {
        // SAFETY: an instance of T, by construction.
        unsafe { self.0.bind(py).cast_unchecked() }
    }

    pub(crate) fn get(&self, py: Python<'_>) -> &T {
        let value: *const T = self.bind(py).get();
        // SAFETY: it lies in the object, which our reference keeps alive.
        unsafe { &*value }
    }

    /// The same where no token is at hand: in a deallocator.
    pub(crate) fn peek(&self) -> &T {
        // SAFETY: objects are dropped by attached threads only.
        self.get(unsafe { Python::assume_attached() })
    }

    pub(crate) fn object(&self) -> &Object {
        &self.0
    }
}

impl<T: PyClass<Frozen = True>> From<Bound<'_, T>> for Shared<T> {
    fn from(object: Bound<'_, T>) -> Self {
        Self(object.into(), PhantomData)
    }
}

impl<T> Traverse for Shared<T> {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.0.traverse(visit)
    }
}

/// The Python class below `T` that nearly all of its instances are of: to know them takes one comparison.
pub(crate) struct ExactClass<T> {
    kind: AtomicPtr<ffi::PyTypeObject>,
    native: PhantomData<fn() -> T>,
}

impl<T: PyClass> ExactClass<T> {
    pub(crate) const fn new() -> Self {
        Self { kind: AtomicPtr::new(ptr::null_mut()), native: PhantomData }
    }

    /// Said once, when the class is made; raises TypeError if it is not below `T`.
    pub(crate) fn learn(&self, class: &Bound<'_, PyAny>) -> PyResult<()> {
        let class = class.cast::<pyo3::types::PyType>()?;
        if !class.is_subclass_of::<T>()? {
            return Err(pyo3::exceptions::PyTypeError::new_err("not a class of this kind"));
        }
        // The reference is never given back, so no other class can come to stand at this address.
        self.kind.store(class.clone().into_ptr().cast(), Ordering::Relaxed);
        Ok(())
    }

    fn is_of(&self, object: &Bound<'_, PyAny>) -> bool {
        // SAFETY: a live object.
        unsafe { ffi::Py_TYPE(object.as_ptr()) == self.kind.load(Ordering::Relaxed) }
    }

    pub(crate) fn cast<'a, 'py>(&self, object: &'a Bound<'py, PyAny>) -> Option<&'a Bound<'py, T>> {
        if self.is_of(object) {
            // SAFETY: the class is below `T`, as `learn` has seen to.
            return Some(unsafe { object.cast_unchecked() });
        }
        object.cast().ok()
    }

    /// The same; raises TypeError if it is of another class.
    pub(crate) fn require<'a, 'py>(&self, object: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, T>> {
        self.cast(object).map_or_else(|| Ok(object.cast()?), Ok)
    }

    /// The same of an argument, which the caller keeps.
    pub(crate) fn receiver<'a, 'py>(
        &self,
        object: Borrowed<'a, 'py, PyAny>,
    ) -> PyResult<Borrowed<'a, 'py, T>> {
        if self.is_of(&object) {
            // SAFETY: the class is below `T`, as `learn` has seen to.
            return Ok(unsafe { object.cast_unchecked() });
        }
        Ok(object.cast()?)
    }
}
