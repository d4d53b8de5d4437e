//! Python's own clocks in a simulation: `time.time`, `datetime.now` and their like, whoever holds them.
//!
//! A program may have imported them by name, so it is the C functions below the names that are exchanged: once
//! in a process, when the first simulation is made. Each of ours asks whether the calling thread simulates,
//! and else calls the one that it stands for. [`follow`] and [`leave`] are called by the thread that runs a
//! simulated loop, when it begins and ends to run it.

use std::cell::RefCell;
use std::ffi::{c_int, c_long};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use ironloop_driver::Simulated;
use pyo3::ffi;
use pyo3::prelude::*;

use super::Object;
use super::intern::intern;

/// The clock that a thread follows.
struct Followed {
    world: Arc<Simulated>,
    /// What `time.time()` reads where the clock reads 0, in nanoseconds.
    epoch: i64,
    /// The context variable that holds the host whose code runs; each may have a wall clock of its own.
    host: Object,
}

/// How many threads follow one: while none does, nobody looks further.
static FOLLOWING: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static FOLLOWED: RefCell<Option<Followed>> = const { RefCell::new(None) };
}

/// The calling thread's clocks follow this one, until [`leave`].
pub(crate) fn follow(world: &Arc<Simulated>, epoch: i64, host: Object) {
    FOLLOWING.fetch_add(1, Ordering::Relaxed);
    FOLLOWED.replace(Some(Followed { world: Arc::clone(world), epoch, host }));
}

