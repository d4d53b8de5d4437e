//! Waiting by way of `loop._selector.select`, where a tool has replaced it.
//!
//! Virtual clocks and meters of latency put a function of theirs there: it asks the one that they have replaced, as often and with
//! whatever timeout they like, and what it returns comes back through `_process_events`. To them descriptors are level-triggered:
//! what was reported is reported again until it comes back.

use ironloop_driver::{Events, RawFd, Ready, Timeout, Token};
use ironloop_engine::{Slot, Wait, deadline};
use pyo3::prelude::*;

use super::turn::EVENTS;
use super::{Item, LoopCore, NOTIFIER, SIGNALS, State};
use crate::ffi::intern::intern;
use crate::ffi::{Arguments, Object, method_of};

/// `selectors.EVENT_READ` and `EVENT_WRITE`
const READ: u32 = 1;
const WRITE: u32 = 2;

/// Stands for what only ends a wait: another thread, a signal.
const NOBODY: RawFd = -1;

/// asyncio never waits longer than a day at once.
const LONGEST_WAIT: f64 = 24.0 * 3600.0;

impl State {
    /// Nobody will take back what was reported: it is ready all the same.
    pub(super) fn take_back_reported(&mut self) {
        for (slot, ready) in self.reported.drain(..) {
            self.engine.push(Item::Ready(slot, ready));
        }
    }

    /// Remembers what the kernel has said. False if nobody watches that any more.
    fn report(&mut self, slot: Slot, ready: Ready) -> bool {
        match self.reported.iter_mut().find(|(known, _)| *known == slot) {
            Some((_, known)) => {
                known.readable |= ready.readable;
                known.writable |= ready.writable;
                known.hung_up |= ready.hung_up;
            }
            None => self.reported.push((slot, ready)),
        }
        self.sources.get(slot).is_some()
    }

    /// What `select` returns: descriptors that are still watched, and for what they are ready.
    fn list_reported(&mut self) -> Vec<(RawFd, u32)> {
        let Self { reported, sources, .. } = self;
        reported.retain(|(slot, _)| sources.get(*slot).is_some());
        let mask =
            |ready: &Ready| if ready.readable { READ } else { 0 } | if ready.writable { WRITE } else { 0 };
        reported.iter().filter_map(|(slot, ready)| Some((sources.fd(*slot)?, mask(ready)))).collect()
    }

    /// A descriptor comes back.
    fn take_back(&mut self, fd: RawFd, mask: u32) {
        let Some(slot) = self.sources.slot(fd) else { return };
        let known = self.reported.iter().position(|(known, _)| *known == slot);
        let hung_up = known.is_some_and(|index| self.reported.swap_remove(index).1.hung_up);
        let ready = Ready { readable: mask & READ != 0, writable: mask & WRITE != 0, hung_up };
        self.engine.push(Item::Ready(slot, ready));
    }
}

impl LoopCore {
    /// `self._process_events(self._selector.select(timeout))`
    pub(super) fn wait_by_selector(slf: &Bound<'_, Self>) -> PyResult<()> {
        let timeout = match slf.get().plan() {
            Wait::No => Some(0.0),
            Wait::Forever => None,
            Wait::Until(deadline) => {
                let left = deadline::seconds(deadline) - Self::time(slf)?;
                // What is no number is never due.
                Some(if left.is_nan() { LONGEST_WAIT } else { left.clamp(0.0, LONGEST_WAIT) })
            }
        };
        crate::event_loop::task::vacate(slf)?;
        let events = slf
            .getattr(intern!(slf.py(), "_selector"))?
            .call_method1(intern!(slf.py(), "select"), (timeout,))?;
        slf.call_method1(intern!(slf.py(), "_process_events"), (events,)).map(drop)
    }
}

/// Waits at most so many seconds; returns what is ready. Without a timeout it waits for ever.
fn select(slf: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let (py, core) = (slf.py(), slf.get());
    let [timeout] = arguments.exactly(py, "select", ["timeout"])?;
    let timeout: Option<f64> = timeout.bind(py).extract()?;
    let known = core.state.with(|state| !state.list_reported().is_empty());
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
    let mut woken = core.has_mail();
    let mut all_known = true;
    core.state.with(|state| {
        for event in (0..events.len()).filter_map(|index| events.get(index)) {
            match event.token {
                NOTIFIER => woken = true,
                SIGNALS => {
                    core.drain_signals();
                    woken = true;
                }
                Token(slot) => all_known &= state.report(Slot::unpack(slot), event.ready),
            }
        }
    });
    if !all_known {
        core.renew_poller();
    }
    polled?;
    let mut ready = core.state.with(State::list_reported);
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
    slf.get().state.with(|state| ready.iter().for_each(|(fd, mask)| state.take_back(*fd, *mask)));
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
