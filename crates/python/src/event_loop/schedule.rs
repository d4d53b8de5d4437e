//! Callbacks: soon, at a time, and from other threads.

use crate::ffi::intern::intern;
use crate::ffi::observer::AnyObserver;
use ironloop_engine::{Slot, deadline};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt, PyTuple};

use super::by_name::call_soon_by_name;
use super::item::{Item, Timer};
use super::loop_core::{LoopCore, closed};
use super::parts::{Kept, Parts};
use super::recorder;
use crate::event_loop::handle::{Draft, Handle, ThreadSafeHandle, TimerHandle};
use crate::event_loop::task::{Task, wakeup_of};
use crate::ffi::call::call_named;
use crate::ffi::derived::{Own, track};
use crate::ffi::ending::outlive_interpreter;
use crate::ffi::error::os_error;
use crate::ffi::object::float_of;
use crate::ffi::{Arg, Arguments, Context, Instance, Object, imports, method_of};

/// Items may be pushed in the place of handles, without a look.
const PUSHES: Parts = Parts::CALL_SOON.and(Parts::OPEN).and(Parts::CHECKS_NOTHING);

/// Which threads may call a method.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    LoopThread,
    AnyThread,
}

/// What a handle of any kind holds.
#[inline(always)]
fn draft<'a>(
    slf: &Bound<'_, LoopCore>,
    function: Arg<'a>,
    rest: &'a [Arg<'a>],
    context: Option<Arg<'_>>,
    method: &str,
    caller: Caller,
) -> PyResult<Draft<'a>> {
    let source = if slf.get().is_plain() { None } else { check(slf, function, method, caller)? };
    Draft::new(slf.py(), function, rest, context, source)
}

/// Debug mode checks what asyncio checks there (the right thread, something callable that is no coroutine) and
/// notes where the user's code stands.
#[cold]
fn check(
    slf: &Bound<'_, LoopCore>,
    function: Arg<'_>,
    method: &str,
    caller: Caller,
) -> PyResult<Option<Object>> {
    slf.get().check_open()?;
    if !slf.get().is_debug() {
        return Ok(None);
    }
    if caller == Caller::LoopThread {
        slf.call_method0(intern!(slf.py(), "_check_thread"))?;
    }
    slf.call_method1(intern!(slf.py(), "_check_callback"), (function.bind(slf.py()), method))?;
    slf.call_method0(intern!(slf.py(), "_caller")).map(|source| Some(source.into()))
}

impl LoopCore {
    /// Makes a timer ready at `when`, in seconds on the loop's clock.
    pub(crate) fn schedule(&self, when: f64, timer: Timer) -> Slot {
        self.state.with(|state| state.reactor.engine.schedule(deadline::at(when), timer))
    }

    /// A task's turn is in the next batch.
    #[inline(always)]
    pub(crate) fn step_soon(slf: &Bound<'_, Self>, task: Own<Task>) -> PyResult<()> {
        // What each step of a task comes to.
        let kept = Self::kept(slf);
        if kept.has(PUSHES.and(Parts::UNWATCHED)) {
            slf.get().push(Item::Step(task));
            return Ok(());
        }
        Self::look_and_step_soon(slf, task, kept)
    }

    #[inline(never)]
    fn look_and_step_soon(slf: &Bound<'_, Self>, task: Own<Task>, mut kept: Kept) -> PyResult<()> {
        if slf.get().is_watched() && !recorder::woken(slf, &task) {
            kept = Self::kept(slf);
        }
        if kept.has(PUSHES) || Self::look_whether_to_push(slf)? {
            slf.get().push(Item::Step(task));
            return Ok(());
        }
        Self::step_by_name(slf, &task)
    }

    /// A task's turn follows the item that runs, which was its wake.
    pub(crate) fn step_afterwards(slf: &Bound<'_, Self>, task: Own<Task>) -> PyResult<()> {
        if slf.get().is_watched() {
            recorder::woken(slf, &task);
        }
        if Self::may_push(slf)? {
            slf.get().push_afterwards(Item::Step(task));
            return Ok(());
        }
        Self::step_by_name(slf, &task)
    }

    #[cold]
    fn step_by_name(slf: &Bound<'_, Self>, task: &Own<Task>) -> PyResult<()> {
        let (py, context) = (slf.py(), task.context.get(slf.py()));
        let step = wakeup_of(py, task.object())?;
        call_soon_by_name(slf, &step, &Object::none(py), context.as_ref())
    }

    /// A combinator is told of a future in the next batch.
    pub(crate) fn tell_soon(slf: &Bound<'_, Self>, observer: AnyObserver, future: Object) -> PyResult<()> {
        if Self::may_push(slf)? {
            slf.get().push(Item::Notify(observer, future));
            return Ok(());
        }
        call_soon_by_name(slf, observer.object(), &future, None)
    }