/// They are the kernel's again.
pub(crate) fn leave() {
    if FOLLOWED.take().is_some() {
        FOLLOWING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is read of the clock that the calling thread follows; `None` if it follows none.
fn with_followed<R>(read: impl FnOnce(&Followed) -> R) -> Option<R> {
    if FOLLOWING.load(Ordering::Relaxed) == 0 {
        return None;
    }
    // A thread that ends has none any more.
    FOLLOWED.try_with(|followed| followed.borrow().as_ref().map(read)).ok().flatten()
}

fn monotonic() -> Option<i64> {
    with_followed(|followed| followed.world.now())
}

fn wall() -> Option<i64> {
    // SAFETY: Python's clocks are read by who has the interpreter.
    let py = unsafe { Python::assume_attached() };
    let (nanos, host) = with_followed(|followed| {
        (followed.epoch.saturating_add(followed.world.now()), followed.host.clone_ref(py))
    })?;
    Some(nanos.saturating_add(offset_of(py, &host)))
}

/// By how much the wall clock of the host whose code runs is ahead, in nanoseconds; nothing where there is none.
fn offset_of(py: Python<'_>, host: &Object) -> i64 {
    let Ok(host) = host.bind(py).call_method1(intern!(py, "get"), (py.None(),)) else { return 0 };
    if host.is_none() {
        return 0;
    }
    host.getattr(intern!(py, "_clock_offset")).and_then(|offset| offset.extract()).unwrap_or(0)
}

fn seconds(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}

/// A C function of Python's, and the one of ours that stands for it.
struct Exchange {
    module: &'static str,
    class: Option<&'static str>,
    name: &'static str,
    flags: c_int,
    ours: *mut (),
    original: &'static AtomicPtr<()>,
}

/// A function of no arguments that reads a clock: the C function, and where the one it stands for is kept.
macro_rules! reads {
    ($function:ident, $original:ident, $read:expr) => {
        static $original: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

        unsafe extern "C" fn $function(
            module: *mut ffi::PyObject,
            nothing: *mut ffi::PyObject,
        ) -> *mut ffi::PyObject {
            let read: fn() -> Option<*mut ffi::PyObject> = $read;
            match read() {
                Some(answer) => answer,
                // SAFETY: `lead` has put the function there that this one stands for, of the same kind.
                None => unsafe { original($original.load(Ordering::Relaxed), module, nothing) },
            }
        }
    };
}

/// Calls a C function of two objects: of no arguments, of one, or of a tuple.
///
/// # Safety
///
/// `function` is such a one, and the arguments are what the interpreter has passed.
unsafe fn original(
    function: *mut (),
    first: *mut ffi::PyObject,
    second: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise.
    unsafe {
        let function: ffi::PyCFunction = std::mem::transmute(function);
        function(first, second)
    }
}

fn float(nanos: i64) -> *mut ffi::PyObject {
    // SAFETY: called with the interpreter attached; a failure is a null with its error set.
    unsafe { ffi::PyFloat_FromDouble(seconds(nanos)) }
}

fn integer(nanos: i64) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe { ffi::PyLong_FromLongLong(nanos) }
}

reads!(time, TIME, || wall().map(float));
reads!(time_ns, TIME_NS, || wall().map(integer));
reads!(monotonic_seconds, MONOTONIC, || monotonic().map(float));
reads!(monotonic_ns, MONOTONIC_NS, || monotonic().map(integer));
reads!(perf_counter, PERF_COUNTER, || monotonic().map(float));
reads!(perf_counter_ns, PERF_COUNTER_NS, || monotonic().map(integer));

static SLEEP: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
static LOCALTIME: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
static GMTIME: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
static NOW: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
static UTCNOW: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// `time.sleep`: the loop is blocked for so long.
unsafe extern "C" fn sleep(module: *mut ffi::PyObject, time: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter with one object. What is no time from 0 on is the original's to refuse.
    unsafe {
        let wanted = if with_followed(|_| ()).is_some() { ffi::PyFloat_AsDouble(time) } else { -1.0 };
        if !ffi::PyErr_Occurred().is_null() {
            ffi::PyErr_Clear();
        }
        if !(0.0..1e10).contains(&wanted) {
            return original(SLEEP.load(Ordering::Relaxed), module, time);
        }
        with_followed(|followed| followed.world.advance((wanted * 1e9).round() as i64));
        ffi::Py_NewRef(ffi::Py_None())
    }
}

/// `time.localtime` and `time.gmtime` of now.
unsafe fn broken_down(
    function: &AtomicPtr<()>,
    module: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter with a tuple; `lead` has put the function there.
    unsafe {
        let function = function.load(Ordering::Relaxed);
        let Some(now) = wall().filter(|_| ffi::PyTuple_Size(arguments) == 0) else {
            return original(function, module, arguments);
        };
        let of_now = ffi::Py_BuildValue(c"(d)".as_ptr(), seconds(now));
        if of_now.is_null() {
            return of_now;
        }
        let answer = original(function, module, of_now);
        ffi::Py_DecRef(of_now);
        answer
    }
}

unsafe extern "C" fn localtime(module: *mut ffi::PyObject, given: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: passed on.
    unsafe { broken_down(&LOCALTIME, module, given) }
}

unsafe extern "C" fn gmtime(module: *mut ffi::PyObject, given: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: passed on.
    unsafe { broken_down(&GMTIME, module, given) }
}

type WithKeywords = unsafe extern "C" fn(
    *mut ffi::PyObject,
    *const *mut ffi::PyObject,
    ffi::Py_ssize_t,
    *mut ffi::PyObject,
) -> *mut ffi::PyObject;

/// `datetime.now`: `fromtimestamp` of now, which takes the same time zone.
unsafe extern "C" fn now(
    class: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter with `count` positional arguments and as many more as `keywords` names.
    unsafe {
        let Some(moment) = wall() else {
            let original: WithKeywords = std::mem::transmute(NOW.load(Ordering::Relaxed));
            return original(class, arguments, count, keywords);
        };
        let moment = float(moment);
        if moment.is_null() {
            return moment;
        }
        let named = if keywords.is_null() { 0 } else { ffi::PyTuple_Size(keywords) };
        let mut all = vec![class, moment];
        all.extend((0..count + named).map(|index| *arguments.offset(index)));
        let name = ffi::PyUnicode_InternFromString(c"fromtimestamp".as_ptr());
        let answer = if name.is_null() {
            name
        } else {
            ffi::PyObject_VectorcallMethod(name, all.as_ptr(), (count + 2) as usize, keywords)
        };
        ffi::Py_XDECREF(name);
        ffi::Py_DecRef(moment);
        answer
    }
}

/// `datetime.utcnow`: the beginning of the epoch, and so much later.
unsafe extern "C" fn utcnow(class: *mut ffi::PyObject, nothing: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter with a class.
    unsafe {
        let Some(moment) = wall() else {
            return original(UTCNOW.load(Ordering::Relaxed), class, nothing);
        };
        let (days, micros) =
            (moment.div_euclid(86_400_000_000_000), moment.rem_euclid(86_400_000_000_000) / 1000);
        let start = ffi::PyObject_CallFunction(class, c"iii".as_ptr(), 1970 as c_int, 1 as c_int, 1 as c_int);
        if start.is_null() {
            return start;
        }
        let later = ffi::PyImport_ImportModule(c"datetime".as_ptr());
        let passed = if later.is_null() {
            ptr::null_mut()
        } else {
            let (days, micros) = (days as c_long, micros);
            ffi::PyObject_CallMethod(later, c"timedelta".as_ptr(), c"liL".as_ptr(), days, 0 as c_int, micros)
        };
        let answer = if passed.is_null() { ptr::null_mut() } else { ffi::PyNumber_Add(start, passed) };
        ffi::Py_XDECREF(start);
        ffi::Py_XDECREF(later);
        ffi::Py_XDECREF(passed);
        answer
    }
}

fn exchanges() -> [Exchange; 11] {
    let of_time = |name, flags, ours: *mut (), original| Exchange {
        module: "time",
        class: None,
        name,
        flags,
        ours,
        original,
    };
    let of_datetime = |name, flags, ours: *mut (), original| Exchange {
        module: "datetime",
        class: Some("datetime"),
        name,
        flags: flags | ffi::METH_CLASS,
        ours,
        original,
    };
    [
        of_time("time", ffi::METH_NOARGS, time as *mut (), &TIME),
        of_time("time_ns", ffi::METH_NOARGS, time_ns as *mut (), &TIME_NS),
        of_time("monotonic", ffi::METH_NOARGS, monotonic_seconds as *mut (), &MONOTONIC),
        of_time("monotonic_ns", ffi::METH_NOARGS, monotonic_ns as *mut (), &MONOTONIC_NS),
        of_time("perf_counter", ffi::METH_NOARGS, perf_counter as *mut (), &PERF_COUNTER),
        of_time("perf_counter_ns", ffi::METH_NOARGS, perf_counter_ns as *mut (), &PERF_COUNTER_NS),
        of_time("sleep", ffi::METH_O, sleep as *mut (), &SLEEP),
        of_time("localtime", ffi::METH_VARARGS, localtime as *mut (), &LOCALTIME),
        of_time("gmtime", ffi::METH_VARARGS, gmtime as *mut (), &GMTIME),
        of_datetime("now", ffi::METH_FASTCALL | ffi::METH_KEYWORDS, now as *mut (), &NOW),
        of_datetime("utcnow", ffi::METH_NOARGS, utcnow as *mut (), &UTCNOW),
    ]
}

/// Exchanges the functions, once. Names those of another kind than ours, which stay.
pub(crate) fn lead(py: Python<'_>) -> PyResult<Vec<String>> {
    let mut unknown = Vec::new();
    for exchange in exchanges() {
        if !exchange.make(py)? {
            unknown.push(exchange.to_string());
        }
    }
    Ok(unknown)
}

impl std::fmt::Display for Exchange {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [Some(self.module), self.class, Some(self.name)];
        let names: Vec<_> = parts.into_iter().flatten().collect();
        out.write_str(&names.join("."))
    }
}

