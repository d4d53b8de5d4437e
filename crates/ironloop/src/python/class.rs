//! The class of the coroutines: one a extension module, resumed as CPython's own are (`am_send`).
//!
//! An instance is a [frame](super::frame). The collector does not know it: what a Rust future holds it could
//! not see.

use std::ffi::{CStr, CString, c_int, c_void};
use std::ptr::{self, NonNull};

use ironloop_abi::Table;
use pyo3::exceptions::{PyRuntimeWarning, PyStopIteration};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};

use super::frame::{self, Frame};
use super::polling;
use super::remains::Remains;
use super::resume::{Coroutine, Input, Lent, Life, Step, close, resume};
use super::stable::{AM_SEND, DISALLOW_INSTANTIATION, Sent};
use super::table::table;

static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// A new coroutine.
pub(super) fn new(py: Python<'_>, mut frame: Frame) -> PyResult<Bound<'_, PyAny>> {
    frame.with(|coroutine| {
        if coroutine.facts.home.is_some() {
            coroutine.find_home(py);
        }
    });
    let class = CLASS.get_or_try_init(py, || create(py))?;
    // SAFETY: attached, a live class, the deallocator of which knows frames; this one is ours alone. The
    // collector does not know its instances, so nobody asks whose memory they are.
    unsafe {
        let object = ffi::PyObject_Init(frame.into_raw(), class.as_ptr().cast());
        Ok(Bound::from_owned_ptr(py, object))
    }
}

/// One that the interpreter keeps meanwhile.
struct Borrowed(*mut ffi::PyObject);

impl Lent for Borrowed {
    fn with<R>(&self, look: impl FnOnce(&mut Coroutine) -> R) -> R {
        // SAFETY: an instance of the class, on an attached thread; `look` runs no Python, so it is not
        // nested.
        look(unsafe { &mut *frame::coroutine_of(self.0) })
    }
}

fn create(py: Python<'_>) -> PyResult<Py<PyType>> {
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_repr, repr as *mut c_void),
        slot(ffi::Py_tp_iter, itself as *mut c_void),
        slot(ffi::Py_tp_iternext, next as *mut c_void),
        slot(ffi::Py_am_await, itself as *mut c_void),
        slot(AM_SEND, send as *mut c_void),
        slot(ffi::Py_tp_methods, leak(methods())),
        slot(ffi::Py_tp_getset, leak(getters())),
        slot(ffi::Py_tp_doc, c"A coroutine that runs a Rust future.".as_ptr().cast_mut().cast()),
        slot(0, ptr::null_mut()),
    ];
    let class = from_slots(py, c"ironloop.RustCoroutine", size_of::<frame::Head>(), &mut slots)?;
    if let Some(table) = table(py) {
        adopt(py, table, &class);
    }
    Ok(class)
}

/// ironloop is found after the class was made: by an import that came later.
pub(super) fn found(py: Python<'_>, table: &Table) {
    if let Some(class) = CLASS.get(py) {
        adopt(py, table, class);
    }
}

fn adopt(py: Python<'_>, table: &Table, class: &Py<PyType>) {
    // SAFETY: attached, a live class. What could go wrong is no harm: then it is asked for each time.
    if unsafe { (table.adopt)(class.as_ptr().cast()) } != 0 {
        drop(PyErr::take(py));
    }
}

/// A class without a constructor; of what the slots lead to nothing is ever freed.
pub(super) fn from_slots(
    py: Python<'_>,
    name: &'static CStr,
    size: usize,
    slots: &mut [ffi::PyType_Slot],
) -> PyResult<Py<PyType>> {
    let mut spec = ffi::PyType_Spec {
        name: name.as_ptr(),
        basicsize: size as c_int,
        itemsize: 0,
        flags: (ffi::Py_TPFLAGS_DEFAULT | DISALLOW_INSTANTIATION) as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: attached; the slots are copied, and end with an empty one.
    let class = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&raw mut spec))? };
    Ok(class.cast_into::<PyType>()?.unbind())
}

pub(super) fn leak<T>(list: Vec<T>) -> *mut c_void {
    Box::leak(list.into_boxed_slice()).as_mut_ptr().cast()
}

