//! Futures and tasks, asyncio's own and ours, as the C structs that they are.
//!
//! A [`View`] is of one whose class is known: it names no loop, and runs nothing. What is done with it,
//! `event_loop::future` says.

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::Object;
use super::derived::{Derived, DerivedClass, Own};
use super::fields::FutureFields;
use super::method::Receiver;

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
        // SAFETY: an instance of exactly one of these classes; `lib.rs` has probed their layout before it had
        // them remembered.
        stock.then(|| unsafe { Self::cast(object) })
    }

    /// # Safety
    /// The object is a future of asyncio's, or of a class below it.
    unsafe fn cast(object: &'a Object) -> Self {
        // SAFETY: `of_ours` and `of_stock` have looked at the object's class, for `of_own` and `lend` its
        // type and the tables of methods have, and `of_iterated` says who has; all such objects begin with
        // the fields.
        Self { object, fields: unsafe { &*object.as_ptr().cast() } }
    }

    pub(crate) fn of_own<T: Derived>(own: &'a Own<T>) -> Self
    where
        Own<T>: IsFuture,
    {
        // SAFETY: `IsFuture` is only implemented for classes that are made below asyncio's.
        unsafe { Self::cast(own.object()) }
    }
}

/// Of our future and task classes, and of those below them.
impl Receiver for View<'_> {
    type Lent<'a> = View<'a>;

    #[inline(always)]
    unsafe fn lend<R>(py: Python<'_>, instance: *mut ffi::PyObject, body: impl FnOnce(View<'_>) -> R) -> R {
        // SAFETY: called by `ffi::method` for the interpreter, which has checked the class and keeps the
        // instance: its reference is not given back.
        unsafe {
            let object = ManuallyDrop::new(Object::from_owned(py, instance));
            body(View::cast(&object))
        }
    }
}

/// Classes of ours that begin with the fields of a future.
pub(crate) trait IsFuture {}
