//! One loop's turn: what may it wait for, what has the kernel reported, what is next.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::Arc;

use ironloop_driver::{
    Driver, Events, Interest, Notifier, Order, Poller, RawFd, Ready, Simulated, Timeout, Token, Trigger,
    Watched,
};
use ironloop_engine::{Deadline, Engine, Plan, Sleep, Slot};

use crate::pulse::Pulse;
use crate::remote::Remote;
use crate::reported::Reported;
use crate::sources::Sources;

/// Events that one wait brings at most.
pub const EVENTS: usize = 1024;

/// A busy loop that watches nothing still looks at the kernel now and then.
const MOST_TURNS_WITHOUT_POLL: u32 = 64;

/// An item that stands for what the kernel has reported of a source.
pub trait Event {
    fn event(slot: Slot, ready: Ready) -> Self;

    /// Whether it is a step of a task, which a simulation may have come before or after another's.
    fn is_step(&self) -> bool {
        false
    }
}

/// How a turn asks the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approach {
    /// Not at all.
    Skip,
    /// It looks, and returns at once.
    Look,
    /// It sleeps: other threads know, and [`Remote::wake_up`] ends it.
    Sleep,
}

/// What one loop owns, but for what its items mean: `R` becomes ready, `T` is a timer, `S` a source.
///
/// A turn: [`collect_mail`](Self::collect_mail), [`begin`](Self::begin); wait by the driver as
/// [`approach`](Self::approach) says, with nothing borrowed; [`collect`](Self::collect) what that brought,
/// and the mail again after a sleep; [`expire`](Self::expire) timers; [`cut`](Self::cut), and
/// [`pop`](Self::pop) until there is none.
pub struct Reactor<R, T, S> {
    pub engine: Engine<R, T>,
    pub sources: Sources<S>,
    driver: Driver,
    /// `None` once it is closed.
    poller: Option<Arc<Poller>>,
    remote: Arc<Remote<R>>,
    /// Where signals are read from, once that is watched.
    signals: Option<RawFd>,
    /// The remote's: at hand here, as it counts each item.
    pulse: Arc<Pulse>,
    /// Sockets that were read until nothing was left, since the last wait.
    emptied: usize,
    /// Whether all that the last turn was told of was sockets with data, and all of that data was read.
    answered: bool,
    turns_since_poll: u32,
    reported: Reported,
    /// Empty between collections of the mail; kept for its room.
    arrivals: VecDeque<R>,
    /// Another thread has made something ready since the mail was collected.
    called: bool,
}

impl<R: Event + From<T>, T, S> Reactor<R, T, S> {
    pub fn new(driver: Driver) -> io::Result<Self> {
        let poller = driver.poller()?;
        let remote = Arc::new(Remote::new(Notifier::new(&poller, Token::NOTIFIER)?));
        let mut engine = Engine::default();
        engine.set_tie(driver.world().map_or(0, Simulated::tie));
        Ok(Self {
            engine,
            sources: Sources::default(),
            driver,
            poller: Some(Arc::new(poller)),
            pulse: Arc::clone(remote.pulse()),
            remote,
            signals: None,
            emptied: 0,
            answered: false,
            turns_since_poll: 0,
            reported: Reported::default(),
            arrivals: VecDeque::new(),
            called: false,
        })
    }

    /// What other threads may have of it.
    #[must_use]
    pub fn remote(&self) -> &Arc<Remote<R>> {
        &self.remote
    }

    /// What the loop waits on, outside of any borrow; `None` once it is closed.
    #[must_use]
    pub fn poller(&self) -> Option<Arc<Poller>> {
        self.poller.clone()
    }

    /// Where sources are watched; `None` once it is closed.
    #[inline]
    pub fn watching(&mut self) -> Option<(&Poller, &mut Sources<S>)> {
        self.poller.as_deref().map(|poller| (poller, &mut self.sources))
    }

    /// Another thread makes an item ready, where one lock guards all of this: then there is no need of the
    /// mail. Afterwards it has to [wake](Remote::wake) the loop.
    #[inline]
    pub fn push_from_thread(&mut self, item: R) {
        self.engine.push(item);
        self.called = true;
    }

