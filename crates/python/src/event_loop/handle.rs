//! Handles: a callback that waits for its turn, and what its owner can still do about it.
//!
//! `Handle`, `TimerHandle` and `ThreadSafeHandle` are subclasses of asyncio's. All hold a [`Callback`];
//! whatever asyncio's Python code asks of a handle (`_callback`, `_args`, `_context`…) is answered from it.
//!
//! The garbage collector does not walk handles: half of its work would be theirs. What one refers to is let
//! go as soon as it has run, is cancelled, or its loop is closed; until then the loop shows it to the
//! collector as its own.

mod threadsafe;

use std::ffi::CStr;
use std::sync::atomic::{AtomicU64, Ordering};

use ironloop_engine::Slot;
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyTuple};

use crate::event_loop::LoopCore;
use crate::event_loop::future;
use crate::ffi::arguments::tuple;
use crate::ffi::call::{call, call_tuple};
use crate::ffi::cell::LoopCell;
use crate::ffi::derived::{is_tracked, track};
use crate::ffi::memory::Pool;
use crate::ffi::{
    Arg, Arguments, Class, Clear, Instance, Native, Object, Scope, Shared, Traverse, Visit, Visited, getter,
    method, owned,
};
pub(crate) use threadsafe::ThreadSafeHandle;

/// The arguments of a callback; up to three need no tuple.
enum Inline {
    None,
    One(Object),
    Two(Object, Object),
    Three(Object, Object, Object),
    Many(Object),
}

owned!(enum Inline { None, One(a), Two(a, b), Three(a, b, c), Many(all); });

/// What a handle runs.
struct Work {
    function: Object,
    arguments: Inline,
}

owned!(Work { visits: function, arguments; });

impl Work {
    /// References of our own: the handle may be cancelled by what it runs.
    fn clone_ref(&self, py: Python<'_>) -> Self {
        let arguments = match &self.arguments {
            Inline::None => Inline::None,
            Inline::One(a) => Inline::One(a.clone_ref(py)),
            Inline::Two(a, b) => Inline::Two(a.clone_ref(py), b.clone_ref(py)),
            Inline::Three(a, b, c) => Inline::Three(a.clone_ref(py), b.clone_ref(py), c.clone_ref(py)),
            Inline::Many(all) => Inline::Many(all.clone_ref(py)),
        };
        Self { function: self.function.clone_ref(py), arguments }
    }

    #[inline]
    fn call(&self, py: Python<'_>) -> PyResult<Object> {
        match &self.arguments {
            Inline::None => call(py, &self.function, &[]),
            Inline::One(a) => call(py, &self.function, &[a]),
            Inline::Two(a, b) => call(py, &self.function, &[a, b]),
            Inline::Three(a, b, c) => call(py, &self.function, &[a, b, c]),
            Inline::Many(all) => call_tuple(py, &self.function, all),
        }
    }

    fn arguments(&self, py: Python<'_>) -> PyResult<Object> {
        let list: &[&Object] = match &self.arguments {
            Inline::None => &[],
            Inline::One(a) => &[a],
            Inline::Two(a, b) => &[a, b],
            Inline::Three(a, b, c) => &[a, b, c],
            Inline::Many(all) => return Ok(all.clone_ref(py)),
        };
        Ok(PyTuple::new(py, list.iter().map(|object| object.bind(py)))?.into())
    }
}

/// What is known of few handles.
#[derive(Default)]
struct Trace {
    /// The time of a timer, where it was not given as a float.
    when: Option<Object>,
    /// Where it was made; debug mode knows.
    source: Option<Object>,
    /// How it looked before it was cancelled.
    repr: Option<Object>,
}

owned!(Trace { visits: when, source, repr; });

/// What has become of a callback.
enum State {
    Scheduled(Work),
    /// It has run, or never will, because its loop is closed.
    Spent,
    /// With the work as long as the handle is asked how it looks.
    Cancelled(Option<Work>),
}

owned!(enum State { Scheduled(work), Spent, Cancelled(work); });

/// A callback with its context.
pub(crate) struct Callback {
    state: LoopCell<State>,
    scope: Scope,
    owner: Shared<LoopCore>,
    trace: LoopCell<Option<Box<Trace>>>,
}

owned!(Callback { visits: scope, owner, state, trace; });

impl Clear for Callback {
    fn clear(&self, _py: Python<'_>) {
        self.spend();
    }
}

/// A callback of which that is made which may fail; the rest is made where the handle is ([`Draft::finish`]),
/// and not moved there: to copy what was just written costs more than to write it.
pub(crate) struct Draft<'a> {
    function: Arg<'a>,
    arguments: &'a [Arg<'a>],
    /// The arguments that are too many to be kept one by one.
    many: Option<Object>,
    scope: Scope,
    trace: Option<Box<Trace>>,
}

