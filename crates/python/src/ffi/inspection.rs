//! What whoever inspects a coroutine sees: its class, names and state, and the code, frame and await that it
//! would have if it were asyncio's own.
//!
//! Nothing of this is there until somebody asks, sets a name, or has origins tracked.

use std::ffi::{CStr, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyCode, PyDict, PyFrame, PyString, PyTuple};

use super::class::NO_GETTER;
use super::derived::track;
use super::intern::intern;
use super::method::{enter, get};
use super::view::View;
use super::{Clear, Instance, Native, Object, Traverse, Visit, Visited, imports, owned};
use crate::ffi::cell::LoopCell;

/// Where a coroutine stands.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    Created,
    Suspended,
    Running,
    Ended,
}

/// A coroutine, to those who inspect it.
pub(super) trait Inspect: Native {
    /// Of the function of asyncio's that it stands for.
    const QUALIFIED_NAME: &'static str;

    fn inspected(&self) -> &Inspected;
    fn stage(&self) -> Stage;

    /// asyncio's own coroutine, if it does all that this one is there for.
    fn deputy(&self, py: Python<'_>) -> Option<Object>;

    /// The future or the iterator from which it has what it has yielded, while it is suspended.
    fn awaits(&self, py: Python<'_>) -> Option<Object>;

    /// The lock, the queue… that it waits for.
    fn subject(&self, py: Python<'_>) -> Option<Object>;
}

/// What a coroutine has been given, or asked for.
#[derive(Default)]
struct Details {
    name: Option<Object>,
    qualified_name: Option<Object>,
    /// It has run in none: made for those who ask for it.
    frame: Option<Object>,
    /// Who has made it, if that was asked for.
    origin: Option<Object>,
}

// Names are strings, which lead nowhere.
owned!(in_cell Details { clears: frame, origin; ignores: name, qualified_name; });

/// The place for them, which is commonly empty.
pub(super) struct Inspected(AtomicPtr<LoopCell<Details>>);

impl Inspected {
    pub(super) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    fn details(&self) -> Option<&LoopCell<Details>> {
        // SAFETY: null, or a box that is this one's until it is dropped.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    fn details_or_new(&self) -> &LoopCell<Details> {
        if self.details().is_none() {
            let new = Box::into_raw(Box::default());
            let other = self.0.compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire);
            if other.is_err() {
                // SAFETY: made above, and given to nobody.
                drop(unsafe { Box::from_raw(new) });
            }
        }
        // SAFETY: set once, here or by another, and only `drop` takes it away again.
        unsafe { &*self.0.load(Ordering::Acquire) }
    }

    /// One of the details, if it is there.
    fn read(
        &self,
        py: Python<'_>,
        which: impl FnOnce(&mut Details) -> &mut Option<Object>,
    ) -> Option<Object> {
        self.details()?.with(|details| which(details).as_ref().map(|object| object.clone_ref(py)))
    }

    fn write(&self, which: impl FnOnce(&mut Details) -> &mut Option<Object>, value: Object) {
        let old = self.details_or_new().with(|details| which(details).replace(value));
        drop(old);
    }

    pub(super) fn qualified_name(&self, py: Python<'_>) -> Option<Object> {
        self.read(py, |details| &mut details.qualified_name)
    }

    pub(super) fn origin(&self, py: Python<'_>) -> Option<Object> {
        self.read(py, |details| &mut details.origin)
    }
}

impl Traverse for Inspected {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.details().traverse(visit)
    }
}

impl Clear for Inspected {
    fn clear(&self, py: Python<'_>) {
        if let Some(details) = self.details() {
            details.clear(py);
        }
    }
}

impl Drop for Inspected {
    fn drop(&mut self) {
        let details = *self.0.get_mut();
        if !details.is_null() {
            // SAFETY: a box that nobody else has.
            drop(unsafe { Box::from_raw(details) });
        }
    }
}

/// asyncio's functions for which coroutines stand, by their qualified names: their code and their globals.
static FUNCTIONS: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

/// Where they are.
const MODULES: [&str; 5] =
    ["asyncio.tasks", "asyncio.queues", "asyncio.locks", "asyncio.streams", "asyncio.timeouts"];

/// Looks a function up, before anybody could put another in its place. One that a later Python does not have
/// is done without.
pub(super) fn learn(py: Python<'_>, qualified_name: &str) -> PyResult<()> {
    let functions = FUNCTIONS.get_or_init(py, || PyDict::new(py).unbind()).bind(py);
    if !functions.contains(qualified_name)? {
        for module in MODULES {
            if let Some(found) = find(imports::module(py, module)?, qualified_name)? {
                return functions.set_item(qualified_name, found);
            }
        }
    }
    Ok(())
}

type Found<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// Each program that imports ironloop looks all of them up: what a module does not have is not an error that
/// has to be made.
fn find<'py>(module: Bound<'py, PyAny>, name: &str) -> PyResult<Option<Found<'py>>> {
    let (path, inner) =
        name.split_once(".<locals>.").map_or((name, None), |(path, inner)| (path, Some(inner)));
    let mut function = module;
    for name in path.split('.') {
        let Some(found) = function.getattr_opt(name)? else { return Ok(None) };
        function = found;
    }
    while let Some(wrapped) = function.getattr_opt("__wrapped__")? {
        function = wrapped;
    }
    // A tool's object that stands there may have neither.
    let (Some(code), Some(globals)) =
        (function.getattr_opt("__code__")?, function.getattr_opt("__globals__")?)
    else {
        return Ok(None);
    };
    let Some(inner) = inner else { return Ok(Some((code, globals))) };
    for constant in code.getattr("co_consts")?.try_iter()? {
        let constant = constant?;
        if constant.is_instance_of::<PyCode>() && constant.getattr("co_name")?.eq(inner)? {
            return Ok(Some((constant, globals)));
        }
    }
    Ok(None)
}

