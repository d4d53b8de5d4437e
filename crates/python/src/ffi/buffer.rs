//! The buffer protocol.

use std::mem::MaybeUninit;
use std::{ptr, slice};

use pyo3::ffi;
use pyo3::prelude::*;

use super::{Object, Traverse, Visit, Visited};

/// An exported buffer for the length of a call, where it stays in place.
struct Lent(MaybeUninit<ffi::Py_buffer>);

impl Lent {
    fn export(&mut self, object: &Bound<'_, PyAny>, flags: i32) -> PyResult<&mut ffi::Py_buffer> {
        // SAFETY: a live object, and room for the view, which does not move: `self` is borrowed.
        if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), self.0.as_mut_ptr(), flags) } < 0 {
            return Err(PyErr::fetch(object.py()));
        }
        // SAFETY: filled by the call.
        Ok(unsafe { self.0.assume_init_mut() })
    }
}

/// Releases it, also where `body` panics.
struct Release<'a>(&'a mut ffi::Py_buffer);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        // SAFETY: filled by a successful PyObject_GetBuffer, released once, on an attached thread.
        unsafe { ffi::PyBuffer_Release(&raw mut *self.0) };
    }
}

/// An exported buffer, released when dropped.
pub(crate) struct Buffer(Box<ffi::Py_buffer>);

// SAFETY: a view may be used and released by any attached thread.
unsafe impl Send for Buffer {}

impl Buffer {
    /// Contiguous bytes to read.
    pub(crate) fn readable(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::new(object, ffi::PyBUF_SIMPLE)
    }

    /// The same for the length of a call, without memory for the view.
    pub(crate) fn lend<R>(object: &Bound<'_, PyAny>, body: impl FnOnce(&[u8]) -> R) -> PyResult<R> {
        let mut lent = Lent(MaybeUninit::uninit());
        let view = Release(lent.export(object, ffi::PyBUF_SIMPLE)?);
        Ok(body(bytes_of(view.0)))
    }

    /// Contiguous bytes to fill, for the length of a call.
    pub(crate) fn lend_to_fill<R>(
        object: &Bound<'_, PyAny>,
        body: impl FnOnce(&mut [u8]) -> R,
    ) -> PyResult<R> {
        let mut lent = Lent(MaybeUninit::uninit());
        let view = Release(lent.export(object, ffi::PyBUF_WRITABLE)?);
        Ok(body(room_of(view.0)))
    }

    /// Contiguous bytes to fill.
    pub(crate) fn writable(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::new(object, ffi::PyBUF_WRITABLE)
    }

    fn new(object: &Bound<'_, PyAny>, flags: i32) -> PyResult<Self> {
        let mut view = Box::new(MaybeUninit::<ffi::Py_buffer>::zeroed());
        // SAFETY: a live object, and room for the view at an address that stays.
        if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), view.as_mut_ptr(), flags) } < 0 {
            return Err(PyErr::fetch(object.py()));
        }
        // SAFETY: filled by the call.
        Ok(Self(unsafe { view.assume_init() }))
    }

    /// Whose it is.
    fn exporter(&self) -> Option<&Object> {
        // SAFETY: an `Object` is such a pointer; the view owns the reference, and keeps it as long as it
        // lives.
        (!self.0.obj.is_null()).then(|| unsafe { &*ptr::from_ref(&self.0.obj).cast() })
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len as usize
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        bytes_of(&self.0)
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        room_of(&mut self.0)
    }
}

/// Of a view that was exported, and lives as long as the borrow.
fn bytes_of(view: &ffi::Py_buffer) -> &[u8] {
    if view.len == 0 {
        return &[];
    }
    // SAFETY: the exporter keeps so many bytes in place while the view lives. Other code may change them
    // only while this thread runs Python, and the borrow does not last that long.
    unsafe { slice::from_raw_parts(view.buf.cast(), view.len as usize) }
}

/// The same to be filled.
fn room_of(view: &mut ffi::Py_buffer) -> &mut [u8] {
    if view.len == 0 || view.readonly != 0 {
        return &mut [];
    }
    // SAFETY: the exporter keeps so many bytes in place while the view lives, and has agreed to writing;
    // `&mut` is the only borrow.
    unsafe { slice::from_raw_parts_mut(view.buf.cast(), view.len as usize) }
}

impl Traverse for Buffer {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.exporter().traverse(visit)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: filled by a successful PyObject_GetBuffer, released once, on an attached thread.
        unsafe { ffi::PyBuffer_Release(&raw mut *self.0) };
    }
}
