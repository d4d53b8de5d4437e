//! Approach by way of `loop._selector.select`, where a tool has replaced it.
//!
//! Virtual clocks and meters of latency put a function of theirs there: it asks the one that they have
//! replaced, as often and with whatever timeout they like, and what it returns comes back through
//! `_process_events`. To them descriptors are level-triggered: what was reported is reported again until it
//! comes back.

use ironloop_driver::{Events, RawFd, Ready, Timeout};
use ironloop_engine::{Plan, deadline};
use ironloop_reactor::{Doing, EVENTS};
use pyo3::prelude::*;

use super::loop_core::LoopCore;
use super::sources::Source;
use crate::event_loop::{task, watchdog};
use crate::ffi::intern::intern;
use crate::ffi::{Arguments, Object, method_of};

/// `selectors.EVENT_READ` and `EVENT_WRITE`
const READ: u32 = 1;
const WRITE: u32 = 2;

/// Stands for what only ends a wait: another thread, a signal.
const NOBODY: RawFd = -1;

/// asyncio never waits longer than a day at once.
const LONGEST_WAIT: f64 = 24.0 * 3600.0;

fn mask(ready: Ready) -> u32 {
    let readable = if ready.readable { READ } else { 0 };
    let writable = if ready.writable { WRITE } else { 0 };
    readable | writable
}

impl LoopCore {
    /// `self._process_events(self._selector.select(timeout))`
    pub(super) fn wait_by_selector(slf: &Bound<'_, Self>) -> PyResult<()> {
        let timeout = match slf.get().plan() {
            Plan::Run => Some(0.0),
            Plan::Wait => None,
            Plan::WaitUntil(deadline) => {
                let left = deadline::seconds(deadline) - Self::time(slf)?;
                // What is no number is never due.
                Some(if left.is_nan() { LONGEST_WAIT } else { left.clamp(0.0, LONGEST_WAIT) })
            }
        };
        task::vacate(slf)?;
        // How a tool waits is its own.
        slf.get().pulse.set(Doing::Asleep);
        let events = slf
            .getattr(intern!(slf.py(), "_selector"))?
            .call_method1(intern!(slf.py(), "select"), (timeout,));
        watchdog::awake(&slf.get().pulse);
        slf.call_method1(intern!(slf.py(), "_process_events"), (events?,)).map(drop)
    }
}

/// Waits at most so many seconds; returns what is ready. Without a timeout it waits for ever.
fn select(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (py, core) = (slf.py(), slf.get());
    let [timeout] = arguments.exactly(py, "select", ["timeout"])?;
    let timeout: Option<f64> = timeout.bind(py).extract()?;
    let known = core.state.with(|state| !state.reactor.reported().is_empty());
    let timeout = match timeout {
        _ if known => Timeout::Now,
        None => Timeout::Never,
        Some(seconds) => match deadline::nanos_until(deadline::at(seconds), 0.0) {
            None => Timeout::Now,
            Some(nanos) => Timeout::After(nanos),
        },
    };
    let mut events = Events::with_capacity(EVENTS);
    let polled = LoopCore::poll(slf, &core.open_poller()?, &mut events, timeout);
    let (woken, ready) = core.state.with(|state| {
        let called = state.reactor.has_mail();
        let ended = state.reactor.report(&events, Source::hears_of_loss);
        (called || ended, state.reactor.reported())
    });
    polled?;
    let mut ready: Vec<_> = ready.into_iter().map(|(fd, ready)| (fd, mask(ready))).collect();
    if woken {
        ready.push((NOBODY, READ));
    }
    Ok(ready.into_pyobject(py)?.into())
}

/// What `select` has reported, and a tool has let through, becomes ready.
fn take_back(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = slf.py();
    let [ready] = arguments.exactly(py, "_take_back", ["ready"])?;
    let ready: Vec<(RawFd, u32)> = ready.bind(py).extract()?;
    slf.get().state.with(|state| {
        for (fd, mask) in ready {
            let ready = Ready { readable: mask & READ != 0, writable: mask & WRITE != 0, hung_up: false };
            state.reactor.take_back(fd, ready);
        }
    });
    Ok(Object::none(py))
}

pub(super) fn methods() -> Vec<pyo3::ffi::PyMethodDef> {
    vec![
        method_of!(
            LoopCore,
            c"_select",
            c"What a selector's select does: descriptors, and for what they are ready.",
            select
        ),
        method_of!(LoopCore, c"_take_back", c"What select has reported becomes ready.", take_back),
    ]
}