/// The code that runs in asyncio's own coroutine, and its globals.
fn code_of<C: Inspect>(py: Python<'_>) -> PyResult<(Bound<'_, PyAny>, Bound<'_, PyAny>)> {
    let name = C::QUALIFIED_NAME;
    let known = FUNCTIONS.get(py).map(|functions| functions.bind(py).get_item(name)).transpose()?.flatten();
    match known {
        Some(known) => known.extract(),
        None => Ok((empty_code(py, c"asyncio", name, 1)?, PyDict::new(py).into_any())),
    }
}

/// Code of which only the place is known.
fn empty_code<'py>(py: Python<'py>, file: &CStr, name: &str, line: c_int) -> PyResult<Bound<'py, PyAny>> {
    let name = std::ffi::CString::new(name)?;
    // SAFETY: C strings that live as long as the call; the result is new, or an error is set.
    unsafe {
        let code = ffi::PyCode_NewEmpty(file.as_ptr(), name.as_ptr(), line);
        Bound::from_owned_ptr_or_err(py, code.cast())
    }
}

/// A frame that has not begun to run, at the first line of the code.
fn new_frame<'py>(
    py: Python<'py>,
    code: &Bound<'py, PyAny>,
    globals: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    // The variables of an outer function are in its coroutine's frame from the first instruction on, and not
    // in this.
    let code = if code.getattr("co_freevars")?.is_empty()? {
        code.clone()
    } else {
        let file = std::ffi::CString::new(code.getattr("co_filename")?.extract::<String>()?)?;
        let name = code.getattr("co_name")?.extract::<String>()?;
        empty_code(py, &file, &name, code.getattr("co_firstlineno")?.extract()?)?
    };
    let (code, globals) = (code.cast_into::<PyCode>()?, globals.cast::<PyDict>()?);
    // SAFETY: an attached thread and live objects of these kinds; the result is new, or an error is set.
    unsafe {
        let thread = ffi::PyThreadState_Get();
        let frame = ffi::PyFrame_New(thread, code.as_ptr().cast(), globals.as_ptr(), ptr::null_mut());
        Bound::from_owned_ptr_or_err(py, frame.cast())
    }
}

/// Whether anybody may have asked for the origins of coroutines, in any thread.
static MAY_TRACK: AtomicBool = AtomicBool::new(false);

pub(super) fn may_track_origins() -> bool {
    MAY_TRACK.load(Ordering::Relaxed)
}

/// To be called when a loop begins to run, and when it has set the depth itself.
#[pyfunction]
fn notice_origin_tracking(py: Python<'_>) -> PyResult<()> {
    if tracking_depth(py)? > 0 {
        MAY_TRACK.store(true, Ordering::Relaxed);
    }
    Ok(())
}

fn tracking_depth(py: Python<'_>) -> PyResult<usize> {
    py.import("sys")?.call_method0(intern!(py, "get_coroutine_origin_tracking_depth"))?.extract()
}