    /// Whether other threads have left or made ready what no turn has seen.
    #[must_use]
    pub fn has_mail(&self) -> bool {
        self.called || self.remote.has_mail()
    }

    /// What other threads have left becomes ready.
    #[inline]
    pub fn collect_mail(&mut self) {
        self.called = false;
        if self.remote.collect(&mut self.arrivals) {
            self.arrivals.drain(..).for_each(|item| self.engine.push(item));
        }
    }

    /// A turn begins: the events of the last one are forgotten. Says what it may wait for.
    pub fn begin(&mut self, events: &mut Events) -> Plan {
        let emptied = mem::take(&mut self.emptied);
        self.answered = emptied > 0 && emptied == events.len();
        events.clear();
        // Nobody will take them back: they are ready all the same.
        for (slot, ready) in self.reported.drain() {
            self.engine.push(R::event(slot, ready));
        }
        self.engine.plan()
    }

    /// How to wait for so long. A turn that has something to do need not ask the kernel each time, but for
    /// one that is the `last`.
    pub fn approach(&mut self, timeout: Timeout, last: bool) -> Approach {
        if timeout == Timeout::Now && !self.is_poll_due(last) {
            return Approach::Skip;
        }
        self.approach_kernel(timeout)
    }

    /// The same for one that asks in any case.
    pub fn approach_kernel(&self, timeout: Timeout) -> Approach {
        if timeout == Timeout::Now || self.called || self.remote.fall_asleep() == Sleep::Refused {
            Approach::Look
        } else {
            Approach::Sleep
        }
    }

    /// Who was just told of data, and has read all, hardly learns more by asking at once: tasks that the data
    /// has woken run first. A turn later the kernel is asked in any case.
    fn is_poll_due(&mut self, last: bool) -> bool {
        let idle = self.sources.is_empty() && self.turns_since_poll < MOST_TURNS_WITHOUT_POLL;
        let due = !idle && (last || !self.answered);
        self.turns_since_poll = if due { 0 } else { self.turns_since_poll + 1 };
        due
    }

    /// What the kernel has reported becomes ready. Also when the turn has failed meanwhile: an edge is
    /// reported only once.
    ///
    /// `hears` says which sources hear of it that their number is nobody's any more.
    #[inline]
    pub fn collect(&mut self, events: &Events, hears: impl Fn(&S) -> bool) {
        if events.is_empty() {
            return;
        }
        let mut all_known = true;
        for event in (0..events.len()).filter_map(|index| events.get(index)) {
            match event.token {
                Token::NOTIFIER => {}
                Token::SIGNALS => self.drain_signals(),
                Token(slot) => {
                    let slot = Slot::unpack(slot);
                    all_known &= self.sources.get(slot).is_some();
                    self.engine.push(R::event(slot, event.ready));
                }
            }
        }
        if !all_known {
            self.renew(hears);
        }
    }

    /// The same for somebody who may give it back or not: [`reported`](Self::reported). True if the wait was
    /// ended by another thread, or by a signal.
    pub fn report(&mut self, events: &Events, hears: impl Fn(&S) -> bool) -> bool {
        let (mut woken, mut all_known) = (false, true);
        for event in (0..events.len()).filter_map(|index| events.get(index)) {
            match event.token {
                Token::NOTIFIER => woken = true,
                Token::SIGNALS => {
                    self.drain_signals();
                    woken = true;
                }
                Token(slot) => {
                    let slot = Slot::unpack(slot);
                    self.reported.add(slot, event.ready);
                    all_known &= self.sources.get(slot).is_some();
                }
            }
        }
        if !all_known {
            self.renew(hears);
        }
        woken
    }

    /// What was reported, is still watched, and has not come back.
    pub fn reported(&mut self) -> Vec<(RawFd, Ready)> {
        self.reported.list(&self.sources)
    }

