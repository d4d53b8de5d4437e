//! The one door by which other threads reach a loop.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard, atomic::AtomicBool};
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard, atomic::AtomicBool};

/// Whether a loop may go to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// Nothing is in the inbox; from now on a delivery asks for a wake-up.
    Allowed,
    /// There is something to do first.
    Refused,
}

/// What has become of a delivery.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub enum Delivery<T> {
    Left,
    /// It was left, and the loop sleeps: whoever has delivered must wake it.
    LeftWithSleeper,
    /// The inbox is closed: the item comes back.
    Refused(T),
}

struct Contents<T> {
    items: VecDeque<T>,
    closed: bool,
}

/// Items from other threads, in the order in which each thread delivered them.
///
/// Between [`Inbox::fall_asleep`] and [`Inbox::wake_up`] the first delivery is told to wake the loop; all
/// others cost a push and no system call. Open until [`Inbox::close`]; what is delivered later comes back, as
/// closing happens under the lock.
pub struct Inbox<T> {
    contents: Mutex<Contents<T>>,
    filled: AtomicBool,
    asleep: AtomicBool,
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        let contents = Contents { items: VecDeque::new(), closed: false };
        Self {
            contents: Mutex::new(contents),
            filled: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
        }
    }
}

impl<T> Inbox<T> {
    /// Leaves an item.
    pub fn deliver(&self, item: T) -> Delivery<T> {
        let mut contents = self.lock();
        if contents.closed {
            return Delivery::Refused(item);
        }
        contents.items.push_back(item);
        // Under the lock, so that who has closed the inbox sees it.
        self.filled.store(true, Ordering::Release);
        drop(contents);
        if self.request_wake() { Delivery::LeftWithSleeper } else { Delivery::Left }
    }

    /// Asks for a wake-up without leaving anything. True if the loop sleeps and whoever asks must wake it.
    #[must_use]
    pub fn request_wake(&self) -> bool {
        self.asleep.load(Ordering::Acquire) && self.asleep.swap(false, Ordering::AcqRel)
    }

    /// Takes nothing more, until it is opened again. What it holds can still be collected.
    pub fn close(&self) {
        self.lock().closed = true;
    }

    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub fn open(&self) {
        self.lock().closed = false;
    }

    /// For the loop's thread: swaps the items against an empty queue, whose room is used again. False, at the
    /// cost of one load, where there are none.
    pub fn collect(&self, empty: &mut VecDeque<T>) -> bool {
        if !self.is_filled() {
            return false;
        }
        let mut contents = self.lock();
        self.filled.store(false, Ordering::Relaxed);
        std::mem::swap(&mut contents.items, empty);
        true
    }

    /// Whether there is anything to collect.
    #[must_use]
    pub fn is_filled(&self) -> bool {
        self.filled.load(Ordering::Acquire)
    }

    /// The loop is about to wait. Either sees what was delivered before, or the delivery sees that it sleeps:
    /// of the two one has the lock first.
    pub fn fall_asleep(&self) -> Sleep {
        // Exchanged and not stored, so that it comes after what the last delivery has exchanged.
        self.asleep.swap(true, Ordering::AcqRel);
        if !self.lock().items.is_empty() {
            self.wake_up();
            return Sleep::Refused;
        }
        Sleep::Allowed
    }

    /// The wait is over.
    pub fn wake_up(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Contents<T>> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_delivery_to_a_sleeper_asks_for_a_wake_up() {
        let inbox = Inbox::default();
        assert_eq!(inbox.deliver(1), Delivery::Left);
        assert_eq!(inbox.fall_asleep(), Sleep::Refused);
        let mut items = VecDeque::new();
        assert!(inbox.collect(&mut items));
        assert_eq!(items.drain(..).collect::<Vec<_>>(), [1]);
        assert_eq!(inbox.fall_asleep(), Sleep::Allowed);
        assert_eq!(inbox.deliver(2), Delivery::LeftWithSleeper);
        assert_eq!(inbox.deliver(3), Delivery::Left);
        inbox.wake_up();
        assert!(inbox.collect(&mut items));
        assert_eq!(items.drain(..).collect::<Vec<_>>(), [2, 3]);
        assert!(!inbox.collect(&mut items));
    }

    #[test]
    fn what_comes_after_the_end_comes_back() {
        let inbox = Inbox::default();
        assert_eq!(inbox.deliver(1), Delivery::Left);
        inbox.close();
        assert_eq!(inbox.deliver(2), Delivery::Refused(2));
        let mut items = VecDeque::new();
        assert!(inbox.collect(&mut items));
        assert_eq!(items, [1]);
        inbox.open();
        assert_eq!(inbox.deliver(3), Delivery::Left);
    }

    #[test]
    fn nothing_is_lost_between_threads_and_each_keeps_its_order() {
        const EACH: u32 = 10_000;
        let inbox = Inbox::default();
        let mut items = VecDeque::new();
        let mut seen = [Vec::new(), Vec::new()];
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let inbox = &inbox;
                scope.spawn(move || {
                    (0..EACH).for_each(|n| {
                        let _ = inbox.deliver((thread, n));
                    })
                });
            }
            while seen.iter().any(|list: &Vec<u32>| list.len() < EACH as usize) {
                inbox.collect(&mut items);
                for (thread, n) in items.drain(..) {
                    let thread: usize = thread;
                    seen[thread].push(n);
                }
                std::thread::yield_now();
            }
        });
        assert!(seen.iter().all(|list| list.iter().copied().eq(0..EACH)));
    }
}