fn methods() -> Vec<ffi::PyMethodDef> {
    let method = |name: &'static CStr, doc: &'static CStr, ml_meth, ml_flags| ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth,
        ml_flags,
        ml_doc: doc.as_ptr(),
    };
    vec![
        method(
            c"send",
            c"send($self, value, /)\n--\n\nResumes it.",
            ffi::PyMethodDefPointer { PyCFunction: send_method },
            ffi::METH_O,
        ),
        method(
            c"throw",
            c"throw($self, /, *args)\n--\n\nDrops the future and raises.",
            ffi::PyMethodDefPointer { PyCFunction: throw_method },
            ffi::METH_VARARGS,
        ),
        method(
            c"close",
            c"close($self, /)\n--\n\nDrops the future.",
            ffi::PyMethodDefPointer { PyCFunction: close_method },
            ffi::METH_NOARGS,
        ),
        method(
            c"_polled",
            c"_polled()\n--\n\nWhat was polled last, since this was asked before.",
            ffi::PyMethodDefPointer { PyCFunction: polled },
            ffi::METH_NOARGS | ffi::METH_STATIC,
        ),
        ffi::PyMethodDef::zeroed(),
    ]
}

fn getters() -> Vec<ffi::PyGetSetDef> {
    let getter = |name: &'static CStr, get| ffi::PyGetSetDef {
        name: name.as_ptr(),
        get: Some(get),
        set: None,
        doc: ptr::null(),
        closure: ptr::null_mut(),
    };
    vec![
        getter(c"__name__", name),
        getter(c"__qualname__", qualified_name),
        getter(c"cr_running", is_running),
        getter(c"cr_await", nothing),
        getter(c"cr_origin", origin),
        getter(c"cr_rust", rust),
        ffi::PyGetSetDef::default(),
    ]
}

// SAFETY (of all below): called by the interpreter on an attached thread with a live instance of the class,
// and arguments that it keeps. No panic leaves: `resume` catches those of futures.

// What takes the place of these two is not in the limited API of every Python that is asked for.
#[allow(deprecated)]
unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
    // SAFETY: see above; nobody refers to it any more, and it is not touched afterwards.
    unsafe {
        let class = ffi::Py_TYPE(object);
        let frame = NonNull::new_unchecked(object.cast::<frame::Head>());
        if Borrowed(object).with(|coroutine| coroutine.is_over()) || dies(frame) {
            frame::end(frame);
            frame::free_all(frame);
        }
        ffi::Py_DECREF(class.cast());
    }
}

/// Before its end. False if its memory has to stay.
#[allow(deprecated, reason = "see above")]
#[cold]
unsafe fn dies(frame: NonNull<frame::Head>) -> bool {
    // SAFETY: as `dealloc`.
    unsafe {
        // As it is: PyO3 would go on with a panic that is under way as an exception.
        let (mut kind, mut value, mut traceback) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        ffi::PyErr_Fetch(&raw mut kind, &raw mut value, &raw mut traceback);
        let ends = counted(|py| last_words(py, frame));
        ffi::PyErr_Restore(kind, value, traceback);
        ends
    }
}

/// What nobody has awaited is told of; what waits is dropped. False if it cannot be here.
fn last_words(py: Python<'_>, frame: NonNull<frame::Head>) -> bool {
    let object = frame.as_ptr().cast();
    let lent = Borrowed(object);
    let (facts, fresh) = lent.with(|coroutine| (coroutine.facts, coroutine.is_fresh()));
    if fresh {
        let text = CString::new(format!("coroutine '{}' was never awaited", facts.name)).unwrap_or_default();
        let category = py.get_type::<PyRuntimeWarning>();
        if let Err(error) = PyErr::warn(py, &category, &text, 1) {
            error.write_unraisable(py, None);
        }
    }
    if close(py, &lent).is_ok() {
        return true;
    }
    // On another thread than the one that it may not leave.
    let body = match lent.with(|coroutine| std::mem::replace(&mut coroutine.life, Life::Over)) {
        Life::Fresh(body) => body,
        Life::Waits(body, shared, _) | Life::Seated(body, shared, _) => {
            shared.end(py);
            body
        }
        Life::Runs | Life::Over => return true,
    };
    let home = lent.with(|coroutine| coroutine.home.take());
    // SAFETY: `dealloc` touches nothing of it any more.
    unsafe { Remains::new(facts, body, frame) }.go(home);
    false
}