    /// Whether `loop.call_soon` is ours, so that an item can take the place of a handle. Checks what it would
    /// check.
    #[inline(always)]
    fn may_push(slf: &Bound<'_, Self>) -> PyResult<bool> {
        if Self::keeps(slf, PUSHES) {
            return Ok(true);
        }
        Self::look_whether_to_push(slf)
    }

    #[cold]
    fn look_whether_to_push(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let core = slf.get();
        core.check_open()?;
        let ours = Self::keeps(slf, Parts::CALL_SOON);
        if ours && core.is_debug() {
            slf.call_method0(intern!(slf.py(), "_check_thread"))?;
        }
        Ok(ours)
    }

    /// Whether these methods are nobody's but ours, and check nothing: then they need not be called by name.
    pub(crate) fn calls_itself(slf: &Bound<'_, Self>, methods: Parts) -> bool {
        Self::keeps(slf, methods.and(Parts::CHECKS_NOTHING))
    }

    /// `call_soon(callback, future, context=context)`
    pub(crate) fn call_done(
        slf: &Bound<'_, Self>,
        callback: &Object,
        future: &Object,
        context: Context,
    ) -> PyResult<()> {
        slf.get().check_open()?;
        let handle = Handle::of_done(slf, callback, future, context.into())?;
        slf.get().push(Item::Call(handle));
        Ok(())
    }
}

/// In debug mode a handle stays whole when it has run, for the log of slow ones. While the loop does not run,
/// what it holds may be garbage. Else it is none, and the handle has let go of everything before it is.
fn track_if_needed(core: &LoopCore, handle: &Object) {
    if core.is_debug() || !core.is_running() {
        track(handle);
    }
}

fn call_soon(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = slf.py();
    let sorted = arguments.sort(py, "BaseEventLoop.call_soon", ["callback"])?;
    let [function] = sorted.first;
    let draft = draft(slf, function, sorted.rest, sorted.context, "call_soon", Caller::LoopThread)?;
    let handle = Handle::make(slf, draft)?;
    track_if_needed(slf.get(), handle.object());
    slf.get().push_with(|| Item::Call(handle.clone_ref(py)));
    Ok(handle.into_object())
}

fn call_soon_threadsafe(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (py, core) = (slf.py(), slf.get());
    let here = core.runs_here();
    if !here {
        outlive_interpreter();
    }
    let sorted = arguments.sort(py, "BaseEventLoop.call_soon_threadsafe", ["callback"])?;
    let [function] = sorted.first;
    let draft = draft(slf, function, sorted.rest, sorted.context, "call_soon_threadsafe", Caller::AnyThread)?;
    let (item, handle) = if imports::thread_safe_handle(py)?.is_some() {
        let handle = ThreadSafeHandle::make(slf, draft)?;
        (Item::CallFromThread(handle.clone_ref(py)), handle.into_object())
    } else {
        let handle = Handle::make(slf, draft)?;
        (Item::Call(handle.clone_ref(py)), handle.into_object())
    };
    track_if_needed(core, &handle);
    if !here && cfg!(Py_GIL_DISABLED) {
        // While we ask the loop may turn: it has the inbox for us.
        return match core.remote.deliver(item).map_err(os_error)? {
            None => Ok(handle),
            // It was closed in the meantime.
            Some(_) => Err(closed()),
        };
    }
    // Debug mode's checks are Python code.
    core.check_open()?;
    if here {
        core.push(item);
    } else {
        // Python's lock keeps the loop still, as it does in asyncio: what we push stands in the order against
        // `call_soon`, and costs no lock of our own.
        core.push_from_thread(item);
        core.remote.wake().map_err(os_error)?;
    }
    Ok(handle)
}

fn call_later(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let sorted = arguments.sort(slf.py(), "BaseEventLoop.call_later", ["delay", "callback"])?;
    let [delay, function] = sorted.first;
    if delay.is_none() {
        return Err(PyTypeError::new_err("delay must not be None"));
    }
    let (now, delay) = (LoopCore::time(slf)?, delay.bind(slf.py()));
    let when = if let Ok(delay) = delay.cast_exact::<PyFloat>() {
        now + delay.value()
    } else if let Ok(delay) = delay.cast_exact::<PyInt>() {
        now + float_of(&delay)?
    } else {
        // What cannot be added fails as it does in asyncio.
        PyFloat::new(slf.py(), now).add(delay)?.extract()?
    };
    if !LoopCore::keeps(slf, Parts::CALL_AT) {
        return call_at_by_name(slf, when, function, sorted.rest, sorted.context);
    }
    schedule(slf, when, function, sorted.rest, sorted.context, "call_later").map(Instance::into_object)
}