/// In every order in which the threads can meet (`make races`).
#[cfg(all(test, loom))]
mod meetings {
    use loom::sync::{Arc, Condvar};
    use loom::thread;

    use super::*;

    /// The loop and what it sleeps on. One that is not woken sleeps for ever, which loom finds.
    struct Sleeper {
        inbox: Inbox<(usize, u32)>,
        rung: Mutex<bool>,
        kernel: Condvar,
    }

    impl Sleeper {
        fn deliver(&self, item: (usize, u32)) {
            if self.inbox.deliver(item) == Delivery::LeftWithSleeper {
                self.notify();
            }
        }

        fn notify(&self) {
            *self.rung.lock().expect("nobody panics") = true;
            self.kernel.notify_one();
        }

        fn wait(&self) {
            let mut rung = self.rung.lock().expect("nobody panics");
            while !*rung {
                rung = self.kernel.wait(rung).expect("nobody panics");
            }
            *rung = false;
        }

        /// The loop's thread: it collects and sleeps, until it has had so many.
        fn collect(&self, count: usize) -> Vec<(usize, u32)> {
            let (mut seen, mut items) = (Vec::new(), VecDeque::new());
            while seen.len() < count {
                match self.inbox.fall_asleep() {
                    Sleep::Allowed => {
                        self.wait();
                        self.inbox.wake_up();
                    }
                    // Something is there, of which `collect` may not know yet.
                    Sleep::Refused => thread::yield_now(),
                }
                self.inbox.collect(&mut items);
                seen.extend(items.drain(..));
            }
            seen
        }
    }

    fn sleeper() -> Arc<Sleeper> {
        Arc::new(Sleeper { inbox: Inbox::default(), rung: Mutex::new(false), kernel: Condvar::new() })
    }

    #[test]
    fn a_sleeper_is_woken_by_whoever_delivers() {
        loom::model(|| {
            let sleeper = sleeper();
            let threads = [0, 1].map(|thread| {
                let sleeper = sleeper.clone();
                thread::spawn(move || sleeper.deliver((thread, 0)))
            });
            let mut seen = sleeper.collect(2);
            seen.sort_unstable();
            assert_eq!(seen, [(0, 0), (1, 0)]);
            for thread in threads {
                thread.join().expect("it has delivered");
            }
        });
    }

    #[test]
    fn what_one_thread_delivers_keeps_its_order() {
        loom::model(|| {
            let sleeper = sleeper();
            let other = sleeper.clone();
            let thread = thread::spawn(move || (0..2).for_each(|number| other.deliver((0, number))));
            assert_eq!(sleeper.collect(2), [(0, 0), (0, 1)]);
            thread.join().expect("it has delivered");
        });
    }

    #[test]
    fn after_the_end_nothing_arrives() {
        loom::model(|| {
            let sleeper = sleeper();
            let other = sleeper.clone();
            let thread = thread::spawn(move || other.inbox.deliver((0, 0)));
            sleeper.inbox.close();
            let mut items = VecDeque::new();
            sleeper.inbox.collect(&mut items);
            let delivery = thread.join().expect("it has delivered");
            assert_eq!(items.len(), usize::from(delivery == Delivery::Left));
            assert!(!sleeper.inbox.collect(&mut items));
        });
    }

    #[test]
    fn one_that_is_asked_to_wakes_with_nothing_to_do() {
        loom::model(|| {
            let sleeper = sleeper();
            if sleeper.inbox.fall_asleep() == Sleep::Allowed {
                let other = sleeper.clone();
                let thread = thread::spawn(move || {
                    if other.inbox.request_wake() {
                        other.notify();
                    }
                });
                sleeper.wait();
                sleeper.inbox.wake_up();
                thread.join().expect("it has asked");
            }
            assert!(!sleeper.inbox.collect(&mut VecDeque::new()));
        });
    }
}
