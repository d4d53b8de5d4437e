//! Interned names, each made when first asked for.
//!
//! PyO3's own are made under a lock, which is taken with Python's lock released: a thread that forks just
//! then leaves its child a lock that is never given back. These have none.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// A name, and its string object once there is one.
pub(crate) struct Name {
    text: &'static str,
    object: AtomicPtr<ffi::PyObject>,
}

impl Name {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, object: AtomicPtr::new(ptr::null_mut()) }
    }

    pub(crate) fn get<'py>(&'static self, py: Python<'py>) -> &'py Bound<'py, PyString> {
        if self.object.load(Ordering::Acquire).is_null() {
            let made = PyString::intern(py, self.text).into_ptr();
            let first =
                self.object.compare_exchange(ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire);
            if first.is_err() {
                // SAFETY: our own reference; another thread was faster.
                drop(unsafe { Bound::from_owned_ptr(py, made) });
            }
        }
        // SAFETY: from now on it holds a string, and never changes.
        unsafe { Bound::ref_from_ptr(py, &*self.object.as_ptr()).cast_unchecked() }
    }
}

/// `intern!(py, "name")`, as PyO3's.
macro_rules! intern {
    ($py:expr, $text:expr) => {{
        static NAME: $crate::ffi::intern::Name = $crate::ffi::intern::Name::new($text);
        NAME.get($py)
    }};
}
pub(crate) use intern;
