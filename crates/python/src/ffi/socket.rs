//! Sockets that a Python object owns.
//!
//! Anybody who has the object may close it at any time, and the kernel then gives its number to the next
//! descriptor of the process. So whoever keeps such a socket keeps the object, and asks it for its number
//! before each system call.

use std::sync::atomic::{AtomicU8, Ordering};

use ironloop_driver::RawFd;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::Object;
use super::object::new_instance;
use super::owned;
use crate::ffi::imports;
use crate::ffi::intern::intern;

/// The number of a socket that is closed: every system call refuses it.
pub(crate) const CLOSED: RawFd = -1;

/// An instance of `_socket.socket`, or of a class derived from it.
pub(crate) struct PythonSocket {
    object: Object,
    /// What its number was when it came to us.
    number: RawFd,
}

owned!(PythonSocket { visits: object; ignores: number; });

/// The head of CPython's `PySocketSockObject`.
#[repr(C)]
struct Fields {
    head: ffi::PyObject,
    number: RawFd,
}

/// How a socket is asked for its number.
static WAY: AtomicU8 = AtomicU8::new(UNKNOWN);
const UNKNOWN: u8 = 0;
/// Its field is read.
const FIELD: u8 = 1;
/// Its C method is called: its fields are not where we expect them.
const METHOD: u8 = 2;

impl PythonSocket {
    pub(crate) fn new(socket: &Bound<'_, PyAny>) -> PyResult<Self> {
        let class = imports::native_socket(socket.py())?;
        // Not `isinstance`, which asks the object: its fields are read.
        // SAFETY: a live object and a class.
        if unsafe { ffi::PyObject_TypeCheck(socket.as_ptr(), class.as_type_ptr()) } == 0 {
            return Err(PyTypeError::new_err(format!("a socket was expected, not {}", socket.get_type())));
        }
        if WAY.load(Ordering::Relaxed) == UNKNOWN {
            learn_way(class, socket)?;
        }
        let object = Object::from(socket);
        let number = number_of(&object);
        Ok(Self { object, number })
    }

    /// The number for a system call now: [`CLOSED`] once the object was closed, or has given its descriptor
    /// away.
    pub(crate) fn fd(&self) -> RawFd {
        number_of(&self.object)
    }

    /// What its number was at first, to name it by; it may be another's by now.
    pub(crate) fn number(&self) -> RawFd {
        self.number
    }

    /// Closed, or its descriptor given away, since it came to us.
    pub(crate) fn is_gone(&self) -> bool {
        self.fd() != self.number
    }

    pub(crate) fn object(&self) -> &Object {
        &self.object
    }
}

/// Runs no Python code.
fn number_of(socket: &Object) -> RawFd {
    if WAY.load(Ordering::Relaxed) == FIELD {
        // SAFETY: an instance of `_socket.socket`, as `new` has checked, whose field was found to be the
        // number.
        return unsafe { (*socket.as_ptr().cast::<Fields>()).number };
    }
    // SAFETY: whoever has a socket of ours at hand is attached to the interpreter.
    let py = unsafe { Python::assume_attached() };
    asked(socket.bind(py)).unwrap_or(CLOSED)
}

/// What the C method says: it makes a number, and runs no Python code.
fn asked(socket: &Bound<'_, PyAny>) -> PyResult<RawFd> {
    let class = imports::native_socket(socket.py())?;
    class.getattr(intern!(socket.py(), "fileno"))?.call1((socket,))?.extract()
}

/// The field will do if an open socket has its number there, and one that was never opened has [`CLOSED`].
fn learn_way(class: &Bound<'_, PyType>, open: &Bound<'_, PyAny>) -> PyResult<()> {
    let number = asked(open)?;
    if number < 0 {
        // That proves nothing; the next one may.
        return Ok(());
    }
    let unopened = new_instance(class)?;
    // SAFETY: a live type.
    let size = unsafe { (*class.as_type_ptr()).tp_basicsize } as usize;
    let has = |socket: *mut ffi::PyObject, number: RawFd| {
        // SAFETY: an instance of that class, whose instances are large enough.
        size >= size_of::<Fields>() && unsafe { (*socket.cast::<Fields>()).number } == number
    };
    let known = has(unopened.as_ptr(), CLOSED) && has(open.as_ptr(), number);
    WAY.store(if known { FIELD } else { METHOD }, Ordering::Relaxed);
    Ok(())
}
