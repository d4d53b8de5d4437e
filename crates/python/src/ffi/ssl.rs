//! Objects of the `ssl` module that are C, called with memory of ours: no `bytes` is made for a call.
//!
//! Only exactly CPython's own classes are let in, which nobody can change: their methods let go of what they
//! are given before they return. Belongs to the thread of the loop.

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;

use super::call::call;
use super::intern::intern;
use super::{Bytes, Object, imports, owned};

/// Whether an object is exactly of a class of `_ssl`'s, with the methods that it was built with.
fn is_own(object: &Bound<'_, PyAny>, name: &str) -> bool {
    let class = object.get_type();
    // SAFETY: a live class.
    let is_fixed = unsafe { ffi::PyType_HasFeature(class.as_type_ptr(), ffi::Py_TPFLAGS_IMMUTABLETYPE) } != 0;
    is_fixed && imports::look_up(object.py(), "_ssl", name).is_ok_and(|own| own.is(&class))
}

/// A `memoryview` of memory that is there as long as the view.
///
/// # Safety
/// Whoever gets it lets go of it, and of what it shows, before the memory goes; for `ffi::PyBUF_WRITE` nobody
/// else reads or writes that meanwhile.
unsafe fn view(py: Python<'_>, start: *mut u8, length: usize, flags: i32) -> PyResult<Object> {
    // SAFETY: so many bytes, as the caller says. The result is new, or an error is set.
    unsafe {
        let made = ffi::PyMemoryView_FromMemory(start.cast(), length as ffi::Py_ssize_t, flags);
        Object::from_result(py, made)
    }
}

/// An `ssl.MemoryBIO`, with its methods: to look them up takes as long as half of what they do.
pub(crate) struct MemoryBio {
    object: Object,
    read: Object,
    write: Object,
}

owned!(MemoryBio { visits: object, read, write; });

impl MemoryBio {
    pub(crate) fn new(py: Python<'_>) -> PyResult<Self> {
        let made = imports::look_up(py, "_ssl", "MemoryBIO")?.call0()?;
        if is_own(&made, "MemoryBIO") {
            let method = |name| made.getattr(name).map(Object::from);
            return Ok(Self {
                read: method(intern!(py, "read"))?,
                write: method(intern!(py, "write"))?,
                object: made.into(),
            });
        }
        Err(PyTypeError::new_err("the class of _ssl.MemoryBIO is not CPython's"))
    }

    pub(crate) fn object(&self) -> &Object {
        &self.object
    }

    pub(crate) fn pending(&self, py: Python<'_>) -> PyResult<usize> {
        self.object.bind(py).getattr(intern!(py, "pending"))?.extract()
    }

    pub(crate) fn write(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
        // SAFETY: `write` copies, and keeps nothing; it is CPython's own, by `new`.
        let view = unsafe { view(py, bytes.as_ptr().cast_mut(), bytes.len(), ffi::PyBUF_READ) }?;
        call(py, &self.write, &[&view]).map(drop)
    }

    /// All that is there.
    pub(crate) fn read(&self, py: Python<'_>) -> PyResult<Bytes> {
        Bytes::of(call(py, &self.read, &[])?.bind(py))
    }
}

/// The `_ssl._SSLSocket` of an `ssl.SSLObject`, whose `read`, `write` and `pending` do no more than call its own.
/// Its methods are looked up once, too.
pub(crate) struct SslSocket {
    read: Object,
    write: Object,
    pending: Object,
}

owned!(SslSocket { visits: read, write, pending; });

impl SslSocket {
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> Option<Self> {
        let inner = object.getattr_opt(intern!(object.py(), "_sslobj")).ok().flatten()?;
        if !is_own(&inner, "_SSLSocket") {
            return None;
        }
        let method = |name| inner.getattr(name).ok().map(Object::from);
        Some(Self {
            read: method(intern!(object.py(), "read"))?,
            write: method(intern!(object.py(), "write"))?,
            pending: method(intern!(object.py(), "pending"))?,
        })
    }

    /// How much is left of a record that was read in part.
    pub(crate) fn pending(&self, py: Python<'_>) -> PyResult<usize> {
        call(py, &self.pending, &[])?.bind(py).extract()
    }

    /// Reads what is left of a record, or the next one, as far as there is room for it; 0 is the peer's end.
    pub(crate) fn read(&self, py: Python<'_>, room: &mut [u8]) -> PyResult<usize> {
        let length = Object::from(room.len().into_pyobject(py)?);
        // SAFETY: `read` fills it, without Python's lock, and keeps nothing; it is CPython's own, by `of`. Nobody
        // else has the memory: the borrow lasts for the call.
        let view = unsafe { view(py, room.as_mut_ptr(), room.len(), ffi::PyBUF_WRITE) }?;
        call(py, &self.read, &[&length, &view])?.bind(py).extract()
    }

    /// Encrypts a record's worth, and says how much that was.
    pub(crate) fn write(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<usize> {
        // SAFETY: as for `MemoryBio::write`; it is CPython's own, by `of`.
        let view = unsafe { view(py, bytes.as_ptr().cast_mut(), bytes.len(), ffi::PyBUF_READ) }?;
        call(py, &self.write, &[&view])?.bind(py).extract()
    }

    /// The same of what is an object already.
    pub(crate) fn write_object(&self, py: Python<'_>, bytes: &Bytes) -> PyResult<usize> {
        call(py, &self.write, &[bytes.object()])?.bind(py).extract()
    }
}
