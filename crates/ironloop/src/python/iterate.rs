//! Asynchronous iterators of Rust streams.

use std::any::type_name;
use std::cell::UnsafeCell;
use std::ffi::{CStr, c_int, c_void};
use std::panic::Location;
use std::pin::Pin;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use pyo3::exceptions::{PyRuntimeError, PyStopAsyncIteration};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use pyo3::{IntoPyObject, PyErr};

use super::class;
use super::coroutine::{Body, Facts, to_python};
use super::frame::Frame;
use super::resume::lose;

/// What is iterated for Python.
trait Source: Send {
    fn next(
        self: Pin<&mut Self>,
        py: Python<'_>,
        context: &mut Context<'_>,
    ) -> Poll<Option<PyResult<Py<PyAny>>>>;
}

struct Converted<S>(S);

impl<S, T, E> Source for Converted<S>
where
    S: Stream<Item = Result<T, E>> + Send,
    T: for<'py> IntoPyObject<'py> + 'static,
    E: Into<PyErr>,
{
    fn next(
        self: Pin<&mut Self>,
        py: Python<'_>,
        context: &mut Context<'_>,
    ) -> Poll<Option<PyResult<Py<PyAny>>>> {
        // SAFETY: the field is pinned as the whole is: nothing moves out of it.
        let stream = unsafe { self.map_unchecked_mut(|converted| &mut converted.0) };
        let item = stream.poll_next(context);
        item.map(|item| item.map(|item| to_python(py, item.map_err(Into::into)?)))
    }
}

/// Waits for somebody to ask for the next one; one asks at a time. Over once it has ended, has failed, or was
/// closed.
enum Place {
    Waits(Pin<Box<dyn Source>>),
    Asked,
    Over,
}

type Shared = Arc<Mutex<Place>>;

fn lock(shared: &Shared) -> MutexGuard<'_, Place> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An asynchronous iterator for Python, of [`iterate`].
#[must_use = "it does nothing until Python iterates it"]
pub struct AsyncIter {
    facts: Facts,
    source: Pin<Box<dyn Source>>,
}

/// An asynchronous iterator of a stream: `async for` in Python. Each item is polled for as the future of a
/// [`coroutine`](super::coroutine()) is; an error ends it.
///
/// `aclose()` drops the stream, as does the end of the iterator.
#[track_caller]
pub fn iterate<S, T, E>(name: &'static str, stream: S) -> AsyncIter
where
    S: Stream<Item = Result<T, E>> + Send + 'static,
    T: for<'py> IntoPyObject<'py> + 'static,
    E: Into<PyErr> + 'static,
{
    let facts = Facts { name, place: Location::caller(), path: type_name::<S>(), home: None };
    AsyncIter { facts, source: Box::pin(Converted(stream)) }
}

/// The body of one `__anext__`.
struct Next {
    shared: Shared,
    /// Whether it is this one that asks.
    asks: bool,
    /// While it asks; gone during a poll, so that what panics is not polled again.
    source: Option<Pin<Box<dyn Source>>>,
}

impl Body for Next {
    fn poll(
        mut self: Pin<&mut Self>,
        py: Python<'_>,
        context: &mut Context<'_>,
    ) -> Poll<PyResult<Py<PyAny>>> {
        if !self.asks {
            let place = std::mem::replace(&mut *lock(&self.shared), Place::Asked);
            match place {
                Place::Waits(source) => {
                    self.asks = true;
                    self.source = Some(source);
                }
                Place::Asked => {
                    let text = "anext(): asynchronous iterator is already running";
                    return Poll::Ready(Err(PyRuntimeError::new_err(text)));
                }
                Place::Over => {
                    *lock(&self.shared) = Place::Over;
                    return Poll::Ready(Err(PyStopAsyncIteration::new_err(())));
                }
            }
        }
        let Some(mut source) = self.source.take() else { return Poll::Pending };
        match source.as_mut().next(py, context) {
            Poll::Pending => {
                self.source = Some(source);
                Poll::Pending
            }
            Poll::Ready(Some(Ok(item))) => {
                self.source = Some(source);
                self.give_back();
                Poll::Ready(Ok(item))
            }
            Poll::Ready(end) => {
                drop(source);
                self.give_back();
                let error = end.and_then(Result::err);
                Poll::Ready(Err(error.unwrap_or_else(|| PyStopAsyncIteration::new_err(()))))
            }
        }
    }
}

impl Next {
    /// It may be asked again, unless nothing is left of it.
    fn give_back(&mut self) {
        if std::mem::replace(&mut self.asks, false) {
            *lock(&self.shared) = self.source.take().map_or(Place::Over, Place::Waits);
        }
    }
}

impl Drop for Next {
    fn drop(&mut self) {
        // Cancelled: the next one goes on where this one stood.
        self.give_back();
    }
}

/// The body of `aclose()`.
struct Close(Shared);

impl Body for Close {
    fn poll(self: Pin<&mut Self>, py: Python<'_>, _: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let before = std::mem::replace(&mut *lock(&self.0), Place::Over);
        Poll::Ready(match before {
            Place::Asked => {
                *lock(&self.0) = Place::Asked;
                let text = "aclose(): asynchronous iterator is already running";
                Err(PyRuntimeError::new_err(text))
            }
            Place::Waits(_) | Place::Over => Ok(py.None()),
        })
    }
}

#[repr(C)]
struct Layout {
    head: ffi::PyObject,
    iterator: UnsafeCell<(Facts, Shared)>,
}

static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();

impl<'py> IntoPyObject<'py> for AsyncIter {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let class = CLASS.get_or_try_init(py, || create(py))?;
        let shared = Arc::new(Mutex::new(Place::Waits(self.source)));
        // SAFETY: attached, a live class of which the instances are laid out so; the new object is ours
        // alone.
        unsafe {
            let object = ffi::PyType_GenericAlloc(class.as_ptr().cast(), 0);
            let object = Bound::from_owned_ptr_or_err(py, object)?;
            let layout = object.as_ptr().cast::<Layout>();
            (&raw mut (*layout).iterator).write(UnsafeCell::new((self.facts, shared)));
            Ok(object)
        }
    }
}