/// Notes who makes a coroutine: file, line and function of each frame, from the innermost out.
#[cold]
pub(super) fn note_origin<C: Inspect>(py: Python<'_>, coroutine: &Instance<C>) -> PyResult<()> {
    let depth = tracking_depth(py)?;
    if depth == 0 {
        return Ok(());
    }
    // SAFETY: an attached thread; a borrowed frame, or none.
    let mut frame = unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) };
    let mut origin = Vec::new();
    while let Some(current) = frame.filter(|frame| !frame.is_none() && origin.len() < depth) {
        let code = current.getattr(intern!(py, "f_code"))?;
        let (file, function) =
            (code.getattr(intern!(py, "co_filename"))?, code.getattr(intern!(py, "co_name"))?);
        origin.push((file, current.getattr(intern!(py, "f_lineno"))?, function));
        frame = Some(current.getattr(intern!(py, "f_back"))?);
    }
    let origin = PyTuple::new(py, origin)?;
    coroutine.inspected().write(|details| &mut details.origin, origin.into_any().into());
    Ok(())
}

/// The attributes of a coroutine.
pub(super) fn getters<C: Inspect>(py: Python<'_>) -> PyResult<Vec<ffi::PyGetSetDef>> {
    let getter = |name: &'static CStr, get: ffi::getter| ffi::PyGetSetDef {
        name: name.as_ptr(),
        get: Some(get),
        ..NO_GETTER
    };
    let name = |name: &'static CStr, get: ffi::getter, set: ffi::setter| ffi::PyGetSetDef {
        set: Some(set),
        ..getter(name, get)
    };
    let mut getters = vec![
        name(c"__name__", name_of::<C>, set_name::<C>),
        name(c"__qualname__", qualified_name_of::<C>, set_qualified_name::<C>),
        getter(c"__class__", class_of::<C>),
        // For `ironloop.tasks()`.
        getter(c"_subject", subject_of::<C>),
        getter(c"cr_await", await_of::<C>),
        getter(c"cr_code", code_getter::<C>),
        getter(c"cr_frame", frame_of::<C>),
        getter(c"cr_origin", origin_of::<C>),
        getter(c"cr_running", is_running::<C>),
        getter(c"cr_suspended", is_suspended::<C>),
    ];
    if coroutine_type(py)?.bind(py).hasattr("cr_state")? {
        // It came with Python 3.15.
        getters.push(getter(c"cr_state", state_of::<C>));
    }
    Ok(getters)
}

/// Entries of the table, generic over the kind of coroutine.
macro_rules! getter {
    ($name:ident, |$py:ident, $coroutine:ident| $body:expr) => {
        unsafe extern "C" fn $name<C: Inspect>(
            coroutine: *mut ffi::PyObject,
            _closure: *mut c_void,
        ) -> *mut ffi::PyObject {
            // SAFETY: called by the interpreter for an attribute of the class.
            unsafe { get::<C>(coroutine, |$py, $coroutine| $body) }
        }
    };
}

