//! Which loop polls on this thread, and what a future may ask of it: time, sockets, other futures.
//!
//! The one seam between `time`, `net` and `spawn_local` and whatever runs them. Who polls a future
//! [enters](enter) its host for so long; the rest of the crate finds it here and nowhere else. What outlives
//! the poll, a [`Timer`] or a [`Source`], may be dropped on any thread.

#[cfg(test)]
#[allow(unsafe_code)]
mod fake;
#[allow(unsafe_code)]
pub(crate) mod table;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::ops::Deref;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use ironloop_driver::{Driver, RawFd};
use ironloop_engine::Slot;

use crate::host::table::{TableLoop, TableSource, TableTimer};
use crate::net::Readiness;
use crate::runtime::{Core, Door, Item};

/// Operations of sockets that one poll may complete before it gives the others their turn.
const BUDGET: u32 = 64;

/// What a host is given to run: its result is told to others, and it never panics.
pub(crate) type Spawnable = Pin<Box<dyn Future<Output = Ending>>>;

/// How what was spawned has ended, for whoever watches.
#[derive(Clone, Copy)]
pub(crate) enum Ending {
    Ready,
    Panicked,
    Cancelled,
}

/// What a spawned future tells of itself.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "pyo3"), allow(dead_code, reason = "for Python"))]
pub(crate) struct Made {
    /// The type, which begins with the crate.
    pub(crate) path: &'static str,
    pub(crate) place: &'static Location<'static>,
}

/// A loop that polls futures. Belongs to its thread.
#[derive(Clone)]
pub(crate) enum Host {
    /// Our own reactor: of a program without Python, or as a guest of another loop.
    Own(Rc<Core>),
    /// ironloop's loop of the same process, which may be another's build.
    #[cfg_attr(not(feature = "pyo3"), allow(dead_code, reason = "there is none without Python"))]
    Table(TableLoop),
}

/// Which host polls on this thread.
enum Current {
    None,
    /// It is looked for when somebody asks.
    Later(&'static Finds),
    Is(Host),
}

/// How a host is looked for.
#[cfg_attr(not(feature = "pyo3"), allow(dead_code, reason = "for Python"))]
pub(crate) struct Finds {
    /// The one that polls; it may be made for it.
    pub(crate) host: fn() -> Option<Host>,
    /// The loop of a door, if it is one of this thread's: nothing is asked or made.
    pub(crate) own: fn(&Arc<Door>) -> Option<Rc<Core>>,
}

struct Here {
    current: RefCell<Current>,
    /// Of the budget.
    left: Cell<u32>,
}

thread_local! {
    static HERE: Here = const { Here { current: RefCell::new(Current::None), left: Cell::new(BUDGET) } };
}

impl Here {
    /// Looks at the host that polls now.
    fn with<R>(&self, look: impl FnOnce(Option<&Host>) -> R) -> R {
        let find = match &*self.current.borrow() {
            Current::Later(finds) => Some(finds.host),
            Current::None | Current::Is(_) => None,
        };
        if let Some(find) = find {
            // With nothing borrowed: it may poll others meanwhile.
            let found = find().map_or(Current::None, Current::Is);
            self.current.replace(found);
        }
        match &*self.current.borrow() {
            Current::Is(host) => look(Some(host)),
            Current::None | Current::Later(_) => look(None),
        }
    }
}

/// Looks at the host that polls on this thread. `None` where the thread ends.
fn with_current<R>(look: impl FnOnce(Option<&Host>) -> R) -> Option<R> {
    HERE.try_with(|here| here.with(look)).ok()
}

/// Polls on this host: until it returns, `host` is the current one.
pub(crate) fn enter<R>(host: Host, poll: impl FnOnce() -> R) -> R {
    enter_as(Current::Is(host), poll)
}

/// Polls on the host that is found, if anybody asks for it.
#[cfg_attr(not(feature = "pyo3"), allow(dead_code, reason = "for Python"))]
pub(crate) fn enter_later<R>(finds: &'static Finds, poll: impl FnOnce() -> R) -> R {
    enter_as(Current::Later(finds), poll)
}

fn enter_as<R>(current: Current, poll: impl FnOnce() -> R) -> R {
    /// Puts back what was there, also after a panic.
    struct Entered<'a>(&'a Here, Current, u32);
    impl Drop for Entered<'_> {
        fn drop(&mut self) {
            let left = self.0.current.replace(std::mem::replace(&mut self.1, Current::None));
            self.0.left.set(self.2);
            if let Current::Is(Host::Own(core)) = left {
                core.settle();
            }
        }
    }
    HERE.with(|here| {
        let _entered = Entered(here, here.current.replace(current), here.left.replace(BUDGET));
        poll()
    })
}

/// Another future is polled on the same host.
pub(crate) fn refresh_budget() {
    HERE.with(|here| here.left.set(BUDGET));
}

/// Whether the poll may try another operation. If not, it is woken at once and comes again in its turn.
pub(crate) fn may_operate(context: &Context<'_>) -> bool {
    let may = HERE.with(|here| here.left.get() > 0);
    if !may {
        context.waker().wake_by_ref();
    }
    may
}

/// An operation is complete.
pub(crate) fn spend() {
    HERE.with(|here| here.left.set(here.left.get().saturating_sub(1)));
}

