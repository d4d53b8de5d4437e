//! The loop of a program without Python: a reactor whose items wake and poll futures.
//!
//! Belongs to the thread that made it. Borrowed for an instant, never while a future is polled, a waker is
//! called, or something of a user's is dropped.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use ironloop_driver::{Alarm, Driver, Events, Interest, Poller, RawFd, Ready, Timeout, Trigger};
use ironloop_engine::{Plan, Slot, Slots};
use ironloop_reactor::{Approach, EVENTS, Event, Reactor, Remote};

use crate::host::{self, Spawnable};
use crate::net::Readiness;
use crate::runtime::wake::RunWaker;

/// What other threads have of such a loop.
pub(crate) type Door = Remote<Item>;

/// What is ready. Any thread may leave one.
pub(crate) enum Item {
    /// The kernel has reported a descriptor.
    Event(Slot, Ready),
    /// A timer is due.
    Due(Waker),
    /// A spawned future was woken.
    Run(Slot),
    /// The future that `block_on` waits for was woken.
    Main,
    /// Another thread has dropped a timer, or a socket.
    Cancel(Slot),
    Unwatch(RawFd, Slot),
}

impl From<Waker> for Item {
    fn from(waker: Waker) -> Self {
        Self::Due(waker)
    }
}

impl Event for Item {
    fn event(slot: Slot, ready: Ready) -> Self {
        Self::Event(slot, ready)
    }

    fn is_step(&self) -> bool {
        matches!(self, Self::Run(_) | Self::Main)
    }
}

/// A spawned future.
struct Task {
    /// Empty while it is polled, and once it has ended.
    future: RefCell<Option<Spawnable>>,
    waker: Waker,
    wakes: Arc<RunWaker>,
}

pub(crate) struct Core {
    driver: Driver,
    poller: Arc<Poller>,
    door: Arc<Door>,
    reactor: RefCell<Reactor<Item, Waker, Arc<Readiness>>>,
    /// Gone during a wait.
    events: Cell<Option<Events>>,
    tasks: RefCell<Slots<Rc<Task>>>,
    /// What was reported, or is due, is being told.
    reports: Cell<bool>,
    /// Nothing is spawned any more.
    ends: Cell<bool>,
    /// Of one that another loop waits for.
    call: Option<Call>,
}

/// How a loop is called by the one that waits for it: by its poller's descriptor.
struct Call {
    alarm: Alarm,
    /// When that is due; it is not set twice.
    due: Cell<i64>,
    /// It was called, and its turn comes.
    called: Cell<bool>,
}

