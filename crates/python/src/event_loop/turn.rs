//! Turns: wait for the kernel, make ready, run the batch.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::ffi::derived::track;
use crate::ffi::ending::outlive_interpreter;
use crate::ffi::intern::intern;
use ironloop_driver::{
    Events, Interest, Notifier, Poller, RawFd, Ready, Timeout, Token, Trigger, Watched, now, socket,
};
use ironloop_engine::{Sleep, Slot, Wait, deadline};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::parts::Kept;
use super::shown::Shown;
use super::{Item, LoopCore, NOTIFIER, Parts, SIGNALS, Source, State};
use crate::event_loop::future;
use crate::event_loop::handle::{Callback, Handle};
use crate::event_loop::task;
use crate::ffi::error::os_error;
use crate::ffi::{Arg, Arguments, Context, Instance, Native, Object, method_of};
use crate::io::datagram::DatagramTransport;
use crate::io::stream::Transport;
use crate::waiting::alarm;

/// Events that one wait brings at most.
pub(super) const EVENTS: usize = 1024;

/// A busy loop that watches nothing still looks at the kernel now and then.
const MOST_TURNS_WITHOUT_POLL: u32 = 64;

/// A busy loop whose callbacks are no Python code still lets signal handlers run.
const MOST_TURNS_WITHOUT_SIGNALS: u32 = 64;

/// asyncio never waits longer than a day at once, in nanoseconds.
const LONGEST_WAIT: i64 = 24 * 3600 * 1_000_000_000;

/// What the loop waits with.
const WAIT: Parts = Parts::SELECT.and(Parts::PROCESS_EVENTS);

/// What an event is for; own references, so that nothing is borrowed while it runs.
enum Reaction {
    Callbacks([Option<Instance<Handle>>; 2]),
    Operations,
    Stream(Instance<Transport>),
    Datagram(Instance<DatagramTransport>),
    Accept(crate::io::Listener),
    /// The descriptor was given up in the meantime.
    Nothing,
}

/// How a turn has begun.
#[derive(PartialEq, Eq)]
pub(super) enum Began {
    AtOnce,
    /// Other threads may have scheduled something in the meantime.
    AfterSleep,
}

/// What comes next in a batch.
enum Next {
    /// The kernel has waited with what the last item has written, which goes out first.
    Push,
    Item(Item),
    Done,
}

impl Next {
    fn of(state: &mut State) -> Self {
        if !state.held.is_empty() {
            return Self::Push;
        }
        state.performed += 1;
        match state.engine.pop() {
            Some(item) => Self::Item(item),
            None => Self::Done,
        }
    }
}