impl Exchange {
    /// Whether it is made, now or before.
    fn make(&self, py: Python<'_>) -> PyResult<bool> {
        let mut holder = py.import(self.module)?.into_any();
        if let Some(class) = self.class {
            holder = holder.getattr(class)?;
        }
        let Some(definition) = definition_of(&holder, self.name)? else { return Ok(false) };
        // SAFETY: the definition is a static of Python's module, which is never unloaded, and belongs to whoever
        // has the interpreter's lock: all that call it have it too.
        unsafe {
            if (*definition).ml_flags != self.flags {
                return Ok(false);
            }
            let method = ptr::addr_of_mut!((*definition).ml_meth).cast::<*mut ()>();
            if *method == self.ours {
                return Ok(true);
            }
            // Another tool has put its own above ours, or was below it and has gone: each would call the other.
            let kept = self.original.load(Ordering::Relaxed);
            if !kept.is_null() && kept != *method {
                return Ok(false);
            }
            self.original.store(*method, Ordering::Relaxed);
            *method = self.ours;
        }
        Ok(true)
    }
}

/// The C definition of a function of a module, or of a method of a class.
fn definition_of(holder: &Bound<'_, PyAny>, name: &str) -> PyResult<Option<*mut ffi::PyMethodDef>> {
    let own = holder.getattr("__dict__")?;
    let Ok(function) = own.get_item(name) else { return Ok(None) };
    let (function, py) = (function.as_ptr(), holder.py());
    // SAFETY: live objects; what they are is asked before they are read as such.
    unsafe {
        if ffi::PyCFunction_CheckExact(function) != 0 {
            return Ok(Some((*function.cast::<ffi::PyCFunctionObject>()).m_ml));
        }
        let class_method = py.import("types")?.getattr("ClassMethodDescriptorType")?;
        if ffi::Py_TYPE(function).cast() == class_method.as_ptr() {
            return Ok(Some((*function.cast::<MethodDescriptor>()).definition));
        }
    }
    Ok(None)
}

/// `PyMethodDescrObject`, as far as it is read here.
#[repr(C)]
struct MethodDescriptor {
    head: ffi::PyObject,
    class: *mut ffi::PyTypeObject,
    name: *mut ffi::PyObject,
    qualified_name: *mut ffi::PyObject,
    definition: *mut ffi::PyMethodDef,
}
