//! A reference to an instance of a native class, known as such by its Rust type.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;

use super::{Native, Object, Traverse, Visit, Visited};

/// A strong reference to an instance of `T`'s class; dereferences to the payload.
#[repr(transparent)]
pub(crate) struct Instance<T>(Object, PhantomData<T>);

impl<T: Native> Instance<T> {
    /// # Safety
    /// The object is an instance of `T`'s class.
    pub(super) unsafe fn from_object(object: Object) -> Self {
        Self(object, PhantomData)
    }

    /// The object, if it is an instance of exactly this class.
    pub(crate) fn of(object: &Object) -> Option<&Self> {
        // SAFETY: a live object; `Instance` is an `Object`, and this one is of the class.
        unsafe {
            (ffi::Py_TYPE(object.as_ptr()) == T::class().kind()).then(|| &*ptr::from_ref(object).cast())
        }
    }

    /// Whether somebody has given it attributes, which may stand before its methods.
    pub(crate) fn has_attributes(&self) -> bool {
        T::class().has_attributes::<T>(self.0.as_ptr())
    }

    /// Lends an instance that somebody else keeps alive.
    ///
    /// # Safety
    /// `pointer` is a live instance of `T`'s class for as long as `body` runs.
    pub(super) unsafe fn borrowed<R>(pointer: &*mut ffi::PyObject, body: impl FnOnce(&Self) -> R) -> R {
        // SAFETY: the thread is attached, as it runs Python code; the reference is not given back below.
        let object = unsafe { Object::from_owned(Python::assume_attached(), *pointer) };
        body(&ManuallyDrop::new(Self(object, PhantomData)))
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self(self.0.clone_ref(py), PhantomData)
    }

    /// Whether nobody else refers to it.
    pub(crate) fn is_exclusive(&self) -> bool {
        // SAFETY: a live object.
        unsafe { ffi::Py_REFCNT(self.0.as_ptr()) == 1 }
    }

    pub(crate) fn object(&self) -> &Object {
        &self.0
    }

    pub(crate) fn into_object(self) -> Object {
        self.0
    }
}

/// The object: its payload is shown in its own turn.
impl<T> Traverse for Instance<T> {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.0.traverse(visit)
    }
}

impl<T: Native> Deref for Instance<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: an instance of the class, by construction; its payload is in place until it is deallocated.
        unsafe { &*T::class().payload::<T>(self.0.as_ptr()) }
    }
}
