//! Who is told natively that a future is done.
//!
//! In a future of ours an observer stands like a callback, and the loop tells it in the turn in which it
//! would call one, without a handle. To any other future it is a common callback: it can be called.
//!
//! Each kind of observer has a class of its own. The loop knows them all by what their payloads begin with
//! ([`Head`]), and not by their classes: so nobody need know every kind.

use std::ffi::{CStr, c_void};
use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::callable::call_slot;
use super::class::{ClassKind, NO_GETTER};
use super::memory::Pool;
use super::method::{enter, get};
use super::{Arguments, Class, Clear, Instance, Native, Object, Traverse, owned};

/// On whose behalf an observer watches.
pub(crate) trait Observe: Traverse + Clear + Send + Sync + Sized + 'static {
    /// The name of asyncio's callback.
    const QUALIFIED_NAME: &'static str;

    fn kind() -> &'static ClassKind;

    /// The future is done.
    fn told(observer: &Instance<Observer<Self>>, py: Python<'_>, future: &Object) -> PyResult<()>;

    /// Called by a timer.
    fn timed_out(_observer: &Instance<Observer<Self>>, _py: Python<'_>) -> PyResult<()> {
        Ok(())
    }
}

/// What an observer does, by its object.
///
/// # Safety
/// To be called with the observer in whose head it stands.
type Tell = unsafe fn(&Object, Python<'_>, Option<&Object>) -> PyResult<()>;

/// The first part of every observer's payload. No other object has [`called`] in its vectorcall field.
#[repr(C)]
struct Head {
    vectorcall: ffi::vectorcallfunc,
    /// That a future is done; or nothing, by a timer.
    tell: Tell,
}

/// An observer, with what it knows.
#[repr(C)]
pub(crate) struct Observer<W> {
    head: Head,
    pub(crate) watcher: W,
}

owned!([W: Observe] Observer<W> { clears: watcher; ignores: head; });

impl<W: Observe> Native for Observer<W> {
    const NAME: &'static CStr = c"ironloop.Observer";
    const DOC: &'static CStr = c"A combinator's callback.";
    const OPEN: bool = false;
    // Its memory comes from the pool.
    const TRACKED: bool = false;
    const FINALIZES: bool = false;
    const CALLABLE: bool = true;

    fn class() -> &'static Class {
        W::kind().class()
    }

    /// The futures that it watches lead back to it.
    fn begins_tracked(&mut self) -> bool {
        true
    }

    fn pool(&self) -> Option<&Pool> {
        Some(W::kind().pool())
    }
}

impl<W: Observe> Observer<W> {
    pub(crate) fn make(py: Python<'_>, watcher: W) -> PyResult<Instance<Self>> {
        let head = Head { vectorcall: called, tell: tell::<W> };
        Self::class().instantiate(py, Self { head, watcher })
    }

    /// As the futures and the loop know it.
    pub(crate) fn any(observer: &Instance<Self>) -> &AnyObserver {
        // SAFETY: an `AnyObserver` is an `Object`, and this one begins with a head.
        unsafe { &*ptr::from_ref(observer.object()).cast() }
    }
}

/// # Safety
/// The object is an observer of this kind.
unsafe fn tell<W: Observe>(observer: &Object, py: Python<'_>, future: Option<&Object>) -> PyResult<()> {
    // SAFETY: it stands in the head of observers of this kind alone, and an `Instance` is an `Object`.
    let observer: &Instance<Observer<W>> = unsafe { &*ptr::from_ref(observer).cast() };
    match future {
        Some(future) => W::told(observer, py, future),
        None => W::timed_out(observer, py),
    }
}

/// A reference to an observer of any kind.
#[repr(transparent)]
pub(crate) struct AnyObserver(Object);

owned!(AnyObserver { visits: 0; });

impl AnyObserver {
    /// The object, if it is one.
    pub(crate) fn of(object: &Object) -> Option<&Self> {
        // SAFETY: a live object. Where its class says that the function is with which it is called, there it
        // is, or null; by that of observers it is one, and an `AnyObserver` is an `Object`.
        unsafe {
            let known = head_of(object).cast::<Option<ffi::vectorcallfunc>>();
            if known.is_null() {
                return None;
            }
            let is_one = (*known).is_some_and(|known| ptr::fn_addr_eq(known, called as ffi::vectorcallfunc));
            is_one.then(|| &*ptr::from_ref(object).cast())
        }
    }

    /// The future is done.
    #[inline]
    pub(crate) fn tell(&self, py: Python<'_>, future: &Object) -> PyResult<()> {
        self.hear(py, Some(future))
    }

    #[inline]
    fn hear(&self, py: Python<'_>, future: Option<&Object>) -> PyResult<()> {
        // SAFETY: an observer, whose payload begins with its own head and is in place as long as it lives.
        unsafe { ((*head_of(&self.0).cast::<Head>()).tell)(&self.0, py, future) }
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self(self.0.clone_ref(py))
    }

    pub(crate) fn object(&self) -> &Object {
        &self.0
    }
}

/// Where an object has the function with which it is called; null if its class has no such place.
fn head_of(object: &Object) -> *const c_void {
    // SAFETY: a live object, and its type; the place is inside the object.
    unsafe {
        match (*ffi::Py_TYPE(object.as_ptr())).tp_vectorcall_offset {
            0 => ptr::null(),
            offset => object.as_ptr().cast_const().byte_offset(offset).cast(),
        }
    }
}

/// With the future that is done, or with nothing by a timer.
unsafe extern "C" fn called(
    observer: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls by the observer's own vectorcall field, on an attached thread, and keeps
    // observer and arguments for the time of the call. The reference to it is not given back.
    unsafe {
        let py = Python::assume_attached();
        let arguments = Arguments::new(values, ffi::PyVectorcall_NARGS(count), names);
        enter(py, || {
            let observer = std::mem::ManuallyDrop::new(AnyObserver(Object::from_owned(py, observer)));
            match arguments.positional() {
                [] => observer.hear(py, None)?,
                [future, ..] => observer.tell(py, &future.to_object(py))?,
            }
            Ok(Object::none(py).into_ptr())
        })
    }
}

unsafe extern "C" fn name_of<W: Observe>(
    observer: *mut ffi::PyObject,
    _closure: *mut c_void,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter for an attribute of this class.
    unsafe { get::<Observer<W>>(observer, |py, _| Ok(PyString::new(py, W::QUALIFIED_NAME).into())) }
}

/// Makes the class of a kind of observer, when the module is made.
pub(crate) fn add_class<W: Observe>(py: Python<'_>) -> PyResult<()> {
    let name = ffi::PyGetSetDef { name: c"__qualname__".as_ptr(), get: Some(name_of::<W>), ..NO_GETTER };
    Observer::<W>::class().create_hidden::<Observer<W>>(py, &[], &[name], &[call_slot()])
}
