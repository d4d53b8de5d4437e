//! A loop that performs nothing: its turns as lists of what has happened. How a reactor is driven, without
//! Python.

use std::sync::Arc;

use ironloop_driver::{Driver, Events, Poller, Ready, Timeout};
use ironloop_engine::{Plan, Slot, deadline};
use ironloop_reactor::{Approach, Closed, EVENTS, Event, Reactor, Remote};

/// What has become ready: something said, or a source.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Happening<W> {
    Word(W),
    Event(Slot, Ready),
}

impl<W> From<W> for Happening<W> {
    fn from(word: W) -> Self {
        Self::Word(word)
    }
}

impl<W> Event for Happening<W> {
    fn event(slot: Slot, ready: Ready) -> Self {
        Self::Event(slot, ready)
    }
}

/// A reactor whose sources are names, and what it waits with.
pub(crate) struct Turns<W> {
    pub(crate) reactor: Reactor<Happening<W>, W, &'static str>,
    poller: Arc<Poller>,
    events: Events,
    /// How the last turn has asked the kernel.
    pub(crate) approach: Approach,
}

#[allow(dead_code, reason = "each test file uses some of it")]
impl<W> Turns<W> {
    pub(crate) fn new() -> Self {
        let reactor = Reactor::new(Driver::Kernel).expect("descriptors are left");
        let poller = reactor.poller().expect("it is open");
        Self { reactor, poller, events: Events::with_capacity(EVENTS), approach: Approach::Skip }
    }

    pub(crate) fn remote(&self) -> Arc<Remote<Happening<W>>> {
        Arc::clone(self.reactor.remote())
    }

    /// One turn: what has happened in it.
    pub(crate) fn turn(&mut self) -> Vec<Happening<W>> {
        let Self { reactor, poller, events, .. } = self;
        let seconds = || Driver::Kernel.now() as f64 / 1e9;
        reactor.collect_mail();
        let timeout = match reactor.begin(events) {
            Plan::Run => Timeout::Now,
            Plan::Wait => Timeout::Never,
            Plan::WaitUntil(deadline) => {
                deadline::nanos_until(deadline, seconds()).map_or(Timeout::Now, Timeout::After)
            }
        };
        self.approach = reactor.approach(timeout, false);
        match self.approach {
            Approach::Skip => {}
            Approach::Look => Driver::Kernel.wait(poller, events, Timeout::Now).expect("it can look"),
            Approach::Sleep => {
                Driver::Kernel.wait(poller, events, timeout).expect("it can wait");
                reactor.remote().wake_up();
            }
        }
        reactor.collect(events, |name| *name != "does not hear");
        reactor.collect_mail();
        reactor.expire(deadline::at(seconds()));
        reactor.cut();
        std::iter::from_fn(|| reactor.pop()).collect()
    }

    /// The loop ends; how much it held.
    pub(crate) fn close(&mut self) -> usize {
        let Closed { items, sources, .. } = self.reactor.close();
        items.len() + sources.len()
    }
}