    /// A descriptor comes back that was reported: it becomes ready for so much of it.
    pub fn take_back(&mut self, fd: RawFd, ready: Ready) {
        let Some(slot) = self.sources.slot(fd) else { return };
        let hung_up = self.reported.take(slot);
        self.engine.push(R::event(slot, Ready { hung_up, ..ready }));
    }

    /// The kernel reports what nobody has it watch any more: a descriptor was closed behind our back while a
    /// copy of it lives, in a child process for instance, and so its registration could not be taken back.
    #[cold]
    fn renew(&mut self, hears: impl Fn(&S) -> bool) {
        let Some(poller) = &self.poller else { return };
        let others = self.remote.watched().into_iter().chain(self.signals.map(signals_watched));
        // For want of a descriptor it fails; the next report tries again.
        let gone = self.sources.renew(poller, others).unwrap_or_default();
        // They meet the error when they use the socket.
        let ready = Ready { readable: true, writable: true, hung_up: true };
        for slot in gone {
            if self.sources.get(slot).is_some_and(&hears) {
                self.engine.push(R::event(slot, ready));
            }
        }
    }

    /// Ends a wait whenever a signal's number is written to the descriptor.
    pub fn watch_signals(&mut self, fd: RawFd) -> io::Result<()> {
        self.signals = Some(fd);
        let Some(poller) = &self.poller else { return Ok(()) };
        let Watched { fd, token, interest, trigger } = signals_watched(fd);
        poller.add(fd, token, interest, trigger)
    }

    /// The signals have ended the wait, which is all that was asked of them. Unread they would fill the
    /// descriptor.
    fn drain_signals(&self) {
        let (Some(fd), mut numbers) = (self.signals, [0; 256]) else { return };
        while self.driver.receive(fd, &mut numbers).is_ok_and(|count| count == numbers.len()) {}
    }

    /// Makes due timers ready.
    pub fn expire(&mut self, now: Deadline) {
        self.engine.expire(now);
    }

    /// Cuts the batch.
    #[inline]
    pub fn cut(&mut self) {
        self.pulse.count_turn();
        self.engine.begin();
        if let Driver::Simulated(world) = &self.driver {
            leave_to_chance(&mut self.engine, world);
        }
    }

    /// The batch's next item.
    #[inline]
    pub fn pop(&mut self) -> Option<R> {
        self.pulse.count_item();
        self.engine.pop()
    }

    /// The number of the item that runs.
    #[must_use]
    pub fn performed(&self) -> u64 {
        self.pulse.performed()
    }

    /// The number of the turn.
    #[must_use]
    pub fn turn(&self) -> u64 {
        self.pulse.turns()
    }

    /// A socket that was reported to have data has none any more.
    #[inline]
    pub fn note_emptied(&mut self) {
        self.emptied += 1;
    }

    /// Gives up all that it holds and its descriptors. Hands over what has to be dropped with nothing
    /// borrowed; what arrived from other threads is among it, and nothing arrives afterwards.
    pub fn close(&mut self) -> Closed<R, S> {
        self.remote.set_closed(true);
        self.collect_mail();
        // No thread may be between the notifier's number and its use.
        drop(self.remote.take_notifier());
        Closed { items: self.engine.take(), sources: self.sources.take(), _poller: self.poller.take() }
    }
}

/// In a simulation: what the turn costs, and in which order the steps of different tasks come.
#[cold]
fn leave_to_chance<R: Event + From<T>, T>(engine: &mut Engine<R, T>, world: &Simulated) {
    world.note_turn(engine.batch());
    if world.order() == Some(Order::Tasks) {
        engine.shuffle(R::is_step, |of| world.choose(u32::try_from(of).unwrap_or(u32::MAX)) as usize);
    }
}

/// What a reactor held.
pub struct Closed<R, S> {
    pub items: Vec<R>,
    pub sources: Vec<S>,
    _poller: Option<Arc<Poller>>,
}

fn signals_watched(fd: RawFd) -> Watched {
    Watched { fd, token: Token::SIGNALS, interest: Interest::READABLE, trigger: Trigger::Edge }
}