impl<'a> Draft<'a> {
    #[inline(always)]
    pub(crate) fn new(
        py: Python<'_>,
        function: Arg<'a>,
        arguments: &'a [Arg<'a>],
        context: Option<Arg<'_>>,
        source: Option<Object>,
    ) -> PyResult<Self> {
        let scope = Scope::from_argument(py, context)?;
        let many = if arguments.len() > 3 { Some(tuple(py, arguments)?) } else { None };
        let trace = source.map(|source| Box::new(Trace { source: Some(source), ..Trace::default() }));
        Ok(Self { function, arguments, many, scope, trace })
    }

    #[inline(always)]
    pub(crate) fn finish(self, owner: &Bound<'_, LoopCore>) -> Callback {
        let py = owner.py();
        let arguments = match (self.arguments, self.many) {
            (_, Some(many)) => Inline::Many(many),
            ([a], _) => Inline::One(a.to_object(py)),
            ([a, b], _) => Inline::Two(a.to_object(py), b.to_object(py)),
            ([a, b, c], _) => Inline::Three(a.to_object(py), b.to_object(py), c.to_object(py)),
            _ => Inline::None,
        };
        Callback {
            state: LoopCell::new(State::Scheduled(Work { function: self.function.to_object(py), arguments })),
            scope: self.scope,
            owner: Shared::new(owner),
            trace: LoopCell::new(self.trace),
        }
    }
}

impl Callback {
    fn of(owner: &Bound<'_, LoopCore>, function: &Object, arguments: Inline, scope: Scope) -> Self {
        let function = function.clone_ref(owner.py());
        Self {
            state: LoopCell::new(State::Scheduled(Work { function, arguments })),
            scope,
            owner: Shared::new(owner),
            trace: LoopCell::new(None),
        }
    }

    /// `function()`
    pub(crate) fn of_function(owner: &Bound<'_, LoopCore>, function: &Object, scope: Scope) -> Self {
        Self::of(owner, function, Inline::None, scope)
    }

    /// What a done future tells to one who has asked.
    pub(crate) fn of_done(
        owner: &Bound<'_, LoopCore>,
        function: &Object,
        future: &Object,
        scope: Scope,
    ) -> Self {
        Self::of(owner, function, Inline::One(future.clone_ref(owner.py())), scope)
    }

    /// Whether it is `future.set_result`, of a future of ours: nobody's code runs in it.
    pub(crate) fn sets_result(&self) -> bool {
        self.state.with(|state| match state {
            State::Scheduled(work) => future::is_set_result(&work.function),
            _ => false,
        })
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.state.with(|state| matches!(state, State::Cancelled(_)))
    }

    /// Runs it in its context, unless it was cancelled, and lets it go. An error leaves it whole, for the
    /// report.
    pub(crate) fn run_once(&self, py: Python<'_>) -> PyResult<()> {
        let owner = self.owner.get(py);
        if owner.is_debug() {
            return self.run(py);
        }
        let work = self.state.with(|state| match std::mem::replace(state, State::Spent) {
            State::Scheduled(work) => Some(work),
            other => {
                *state = other;
                None
            }
        });
        let Some(work) = work else { return Ok(()) };
        let context = self.scope.context_to_run(py, &owner.context);
        let result = context.and_then(|context| context.run(py, || work.call(py).map(drop)));
        if result.is_err() {
            let old = self.state.with(|state| match state {
                State::Spent => std::mem::replace(state, State::Scheduled(work)),
                _ => State::Scheduled(work),
            });
            drop(old);
        }
        result
    }

    /// Runs it in its context, unless it was cancelled; it may run again.
    pub(crate) fn run(&self, py: Python<'_>) -> PyResult<()> {
        match self.work(py) {
            Some(work) => self.scope.context(py)?.run(py, || work.call(py).map(drop)),
            None => Ok(()),
        }
    }

    fn work(&self, py: Python<'_>) -> Option<Work> {
        self.state.with(|state| match state {
            State::Scheduled(work) => Some(work.clone_ref(py)),
            _ => None,
        })
    }

    /// What Python sees of it.
    fn shown(&self, py: Python<'_>) -> Option<Work> {
        self.state.with(|state| match state {
            State::Scheduled(work) | State::Cancelled(Some(work)) => Some(work.clone_ref(py)),
            _ => None,
        })
    }

    /// It has run, and only the loop has its handle, to drop it.
    pub(crate) fn give_back(&self, py: Python<'_>) {
        self.scope.give_back(py, &self.owner.get(py).context);
    }

