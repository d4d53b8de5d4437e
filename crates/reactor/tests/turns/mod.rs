//! A loop that performs nothing: its turns as lists of what has happened. How a reactor is driven, without
//! Python.

use std::io;
use std::sync::{Arc, Mutex};

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

    /// Each word is said by somebody else.
    fn is_step(&self) -> bool {
        matches!(self, Self::Word(_))
    }
}

/// A reactor whose sources are names, and what it waits with.
pub(crate) struct Turns<W> {
    pub(crate) reactor: Reactor<Happening<W>, W, &'static str>,
    driver: Driver,
    poller: Arc<Poller>,
    /// Gone during a wait.
    events: Option<Events>,
    /// How the last turn has asked the kernel.
    pub(crate) approach: Approach,
}

#[allow(dead_code, reason = "each test file uses some of it")]
impl<W> Turns<W> {
    pub(crate) fn new() -> Self {
        Self::on(Driver::Kernel)
    }

    pub(crate) fn on(driver: Driver) -> Self {
        let reactor = Reactor::new(driver.clone()).expect("descriptors are left");
        let poller = reactor.poller().expect("it is open");
        Self { reactor, driver, poller, events: None, approach: Approach::Skip }
    }

    pub(crate) fn remote(&self) -> Arc<Remote<Happening<W>>> {
        Arc::clone(self.reactor.remote())
    }

    /// One turn: what has happened in it.
    pub(crate) fn turn(&mut self) -> Vec<Happening<W>> {
        self.try_turn().expect("it can wait")
    }

    /// The same; an error of a wait is handed over.
    pub(crate) fn try_turn(&mut self) -> io::Result<Vec<Happening<W>>> {
        let wait = self.begin();
        Ok(self.end(wait.perform()?))
    }

    /// The same of a loop that whoever has the lock may use; it waits without.
    pub(crate) fn turn_locked(turns: &Mutex<Self>) -> Vec<Happening<W>> {
        let locked = || turns.lock().expect("nobody panics");
        let wait = locked().begin();
        let events = wait.perform().expect("it can wait");
        locked().end(events)
    }

    fn begin(&mut self) -> Wait {
        let mut events = self.events.take().unwrap_or_else(|| Events::with_capacity(EVENTS));
        self.reactor.collect_mail();
        let timeout = match self.reactor.begin(&mut events) {
            Plan::Run => Timeout::Now,
            Plan::Wait => Timeout::Never,
            Plan::WaitUntil(deadline) => {
                deadline::nanos_until(deadline, self.seconds()).map_or(Timeout::Now, Timeout::After)
            }
        };
        self.approach = self.reactor.approach(timeout, false);
        Wait {
            driver: self.driver.clone(),
            poller: Arc::clone(&self.poller),
            events,
            approach: self.approach,
            timeout,
        }
    }

    fn end(&mut self, events: Events) -> Vec<Happening<W>> {
        let now = deadline::at(self.seconds());
        let reactor = &mut self.reactor;
        if self.approach == Approach::Sleep {
            reactor.remote().wake_up();
        }
        reactor.collect(&events, |name| *name != "does not hear");
        self.events = Some(events);
        reactor.collect_mail();
        reactor.expire(now);
        reactor.cut();
        std::iter::from_fn(|| reactor.pop()).collect()
    }

    /// What its clock reads.
    pub(crate) fn seconds(&self) -> f64 {
        self.driver.now() as f64 / 1e9
    }

    /// The loop ends; how much it held.
    pub(crate) fn close(&mut self) -> usize {
        let Closed { items, sources, .. } = self.reactor.close();
        items.len() + sources.len()
    }
}

/// What a turn asks the kernel, with nothing borrowed.
struct Wait {
    driver: Driver,
    poller: Arc<Poller>,
    events: Events,
    approach: Approach,
    timeout: Timeout,
}

impl Wait {
    fn perform(mut self) -> io::Result<Events> {
        let timeout = match self.approach {
            Approach::Skip => return Ok(self.events),
            Approach::Look => Timeout::Now,
            Approach::Sleep => self.timeout,
        };
        self.driver.wait(&self.poller, &mut self.events, timeout)?;
        Ok(self.events)
    }
}
