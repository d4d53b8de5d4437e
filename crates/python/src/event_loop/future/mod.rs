//! Futures: `loop.create_future()`.
//!
//! A [`Future`] is an `asyncio.Future` whose hot methods are ours; its state is in the base's fields, which
//! [`View`] shows. Tasks share all of this module but the class.

mod callbacks;
mod iterator;
mod outcome;

use std::cell::Cell;
use std::ffi::CStr;

use ironloop_driver::RawFd;
use ironloop_trace::{Kept, Reason, Slot};
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::event_loop::LoopCore;
use crate::event_loop::task::Task;
use crate::ffi::call::call_named;
use crate::ffi::derived::{Derived, DerivedClass, Own, track};
use crate::ffi::fields::FutureFields;
use crate::ffi::intern::intern;
use crate::ffi::method::{getter, method, object_slot, receiver_of};
use crate::ffi::view::{FUTURE, IsFuture, View};
use crate::ffi::{Arg, Arguments, Object, imports, owned};
pub(crate) use outcome::Outcome;

/// What stands behind the fields of a future of ours.
pub(crate) struct Future {
    /// The loop's timer holds it: it is no garbage, nor is who waits for it, and the collector need not know
    /// them.
    timed: Cell<bool>,
    /// What somebody waits for who awaits it, where that is known.
    reason: Cell<Option<Reason>>,
    /// Of what: one more than its row in the recorder's table; 0 if it has none. Whoever waits keeps the object, and
    /// that its row.
    object: Cell<u32>,
    /// After how many pauses of the recording that was so.
    pauses: Cell<u16>,
}

owned!(Future { clears nothing; ignores: timed, reason, object, pauses; });

impl Future {
    pub(crate) fn is_timed(&self) -> bool {
        self.timed.get()
    }

    pub(crate) fn reason(&self) -> Option<Reason> {
        self.reason.get()
    }

    pub(crate) fn object(&self) -> Option<Kept> {
        let slot = Slot(self.object.get().checked_sub(1)?);
        Some(Kept { slot, pauses: self.pauses.get() })
    }

    /// Whoever awaits it waits for this of a descriptor.
    pub(crate) fn is_for_descriptor(&self, reason: Reason, fd: RawFd) {
        self.reason.set(Some(reason));
        self.object.set((fd as u32).wrapping_add(1));
    }

    pub(crate) fn descriptor(&self) -> Option<RawFd> {
        Some(self.object.get().checked_sub(1)? as RawFd)
    }

    /// Whoever awaits it waits for this, of an object that the recorder knows or does not.
    pub(crate) fn is_for(&self, reason: Reason, object: Option<Kept>) {
        self.reason.set(Some(reason));
        self.object.set(object.map_or(0, |kept| kept.slot.0 + 1));
        self.pauses.set(object.map_or(0, |kept| kept.pauses));
    }
}

impl Derived for Future {
    const NAME: &'static CStr = c"ironloop.Future";
    const DOC: &'static CStr = c"Future(*, loop=None)\n--\n\n\
        A result that is there later; `await` waits for it. Counterpart: asyncio.Future.\n\n\
        Args:\n\
        \x20   loop: whose it is; by default the loop that runs.\n\n\
        Raises:\n\
        \x20   RuntimeError: no loop is given, and none runs.\n\
        \x20   InvalidStateError: `result` or `exception` while it is pending; `set_result` or `set_exception` once\n\
        \x20       it is done.\n\
        \x20   CancelledError: `result` or `exception` of one that was cancelled.";
    type Fields = FutureFields;

    fn class() -> &'static DerivedClass {
        &FUTURE
    }

    fn begin(_: &FutureFields) -> Self {
        Self { timed: Cell::new(false), reason: Cell::new(None), object: Cell::new(0), pauses: Cell::new(0) }
    }

    fn has_last_words(fields: &FutureFields) -> bool {
        fields.logs_traceback()
    }

    fn end(&self, _: &FutureFields) {}
}

impl IsFuture for Own<Future> {}

/// A pending future of the loop.
pub(crate) fn create(owner: &Bound<'_, LoopCore>) -> PyResult<Own<Future>> {
    let py = owner.py();
    let future = FUTURE.instantiate::<Future>(py)?;
    own(owner, View::of_own(&future))?;
    Ok(future)
}

/// The same, for the loop's timer to hold.
pub(crate) fn create_timed(owner: &Bound<'_, LoopCore>) -> PyResult<Own<Future>> {
    let future = create(owner)?;
    future.payload().timed.set(true);
    Ok(future)
}

/// The timer is due.
pub(crate) fn wake(py: Python<'_>, future: &Own<Future>) -> PyResult<()> {
    let view = View::of_own(future);
    if view.is_pending() { view.set_result(py, Object::none(py)) } else { Ok(()) }
}

/// The same of one that Rust code has woken, in an item of its own: a task that waits alone goes on next.
pub(crate) fn wake_waiter(slf: &Bound<'_, LoopCore>, future: &Own<Future>) -> PyResult<()> {
    let (py, view) = (slf.py(), View::of_own(future));
    if !view.is_pending() {
        return Ok(());
    }
    let waiter = view.take_only_waiter(py);
    view.set_result(py, Object::none(py))?;
    waiter.map_or(Ok(()), |task| LoopCore::step_afterwards(slf, task))
}

/// No timer holds it any more for sure: the collector has to know it, and who waits.
pub(crate) fn track_with_waiter(future: &Own<Future>) {
    track(future.object());
    future.callback0.lend(|waiter| {
        if let Some(task) = Own::<Task>::of_any(waiter) {
            track(task.object());
        }
    });
}