    /// It will not run (again): lets go of what it refers to.
    pub(crate) fn spend(&self) {
        let old = self.state.with(|state| match state {
            State::Scheduled(_) => std::mem::replace(state, State::Spent),
            _ => State::Spent,
        });
        drop(old);
    }

    /// True if it was not cancelled before.
    pub(crate) fn cancel(&self, py: Python<'_>, handle: &Object) -> PyResult<bool> {
        if self.is_cancelled() {
            return Ok(false);
        }
        // The loop lets go of it, whoever cancels it has not yet.
        track(handle);
        let old = self.state.with(|state| std::mem::replace(state, State::Cancelled(None)));
        if !self.owner.get(py).is_debug() {
            return Ok(true);
        }
        if let State::Scheduled(work) = old {
            self.state.with(|state| *state = State::Cancelled(Some(work)));
        }
        let repr = handle.bind(py).repr();
        drop(self.state.with(|state| std::mem::replace(state, State::Cancelled(None))));
        let repr = repr?.into();
        drop(self.with_trace(|trace| trace.repr.replace(repr)));
        Ok(true)
    }

    fn with_trace<R>(&self, body: impl FnOnce(&mut Trace) -> R) -> R {
        self.trace.with(|trace| body(trace.get_or_insert_default()))
    }

    /// What `when()` answers.
    pub(crate) fn set_when(&self, when: Object) {
        drop(self.with_trace(|trace| trace.when.replace(when)));
    }

    fn traced(&self, py: Python<'_>, part: impl FnOnce(&Trace) -> Option<&Object>) -> Object {
        let found =
            self.trace.with(|trace| trace.as_deref().and_then(part).map(|object| object.clone_ref(py)));
        found.unwrap_or_else(|| Object::none(py))
    }

    fn function(&self, py: Python<'_>) -> Object {
        self.shown(py).map_or_else(|| Object::none(py), |work| work.function)
    }

    fn arguments(&self, py: Python<'_>) -> PyResult<Object> {
        self.shown(py).map_or_else(|| Ok(Object::none(py)), |work| work.arguments(py))
    }
}

impl<T: AnyHandle> Instance<T> {
    /// Shows the collector a handle that a loop holds: if nobody else does, its references are the loop's.
    pub(crate) fn traverse_owned(&self, visit: &mut Visit<'_>) -> Visited {
        if is_tracked(self.object()) {
            self.traverse(visit)
        } else if self.is_exclusive() {
            self.callback().traverse(visit)
        } else {
            Ok(())
        }
    }
}

/// What runs in its turn (`asyncio.Handle`).
pub(crate) struct Handle(pub(crate) Callback);

owned!(Handle { clears: 0; });

/// What runs at a time (`asyncio.TimerHandle`).
pub(crate) struct TimerHandle {
    pub(crate) callback: Callback,
    when: f64,
    /// Its place among the loop's timers, packed; it may have left it.
    slot: AtomicU64,
}

owned!(TimerHandle { clears: callback; ignores: when, slot; });

impl TimerHandle {
    pub(crate) fn new(callback: Callback, when: f64) -> Self {
        Self { callback, when, slot: AtomicU64::new(u64::MAX) }
    }

    pub(crate) fn set_slot(&self, slot: Slot) {
        self.slot.store(slot.pack(), Ordering::Relaxed);
    }

    fn slot(&self) -> Slot {
        Slot::unpack(self.slot.load(Ordering::Relaxed))
    }
}

/// All kinds, to the code that they share.
pub(crate) trait AnyHandle: Native {
    fn callback(&self) -> &Callback;
}

impl AnyHandle for Handle {
    fn callback(&self) -> &Callback {
        &self.0
    }
}

impl AnyHandle for TimerHandle {
    fn callback(&self) -> &Callback {
        &self.callback
    }
}

static HANDLE: Class = Class::new();
static TIMER_HANDLE: Class = Class::new();

impl Native for Handle {
    const NAME: &'static CStr = c"ironloop.Handle";
    const DOC: &'static CStr = c"A scheduled callback; see asyncio.Handle.";
    const OPEN: bool = false;
    const TRACKED: bool = false;
    const FINALIZES: bool = false;

    fn class() -> &'static Class {
        &HANDLE
    }

    fn pool(&self) -> Option<&Pool> {
        Some(&self.0.owner.peek().handles)
    }
}

impl Native for TimerHandle {
    const NAME: &'static CStr = c"ironloop.TimerHandle";
    const DOC: &'static CStr = c"A callback scheduled for a time; see asyncio.TimerHandle.";
    const OPEN: bool = false;
    const TRACKED: bool = false;
    const FINALIZES: bool = false;

