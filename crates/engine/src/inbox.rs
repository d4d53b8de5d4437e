//! The one door by which other threads reach a loop.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Whether a loop may go to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// Nothing is in the inbox; from now on a delivery asks for a wake-up.
    Allowed,
    /// There is something to do first.
    Refused,
}

/// Items from other threads, in the order in which each thread delivered them.
///
/// Between [`Inbox::fall_asleep`] and [`Inbox::wake_up`] the first delivery is told to wake the loop; all others cost a
/// push and no system call.
pub struct Inbox<T> {
    items: Mutex<VecDeque<T>>,
    filled: AtomicBool,
    asleep: AtomicBool,
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self { items: Mutex::default(), filled: AtomicBool::new(false), asleep: AtomicBool::new(false) }
    }
}

impl<T> Inbox<T> {
    /// Leaves an item. True if the loop sleeps and whoever delivers must wake it.
    #[must_use]
    pub fn deliver(&self, item: T) -> bool {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).push_back(item);
        self.filled.store(true, Ordering::SeqCst);
        self.ring()
    }

    /// Asks for a wake-up without leaving anything. True as above.
    #[must_use]
    pub fn ring(&self) -> bool {
        self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst)
    }

    /// Whether there is nothing to collect.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.filled.load(Ordering::Acquire)
    }

    /// For the loop's thread: swaps the items against an empty queue, whose room is used again. False, at the cost of one
    /// load, where there are none.
    pub fn collect(&self, empty: &mut VecDeque<T>) -> bool {
        if !self.is_filled() {
            return false;
        }
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        self.filled.store(false, Ordering::SeqCst);
        std::mem::swap(&mut *items, empty);
        true
    }

    /// Whether there is anything to collect.
    #[must_use]
    pub fn is_filled(&self) -> bool {
        self.filled.load(Ordering::Acquire)
    }

    /// The loop is about to wait. Either sees what was delivered before, or the delivery sees that it sleeps.
    pub fn fall_asleep(&self) -> Sleep {
        self.asleep.store(true, Ordering::SeqCst);
        if self.filled.load(Ordering::SeqCst) {
            self.wake_up();
            return Sleep::Refused;
        }
        Sleep::Allowed
    }

    /// The wait is over.
    pub fn wake_up(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_delivery_to_a_sleeper_asks_for_a_wake_up() {
        let inbox = Inbox::default();
        assert!(!inbox.deliver(1));
        assert_eq!(inbox.fall_asleep(), Sleep::Refused);
        let mut items = VecDeque::new();
        assert!(inbox.collect(&mut items));
        assert_eq!(items.drain(..).collect::<Vec<_>>(), [1]);
        assert_eq!(inbox.fall_asleep(), Sleep::Allowed);
        assert!(inbox.deliver(2));
        assert!(!inbox.deliver(3));
        inbox.wake_up();
        assert!(inbox.collect(&mut items));
        assert_eq!(items.drain(..).collect::<Vec<_>>(), [2, 3]);
        assert!(!inbox.collect(&mut items));
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