impl LoopCore {
    fn run(slf: &Bound<'_, Self>) -> PyResult<()> {
        let poller = slf.get().open_poller()?;
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let kept = Self::kept(slf);
            let turned = if kept.has(Parts::RUN_ONCE) {
                Self::turn(slf, kept, &poller, &mut events)
            } else {
                slf.call_method0(intern!(slf.py(), "_run_once")).map(drop)
            };
            if turned.is_err() || slf.get().stopping.load(Ordering::Relaxed) {
                return Self::leave(slf, turned);
            }
        }
    }

    /// After the last turn, also one that has failed: what was written goes out, and no task is the current one.
    fn leave(slf: &Bound<'_, Self>, turned: PyResult<()>) -> PyResult<()> {
        slf.get().push_held();
        let vacated = task::vacate(slf);
        turned.and(vacated)
    }

    pub(super) fn open_poller(&self) -> PyResult<Arc<Poller>> {
        let poller = self.state.with(|state| state.poller.clone());
        poller.ok_or_else(|| PyRuntimeError::new_err("Event loop is closed"))
    }

    fn turn(slf: &Bound<'_, Self>, kept: Kept, poller: &Arc<Poller>, events: &mut Events) -> PyResult<()> {
        let core = slf.get();
        core.collect_inbox();
        let waited = if kept.has(WAIT) {
            Self::wait(slf, poller, events)
        } else {
            events.clear();
            Self::wait_by_selector(slf).map(|()| Began::AfterSleep)
        };
        // Also when a signal handler has raised: an edge is reported only once.
        core.react(events);
        if waited? == Began::AfterSleep {
            core.collect_inbox();
        }
        if core.state.with(|state| state.engine.has_timers()) {
            let due = Self::due(slf)?;
            core.state.with(|state| state.engine.expire(due));
        }
        core.state.with(|state| state.engine.begin());
        loop {
            match core.state.with(Next::of) {
                Next::Push => core.push_held(),
                Next::Item(item) => {
                    if !Self::is_quiet(slf, &item) {
                        task::vacate(slf)?;
                    }
                    Self::perform(slf, item)?;
                }
                Next::Done => return Ok(()),
            }
        }
    }

    /// Whether the task that ran last may stay the current one: the next takes its place, or nobody's code runs meanwhile.
    fn is_quiet(slf: &Bound<'_, Self>, item: &Item) -> bool {
        match item {
            Item::Step(_) => true,
            Item::Awake(_) => Self::calls_itself(slf, Parts::CALL_SOON),
            Item::Call(handle) => handle.0.sets_result() && Self::calls_itself(slf, Parts::CALL_SOON),
            Item::Timer(handle) => handle.callback.sets_result() && Self::calls_itself(slf, Parts::CALL_SOON),
            _ => false,
        }
    }

    /// Lets the kernel fill `events`, for as long as nothing is ready and no timer is due.
    fn wait(slf: &Bound<'_, Self>, poller: &Arc<Poller>, events: &mut Events) -> PyResult<Began> {
        let core = slf.get();
        let answered = core.has_answered_all(events);
        events.clear();
        core.state.with(State::take_back_reported);
        let timeout = match core.plan() {
            Wait::No => Timeout::Now,
            Wait::Forever => Timeout::Never,
            Wait::Until(deadline) => match deadline::nanos_until(deadline, Self::time(slf)?) {
                None => Timeout::Now,
                Some(left) => Timeout::After(left.min(LONGEST_WAIT)),
            },
        };
        if timeout == Timeout::Now && !core.is_poll_due(answered) {
            return Self::check_signals_rarely(slf).map(|()| Began::AtOnce);
        }
        Self::poll(slf, poller, events, timeout)
    }

    /// What the turn may wait for.
    pub(super) fn plan(&self) -> Wait {
        if self.stopping.load(Ordering::Relaxed) {
            Wait::No
        } else {
            self.state.with(|state| state.engine.plan())
        }
    }

    /// Asks the kernel. The interpreter is released only for a wait that can block.
    pub(super) fn poll(
        slf: &Bound<'_, Self>,
        poller: &Arc<Poller>,
        events: &mut Events,
        timeout: Timeout,
    ) -> PyResult<Began> {
        let (py, core) = (slf.py(), slf.get());
        let mut began = Began::AtOnce;
        let result = if timeout == Timeout::Now {
            poller.wait(events, timeout)
        } else {
            match core.inbox.fall_asleep() {
                Sleep::Refused => poller.wait(events, Timeout::Now),
                Sleep::Allowed => {
                    task::vacate(slf)?;
                    let result = py.detach(|| poller.wait(events, timeout));
                    core.inbox.wake_up();
                    began = Began::AfterSleep;
                    result
                }
            }
        };
        match result {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(os_error(error));
            }
            _ => {}
        }
        if began == Began::AtOnce {
            Self::check_signals_rarely(slf)?;
        } else {
            py.check_signals()?;
        }
        Ok(began)
    }

    /// After a turn that did not sleep. The interpreter runs signal handlers in whatever Python code runs next, and that is soon.
    /// Run from here they find no current task, so one that lingers would have to go, each time.
    fn check_signals_rarely(slf: &Bound<'_, Self>) -> PyResult<()> {
        let due = slf.get().state.with(|state| {
            state.turns_since_signals = (state.turns_since_signals + 1) % MOST_TURNS_WITHOUT_SIGNALS;
            state.turns_since_signals == 0
        });
        if !due {
            return Ok(());
        }
        task::vacate(slf)?;
        slf.py().check_signals()
    }

    /// Whether all that the last turn was told of was sockets with data, and all of that data was read.
    fn has_answered_all(&self, events: &Events) -> bool {
        let emptied = self.state.with(|state| std::mem::take(&mut state.emptied));
        emptied > 0 && emptied == events.len()
    }

    /// Who was just told of data, and has read all, hardly learns more by asking at once: tasks that the data has woken run
    /// first. A turn later the kernel is asked in any case.
    fn is_poll_due(&self, answered: bool) -> bool {
        self.state.with(|state| {
            let idle = state.sources.is_empty() && state.turns_since_poll < MOST_TURNS_WITHOUT_POLL;
            let stopping = self.stopping.load(Ordering::Relaxed);
            let due = !idle && (stopping || !answered);
            state.turns_since_poll = if due { 0 } else { state.turns_since_poll + 1 };
            due
        })
    }

    /// What the kernel has reported becomes ready.
    fn react(&self, events: &Events) {
        if events.is_empty() {
            return;
        }
        let all_known = self.state.with(|state| {
            let mut all_known = true;
            for event in (0..events.len()).filter_map(|index| events.get(index)) {
                match event.token {
                    NOTIFIER => {}
                    SIGNALS => self.drain_signals(),
                    Token(slot) => {
                        let slot = Slot::unpack(slot);
                        all_known &= state.sources.get(slot).is_some();
                        state.engine.push(Item::Ready(slot, event.ready));
                    }
                }
            }
            all_known
        });
        if !all_known {
            self.renew_poller();
        }
    }

    /// The kernel reports what nobody has it watch any more: a descriptor was closed behind our back while a copy of it
    /// lives, in a child process for instance, and so its registration could not be taken back.
    #[cold]
    pub(super) fn renew_poller(&self) {
        let notifier = self.notifier.lock().unwrap_or_else(PoisonError::into_inner);
        let notifier = notifier.as_ref().map(Notifier::watched);
        let signals = Some(self.signals.load(Ordering::Relaxed)).filter(|fd| *fd >= 0).map(signals_watched);
        self.state.with(|state| {
            let Some(poller) = &state.poller else { return };
            // For want of a descriptor it fails; the next report tries again.
            let gone = state.sources.renew(poller, notifier.into_iter().chain(signals)).unwrap_or_default();
            // They meet the error when they use the socket.
            let ready = Ready { readable: true, writable: true, hung_up: true };
            gone.into_iter().for_each(|slot| state.engine.push(Item::Ready(slot, ready)));
        });
    }

    /// The signals have ended the wait, which is all that was asked of them. Unread they would fill the descriptor.
    pub(super) fn drain_signals(&self) {
        let mut numbers = [0; 256];
        let fd = self.signals.load(Ordering::Relaxed);
        while socket::receive(fd, &mut numbers).is_ok_and(|count| count == numbers.len()) {}
    }

    /// Whether anything waits for what runs now to end: then nobody should take more than his turn.
    pub(crate) fn is_awaited(slf: &Bound<'_, Self>) -> bool {
        let core = slf.get();
        let (wait, held) = core.state.with(|state| (state.engine.plan(), !state.held.is_empty()));
        let due = match wait {
            Wait::No => true,
            // What another clock says is not worth asking.
            Wait::Until(deadline) => {
                !Self::keeps(slf, Parts::TIME) || Self::due(slf).is_ok_and(|due| deadline <= due)
            }
            Wait::Forever => false,
        };
        due || held || !core.inbox.is_empty() || core.stopping.load(Ordering::Relaxed)
    }

    pub(super) fn collect_inbox(&self) {
        self.state.with(|state| {
            if self.inbox.collect(&mut state.arrivals) {
                state.arrivals.drain(..).for_each(|item| state.engine.push(item));
            }
        });
    }

    /// Nothing follows any more what the last callback has written.
    fn push_held(&self) {
        let mut held = self.state.with(|state| std::mem::take(&mut state.held));
        // The last reference to one may go here, and what runs then may write: that is pushed next.
        held.drain(..).for_each(|transport| transport.push());
        self.state.with(|state| {
            if state.held.is_empty() {
                // Its room serves the next callback.
                std::mem::swap(&mut state.held, &mut held);
            }
        });
    }

    fn perform(slf: &Bound<'_, Self>, item: Item) -> PyResult<()> {
        if !slf.get().is_debug() {
            return Self::perform_untimed(slf, &item);
        }
        let start = now();
        let result = Self::perform_untimed(slf, &item);
        if let Some(object) = Self::object_of(slf, &item) {
            let seconds = (now() - start) as f64 / 1e9;
            task::vacate(slf)?;
            slf.call_method1(intern!(slf.py(), "_executed"), (object.bind(slf.py()), seconds))?;
        }
        result
    }

    /// What debug mode names when an item was slow.
    fn object_of(slf: &Bound<'_, Self>, item: &Item) -> Option<Object> {
        let py = slf.py();
        match item {
            Item::Ready(slot, _) => slf.get().state.with(|state| match state.sources.get(*slot)? {
                Source::Watch(watch) => watch.callback().map(|handle| handle.object().clone_ref(py)),
                Source::Stream(transport) => Some(transport.object().clone_ref(py)),
                Source::Datagram(transport) => Some(transport.object().clone_ref(py)),
                Source::Listener(_) => None,
            }),
            Item::Told(..) => Shown::of(py, item)?.into_handle(slf).ok(),
            other => other.object().map(|object| object.clone_ref(py)),
        }
    }

    fn perform_untimed(slf: &Bound<'_, Self>, item: &Item) -> PyResult<()> {
        let py = slf.py();
        match item {
            Item::Call(handle) => Self::run_callback(slf, &handle.0, handle.object()),
            Item::CallFromThread(handle) => {
                handle.running(|| Self::run_callback(slf, handle.callback(), handle.object()))
            }
            Item::Timer(handle) => Self::run_callback(slf, &handle.callback, handle.object()),
            Item::Foreign(handle) => {
                let cancelled = handle.bind(py).getattr(intern!(py, "_cancelled"))?.is_truthy()?;
                if cancelled { Ok(()) } else { handle.bind(py).call_method0(intern!(py, "_run")).map(drop) }
            }
            Item::Ready(slot, ready) => Self::perform_event(slf, *slot, *ready),
            Item::Step(task) => task::step(slf, task).or_else(|error| Self::step_failed(slf, task, error)),
            Item::Throw(task, wrong) => task::throw_into(slf, task, Some(wrong.clone_ref(py)))
                .or_else(|error| Self::step_failed(slf, task, error)),
            Item::Awake(future) => future::wake(py, future),
            Item::Told(observer, future) => {
                observer.tell(py, future).or_else(|error| Self::telling_failed(slf, observer, future, error))
            }
            Item::Overdue(target) => alarm::ring(slf, target),
            Item::Made(transport) => Transport::connection_made(transport, py),
            Item::Lost(transport) => Transport::connection_lost(transport, py),
            Item::DatagramMade(transport) => DatagramTransport::connection_made(transport, py),
            Item::DatagramLost(transport) => DatagramTransport::connection_lost(transport, py),
        }
    }

    /// Runs `function()` in a context, as if it were a callback of this turn.
    pub(crate) fn run_now(slf: &Bound<'_, Self>, function: &Object, context: Context) -> PyResult<()> {
        let py = slf.py();
        let (function, context) = (function.bind(py), context.into_object());
        let callback = Callback::new(slf, Arg::of(function), &[], Some(Arg::of(context.bind(py))))?;
        let handle = Handle::class().instantiate(py, Handle(callback))?;
        Self::run_callback(slf, &handle.0, handle.object())
    }

    fn run_callback(slf: &Bound<'_, Self>, callback: &Callback, handle: &Object) -> PyResult<()> {
        if let Err(error) = callback.run_once(slf.py()) {
            Self::callback_failed(slf, handle, error)?;
        }
        // In debug mode it stays whole, for the log of slow callbacks.
        if !slf.get().is_debug() {
            callback.spend();
        }
        // Whoever holds it now holds the loop by it, and may be reached from there.
        if handle.references() > 1 {
            track(handle);
        }
        Ok(())
    }

    fn perform_event(slf: &Bound<'_, Self>, slot: Slot, ready: Ready) -> PyResult<()> {
        let py = slf.py();
        let reaction = slf.get().state.with(|state| match state.sources.get_mut(slot) {
            Some(Source::Stream(transport)) => Reaction::Stream(transport.clone_ref(py)),
            Some(Source::Datagram(transport)) => Reaction::Datagram(transport.clone_ref(py)),
            Some(Source::Watch(watch)) => {
                watch.note(ready);
                if watch.has_operations() {
                    Reaction::Operations
                } else {
                    Reaction::Callbacks(watch.callbacks(py, ready))
                }
            }
            Some(Source::Listener(listener)) => Reaction::Accept(listener.clone_ref(py)),
            None => Reaction::Nothing,
        });
        match reaction {
            Reaction::Stream(transport) => Transport::ready(&transport, py, ready),
            Reaction::Datagram(transport) => DatagramTransport::ready(&transport, py, ready),
            Reaction::Callbacks(handles) => Self::run_watchers(slf, handles),
            Reaction::Operations => {
                let handles = Self::complete_operations(slf, slot, ready)?;
                Self::run_watchers(slf, handles)
            }
            Reaction::Accept(listener) => listener.accept(slf, slot),
            Reaction::Nothing => Ok(()),
        }
    }
}

