//! Classes of other extension modules whose instances are resumed as coroutines are: asyncio need not be
//! asked.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::Object;
use super::intern::intern;

/// So many are known at a time; of more, asyncio is asked as before.
const MOST: usize = 8;

/// Filled from the first on. Each has a reference that is never given back.
static CLASSES: [AtomicPtr<ffi::PyTypeObject>; MOST] = [const { AtomicPtr::new(ptr::null_mut()) }; MOST];

/// Takes a class in.
pub(crate) fn adopt(class: &Bound<'_, PyType>) {
    let new = class.as_type_ptr();
    for place in &CLASSES {
        match place.compare_exchange(ptr::null_mut(), new, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => {
                class.clone().into_ptr();
                return;
            }
            Err(known) if known == new => return,
            Err(_) => {}
        }
    }
}

/// What one of them has polled on this thread since this was asked before; in words. One that fails says nothing: it
/// is asked before an item, which is not to be lost by it.
pub(crate) fn polled(py: Python<'_>) -> Option<Object> {
    let mut found = None;
    for place in &CLASSES {
        let class = place.load(Ordering::Relaxed);
        if class.is_null() {
            break;
        }
        // SAFETY: attached; the class has a reference for ever.
        let class = unsafe { Bound::from_borrowed_ptr(py, class.cast()) };
        let told = class.getattr_opt(intern!(py, "_polled")).ok().flatten();
        let told = told.and_then(|polled| polled.call0().ok());
        found = told.filter(|told| !told.is_none()).map(Object::from).or(found);
    }
    found
}

/// Whether it is an instance of one of them.
pub(crate) fn is_adopted(object: &Object) -> bool {
    // SAFETY: a live object.
    let class = unsafe { ffi::Py_TYPE(object.as_ptr()) };
    let known = CLASSES.iter().map(|place| place.load(Ordering::Relaxed));
    known.take_while(|known| !known.is_null()).any(|known| known == class)
}
