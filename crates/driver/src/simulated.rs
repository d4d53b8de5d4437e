//! A loop's world in a simulation: time that passes when nothing else can happen, and chance.
//!
//! The thread that runs the loop moves the clock and asks for what chance decides; others may read the clock
//! and hold it. Descriptors are the kernel's, as for any loop. Must not know what a loop's items mean.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::choices::{Choices, mixed};
use crate::event::Events;
use crate::poller::{Poller, Timeout};
use crate::{disguise, socket};

/// What a turn costs at most where chance has a say, in nanoseconds, and in how many pieces that is chosen.
const DEAREST_TURN: i64 = 100_000;
const PRICES: u32 = 11;
/// One turn in so many costs anything.
const ONE_COSTS_IN: u32 = 4;
/// How many neighbours of equal deadline may change places.
const TIES: u32 = 16;

/// What a thread that may wait for the loop has before each jump, in nanoseconds of real time.
const MOMENT: i64 = 20_000_000;

/// Which orders chance may choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Those that asyncio documents: what becomes ready first runs first. Chance has what no program may rely
    /// on: the order of what the kernel reports at once, and of equal deadlines, and what a turn costs.
    Documented,
    /// Beside that the steps of different tasks that are ready together come in any order.
    Tasks,
}

/// What is left to chance, and what became of it.
#[derive(Debug)]
struct Chance {
    choices: Choices,
    order: Order,
    /// Of all that has happened, in order.
    digest: u64,
    turns: u64,
}

/// Time and chance of one simulation.
#[derive(Debug)]
pub struct Simulated {
    /// Of whoever reads it as memory, too, for as long as the process lives: words are used again.
    now: &'static AtomicI64,
    /// How many threads work, of which the loop expects to hear.
    held: AtomicUsize,
    /// How many of those that work have called the loop, and may wait for it.
    asking: AtomicUsize,
    /// `None` where only the clock is simulated.
    chance: Option<Mutex<Chance>>,
    /// How many things were given a rank.
    ranks: AtomicU32,
    /// By the name of the simulator's end: connections that have failed, and with what number, of which the
    /// program has not been told.
    failed: Mutex<BTreeMap<Vec<u8>, i32>>,
}

impl Simulated {
    /// A clock that jumps, and reads `now` nanoseconds. Nothing is left to chance.
    #[must_use]
    pub fn clock(now: i64) -> Self {
        Self {
            now: word_of(now),
            held: AtomicUsize::new(0),
            asking: AtomicUsize::new(0),
            chance: None,
            ranks: AtomicU32::new(0),
            failed: Mutex::default(),
        }
    }

    /// The same, and what may go one way or another goes as chosen.
    #[must_use]
    pub fn world(now: i64, choices: Choices, order: Order) -> Self {
        let chance = Chance { choices, order, digest: 0, turns: 0 };
        let mut world = Self::clock(now);
        world.chance = Some(Mutex::new(chance));
        world
    }

    /// Nanoseconds on its clock.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }

