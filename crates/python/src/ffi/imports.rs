//! Names of the standard library that are needed again and again.
//!
//! All are looked up when the module is imported. Later on a thread might fork in the middle of a look-up by
//! another: its child would wait for the end of it for ever. And some are needed when the interpreter is
//! shutting down.
//!
//! A private name of asyncio's may be gone. Then `python/ironloop/private.py` sees to it that nothing is used
//! that needs it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use pyo3::exceptions::{PyAttributeError, PyImportError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use crate::ffi::Object;
use crate::ffi::attributes::version_of;
use crate::ffi::code::Code;
use crate::ffi::dict;
use crate::ffi::intern::intern;

/// Looks all up.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    classes(py)?;
    objects(py)?;
    methods(py)?;
    futures_are_stock(py)?;
    tasks_are_stock(py)?;
    thread_safe_handle(py)?;
    original_get_extra_info(py)?;
    original_create_task(py)?;
    stream_numbers(py)?;
    warn(py)?;
    only_loop(py)?;
    only_message(py)?;
    gather_leaves_children(py)?;
    log_on_exception(py)?;
    servers_know_transports(py).map(drop)
}

/// A module, which is mostly there: to find that out by an import takes ten times as long.
pub(super) fn module<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let key = PyString::new(py, name);
    // SAFETY: an attached thread and a live string; the result is new, or null.
    let found = unsafe { Bound::from_owned_ptr_or_opt(py, ffi::PyImport_GetModule(key.as_ptr())) };
    match (found, PyErr::take(py)) {
        (Some(module), _) => Ok(module),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(py.import(key)?.into_any()),
    }
}

/// A name of a module; `object` in the place of a private one that is gone.
pub(crate) fn look_up<'py>(py: Python<'py>, module: &str, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let found = self::module(py, module).and_then(|module| module.getattr(name));
    let is_private = name.starts_with('_') || matches!(module, "_asyncio" | "asyncio.trsock");
    found.or_else(|error| {
        let is_gone =
            error.is_instance_of::<PyAttributeError>(py) || error.is_instance_of::<PyImportError>(py);
        if is_private && is_gone { Ok(py.get_type::<PyAny>().into_any()) } else { Err(error) }
    })
}

