//! Turns: the reactor says what is next, and here it is performed.

use std::io;
use std::sync::Arc;

use ironloop_driver::{Events, Poller, RawFd, Timeout};
use ironloop_engine::{Plan, Slot, deadline};
use ironloop_reactor::{Approach, Doing, EVENTS};
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::handle_view::HandleView;
use super::home::{self, Here};
use super::item::Item;
use super::loop_core::LoopCore;
use super::parts::Kept;
use super::parts::Parts;
use super::recorder;
use super::sources::Source;
use crate::event_loop::handle::{AnyHandle, Callback, Handle};
use crate::event_loop::{future, task, watchdog};
use crate::ffi::adopted;
use crate::ffi::derived::track;
use crate::ffi::ending::outlive_interpreter;
use crate::ffi::error::os_error;
use crate::ffi::intern::intern;
use crate::ffi::{Arguments, Instance, Object, Scope, method_of};

/// A busy loop whose callbacks are no Python code still lets signal handlers run.
const MOST_TURNS_WITHOUT_SIGNALS: u32 = 64;

/// asyncio never waits longer than a day at once, in nanoseconds.
const LONGEST_WAIT: i64 = 24 * 3600 * 1_000_000_000;

/// What the loop waits with.
const WAIT: Parts = Parts::SELECT.and(Parts::PROCESS_EVENTS);

/// How a turn has begun.
#[derive(PartialEq, Eq)]
pub(super) enum Began {
    AtOnce,
    /// Other threads may have scheduled something in the meantime.
    AfterSleep,
}

impl LoopCore {
    fn run(slf: &Bound<'_, Self>) -> PyResult<()> {
        let poller = slf.get().open_poller()?;
        let mut events = Events::with_capacity(EVENTS);
        recorder::begin_run(slf);
        loop {
            let kept = Self::kept(slf);
            let turned = if kept.has(Parts::RUN_ONCE) {
                Self::turn(slf, kept, &poller, &mut events)
            } else {
                slf.call_method0(intern!(slf.py(), "_run_once")).map(drop)
            };
            if turned.is_err() || slf.get().is_stopping() {
                return Self::leave(slf, turned);
            }
        }
    }

    /// After the last turn, also one that has failed: what follows the last item is done, and no task is the
    /// current one.
    fn leave(slf: &Bound<'_, Self>, turned: PyResult<()>) -> PyResult<()> {
        let mut outcome = turned;
        while let Some(item) = slf.get().state.with(|state| state.reactor.engine.pop_afterwards()) {
            outcome = outcome.and(Self::perform(slf, item));
        }
        outcome.and(task::vacate(slf))
    }

    pub(super) fn open_poller(&self) -> PyResult<Arc<Poller>> {
        self.state.with(|state| state.reactor.poller()).ok_or_else(super::loop_core::closed)
    }

    fn turn(slf: &Bound<'_, Self>, kept: Kept, poller: &Arc<Poller>, events: &mut Events) -> PyResult<()> {
        let core = slf.get();
        core.collect_mail();
        let waited = if kept.has(WAIT) {
            Self::wait(slf, poller, events)
        } else {
            events.clear();
            Self::wait_by_selector(slf).map(|()| Began::AfterSleep)
        };
        core.state.with(|state| state.reactor.collect(events, Source::hears_of_loss));
        if waited? == Began::AfterSleep {
            core.collect_mail();
        }
        if core.state.with(|state| state.reactor.engine.has_timers()) {
            let due = Self::due(slf)?;
            core.state.with(|state| state.reactor.expire(due));
        }
        let watched = core.is_watched().then(|| recorder::turn_begins(core));
        core.state.with(|state| state.reactor.cut());
        let performed = Self::perform_all(slf);
        match watched {
            Some(outer) => recorder::turn_ends(core, outer),
            None if core.is_watched() => recorder::first_turn_ends(core),
            None => {}
        }
        performed
    }