    /// Where that stands. After the end of this one it may be another's.
    #[must_use]
    pub fn word(&self) -> &'static AtomicI64 {
        self.now
    }

    /// So many nanoseconds pass.
    pub fn advance(&self, nanos: i64) {
        let later = self.now().saturating_add(nanos.max(0));
        self.now.store(later, Ordering::Relaxed);
    }

    /// A thread works, of which the loop will hear: until it is [released](Self::release) time stands still.
    pub fn hold(&self) {
        self.held.fetch_add(1, Ordering::Relaxed);
    }

    /// The end of one [`hold`](Self::hold).
    pub fn release(&self) {
        lower(&self.held);
    }

    /// A thread that was held has called the loop. It may wait for the answer, which may take simulated time:
    /// from now on, until it is [answered](Self::answered), it has a moment of real time before each jump.
    pub fn asks(&self) {
        self.asking.fetch_add(1, Ordering::Relaxed);
        self.release();
    }

    /// The end of one [`asks`](Self::asks).
    pub fn answered(&self) {
        lower(&self.asking);
    }

    /// One of `0..of`; 0 where nothing is left to chance.
    pub fn choose(&self, of: u32) -> u32 {
        self.chance().map_or(0, |mut chance| chance.choices.choose(of))
    }

    /// The same, 0 in all but one case of so many.
    pub fn choose_rarely(&self, of: u32, one_in: u32) -> u32 {
        self.chance().map_or(0, |mut chance| chance.choices.choose_rarely(of, one_in))
    }

    /// Which orders may be chosen from; `None` where nothing is left to chance.
    #[must_use]
    pub fn order(&self) -> Option<Order> {
        self.chance().map(|chance| chance.order)
    }

    /// How equal deadlines are told apart, for a while: by their numbers, with these bits turned.
    #[must_use]
    pub fn tie(&self) -> u64 {
        u64::from(self.choose(TIES))
    }

    /// A turn has been made, of so many items. One without any is not noted: a thread's wake-up, which comes
    /// when it comes, may have found its mail collected.
    pub fn note_turn(&self, items: usize) {
        let Some(mut chance) = self.chance().filter(|_| items > 0) else { return };
        let price = i64::from(chance.choices.choose_rarely(PRICES, ONE_COSTS_IN));
        self.advance(price * DEAREST_TURN / i64::from(PRICES - 1));
        chance.turns += 1;
        chance.note(self.now() as u64);
        chance.note(items as u64);
    }

    /// Something else has happened that two runs of one seed must agree on.
    pub fn note(&self, what: u64) {
        if let Some(mut chance) = self.chance() {
            chance.note(what);
        }
    }

    /// A number that two runs share only if the same things have happened in the same order.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.chance().map_or(0, |chance| {
            chance.choices.made().iter().fold(chance.digest, |digest, made| mixed(digest ^ u64::from(*made)))
        })
    }

    /// How many turns were made.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.chance().map_or(0, |chance| chance.turns)
    }

    /// What chance has answered so far.
    #[must_use]
    pub fn made(&self) -> Vec<u32> {
        self.chance().map_or_else(Vec::new, |chance| chance.choices.made().to_vec())
    }

    /// From 1 on: by which the program's sets have the same order in each run, where an address in memory would
    /// give them another.
    pub fn next_rank(&self) -> u32 {
        self.ranks.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// A connection has failed: the program is told this error once, after what has arrived before.
    pub fn fail(&self, connection: Vec<u8>, error: i32) {
        self.failures().insert(connection, error);
    }

    /// What a connection has failed with, if the program has not been told.
    pub fn take_failure(&self, fd: RawFd) -> Option<io::Error> {
        let mut failed = self.failures();
        if failed.is_empty() {
            return None;
        }
        failed.remove(&disguise::connection(fd)?).map(io::Error::from_raw_os_error)
    }

    /// As `socket::receive`. Of a connection that has failed the kernel knows that it is over.
    pub(crate) fn receive(&self, fd: RawFd, buffer: &mut [u8]) -> io::Result<usize> {
        let received = socket::receive(fd, buffer);
        let is_over = match &received {
            Ok(count) => *count == 0 && !buffer.is_empty(),
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        };
        self.unless_failed(fd, is_over, received)
    }

    /// What has become of a send.
    pub(crate) fn sent(&self, fd: RawFd, result: io::Result<usize>) -> io::Result<usize> {
        let is_over = matches!(&result, Err(error) if error.kind() == io::ErrorKind::BrokenPipe);
        self.unless_failed(fd, is_over, result)
    }

    fn unless_failed(&self, fd: RawFd, is_over: bool, result: io::Result<usize>) -> io::Result<usize> {
        if !is_over {
            return result;
        }
        self.take_failure(fd).map_or(result, Err)
    }

    fn failures(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, i32>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits: looks at what the kernel has, and where it has nothing lets the time pass at once.
    ///
    /// While it is held the wait is a real one. [`io::ErrorKind::Deadlock`] is that of a world in which nothing
    /// will ever happen again; with a clock alone it waits for what comes from outside.
    #[cold]
    pub(crate) fn wait(&self, poller: &Poller, events: &mut Events, timeout: Timeout) -> io::Result<()> {
        poller.wait(events, Timeout::Now)?;
        events.shuffle(|of| self.choose(of));
        if !events.is_empty() || timeout == Timeout::Now {
            return Ok(());
        }
        if self.held.load(Ordering::Relaxed) > 0 {
            return poller.wait(events, Timeout::Never);
        }
        let asked = self.asking.load(Ordering::Relaxed) > 0;
        if asked {
            poller.wait(events, Timeout::After(MOMENT))?;
            if !events.is_empty() {
                return Ok(());
            }
        }
        match timeout {
            Timeout::Now => Ok(()),
            Timeout::After(nanos) => {
                self.advance(nanos);
                Ok(())
            }
            Timeout::Never if self.chance.is_some() && !asked => Err(io::ErrorKind::Deadlock.into()),
            Timeout::Never => poller.wait(events, Timeout::Never),
        }
    }

    fn chance(&self) -> Option<MutexGuard<'_, Chance>> {
        Some(self.chance.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Words of clocks that are gone.
static WORDS: Mutex<Vec<&'static AtomicI64>> = Mutex::new(Vec::new());

fn words() -> MutexGuard<'static, Vec<&'static AtomicI64>> {
    WORDS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn word_of(now: i64) -> &'static AtomicI64 {
    let word = words().pop().unwrap_or_else(|| Box::leak(Box::default()));
    word.store(now, Ordering::Relaxed);
    word
}

impl Drop for Simulated {
    fn drop(&mut self) {
        words().push(self.now);
    }
}

fn lower(count: &AtomicUsize) {
    let _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1));
}

impl Chance {
    fn note(&mut self, what: u64) {
        self.digest = mixed(self.digest ^ what).wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Driver, Notifier, Token};
    use std::sync::Arc;

    fn driver(simulated: Simulated) -> (Driver, Poller, Events) {
        let driver = Driver::Simulated(Arc::new(simulated));
        let poller = driver.poller().unwrap();
        (driver, poller, Events::with_capacity(8))
    }

    #[test]
    fn where_nothing_happens_time_passes_at_once() {
        let start = crate::now();
        let (driver, poller, mut events) = driver(Simulated::clock(5));
        let day = 24 * 3600 * 1_000_000_000;
        driver.wait(&poller, &mut events, Timeout::After(day)).unwrap();
        assert_eq!(driver.now(), day + 5);
        assert!(crate::now() - start < day);
    }

    #[test]
    fn what_the_kernel_has_comes_before_time() {
        let (driver, poller, mut events) = driver(Simulated::clock(0));
        let notifier = Notifier::new(&poller, Token(7)).unwrap();
        notifier.notify().unwrap();
        driver.wait(&poller, &mut events, Timeout::After(100)).unwrap();
        assert_eq!((events.len(), driver.now()), (1, 0));
    }

    #[test]
    fn a_world_in_which_nothing_will_happen_says_so_and_one_that_is_held_waits() {
        let (driver, poller, mut events) = driver(Simulated::world(0, Choices::seeded(1), Order::Documented));
        let error = driver.wait(&poller, &mut events, Timeout::Never).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Deadlock);
        let Driver::Simulated(world) = &driver else { unreachable!() };
        let notifier = Notifier::new(&poller, Token(7)).unwrap();
        world.hold();
        std::thread::scope(|scope| {
            scope.spawn(|| notifier.notify().unwrap());
            driver.wait(&poller, &mut events, Timeout::After(100)).unwrap();
        });
        assert_eq!((events.len(), driver.now()), (1, 0));
        world.asks();
        driver.wait(&poller, &mut events, Timeout::After(100)).unwrap();
        assert_eq!(driver.now(), 100);
        world.answered();
        world.release();
        driver.wait(&poller, &mut events, Timeout::After(100)).unwrap();
        assert_eq!(driver.now(), 200);
    }

    #[test]
    fn two_runs_of_a_seed_share_a_digest_and_others_do_not() {
        let digest = |seed, turns| {
            let world = Simulated::world(0, Choices::seeded(seed), Order::Tasks);
            (1..=turns).for_each(|items| world.note_turn(items));
            world.digest()
        };
        assert_eq!(digest(1, 100), digest(1, 100));
        assert_ne!(digest(1, 100), digest(2, 100));
        assert_ne!(digest(1, 100), digest(1, 101));
    }
}