/// The host that polls now. `None` also where the thread ends.
pub(crate) fn current() -> Option<Host> {
    with_current(|host| host.cloned()).flatten()
}

/// Nanoseconds on the clock of the loop that polls, or of the machine where none does.
pub(crate) fn now() -> i64 {
    with_current(|host| host.map(Host::now)).flatten().unwrap_or_else(|| Driver::Kernel.now())
}

/// Makes an item ready: at once on the loop's own thread while it polls, through the door elsewhere.
pub(crate) fn push_or_deliver(door: &Arc<Door>, item: Item) {
    match own(door) {
        Some(core) => core.push(item),
        // A loop that is closed gives it back; one that cannot be woken has it all the same.
        None => drop(door.deliver(item)),
    }
}

impl Host {
    pub(crate) fn now(&self) -> i64 {
        match self {
            Self::Own(core) => core.now(),
            Self::Table(on) => on.now(),
        }
    }

    /// Polls it from now on, until it is ready or the loop ends.
    pub(crate) fn spawn(&self, future: Spawnable, made: Made) {
        match self {
            Self::Own(core) => core.spawn(future),
            Self::Table(on) => on.spawn(future, made),
        }
    }

    /// Has `timer` wake this waker at `deadline`: one that is set already, on whatever loop, is moved here.
    pub(crate) fn set_timer(&self, timer: &mut Option<Timer>, deadline: i64, waker: &Waker) {
        let same = match (self, timer.as_ref()) {
            (Self::Own(core), Some(Timer::Own(door, slot))) => {
                Arc::ptr_eq(core.door(), door) && core.wakes(*slot, waker)
            }
            (Self::Table(on), Some(Timer::Table(set))) => set.wakes(on, waker),
            _ => false,
        };
        if same {
            return;
        }
        let set = match self {
            Self::Own(core) => {
                Some(Timer::Own(Arc::clone(core.door()), core.schedule(deadline, waker.clone())))
            }
            Self::Table(on) => on.set_timer(deadline, waker.clone()).map(Timer::Table),
        };
        let _before = std::mem::replace(timer, set);
    }

    /// Has events of a descriptor reach `readiness`, until the source is dropped.
    pub(crate) fn watch(&self, fd: RawFd, readiness: &Arc<Readiness>) -> io::Result<Source> {
        let place = match self {
            Self::Own(core) => Place::Own(Arc::clone(core.door()), core.watch(fd, readiness)?),
            Self::Table(on) => Place::Table(on.watch(fd, readiness)?),
        };
        Ok(Source { place, fd, forks: ironloop_driver::forks() })
    }
}

/// The loop of this door, if it polls on this thread, or may for all that is known. A waker asks, or what is
/// dropped, which may be of any loop: no host is looked for.
fn own(door: &Arc<Door>) -> Option<Own> {
    let look = |here: &Here| match &*here.current.borrow() {
        Current::Is(Host::Own(core)) if Arc::ptr_eq(core.door(), door) => {
            Some(Own { core: Rc::clone(core), settles: false })
        }
        Current::Later(finds) => (finds.own)(door).map(|core| Own { core, settles: true }),
        _ => None,
    };
    HERE.try_with(look).ok().flatten()
}

/// A loop of this thread's, while something is done on it.
struct Own {
    core: Rc<Core>,
    /// It was not entered, so nobody does it later.
    settles: bool,
}

impl Deref for Own {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if self.settles {
            self.core.settle();
        }
    }
}

/// A timer that is set. It is cancelled when it is dropped.
pub(crate) enum Timer {
    Own(Arc<Door>, Slot),
    Table(TableTimer),
}

impl Drop for Timer {
    fn drop(&mut self) {
        match self {
            Self::Table(set) => set.cancel(),
            Self::Own(door, slot) => match own(door) {
                Some(core) => core.cancel(*slot),
                None => drop(door.deliver(Item::Cancel(*slot))),
            },
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Timer")
    }
}

/// A descriptor that is watched, until this is dropped. The descriptor is closed afterwards, by its only
/// owner.
pub(crate) struct Source {
    place: Place,
    fd: RawFd,
    /// How often the process had forked when it began: a child has a copy of the descriptor.
    forks: u32,
}

enum Place {
    Own(Arc<Door>, Slot),
    Table(TableSource),
}

impl Source {
    /// Whether the loop that watches it is the one that polls now.
    pub(crate) fn is_here(&self) -> bool {
        let is = |host: Option<&Host>| match (host, &self.place) {
            (Some(Host::Own(core)), Place::Own(door, _)) => Arc::ptr_eq(core.door(), door),
            (Some(Host::Table(on)), Place::Table(source)) => on.is(&source.on),
            _ => false,
        };
        with_current(is).unwrap_or(false)
    }

    /// Stops watching what stays open.
    pub(crate) fn end(mut self) {
        // Any other number: then the kernel is told.
        self.forks = self.forks.wrapping_sub(1);
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let closes = self.forks == ironloop_driver::forks();
        match &self.place {
            Place::Table(source) => source.remove(self.fd, closes),
            Place::Own(door, slot) => match own(door) {
                Some(core) => core.unwatch(self.fd, *slot, closes),
                None => drop(door.deliver(Item::Unwatch(self.fd, *slot))),
            },
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Source").field("fd", &self.fd).finish()
    }
}