    #[inline(always)]
    fn perform_all(slf: &Bound<'_, Self>) -> PyResult<()> {
        while let Some(item) = slf.get().state.with(|state| state.reactor.pop()) {
            if !Self::is_quiet(slf, &item) {
                task::vacate(slf)?;
            }
            Self::perform(slf, item)?;
        }
        Ok(())
    }

    fn collect_mail(&self) {
        self.state.with(|state| state.reactor.collect_mail());
    }

    /// Whether the task that ran last may stay the current one: the next takes its place, or nobody's code
    /// runs meanwhile.
    fn is_quiet(slf: &Bound<'_, Self>, item: &Item) -> bool {
        match item {
            Item::Step(_) => true,
            Item::Wake(_) => Self::calls_itself(slf, Parts::CALL_SOON),
            Item::Call(handle) => {
                handle.callback().sets_result() && Self::calls_itself(slf, Parts::CALL_SOON)
            }
            Item::Timer(handle) => {
                handle.callback().sets_result() && Self::calls_itself(slf, Parts::CALL_SOON)
            }
            Item::Other(kind, _) => kind.quiet,
            // Where somebody's code runs, they see to it.
            Item::Run(_) | Item::End(_) | Item::Unwatch(..) | Item::Home(_) => {
                Self::calls_itself(slf, Parts::CALL_SOON)
            }
            Item::CallFromThread(_)
            | Item::Foreign(_)
            | Item::Event(..)
            | Item::Throw(..)
            | Item::Notify(..)
            | Item::Blocked => false,
        }
    }

    /// Lets the kernel fill `events`, for as long as nothing is ready and no timer is due.
    fn wait(slf: &Bound<'_, Self>, poller: &Arc<Poller>, events: &mut Events) -> PyResult<Began> {
        let core = slf.get();
        let plan = core.state.with(|state| state.reactor.begin(events));
        let stopping = core.is_stopping();
        let timeout = match plan {
            _ if stopping => Timeout::Now,
            Plan::Run => Timeout::Now,
            Plan::Wait => Timeout::Never,
            Plan::WaitUntil(deadline) => match deadline::nanos_until(deadline, Self::time(slf)?) {
                None => Timeout::Now,
                Some(left) => Timeout::After(left.min(LONGEST_WAIT)),
            },
        };
        let approach = core.state.with(|state| state.reactor.approach(timeout, stopping));
        if approach == Approach::Skip {
            return Self::check_signals_rarely(slf).map(|()| Began::AtOnce);
        }
        Self::ask(slf, poller, events, timeout, approach)
    }

    /// What the turn may wait for.
    pub(super) fn plan(&self) -> Plan {
        if self.is_stopping() { Plan::Run } else { self.state.with(|state| state.reactor.engine.plan()) }
    }

    /// Asks the kernel in any case.
    pub(super) fn poll(
        slf: &Bound<'_, Self>,
        poller: &Arc<Poller>,
        events: &mut Events,
        timeout: Timeout,
    ) -> PyResult<Began> {
        let approach = slf.get().state.with(|state| state.reactor.approach_kernel(timeout));
        Self::ask(slf, poller, events, timeout, approach)
    }

    /// The interpreter is released only for a wait that can block.
    fn ask(
        slf: &Bound<'_, Self>,
        poller: &Arc<Poller>,
        events: &mut Events,
        timeout: Timeout,
        approach: Approach,
    ) -> PyResult<Began> {
        let (py, core) = (slf.py(), slf.get());
        let result = if approach == Approach::Sleep {
            task::vacate(slf)?;
            recorder::look(slf);
            let watched = core.is_watched();
            if watched {
                recorder::waits(core, true);
            }
            core.trim();
            core.pulse.set(Doing::Asleep);
            let result = py.detach(|| {
                let result = core.driver.wait(poller, events, timeout);
                core.pulse.set(Doing::Returning);
                result
            });
            core.remote.wake_up();
            if watched {
                recorder::waits(core, false);
            }
            watchdog::awake(&core.pulse);
            result
        } else {
            core.driver.wait(poller, events, Timeout::Now)
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::Deadlock => Self::nothing_will_happen(slf)?,
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(os_error(error)),
            _ => {}
        }
        if approach == Approach::Sleep {
            py.check_signals()?;
            Ok(Began::AfterSleep)
        } else {
            Self::check_signals_rarely(slf)?;
            Ok(Began::AtOnce)
        }
    }