/// Functions that import a class once.
macro_rules! classes {
    ($($(#[$only:meta])* $function:ident: $module:literal, $name:literal;)*) => {$(
        $(#[$only])*
        pub(crate) fn $function(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
            static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
            let class = CLASS.get_or_try_init(py, || {
                PyResult::Ok(look_up(py, $module, $name)?.cast_into::<PyType>()?.unbind())
            });
            class.map(|class| class.bind(py))
        }
    )*
        fn classes(py: Python<'_>) -> PyResult<()> {
            $($(#[$only])* $function(py)?;)*
            Ok(())
        }
    };
}

classes! {
    buffered_protocol: "asyncio.protocols", "BufferedProtocol";
    transport_socket: "asyncio.trsock", "TransportSocket";
    socket: "socket", "socket";
    native_socket: "_socket", "socket";
    deque: "collections", "deque";
    stock_future: "_asyncio", "Future";
    stock_task: "_asyncio", "Task";
    cancelled_error: "asyncio.exceptions", "CancelledError";
    stock_timeout: "asyncio.timeouts", "Timeout";
    stock_timeout_state: "asyncio.timeouts", "_State";
    stock_task_group: "asyncio.taskgroups", "TaskGroup";
    invalid_state_error: "asyncio.exceptions", "InvalidStateError";
    queue_empty: "asyncio.queues", "QueueEmpty";
    queue_full: "asyncio.queues", "QueueFull";
    #[cfg(Py_3_13)]
    queue_shut_down: "asyncio.queues", "QueueShutDown";
    incomplete_read_error: "asyncio.exceptions", "IncompleteReadError";
    limit_overrun_error: "asyncio.exceptions", "LimitOverrunError";
    stock_stream_reader: "asyncio.streams", "StreamReader";
    stock_stream_writer: "asyncio.streams", "StreamWriter";
    stock_stream_protocol: "asyncio.streams", "StreamReaderProtocol";
}

/// `InvalidStateError(text)`
pub(crate) fn invalid_state(py: Python<'_>, text: &str) -> PyErr {
    match invalid_state_error(py) {
        Ok(class) => PyErr::from_type(class.clone(), text.to_owned()),
        Err(error) => error,
    }
}

/// Functions that import a function, or another object, once.
macro_rules! objects {
    ($($(#[$only:meta])* $function:ident: $module:literal, $name:literal;)*) => {$(
        $(#[$only])*
        pub(crate) fn $function(py: Python<'_>) -> PyResult<&Object> {
            static OBJECT: PyOnceLock<Object> = PyOnceLock::new();
            OBJECT.get_or_try_init(py, || Ok(look_up(py, $module, $name)?.into()))
        }
    )*
        fn objects(py: Python<'_>) -> PyResult<()> {
            $($(#[$only])* $function(py)?;)*
            Ok(())
        }
    };
}

objects! {
    get_running_loop: "asyncio.events", "_get_running_loop";
    stock_sleep: "asyncio.tasks", "sleep";
    stock_gather: "asyncio.tasks", "gather";
    stock_wait: "asyncio.tasks", "wait";
    stock_shield: "asyncio.tasks", "shield";
    stock_as_completed: "asyncio.tasks", "as_completed";
    stock_ensure_future: "asyncio.tasks", "ensure_future";
    stock_create_task: "asyncio.tasks", "create_task";
    is_future: "asyncio.futures", "isfuture";
    is_awaitable: "inspect", "isawaitable";
    stock_event: "asyncio.locks", "Event";
    heap_push: "heapq", "heappush";
    heap_pop: "heapq", "heappop";
    stock_timeout_function: "asyncio.timeouts", "timeout";
    stock_timeout_at: "asyncio.timeouts", "timeout_at";
    stock_wait_for: "asyncio.tasks", "wait_for";
    is_coroutine: "asyncio.coroutines", "iscoroutine";
    loop_of: "asyncio.futures", "_get_loop";
    all_tasks: "asyncio.tasks", "all_tasks";
    get_event_loop: "asyncio.events", "get_event_loop";
    #[cfg(not(Py_3_14))]
    current_tasks: "_asyncio", "_current_tasks";
    #[cfg(Py_3_14)]
    swap_current_task: "_asyncio", "_swap_current_task";
    #[cfg(Py_3_14)]
    current_task: "_asyncio", "current_task";
    #[cfg(Py_3_14)]
    register_task: "_asyncio", "_register_task";
    #[cfg(Py_3_14)]
    add_to_awaited_by: "_asyncio", "future_add_to_awaited_by";
    #[cfg(Py_3_14)]
    discard_from_awaited_by: "_asyncio", "future_discard_from_awaited_by";
}

/// Functions that fetch a method of a class once, to be called without looking it up again.
macro_rules! methods {
    ($($function:ident: $module:literal, $class:literal, $name:literal;)*) => {$(
        pub(crate) fn $function(py: Python<'_>) -> PyResult<&Object> {
            static METHOD: PyOnceLock<Object> = PyOnceLock::new();
            METHOD.get_or_try_init(py, || Ok(py.import($module)?.getattr($class)?.getattr($name)?.into()))
        }
    )*
        fn methods(py: Python<'_>) -> PyResult<()> {
            $($function(py)?;)*
            Ok(())
        }
    };
}

methods! {
    deque_append: "collections", "deque", "append";
    deque_popleft: "collections", "deque", "popleft";
    list_pop: "builtins", "list", "pop";
}

/// A class of asyncio's in its module: tests and tools put others there.
struct Replaceable {
    module: &'static str,
    name: &'static str,
    place: PyOnceLock<(Py<PyDict>, Py<PyString>)>,
    /// The version of the module's names in which it was asyncio's own.
    own: AtomicU64,
}

impl Replaceable {
    const fn new(module: &'static str, name: &'static str) -> Self {
        Self { module, name, place: PyOnceLock::new(), own: AtomicU64::new(0) }
    }

    fn place<'py>(&self, py: Python<'py>) -> PyResult<(&Bound<'py, PyDict>, &Bound<'py, PyString>)> {
        let place = self.place.get_or_try_init(py, || {
            let names = py.import(self.module)?.dict().unbind();
            PyResult::Ok((names, PyString::intern(py, self.name).unbind()))
        });
        place.map(|(names, name)| (names.bind(py), name.bind(py)))
    }

    /// What stands there.
    fn now<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (names, name) = self.place(py)?;
        let found = names.get_item(name)?;
        found.ok_or_else(|| PyAttributeError::new_err(format!("{}.{}", self.module, self.name)))
    }

    /// Whether that is `own`, which is looked up again only when the module has changed.
    fn is(&self, own: &Bound<'_, PyType>) -> PyResult<bool> {
        let py = own.py();
        let version = dict::version(self.place(py)?.0);
        if version != 0 && version == self.own.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let same = self.now(py)?.is(own);
        if same {
            self.own.store(version, Ordering::Relaxed);
        }
        Ok(same)
    }
}

static FUTURE: Replaceable = Replaceable::new("asyncio.futures", "Future");
static TASK: Replaceable = Replaceable::new("asyncio.tasks", "Task");

/// What `asyncio.Future` is now.
pub(crate) fn future(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    FUTURE.now(py)
}

/// What `asyncio.Task` is now.
pub(crate) fn task(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    TASK.now(py)
}

pub(crate) fn futures_are_stock(py: Python<'_>) -> PyResult<bool> {
    FUTURE.is(stock_future(py)?)
}

pub(crate) fn tasks_are_stock(py: Python<'_>) -> PyResult<bool> {
    TASK.is(stock_task(py)?)
}

/// `asyncio.events._ThreadSafeHandle`, from Python 3.14 on.
pub(crate) fn thread_safe_handle(py: Python<'_>) -> PyResult<Option<&Bound<'_, PyType>>> {
    static CLASS: PyOnceLock<Option<Py<PyType>>> = PyOnceLock::new();
    let class = CLASS.get_or_try_init(py, || {
        let found = py.import("asyncio.events")?.getattr_opt("_ThreadSafeHandle")?;
        PyResult::Ok(found.map(|class| class.cast_into::<PyType>()).transpose()?.map(Bound::unbind))
    })?;
    Ok(class.as_ref().map(|class| class.bind(py)))
}

/// What `transport.get_extra_info` would be without our own, if a test has put another into asyncio's base
/// class.
pub(crate) fn replaced_get_extra_info<'py>(
    transport: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = transport.py();
    let (base, original) = original_get_extra_info(py)?;
    let name = intern!(py, "get_extra_info");
    if base.bind(py).getattr(name)?.is(original) {
        return Ok(None);
    }
    let inherited = py.import("builtins")?.getattr("super")?.call1((base, transport))?;
    inherited.getattr(name).map(Some)
}

/// The base class of transports and its method, as they were when the module was imported.
fn original_get_extra_info(py: Python<'_>) -> PyResult<&(Py<PyAny>, Py<PyAny>)> {
    static ORIGINAL: PyOnceLock<(Py<PyAny>, Py<PyAny>)> = PyOnceLock::new();
    ORIGINAL.get_or_try_init(py, || {
        let base = look_up(py, "asyncio.transports", "_FlowControlMixin")?;
        let original = base.getattr_opt(intern!(py, "get_extra_info"))?;
        let original = original.map_or_else(|| py.None(), Bound::unbind);
        PyResult::Ok((base.unbind(), original))
    })
}

/// asyncio's own `create_task`, if a tool has put something in its place, or other code into it.
pub(crate) fn replaced_create_task(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    /// The version of the class in which it was asyncio's own.
    static OWN: AtomicU32 = AtomicU32::new(0);
    let (base, original, code) = original_create_task(py)?;
    let base = base.bind(py);
    let version = version_of(base);
    if version != 0 && version == OWN.load(Ordering::Relaxed) && code.is_run_by(original) {
        return Ok(None);
    }
    let now = base.getattr(intern!(py, "create_task"))?;
    if !now.is(original.bind(py)) || !code.is_run_by(original) {
        return Ok(Some(now));
    }
    OWN.store(version_of(base), Ordering::Relaxed);
    Ok(None)
}

fn original_create_task(py: Python<'_>) -> PyResult<&(Py<PyType>, Object, Code)> {
    static ORIGINAL: PyOnceLock<(Py<PyType>, Object, Code)> = PyOnceLock::new();
    ORIGINAL.get_or_try_init(py, || {
        let base = py.import("asyncio.base_events")?.getattr("BaseEventLoop")?.cast_into::<PyType>()?;
        let original: Object = base.getattr(intern!(py, "create_task"))?.into();
        let code = Code::of(py, &original)?;
        PyResult::Ok((base.unbind(), original, code))
    })
}

fn stream_numbers(py: Python<'_>) -> PyResult<&[i32; 3]> {
    static NUMBERS: PyOnceLock<[i32; 3]> = PyOnceLock::new();
    NUMBERS.get_or_try_init(py, || {
        let module = py.import("socket")?;
        let number = |name: &str| module.getattr(name)?.extract();
        PyResult::Ok([number("SOCK_STREAM")?, number("AF_INET")?, number("AF_INET6")?])
    })
}

/// Whether a socket is a stream of one of the Internet families.
pub(crate) fn is_internet_stream(socket: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = socket.py();
    let [stream, v4, v6] = *stream_numbers(py)?;
    let family: i32 = socket.getattr(intern!(py, "family"))?.extract()?;
    let kind: i32 = socket.getattr(intern!(py, "type"))?.extract()?;
    Ok(kind == stream && (family == v4 || family == v6))
}

/// `warnings.warn`
pub(crate) fn warn(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static WARN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    WARN.get_or_try_init(py, || Ok(py.import("warnings")?.getattr("warn")?.unbind()))
        .map(|warn| warn.bind(py))
}

/// `("loop",)`
pub(crate) fn only_loop(py: Python<'_>) -> PyResult<&Bound<'_, PyTuple>> {
    static NAMES: PyOnceLock<Py<PyTuple>> = PyOnceLock::new();
    NAMES
        .get_or_try_init(py, || Ok(PyTuple::new(py, [intern!(py, "loop")])?.unbind()))
        .map(|names| names.bind(py))
}

/// `("msg",)`
pub(crate) fn only_message(py: Python<'_>) -> PyResult<&Bound<'_, PyTuple>> {
    static NAMES: PyOnceLock<Py<PyTuple>> = PyOnceLock::new();
    NAMES
        .get_or_try_init(py, || Ok(PyTuple::new(py, [intern!(py, "msg")])?.unbind()))
        .map(|names| names.bind(py))
}

/// Whether a gather that has failed strikes its caller out of all children's awaiters: late patches of Python
/// 3.14 do.
pub(crate) fn gather_leaves_children(py: Python<'_>) -> PyResult<bool> {
    static ANSWER: PyOnceLock<bool> = PyOnceLock::new();
    ANSWER.get_or_try_init(py, || py.import("asyncio.tasks")?.hasattr("_discard_awaited_by")).copied()
}

/// What a shield that was cancelled leaves in its future, in the Pythons where it reports that future's
/// error.
pub(crate) fn log_on_exception(py: Python<'_>) -> PyResult<Option<&Object>> {
    static CALLBACK: PyOnceLock<Option<Object>> = PyOnceLock::new();
    let callback = CALLBACK.get_or_try_init(py, || {
        PyResult::Ok(py.import("asyncio.tasks")?.getattr_opt("_log_on_exception")?.map(Object::from))
    })?;
    Ok(callback.as_ref())
}

/// Whether `Server._attach` takes the transport (3.12.1 and later) or only counts.
pub(crate) fn servers_know_transports(py: Python<'_>) -> PyResult<bool> {
    static ANSWER: PyOnceLock<bool> = PyOnceLock::new();
    ANSWER
        .get_or_try_init(py, || {
            let server = py.import("asyncio.base_events")?.getattr("Server")?;
            let Some(attach) = server.getattr_opt(intern!(py, "_attach"))? else {
                return Ok(false);
            };
            let count: usize = attach.getattr("__code__")?.getattr("co_argcount")?.extract()?;
            Ok(count > 1)
        })
        .copied()
}