    fn class() -> &'static Class {
        &TIMER_HANDLE
    }

    fn pool(&self) -> Option<&Pool> {
        Some(&self.callback.owner.peek().timer_handles)
    }
}

fn cancel(py: Python<'_>, handle: &Instance<Handle>, arguments: Arguments<'_>) -> PyResult<Object> {
    let [] = arguments.exactly(py, "Handle.cancel", [])?;
    handle.0.cancel(py, handle.object())?;
    Ok(Object::none(py))
}

fn cancel_timer(
    py: Python<'_>,
    handle: &Instance<TimerHandle>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [] = arguments.exactly(py, "TimerHandle.cancel", [])?;
    let callback = &handle.callback;
    if callback.cancel(py, handle.object())? {
        let timer = callback.owner.get(py).unschedule(handle.slot());
        drop(timer);
    }
    Ok(Object::none(py))
}

fn cancelled<T: AnyHandle>(
    py: Python<'_>,
    handle: &Instance<T>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [] = arguments.exactly(py, "Handle.cancelled", [])?;
    get_cancelled(py, handle)
}

fn get_cancelled<T: AnyHandle>(py: Python<'_>, handle: &Instance<T>) -> PyResult<Object> {
    Ok(handle.callback().is_cancelled().into_pyobject(py)?.to_owned().into())
}

fn get_when(py: Python<'_>, handle: &Instance<TimerHandle>) -> PyResult<Object> {
    let given =
        handle.callback.trace.with(|trace| trace.as_ref()?.when.as_ref().map(|when| when.clone_ref(py)));
    Ok(given.unwrap_or_else(|| PyFloat::new(py, handle.when).into()))
}

fn get_scheduled(py: Python<'_>, handle: &Instance<TimerHandle>) -> PyResult<Object> {
    let core = handle.callback.owner.get(py);
    let scheduled = core.state.with(|state| state.reactor.engine.timer(handle.slot()).is_some());
    Ok(scheduled.into_pyobject(py)?.to_owned().into())
}

/// What asyncio's own code (`__repr__`, `_run`, comparisons) reads of a handle.
macro_rules! getters {
    ($kind:ty) => {
        [
            getter!($kind, c"_callback", |py, handle| Ok(handle.callback().function(py))),
            getter!($kind, c"_args", |py, handle| handle.callback().arguments(py)),
            getter!($kind, c"_context", |py, handle| Ok(handle.callback().scope.context(py)?.into_object())),
            getter!($kind, c"_loop", |py, handle| Ok(handle.callback().owner.object().clone_ref(py))),
            getter!($kind, c"_cancelled", get_cancelled),
            getter!($kind, c"_repr", |py, handle| Ok(handle
                .callback()
                .traced(py, |trace| trace.repr.as_ref()))),
            getter!($kind, c"_source_traceback", |py, handle| {
                Ok(handle.callback().traced(py, |trace| trace.source.as_ref()))
            }),
        ]
    };
}
use getters;

/// Adds all classes to the module.
pub(crate) fn add_classes(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let events = module.py().import("asyncio.events")?;
    HANDLE.create::<Handle>(
        module,
        &[events.getattr("Handle")?.cast()?],
        &[
            method!(Handle, c"cancel", c"cancel($self)\n--\n\nKeeps the callback from running.", cancel),
            method!(Handle, c"cancelled", c"cancelled($self)\n--\n\nWhether it was cancelled.", cancelled),
        ],
        &getters!(Handle),
        &[],
    )?;
    threadsafe::add_class(module)?;
    let mut getters = getters!(TimerHandle).to_vec();
    getters.push(getter!(TimerHandle, c"_when", get_when));
    getters.push(getter!(TimerHandle, c"_scheduled", get_scheduled));
    TIMER_HANDLE.create::<TimerHandle>(
        module,
        &[events.getattr("TimerHandle")?.cast()?],
        &[
            method!(
                TimerHandle,
                c"cancel",
                c"cancel($self)\n--\n\nKeeps the callback from running.",
                cancel_timer
            ),
            method!(
                TimerHandle,
                c"cancelled",
                c"cancelled($self)\n--\n\nWhether it was cancelled.",
                cancelled
            ),
            method!(
                TimerHandle,
                c"when",
                c"when($self)\n--\n\nWhen it is due, in seconds on the loop's clock.",
                |py, handle, arguments| {
                    let [] = arguments.exactly(py, "TimerHandle.when", [])?;
                    get_when(py, handle)
                }
            ),
        ],
        &getters,
        &[],
    )
}