    /// A simulation's loop says who waits, unless it finds something that may happen.
    #[cold]
    fn nothing_will_happen(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.call_method0(intern!(slf.py(), "_nothing_will_happen")).map(drop)
    }

    /// After a turn that did not sleep. The interpreter runs signal handlers in whatever Python code runs
    /// next, and that is soon. Run from here they find no current task, so one that lingers would have to go,
    /// each time.
    fn check_signals_rarely(slf: &Bound<'_, Self>) -> PyResult<()> {
        let due = slf.get().state.with(|state| {
            state.turns_since_signals = (state.turns_since_signals + 1) % MOST_TURNS_WITHOUT_SIGNALS;
            state.turns_since_signals == 0
        });
        if !due {
            return Ok(());
        }
        task::vacate(slf)?;
        watchdog::awake(&slf.get().pulse);
        recorder::look(slf);
        slf.py().check_signals()
    }

    /// Whether anything waits for what runs now to end: then nobody should take more than his turn.
    pub(crate) fn is_awaited(slf: &Bound<'_, Self>) -> bool {
        let core = slf.get();
        let due = match core.plan() {
            Plan::Run => true,
            // What another clock says is not worth asking.
            Plan::WaitUntil(deadline) => {
                !Self::keeps(slf, Parts::TIME) || Self::due(slf).is_ok_and(|due| deadline <= due)
            }
            Plan::Wait => false,
        };
        due || core.state.with(|state| state.reactor.has_mail())
    }

    #[inline(always)]
    fn perform(slf: &Bound<'_, Self>, item: Item) -> PyResult<()> {
        if slf.get().is_unobserved() {
            return Self::perform_untimed(slf, &item);
        }
        Self::perform_observed(slf, &item)
    }

    #[inline(never)]
    fn perform_observed(slf: &Bound<'_, Self>, item: &Item) -> PyResult<()> {
        // What a recorded loop does most.
        if let Item::Step(task) = item
            && slf.get().is_only_watched()
        {
            let outer = recorder::step_begins(slf, task);
            let result = task::step(slf, task).or_else(|error| Self::step_failed(slf, task, error));
            recorder::step_ends(slf, task, outer);
            return result;
        }
        if !slf.get().is_heard() {
            return Self::perform_watched(slf, item);
        }
        let what = Self::called(slf.py(), item);
        Self::perform_watched(slf, item)?;
        Self::tell_hearer(slf, &what)
    }

    /// What `_hear` has it told: a task, or a name. A callback forgets its own when it runs.
    fn called(py: Python<'_>, item: &Item) -> Object {
        match item {
            Item::Step(task) | Item::Throw(task, _) => task.object().clone_ref(py),
            _ => PyString::new(py, &recorder::name(py, item)).into_any().into(),
        }
    }

    fn tell_hearer(slf: &Bound<'_, Self>, what: &Object) -> PyResult<()> {
        let py = slf.py();
        let Some(hearer) = slf.get().hearer.with(|hearer| hearer.as_ref().map(|hearer| hearer.clone_ref(py)))
        else {
            return Ok(());
        };
        task::vacate(slf)?;
        hearer.bind(py).call1((what.bind(py),)).map(drop)
    }