getter!(name_of, |py, coroutine| {
    let given = coroutine.inspected().read(py, |details| &mut details.name);
    let whole = C::QUALIFIED_NAME;
    Ok(given
        .unwrap_or_else(|| PyString::new(py, whole.rsplit('.').next().unwrap_or(whole)).into_any().into()))
});
getter!(qualified_name_of, |py, coroutine| {
    let given = coroutine.inspected().qualified_name(py);
    Ok(given.unwrap_or_else(|| PyString::new(py, C::QUALIFIED_NAME).into_any().into()))
});
// `isinstance` asks for it, and so do those who tell coroutines from other awaitables.
getter!(class_of, |py, _coroutine| coroutine_type(py));
getter!(await_of, |py, coroutine| {
    if let Some(deputy) = coroutine.deputy(py) {
        return deputy.bind(py).getattr(intern!(py, "cr_await")).map(Object::from);
    }
    let is_suspended = coroutine.stage() == Stage::Suspended;
    match coroutine.awaits(py).filter(|_| is_suspended) {
        // It hands out the future itself, and would have an iterator of it if it were asyncio's.
        Some(future) if View::of(&future).is_some() => future.bind(py).try_iter().map(Object::from),
        Some(iterator) => Ok(iterator),
        None => Ok(Object::none(py)),
    }
});
getter!(subject_of, |py, coroutine| { Ok(coroutine.subject(py).unwrap_or_else(|| Object::none(py))) });
getter!(code_getter, |py, _coroutine| code_of::<C>(py).map(|(code, _)| code.into()));
getter!(frame_of, |py, coroutine| {
    if let Some(deputy) = coroutine.deputy(py) {
        return deputy.bind(py).getattr(intern!(py, "cr_frame")).map(Object::from);
    }
    if coroutine.stage() == Stage::Ended {
        return Ok(Object::none(py));
    }
    if let Some(frame) = coroutine.inspected().read(py, |details| &mut details.frame) {
        return Ok(frame);
    }
    let (code, globals) = code_of::<C>(py)?;
    let frame = new_frame(py, &code, &globals)?;
    // Somebody may put something in it that leads back.
    track(coroutine.object());
    coroutine.inspected().write(|details| &mut details.frame, frame.clone().into());
    Ok(frame.into())
});
getter!(origin_of, |py, coroutine| {
    Ok(coroutine.inspected().origin(py).unwrap_or_else(|| Object::none(py)))
});
getter!(state_of, |py, coroutine| {
    // As `inspect` names them.
    let name = match coroutine.stage() {
        Stage::Created => intern!(py, "CORO_CREATED"),
        Stage::Suspended => intern!(py, "CORO_SUSPENDED"),
        Stage::Running => intern!(py, "CORO_RUNNING"),
        Stage::Ended => intern!(py, "CORO_CLOSED"),
    };
    Ok(name.as_any().into())
});
getter!(is_running, |py, coroutine| is_at(py, coroutine, Stage::Running));
getter!(is_suspended, |py, coroutine| is_at(py, coroutine, Stage::Suspended));

fn is_at<C: Inspect>(py: Python<'_>, coroutine: &Instance<C>, stage: Stage) -> PyResult<Object> {
    Ok((coroutine.stage() == stage).into_pyobject(py)?.to_owned().into_any().into())
}

fn coroutine_type(py: Python<'_>) -> PyResult<Object> {
    static TYPE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    TYPE.import(py, "types", "CoroutineType").map(|kind| kind.clone().into())
}

unsafe extern "C" fn set_name<C: Inspect>(
    coroutine: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    _closure: *mut c_void,
) -> c_int {
    // SAFETY: called by the interpreter for an attribute of the class; without a value it is to go.
    unsafe { rename::<C>(coroutine, value, "__name__", |details| &mut details.name) }
}

unsafe extern "C" fn set_qualified_name<C: Inspect>(
    coroutine: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    _closure: *mut c_void,
) -> c_int {
    // SAFETY: called by the interpreter for an attribute of the class; without a value it is to go.
    unsafe { rename::<C>(coroutine, value, "__qualname__", |details| &mut details.qualified_name) }
}

/// # Safety
/// On an attached thread, with an instance of the class, and a live object or null.
unsafe fn rename<C: Inspect>(
    coroutine: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    attribute: &str,
    which: impl FnOnce(&mut Details) -> &mut Option<Object>,
) -> c_int {
    // SAFETY: whoever calls this is called by the interpreter itself, with the instance and the value that it
    // keeps meanwhile.
    unsafe {
        let py = Python::assume_attached();
        let done = enter(py, || {
            let value = Bound::from_borrowed_ptr_or_opt(py, value);
            let Some(value) = value.filter(|value| value.is_instance_of::<PyString>()) else {
                return Err(PyTypeError::new_err(format!("{attribute} must be set to a string object")));
            };
            Instance::<C>::borrowed(&coroutine, |coroutine| coroutine.inspected().write(which, value.into()));
            Ok(ffi::Py_NewRef(ffi::Py_None()))
        });
        if done.is_null() {
            return -1;
        }
        ffi::Py_DECREF(done);
        0
    }
}

/// Whether the Python code that runs is a generator for which a coroutine is its own iterator: of
/// `types.coroutine`.
pub(super) fn may_yield_from(py: Python<'_>) -> PyResult<bool> {
    // `inspect.CO_ITERABLE_COROUTINE`
    const ITERABLE_COROUTINE: c_int = 0x100;
    // SAFETY: an attached thread; a borrowed frame, or none.
    let frame = unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) };
    let Some(frame) = frame else { return Ok(false) };
    let code = frame.cast::<PyFrame>()?.getattr(intern!(py, "f_code"))?;
    Ok(code.getattr(intern!(py, "co_flags"))?.extract::<c_int>()? & ITERABLE_COROUTINE != 0)
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(notice_origin_tracking, module)?)
}
