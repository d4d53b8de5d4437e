//! A reference to an instance of a PyO3 class that owns others, such as the loop that a handle belongs to.

use std::marker::PhantomData;

use pyo3::PyClass;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;

use super::Object;

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