    fn perform_watched(slf: &Bound<'_, Self>, item: &Item) -> PyResult<()> {
        if !slf.get().is_watched() {
            return Self::perform_debugged(slf, item);
        }
        if let Item::Step(task) | Item::Throw(task, _) = item {
            let outer = recorder::step_begins(slf, task);
            let result = Self::perform_debugged(slf, item);
            recorder::step_ends(slf, task, outer);
            return result;
        }
        let before = recorder::begins(slf, item);
        let result = Self::perform_debugged(slf, item);
        recorder::ends(slf.get(), item, &before);
        result
    }

    fn perform_debugged(slf: &Bound<'_, Self>, item: &Item) -> PyResult<()> {
        if slf.get().is_debug() { Self::perform_timed(slf, item) } else { Self::perform_untimed(slf, item) }
    }

    fn perform_timed(slf: &Bound<'_, Self>, item: &Item) -> PyResult<()> {
        drop(adopted::polled(slf.py()));
        let start = slf.get().driver.now();
        let result = Self::perform_untimed(slf, item);
        if let Some(object) = Self::object_of(slf, item) {
            let seconds = (slf.get().driver.now() - start) as f64 / 1e9;
            task::vacate(slf)?;
            let polled = adopted::polled(slf.py()).unwrap_or_else(|| Object::none(slf.py()));
            let arguments = (object.bind(slf.py()), seconds, polled.bind(slf.py()));
            slf.call_method1(intern!(slf.py(), "_executed"), arguments)?;
        }
        result
    }

    /// What debug mode names when an item was slow.
    fn object_of(slf: &Bound<'_, Self>, item: &Item) -> Option<Object> {
        let py = slf.py();
        match item {
            Item::Event(slot, _) => slf.get().source(py, *slot)?.culprit(py),
            Item::Notify(..) => HandleView::of(py, item)?.into_handle(slf).ok(),
            Item::Run(_) | Item::End(_) | Item::Unwatch(..) | Item::Home(_) | Item::Blocked => None,
            Item::Other(kind, _) if kind.quiet => None,
            Item::Call(_)
            | Item::CallFromThread(_)
            | Item::Timer(_)
            | Item::Foreign(_)
            | Item::Step(_)
            | Item::Throw(..)
            | Item::Wake(_)
            | Item::Other(..) => item.object().map(|object| object.clone_ref(py)),
        }
    }

    fn perform_untimed(slf: &Bound<'_, Self>, item: &Item) -> PyResult<()> {
        let py = slf.py();
        match item {
            Item::Call(handle) => Self::run_callback(slf, handle.callback(), handle.object()),
            Item::CallFromThread(handle) => {
                handle.running(|| Self::run_callback(slf, handle.callback(), handle.object()))
            }
            Item::Timer(handle) => Self::run_callback(slf, handle.callback(), handle.object()),
            Item::Foreign(handle) => {
                let cancelled = handle.bind(py).getattr(intern!(py, "_cancelled"))?.is_truthy()?;
                if cancelled { Ok(()) } else { handle.bind(py).call_method0(intern!(py, "_run")).map(drop) }
            }
            // A slot of which the descriptor was given up in the meantime finds nothing.
            Item::Event(slot, ready) => match slf.get().source(py, *slot) {
                Some(source) => source.ready(slf, *slot, *ready),
                None => Ok(()),
            },
            Item::Step(task) => task::step(slf, task).or_else(|error| Self::step_failed(slf, task, error)),
            Item::Throw(task, wrong) => task::throw_into(slf, task, Some(wrong.clone_ref(py)))
                .or_else(|error| Self::step_failed(slf, task, error)),
            Item::Wake(future) => future::wake(py, future),
            Item::Notify(observer, future) => {
                observer.tell(py, future).or_else(|error| Self::telling_failed(slf, observer, future, error))
            }
            Item::Other(kind, object) => (kind.perform)(slf, object),
            Item::Run(slot) => home::run(slf, *slot),
            Item::End(slot) => {
                home::end(slf, *slot);
                Ok(())
            }
            Item::Unwatch(fd, slot) => {
                slf.get().unwatch(py, *fd, *slot);
                Ok(())
            }
            Item::Home(callback) => home::come(slf, *callback),
            Item::Blocked => watchdog::tell(slf),
        }
    }