impl Core {
    pub(crate) fn new(driver: Driver) -> io::Result<Self> {
        let reactor = Reactor::new(driver.clone())?;
        let poller = reactor.poller().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Self {
            driver,
            poller,
            door: Arc::clone(reactor.remote()),
            reactor: RefCell::new(reactor),
            events: Cell::new(None),
            tasks: RefCell::default(),
            reports: Cell::new(false),
            ends: Cell::new(false),
            call: None,
        })
    }

    /// One that another loop waits for.
    pub(crate) fn guest() -> io::Result<Self> {
        let mut core = Self::new(Driver::Kernel)?;
        let alarm = Alarm::new()?;
        // Nobody waits for it, but it ends the wait.
        core.watch(alarm.as_raw_fd(), &Arc::default())?;
        core.call = Some(Call { alarm, due: Cell::new(i64::MAX), called: Cell::new(false) });
        Ok(core)
    }

    /// What that loop waits for.
    pub(crate) fn fd(&self) -> RawFd {
        self.poller.as_raw_fd()
    }

    pub(crate) fn door(&self) -> &Arc<Door> {
        &self.door
    }

    pub(crate) fn now(&self) -> i64 {
        self.driver.now()
    }

    /// In its turn; whom the kernel or a timer wakes, at once: in the same turn, and so before the kernel is
    /// asked again.
    pub(crate) fn push(&self, item: Item) {
        let engine = &mut self.reactor.borrow_mut().engine;
        if self.reports.get() { engine.push_afterwards(item) } else { engine.push(item) }
    }

    pub(crate) fn spawn(&self, future: Spawnable) {
        if self.ends.get() {
            return drop(future);
        }
        let mut tasks = self.tasks.borrow_mut();
        let slot = tasks.insert_with(|slot| {
            let wakes = RunWaker::new(Arc::clone(&self.door), slot);
            Rc::new(Task {
                future: RefCell::new(Some(future)),
                waker: Waker::from(Arc::clone(&wakes)),
                wakes,
            })
        });
        drop(tasks);
        self.push(Item::Run(slot));
    }

    pub(crate) fn schedule(&self, deadline: i64, waker: Waker) -> Slot {
        self.reactor.borrow_mut().engine.schedule(deadline, waker)
    }

    /// Whether this timer waits still, and for the same.
    pub(crate) fn wakes(&self, timer: Slot, waker: &Waker) -> bool {
        self.reactor.borrow().engine.timer(timer).is_some_and(|set| set.will_wake(waker))
    }

    pub(crate) fn cancel(&self, timer: Slot) {
        let waker = self.reactor.borrow_mut().engine.cancel(timer);
        drop(waker);
    }

    pub(crate) fn watch(&self, fd: RawFd, readiness: &Arc<Readiness>) -> io::Result<Slot> {
        let mut bin = Vec::new();
        let result = match self.reactor.borrow_mut().watching() {
            Some((poller, sources)) => {
                let wanted = (Interest::BOTH, Trigger::Edge);
                sources.insert(poller, fd, wanted, Arc::clone(readiness), &mut bin)
            }
            None => Err(io::ErrorKind::NotConnected.into()),
        };
        drop(bin);
        result
    }

    /// Watches it no longer. Where it closes next, the kernel need not be told.
    pub(crate) fn unwatch(&self, fd: RawFd, slot: Slot, closes: bool) {
        // A guest's poller must never be built anew: its host knows it by its descriptor.
        let closes = closes && self.call.is_none();
        let readiness = match self.reactor.borrow_mut().watching() {
            Some((_, sources)) if closes => sources.leave_slot(fd, slot),
            Some((poller, sources)) => sources.remove_slot(poller, fd, slot),
            None => None,
        };
        drop(readiness);
    }

    /// Waits until something is ready, or looks, and cuts the batch. An error: it will never be.
    pub(crate) fn gather(&self, may_wait: bool) -> io::Result<()> {
        let mut events = self.events.take().unwrap_or_else(|| Events::with_capacity(EVENTS));
        let (approach, timeout) = self.begin(&mut events, may_wait);
        let waited = match approach {
            Approach::Skip => Ok(()),
            Approach::Look => self.driver.wait(&self.poller, &mut events, Timeout::Now),
            Approach::Sleep => {
                let waited = self.driver.wait(&self.poller, &mut events, timeout);
                self.door.wake_up();
                waited
            }
        };
        let mut reactor = self.reactor.borrow_mut();
        reactor.collect(&events, |_| true);
        self.events.set(Some(events));
        reactor.collect_mail();
        if reactor.engine.has_timers() {
            reactor.expire(self.driver.now());
        }
        reactor.cut();
        match waited {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    fn begin(&self, events: &mut Events, may_wait: bool) -> (Approach, Timeout) {
        let mut reactor = self.reactor.borrow_mut();
        reactor.collect_mail();
        let timeout = match reactor.begin(events) {
            _ if !may_wait => Timeout::Now,
            Plan::Run => Timeout::Now,
            Plan::Wait => Timeout::Never,
            Plan::WaitUntil(deadline) => match deadline.saturating_sub(self.driver.now()) {
                left if left > 0 => Timeout::After(left),
                _ => Timeout::Now,
            },
        };
        let approach = if may_wait { reactor.approach(timeout, false) } else { Approach::Look };
        (approach, timeout)
    }

    /// A guest's turn begins: it was called.
    pub(crate) fn answer(&self) {
        if let Some(call) = &self.call {
            self.door.wake_up();
            call.called.set(false);
            if call.due.get() <= self.now() {
                call.due.set(i64::MAX);
            }
        }
    }

    /// A guest has done something, in its turn or out of it: it is called again when there is more to do.
    pub(crate) fn settle(&self) {
        let Some(call) = self.call.as_ref().filter(|call| !call.called.get()) else { return };
        let mut reactor = self.reactor.borrow_mut();
        while reactor.approach_kernel(Timeout::Never) != Approach::Sleep {
            reactor.collect_mail();
        }
        let plan = reactor.engine.plan();
        drop(reactor);
        match plan {
            Plan::Run => {
                call.called.set(true);
                // It fails where the loop is closed, and then there is no next turn.
                let _ = self.door.wake();
            }
            Plan::WaitUntil(deadline) if call.due.replace(deadline) != deadline => {
                let _ = call.alarm.set(deadline);
            }
            Plan::WaitUntil(_) | Plan::Wait => {}
        }
    }

    /// The batch's next item.
    pub(crate) fn pop(&self) -> Option<Item> {
        self.reactor.borrow_mut().pop()
    }

    /// Does what an item says, on the loop's thread, which has entered it.
    pub(crate) fn perform(&self, item: Item) {
        match item {
            Item::Event(slot, ready) => {
                let readiness = self.reactor.borrow().sources.get(slot).cloned();
                if let Some(readiness) = readiness {
                    self.tell(|| readiness.report(ready));
                }
            }
            Item::Due(waker) => self.tell(|| waker.wake()),
            Item::Run(slot) => self.run(slot),
            Item::Cancel(timer) => self.cancel(timer),
            Item::Unwatch(fd, slot) => self.unwatch(fd, slot, false),
            // Of a `block_on` that has ended.
            Item::Main => {}
        }
    }

    fn tell(&self, tell: impl FnOnce()) {
        self.reports.set(true);
        tell();
        self.reports.set(false);
    }

    fn run(&self, slot: Slot) {
        let Some(task) = self.tasks.borrow().get(slot).cloned() else { return };
        let Some(mut future) = task.future.take() else { return };
        task.wakes.begin();
        host::refresh_budget();
        if future.as_mut().poll(&mut Context::from_waker(&task.waker)).is_pending() {
            task.future.replace(Some(future));
            return;
        }
        let ended = self.tasks.borrow_mut().remove(slot);
        drop((ended, future));
    }

    /// Drops what it holds, on its thread, which has entered it: futures, timers, sources, wakers.
    pub(crate) fn close(&self) {
        self.ends.set(true);
        let tasks = self.tasks.borrow_mut().take();
        for task in tasks {
            drop(task.future.take());
        }
        let closed = self.reactor.borrow_mut().close();
        closed.sources.iter().for_each(|readiness| readiness.end());
        drop(closed);
    }
}