fn create(py: Python<'_>) -> PyResult<Py<PyType>> {
    let methods = vec![
        ffi::PyMethodDef {
            ml_name: c"aclose".as_ptr(),
            ml_meth: ffi::PyMethodDefPointer { PyCFunction: aclose },
            ml_flags: ffi::METH_NOARGS,
            ml_doc: CLOSE.as_ptr(),
        },
        ffi::PyMethodDef::zeroed(),
    ];
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_am_aiter, class::itself as *mut c_void),
        slot(ffi::Py_am_anext, anext as *mut c_void),
        slot(ffi::Py_tp_methods, class::leak(methods)),
        slot(ffi::Py_tp_doc, c"An asynchronous iterator of a Rust stream.".as_ptr().cast_mut().cast()),
        slot(0, ptr::null_mut()),
    ];
    class::from_slots(py, c"ironloop.RustIterator", size_of::<Layout>(), &mut slots)
}

const CLOSE: &CStr = c"aclose($self, /)\n--\n\nDrops the stream.";

// SAFETY (of all below): called by the interpreter on an attached thread with a live instance of the class.

#[allow(deprecated, reason = "see `class`")]
unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
    // SAFETY: see above; nobody refers to it any more, and it is not touched afterwards.
    unsafe {
        let (mut kind, mut value, mut traceback) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        ffi::PyErr_Fetch(&raw mut kind, &raw mut value, &raw mut traceback);
        class::counted(|_| lose((*object.cast::<Layout>()).iterator.get().read()));
        ffi::PyErr_Restore(kind, value, traceback);
        let class = ffi::Py_TYPE(object);
        ffi::PyObject_Free(object.cast());
        ffi::Py_DECREF(class.cast());
    }
}

/// A coroutine of what `body` makes.
unsafe fn coroutine<B: Body + 'static>(
    object: *mut ffi::PyObject,
    body: impl FnOnce(Shared) -> B,
) -> *mut ffi::PyObject {
    // SAFETY: see above.
    unsafe {
        let py = Python::assume_attached();
        let (facts, shared) = &*(*object.cast::<Layout>()).iterator.get();
        match class::new(py, Frame::new(*facts, body(Arc::clone(shared)), None)) {
            Ok(coroutine) => coroutine.into_ptr(),
            Err(error) => {
                error.restore(py);
                ptr::null_mut()
            }
        }
    }
}

unsafe extern "C" fn anext(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: see above.
    unsafe { coroutine(object, |shared| Next { shared, asks: false, source: None }) }
}

unsafe extern "C" fn aclose(object: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: see above.
    unsafe { coroutine(object, Close) }
}