/// `self.call_at(when, callback, *rest, context=context)`
fn call_at_by_name(
    slf: &Bound<'_, LoopCore>,
    when: f64,
    function: Arg<'_>,
    rest: &[Arg<'_>],
    context: Option<Arg<'_>>,
) -> PyResult<Object> {
    let py = slf.py();
    let (when, none) = (PyFloat::new(py, when), py.None().into_bound(py));
    let mut values = vec![Arg::of(&when), function];
    values.extend_from_slice(rest);
    values.push(context.unwrap_or_else(|| Arg::of(&none)));
    let names = PyTuple::new(py, [intern!(py, "context")])?;
    call_named(&slf.getattr(intern!(py, "call_at"))?, &values, values.len() - 1, Some(names.as_any()))
}

fn call_at(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let sorted = arguments.sort(slf.py(), "BaseEventLoop.call_at", ["when", "callback"])?;
    let [when, function] = sorted.first;
    if when.is_none() {
        return Err(PyTypeError::new_err("when cannot be None"));
    }
    let given = when.bind(slf.py());
    let handle = schedule(slf, given.extract()?, function, sorted.rest, sorted.context, "call_at")?;
    if !given.is_exact_instance_of::<PyFloat>() {
        handle.set_given(slf.py(), when.to_object(slf.py()));
    }
    Ok(handle.into_object())
}

fn schedule(
    slf: &Bound<'_, LoopCore>,
    when: f64,
    function: Arg<'_>,
    rest: &[Arg<'_>],
    context: Option<Arg<'_>>,
    method: &str,
) -> PyResult<Instance<TimerHandle>> {
    let (py, core) = (slf.py(), slf.get());
    let draft = draft(slf, function, rest, context, method, Caller::LoopThread)?;
    let handle = TimerHandle::make(slf, draft, when)?;
    track_if_needed(core, handle.object());
    let timer = Timer::Handle(handle.clone_ref(py));
    handle.set_slot(core.schedule(when, timer));
    Ok(handle)
}

/// Schedules a handle that asyncio has made (`_add_callback`).
fn add_callback(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = slf.py();
    let [handle] = arguments.exactly(py, "_add_callback", ["handle"])?;
    slf.get().push(Item::Foreign(handle.to_object(py)));
    Ok(Object::none(py))
}

/// Ends the loop's sleep (`_write_to_self`).
fn write_to_self(slf: &Bound<'_, LoopCore>, _: Arguments<'_>) -> PyResult<Object> {
    slf.get().remote.wake().map_err(os_error)?;
    Ok(Object::none(slf.py()))
}

pub(super) fn methods() -> Vec<pyo3::ffi::PyMethodDef> {
    vec![
        method_of!(
            LoopCore,
            c"call_soon",
            c"call_soon($self, callback, *args, context=None)\n--\n\nRuns callback(*args) in the next turn, \
              in a copy of the current context or in `context`.\n\nReturns an asyncio.Handle. Raises RuntimeError if \
              the loop is closed. Counterpart: asyncio's loop.call_soon.",
            call_soon
        ),
        method_of!(
            LoopCore,
            c"call_soon_threadsafe",
            c"call_soon_threadsafe($self, callback, *args, context=None)\n--\n\nRuns callback(*args) in the \
              loop's next turn, asked from any thread; wakes the loop if it sleeps.\n\nReturns an asyncio.Handle. Raises \
              RuntimeError if the loop is closed. Counterpart: asyncio's loop.call_soon_threadsafe.",
            call_soon_threadsafe
        ),
        method_of!(
            LoopCore,
            c"call_later",
            c"call_later($self, delay, callback, *args, context=None)\n--\n\nRuns callback(*args) once `delay` \
              seconds have passed, never earlier.\n\nReturns an asyncio.TimerHandle. Raises RuntimeError if the loop is \
              closed, TypeError if `delay` is no number. Counterpart: asyncio's loop.call_later.",
            call_later
        ),
        method_of!(
            LoopCore,
            c"call_at",
            c"call_at($self, when, callback, *args, context=None)\n--\n\nRuns callback(*args) once the loop's clock \
              says `when`, in seconds as of loop.time().\n\nReturns an asyncio.TimerHandle. Raises RuntimeError if the loop \
              is closed, TypeError if `when` is no number. Counterpart: asyncio's loop.call_at.",
            call_at
        ),
        method_of!(LoopCore, c"_add_callback", c"Schedules a handle made by asyncio.", add_callback),
        method_of!(LoopCore, c"_write_to_self", c"Ends the loop's sleep.", write_to_self),
    ]
}