impl View<'_> {
    /// Its loop, if it is one of ours.
    pub(crate) fn native_loop<'py>(&self, py: Python<'py>) -> Option<Bound<'py, LoopCore>> {
        LoopCore::of(py, &self.owner.get(py)?)
    }

    pub(crate) fn is_task(&self) -> bool {
        Own::<Task>::of(self.object).is_some()
    }

    pub(crate) fn is_timed(&self) -> bool {
        Own::<Future>::of(self.object).is_some_and(|future| future.payload().timed.get())
    }
}

/// It is a future of the loop's. In debug mode the base begins it, and writes down where that was. One that
/// has begun it begins anew, or refuses to: from Python 3.15 on.
pub(crate) fn own(owner: &Bound<'_, LoopCore>, future: View<'_>) -> PyResult<()> {
    let py = owner.py();
    if !owner.get().is_debug() && future.owner.is_empty() {
        future.owner.set(py, owner.into());
        return Ok(());
    }
    let keywords = pyo3::types::PyDict::new(py);
    keywords.set_item(intern!(py, "loop"), owner)?;
    let initialize = imports::stock_future(py)?.getattr(intern!(py, "__init__"))?;
    initialize.call((future.object.bind(py),), Some(&keywords))?;
    track(future.object);
    Ok(())
}

/// asyncio's own method is called so: it refuses the arguments in the words of this Python.
#[cold]
fn refuse(py: Python<'_>, future: View<'_>, method: &str, arguments: Arguments<'_>) -> PyResult<Object> {
    let method = imports::stock_future(py)?.getattr(method)?;
    let (values, positional, names) = arguments.raw_parts();
    let mut all = vec![Arg::of(future.object.bind(py))];
    all.extend_from_slice(values);
    call_named(&method, &all, positional + 1, names.map(|names| names.bind(py)).as_deref())
}

fn set_result(py: Python<'_>, future: View<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let Some([result]) = arguments.only_positional() else {
        return refuse(py, future, "set_result", arguments);
    };
    future.set_result(py, result.to_object(py))?;
    Ok(Object::none(py))
}

fn set_exception(py: Python<'_>, future: View<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let Some([exception]) = arguments.only_positional() else {
        return refuse(py, future, "set_exception", arguments);
    };
    future.set_exception(py, exception.to_object(py))?;
    Ok(Object::none(py))
}

fn cancel(py: Python<'_>, future: View<'_>, arguments: Arguments<'_>) -> PyResult<Object> {
    let Ok([message]) = arguments.bind(py, "cancel", ["msg"], 0) else {
        return refuse(py, future, "cancel", arguments);
    };
    let cancelled = future.cancel(py, message.map(|message| message.to_object(py)))?;
    Ok(cancelled.into_pyobject(py)?.to_owned().into())
}

/// The methods that futures and tasks share.
pub(crate) fn shared_methods() -> [pyo3::ffi::PyMethodDef; 2] {
    [
        method!(
            View<'_>,
            c"add_done_callback",
            c"add_done_callback($self, fn, /, *, context=None)\n--\n\nHas fn(future) called, by the loop, once the future \
              is done, in `context` or a copy of the current one. Counterpart: asyncio.Future.add_done_callback.",
            callbacks::add_done_callback
        ),
        method!(
            View<'_>,
            c"remove_done_callback",
            c"remove_done_callback($self, fn, /)\n--\n\nTakes all such callbacks out; returns how many. \
              Counterpart: asyncio.Future.remove_done_callback.",
            callbacks::remove_done_callback
        ),
    ]
}

/// Whether this is the method of a future of ours.
pub(crate) fn is_set_result(function: &Object) -> bool {
    let [set_result, _] = setters();
    receiver_of(function, &set_result).is_some_and(|future| FUTURE.is_exactly(future))
}

/// The methods that futures share which are no tasks.
pub(crate) fn setters() -> [pyo3::ffi::PyMethodDef; 2] {
    [
        method!(
            View<'_>,
            c"set_result",
            c"set_result($self, result, /)\n--\n\nThe future is done, and this its result. Raises InvalidStateError if it is \
              done already. Counterpart: asyncio.Future.set_result.",
            set_result
        ),
        method!(
            View<'_>,
            c"set_exception",
            c"set_exception($self, exception, /)\n--\n\nThe future is done, and has failed so. Raises InvalidStateError \
              if it is done already, TypeError for a StopIteration. Counterpart: asyncio.Future.set_exception.",
            set_exception
        ),
    ]
}

/// The attributes that futures and tasks share.
pub(crate) fn shared_getters() -> [pyo3::ffi::PyGetSetDef; 1] {
    [getter!(View<'_>, c"_callbacks", callbacks::list)]
}

/// The slots that futures and tasks share.
pub(crate) fn shared_slots() -> [pyo3::ffi::PyType_Slot; 2] {
    [
        object_slot!(Py_am_await, View<'_>, iterator::iterate),
        object_slot!(Py_tp_iter, View<'_>, iterator::iterate),
    ]
}

/// Adds the class to the module.
pub(crate) fn add_class(module: &Bound<'_, PyModule>, base: &Bound<'_, PyType>) -> PyResult<()> {
    iterator::add_class(module)?;
    let [add, remove] = shared_methods();
    let [set_result, set_exception] = setters();
    let methods = [
        set_result,
        set_exception,
        method!(
            View<'_>,
            c"cancel",
            c"cancel($self, msg=None)\n--\n\nCancels the future, CancelledError having `msg`; False if it is done already. \
              Counterpart: asyncio.Future.cancel.",
            cancel
        ),
        add,
        remove,
    ];
    FUTURE.create::<Future>(module, base, &methods, &shared_getters(), &shared_slots())
}