impl LoopCore {
    fn run_watchers(slf: &Bound<'_, Self>, handles: [Option<Instance<Handle>>; 2]) -> PyResult<()> {
        handles.iter().flatten().try_for_each(|handle| {
            handle.0.run(slf.py()).or_else(|error| Self::callback_failed(slf, handle.object(), error))
        })
    }
}

fn run(slf: &Bound<'_, LoopCore>, _: Arguments<'_>) -> PyResult<Object> {
    outlive_interpreter();
    known_as_attached(|| LoopCore::run(slf))?;
    Ok(Object::none(slf.py()))
}

fn run_once(slf: &Bound<'_, LoopCore>, _: Arguments<'_>) -> PyResult<Object> {
    outlive_interpreter();
    let poller = slf.get().open_poller()?;
    let mut events = Events::with_capacity(EVENTS);
    let turned = known_as_attached(|| LoopCore::turn(slf, LoopCore::kept(slf), &poller, &mut events));
    LoopCore::leave(slf, turned)?;
    Ok(Object::none(slf.py()))
}

/// PyO3 learns that the thread is attached. What comes here from the interpreter by slots of our own does not tell it, and
/// the errors that are dropped meanwhile would be kept until something does.
fn known_as_attached<R>(body: impl FnOnce() -> R) -> R {
    Python::attach(|_| body())
}

/// Ends a wait whenever something is written to the descriptor.
fn watch_wakeups(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = slf.py();
    let [fd] = arguments.exactly(py, "_watch_wakeups", ["fd"])?;
    let fd: RawFd = fd.bind(py).extract()?;
    slf.get().signals.store(fd, Ordering::Relaxed);
    let Watched { fd, token, interest, trigger } = signals_watched(fd);
    slf.get().with_poller(|poller, _| poller.add(fd, token, interest, trigger))?;
    Ok(Object::none(py))
}

fn signals_watched(fd: RawFd) -> Watched {
    Watched { fd, token: SIGNALS, interest: Interest::READABLE, trigger: Trigger::Edge }
}

pub(super) fn methods() -> Vec<pyo3::ffi::PyMethodDef> {
    vec![
        method_of!(LoopCore, c"_run", c"Turns until stopped.", run),
        method_of!(LoopCore, c"_run_once", c"One turn.", run_once),
        method_of!(LoopCore, c"_watch_wakeups", c"Lets a descriptor end the loop's sleep.", watch_wakeups),
    ]
}
