//! Places in instances of Python classes that have `__slots__`: a reference each, or nothing.
//!
//! A native class below such a class overrides the names of its slots, so their places would stay empty. What
//! is a reference can lie there: the instances are smaller. The base's own descriptors, called past ours, read
//! and write the same places; so a place may have lost what was put there, or have got anything else, and who
//! takes it out asks what it is.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::fields::Field;
use super::{Object, Traverse, Visit, Visited};

/// So many places in a row, each with a reference of whatever kind or nothing.
#[repr(transparent)]
pub(crate) struct Places<const N: usize>([Field; N]);

// SAFETY: used by attached threads only. Where several are attached at once, those who use the places of an
// instance have the `LoopCell` beside them: `event_loop::handle` keeps that.
unsafe impl<const N: usize> Sync for Places<N> {}
// SAFETY: the same.
unsafe impl<const N: usize> Send for Places<N> {}

impl<const N: usize> Places<N> {
    #[inline(always)]
    pub(crate) fn new(objects: [Option<Object>; N]) -> Self {
        Self(objects.map(|object| object.map_or(Field::empty(), Field::new)))
    }

    /// Shows the object to `body`, which runs no Python.
    pub(crate) fn lend(&self, place: usize, body: impl FnOnce(&Object)) {
        self.0[place].lend(body);
    }

    pub(crate) fn get(&self, py: Python<'_>, place: usize) -> Option<Object> {
        self.0[place].get(py)
    }

    #[inline(always)]
    pub(crate) fn take(&self, py: Python<'_>, place: usize) -> Option<Object> {
        self.0[place].take(py)
    }

    /// Gives back what was there, to be dropped when nothing is borrowed.
    #[must_use]
    pub(crate) fn put(&self, py: Python<'_>, place: usize, object: Object) -> Option<Object> {
        self.0[place].replace(py, Some(object))
    }
}

impl<const N: usize> Traverse for Places<N> {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        let mut visited = Ok(());
        for place in &self.0 {
            place.lend(|object| visited = object.traverse(visit));
            if visited.is_err() {
                break;
            }
        }
        visited
    }
}

impl<const N: usize> Places<N> {
    #[cold]
    fn clear(&self) {
        // SAFETY: like an `Object`, dropped by attached threads only.
        let py = unsafe { Python::assume_attached() };
        self.0.iter().for_each(|place| drop(place.take(py)));
    }
}

impl<const N: usize> Drop for Places<N> {
    #[inline(always)]
    fn drop(&mut self) {
        // Nearly always all are empty by then.
        if self.0.iter().fold(0, |any, place| any | place.as_ptr().addr()) != 0 {
            self.clear();
        }
    }
}

/// Whether behind the head of the class's instances there are so many bytes, and they are places of
/// `__slots__` and nothing else: at the end of those of the first class, until Python 3.11, the list of weak
/// references.
pub(super) fn are_places(class: &Bound<'_, PyType>, bytes: usize) -> PyResult<bool> {
    // Free-threaded, the base's descriptors know nothing of our locks.
    if cfg!(Py_GIL_DISABLED) {
        return Ok(false);
    }
    let (size, dictionary, weak) = {
        let kind = class.as_type_ptr();
        // SAFETY: a live type, whose sizes were settled when it was made.
        unsafe { ((*kind).tp_basicsize, (*kind).tp_dictoffset, (*kind).tp_weaklistoffset) }
    };
    let first = size_of::<ffi::PyObject>();
    if size as usize != first + bytes || dictionary != 0 {
        return Ok(false);
    }
    let (mut places, mut weak_at) = (0, 0);
    for class in class.mro().iter().rev() {
        let own = class.getattr("__dict__")?;
        let Ok(slots) = own.get_item("__slots__") else { continue };
        for name in slots.try_iter()? {
            places += usize::from(!name?.eq("__weakref__")?);
        }
        if weak_at == 0 {
            weak_at = first + places * size_of::<usize>();
        }
    }
    if cfg!(not(Py_3_12)) {
        places += 1;
        if weak as usize != weak_at {
            return Ok(false);
        }
    }
    Ok(places * size_of::<usize>() == bytes)
}