    /// A source; our own reference, so that nothing is borrowed while it runs.
    fn source(&self, py: Python<'_>, slot: Slot) -> Option<Source> {
        self.state.with(|state| state.reactor.sources.get(slot).map(|source| source.clone_ref(py)))
    }

    /// Runs `function()` in a context, as if it were a callback of this turn.
    pub(crate) fn run_now(slf: &Bound<'_, Self>, function: &Object, scope: Scope) -> PyResult<()> {
        let handle = Handle::of_function(slf, function, scope)?;
        Self::run_callback(slf, handle.callback(), handle.object())
    }

    /// A user's callback for a descriptor, which runs again as long as that is ready.
    pub(crate) fn run_watcher(slf: &Bound<'_, Self>, handle: &Instance<Handle>) -> PyResult<()> {
        handle.callback().run(slf.py()).or_else(|error| Self::callback_failed(slf, handle.object(), error))
    }

    fn run_callback(slf: &Bound<'_, Self>, callback: Callback<'_>, handle: &Object) -> PyResult<()> {
        // In debug mode it stays whole, for the log of slow callbacks, and for the report of an error.
        let mut is_whole = slf.get().is_debug();
        if let Err(error) = callback.run_once(slf.py()) {
            is_whole = true;
            Self::callback_failed(slf, handle, error)?;
        }
        let is_debug = slf.get().is_debug();
        if is_whole && !is_debug {
            callback.spend(slf.py());
        }
        if handle.references() > 1 {
            // Whoever holds it now holds the loop by it, and may be reached from there.
            track(handle);
        } else if !is_debug {
            callback.give_back(slf.py());
        }
        Ok(())
    }
}

fn run(slf: &Bound<'_, LoopCore>, _: Arguments<'_>) -> PyResult<Object> {
    outlive_interpreter();
    let here = Here::begin(slf);
    let run = watchdog::Run::begin(slf);
    let result = known_as_attached(|| LoopCore::run(slf));
    let told = run.end(slf);
    drop(here);
    result.and(told)?;
    Ok(Object::none(slf.py()))
}

fn run_once(slf: &Bound<'_, LoopCore>, _: Arguments<'_>) -> PyResult<Object> {
    outlive_interpreter();
    let poller = slf.get().open_poller()?;
    let mut events = Events::with_capacity(EVENTS);
    let _here = Here::begin(slf);
    let turned = known_as_attached(|| LoopCore::turn(slf, LoopCore::kept(slf), &poller, &mut events));
    LoopCore::leave(slf, turned)?;
    Ok(Object::none(slf.py()))
}

/// PyO3 learns that the thread is attached. What comes here from the interpreter by slots of our own does not
/// tell it, and the errors that are dropped meanwhile would be kept until something does.
fn known_as_attached<R>(body: impl FnOnce() -> R) -> R {
    Python::attach(|_| body())
}

/// Ends a wait whenever something is written to the descriptor.
fn watch_wakeups(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = slf.py();
    let [fd] = arguments.exactly(py, "_watch_wakeups", ["fd"])?;
    let fd: RawFd = fd.bind(py).extract()?;
    slf.get().check_open()?;
    slf.get().state.with(|state| state.reactor.watch_signals(fd)).map_err(os_error)?;
    Ok(Object::none(py))
}

pub(super) fn methods() -> Vec<pyo3::ffi::PyMethodDef> {
    vec![
        method_of!(LoopCore, c"_run", c"Turns until stopped.", run),
        method_of!(LoopCore, c"_run_once", c"One turn.", run_once),
        method_of!(LoopCore, c"_watch_wakeups", c"Lets a descriptor end the loop's sleep.", watch_wakeups),
    ]
}