unsafe extern "C" fn repr(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: see above.
    unsafe {
        let facts = Borrowed(object).with(|coroutine| coroutine.facts);
        let text = format!("<Rust coroutine {} ({}) at {object:p}>", facts.name, facts.place);
        PyString::new(Python::assume_attached(), &text).into_any().into_ptr()
    }
}

pub(super) unsafe extern "C" fn itself(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: see above.
    unsafe {
        ffi::Py_INCREF(object);
        object
    }
}

unsafe fn sent(py: Python<'_>, value: *mut ffi::PyObject) -> Input {
    // SAFETY: see above: a borrowed reference.
    unsafe {
        Input::Send(
            Bound::from_borrowed_ptr_or_opt(py, value).filter(|value| !value.is_none()).map(Bound::unbind),
        )
    }
}

unsafe extern "C" fn send(
    object: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    result: *mut *mut ffi::PyObject,
) -> Sent {
    // SAFETY: see above; `result` is the interpreter's place for the answer.
    unsafe {
        attached(object, |py| match resume(py, &Borrowed(object), sent(py, value)) {
            Ok(Step::Yield(yielded)) => {
                *result = yielded.into_ptr();
                Sent::Yielded
            }
            Ok(Step::Return(value)) => {
                *result = value.into_ptr();
                Sent::Returned
            }
            Err(error) => {
                error.restore(py);
                *result = ptr::null_mut();
                Sent::Failed
            }
        })
    }
}

/// PyO3 counts who is attached: where it does not know, objects that are dropped wait for somebody who is. To
/// have it know costs more than the poll of a future that is ready, so it is left out for those that have
/// nothing to drop.
///
/// # Safety
/// The thread is attached; a live instance.
unsafe fn attached<R>(object: *mut ffi::PyObject, body: impl FnOnce(Python<'_>) -> R) -> R {
    if Borrowed(object).with(|coroutine| coroutine.has_drop) {
        // SAFETY: as the caller says.
        unsafe { counted(body) }
    } else {
        // SAFETY: as the caller says.
        body(unsafe { Python::assume_attached() })
    }
}

/// Has PyO3 count that the thread is attached. It refuses while the interpreter goes down, when objects still
/// die: then it is not told.
///
/// # Safety
/// The thread is attached.
pub(super) unsafe fn counted<R>(body: impl FnOnce(Python<'_>) -> R) -> R {
    let mut body = Some(body);
    let mut once = |py: Python<'_>| body.take().map(|body| body(py));
    match Python::try_attach(&mut once).flatten() {
        Some(done) => done,
        // SAFETY: as the caller says.
        None => once(unsafe { Python::assume_attached() }).expect("it was not called"),
    }
}

unsafe extern "C" fn next(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: see above.
    unsafe {
        attached(object, |py| match resume(py, &Borrowed(object), Input::Send(None)) {
            Ok(Step::Yield(yielded)) => yielded.into_ptr(),
            // An iterator that ends without an exception has returned None.
            Ok(Step::Return(value)) => {
                // By what is attached: PyO3 may not know that this thread is.
                let value = value.into_bound(py);
                if !value.is_none() {
                    stop(value);
                }
                ptr::null_mut()
            }
            Err(error) => {
                error.restore(py);
                ptr::null_mut()
            }
        })
    }
}

/// Sets the `StopIteration` that the interpreter takes apart at once.
fn stop(value: Bound<'_, PyAny>) {
    let py = value.py();
    match table(py) {
        // SAFETY: attached; it takes the reference.
        Some(table) => unsafe { (table.stop)(value.into_ptr().cast()) },
        None => stop_iteration(py, value.unbind()).restore(py),
    }
}

/// As an argument a tuple stays one.
fn stop_iteration(py: Python<'_>, value: Py<PyAny>) -> PyErr {
    if value.is_none(py) { PyStopIteration::new_err(()) } else { PyStopIteration::new_err((value,)) }
}

unsafe extern "C" fn send_method(
    object: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: see above.
    unsafe { attached(object, |py| answer(py, resume(py, &Borrowed(object), sent(py, value)))) }
}

/// A value comes as a `StopIteration`.
fn answer(py: Python<'_>, step: PyResult<Step>) -> *mut ffi::PyObject {
    let error = match step {
        Ok(Step::Yield(yielded)) => return yielded.into_ptr(),
        Ok(Step::Return(value)) => stop_iteration(py, value),
        Err(error) => error,
    };
    error.restore(py);
    ptr::null_mut()
}

unsafe extern "C" fn throw_method(
    object: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: see above; the arguments are a tuple.
    unsafe {
        attached(object, |py| {
            let error = error_of(&Bound::from_borrowed_ptr(py, arguments));
            answer(py, error.and_then(|error| resume(py, &Borrowed(object), Input::Throw(error))))
        })
    }
}

/// `throw(error)`, or, as of old, `throw(class, value, traceback)`.
fn error_of(arguments: &Bound<'_, PyAny>) -> PyResult<PyErr> {
    let kind = arguments.get_item(0)?;
    let value = arguments.get_item(1).ok().filter(|value| !value.is_none());
    let error = match value {
        Some(value) if value.is_instance_of::<pyo3::exceptions::PyBaseException>() => {
            PyErr::from_value(value)
        }
        Some(value) if kind.is_instance_of::<PyType>() => PyErr::from_value(kind.call1((value,))?),
        None if kind.is_instance_of::<PyType>() => PyErr::from_value(kind.call0()?),
        _ => PyErr::from_value(kind),
    };
    // By its name: PyO3 0.26 has no method for it.
    if let Ok(traceback) = arguments.get_item(2)
        && !traceback.is_none()
    {
        error.value(arguments.py()).setattr(intern!(arguments.py(), "__traceback__"), traceback)?;
    }
    Ok(error)
}

unsafe extern "C" fn close_method(object: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: see above.
    unsafe {
        attached(object, |py| match close(py, &Borrowed(object)) {
            Ok(()) => py.None().into_ptr(),
            Err(error) => {
                error.restore(py);
                ptr::null_mut()
            }
        })
    }
}

unsafe extern "C" fn name(object: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: see above.
    unsafe {
        let name = Borrowed(object).with(|coroutine| coroutine.facts.name);
        let last = name.rsplit('.').next().unwrap_or(name);
        PyString::new(Python::assume_attached(), last).into_any().into_ptr()
    }
}

unsafe extern "C" fn qualified_name(object: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: see above.
    unsafe {
        let name = Borrowed(object).with(|coroutine| coroutine.facts.name);
        PyString::new(Python::assume_attached(), name).into_any().into_ptr()
    }
}

unsafe extern "C" fn is_running(object: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: see above.
    unsafe {
        let runs = Borrowed(object).with(|coroutine| matches!(coroutine.life, Life::Runs));
        ffi::PyBool_FromLong(runs.into())
    }
}

unsafe extern "C" fn nothing(_: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: see above.
    unsafe { Python::assume_attached() }.None().into_ptr()
}

/// For ironloop's report of a callback that took long.
unsafe extern "C" fn polled(_: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: see above.
    let py = unsafe { Python::assume_attached() };
    match polling::last() {
        Some(facts) => {
            let text = format!("{} ({}, {})", facts.name, facts.path, facts.place);
            PyString::new(py, &text).into_any().into_ptr()
        }
        None => py.None().into_ptr(),
    }
}

/// What ironloop's views show: path, file, line, and how it stands.
unsafe extern "C" fn rust(object: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: see above.
    unsafe {
        let py = Python::assume_attached();
        let (facts, state) = Borrowed(object).with(|coroutine| (coroutine.facts, coroutine.life.name()));
        match (facts.path, facts.place.file(), facts.place.line(), state).into_pyobject(py) {
            Ok(told) => told.into_any().into_ptr(),
            Err(error) => {
                error.restore(py);
                ptr::null_mut()
            }
        }
    }
}

/// Where it was made, in Rust.
unsafe extern "C" fn origin(object: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: see above.
    unsafe {
        let facts = Borrowed(object).with(|coroutine| coroutine.facts);
        PyString::new(Python::assume_attached(), &facts.place.to_string()).into_any().into_ptr()
    }
}
