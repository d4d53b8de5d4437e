//! Items that become ready at a time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Nanoseconds on the loop's clock.
pub type Deadline = i64;

/// An item that its owner may cancel behind the heap's back.
pub trait Cancel {
    fn is_cancelled(&self) -> bool;
}

/// Fewer cancelled timers than this are not worth a compaction.
const COMPACT_FROM: usize = 128;

/// A heap of timers, ordered by deadline; equal deadlines keep the order of arrival.
///
/// Cancelling costs a count: a cancelled item stays until it reaches the top, or until more than half are cancelled
/// and the heap is compacted. Items are never dropped in here, because dropping one may run a user's code: they go to
/// `cancelled`, a bin that the owner empties with [`TimerHeap::take_cancelled`] when nothing is borrowed.
pub struct TimerHeap<T> {
    heap: BinaryHeap<Timer<T>>,
    arrivals: u64,
    cancelled_in_heap: usize,
    cancelled: Vec<T>,
}

struct Timer<T> {
    deadline: Deadline,
    arrival: u64,
    item: T,
}

impl<T> Timer<T> {
    fn key(&self) -> (Deadline, u64) {
        (self.deadline, self.arrival)
    }
}

// `BinaryHeap` has its greatest item on top: the earliest timer is the greatest.
impl<T> Ord for Timer<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl<T> PartialOrd for Timer<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Timer<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Timer<T> {}

impl<T> Default for TimerHeap<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), arrivals: 0, cancelled_in_heap: 0, cancelled: Vec::new() }
    }
}

impl<T: Cancel> TimerHeap<T> {
    pub fn push(&mut self, deadline: Deadline, item: T) {
        self.arrivals += 1;
        self.heap.push(Timer { deadline, arrival: self.arrivals, item });
    }

    /// One of the items in the heap has just been cancelled.
    pub fn note_cancelled(&mut self) {
        self.cancelled_in_heap += 1;
        if self.cancelled_in_heap >= COMPACT_FROM && self.cancelled_in_heap * 2 > self.heap.len() {
            self.compact();
        }
    }

    fn compact(&mut self) {
        let mut timers = std::mem::take(&mut self.heap).into_vec();
        let dead = timers.extract_if(.., |timer| timer.item.is_cancelled());
        self.cancelled.extend(dead.map(|timer| timer.item));
        self.heap = timers.into();
        self.cancelled_in_heap = 0;
    }

    /// When the earliest timer that is not cancelled is due.
    pub fn next_deadline(&mut self) -> Option<Deadline> {
        loop {
            let top = self.heap.peek()?;
            if !top.item.is_cancelled() {
                return Some(top.deadline);
            }
            if let Some(timer) = self.heap.pop() {
                self.discard(timer.item);
            }
        }
    }

    /// The earliest item whose deadline is not after `now`.
    pub fn pop_due(&mut self, now: Deadline) -> Option<T> {
        loop {
            let top = self.heap.peek()?;
            if top.deadline > now && !top.item.is_cancelled() {
                return None;
            }
            let timer = self.heap.pop()?;
            if !timer.item.is_cancelled() {
                return Some(timer.item);
            }
            self.discard(timer.item);
        }
    }

    fn discard(&mut self, item: T) {
        self.cancelled_in_heap = self.cancelled_in_heap.saturating_sub(1);
        self.cancelled.push(item);
    }

    #[must_use]
    pub fn has_cancelled(&self) -> bool {
        !self.cancelled.is_empty()
    }

    /// The cancelled items that have left the heap.
    pub fn take_cancelled(&mut self) -> Vec<T> {
        std::mem::take(&mut self.cancelled)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.heap.iter().map(|timer| &timer.item).chain(&self.cancelled)
    }

    /// Empties the heap and hands over all that it held.
    pub fn take(&mut self) -> Vec<T> {
        let mut items = self.take_cancelled();
        items.extend(std::mem::take(&mut self.heap).into_vec().into_iter().map(|timer| timer.item));
        self.cancelled_in_heap = 0;
        items
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    #[derive(Clone)]
    struct Entry(u32, Rc<Cell<bool>>);

    impl Cancel for Entry {
        fn is_cancelled(&self) -> bool {
            self.1.get()
        }
    }

    fn entry(name: u32) -> Entry {
        Entry(name, Rc::default())
    }

    fn due(timers: &mut TimerHeap<Entry>, now: Deadline) -> Vec<u32> {
        std::iter::from_fn(|| timers.pop_due(now)).map(|entry| entry.0).collect()
    }

    #[test]
    fn timers_come_by_deadline_and_equal_ones_by_arrival() {
        let mut timers = TimerHeap::default();
        for (deadline, name) in [(30, 1), (-10, 2), (20, 3), (20, 4), (20, 5), (31, 6)] {
            timers.push(deadline, entry(name));
        }
        assert_eq!(timers.next_deadline(), Some(-10));
        assert_eq!(due(&mut timers, 19), [2]);
        assert_eq!(due(&mut timers, 30), [3, 4, 5, 1]);
        assert_eq!(timers.next_deadline(), Some(31));
    }

    #[test]
    fn a_cancelled_timer_neither_fires_nor_holds_the_loop_up() {
        let mut timers = TimerHeap::default();
        let first = entry(1);
        timers.push(10, first.clone());
        timers.push(20, entry(2));
        first.1.set(true);
        timers.note_cancelled();
        assert_eq!(timers.next_deadline(), Some(20));
        assert_eq!(timers.take_cancelled().len(), 1);
        assert_eq!(due(&mut timers, 50), [2]);
    }

    #[test]
    fn many_cancelled_timers_leave_the_heap_and_the_rest_keeps_its_order() {
        let mut timers = TimerHeap::default();
        let entries: Vec<_> = (0..1000).map(entry).collect();
        for entry in &entries {
            timers.push(Deadline::from(entry.0 % 7), entry.clone());
        }
        for entry in entries.iter().filter(|entry| entry.0 % 3 != 0) {
            entry.1.set(true);
            timers.note_cancelled();
        }
        assert!(timers.heap.len() < 700, "{} are left", timers.heap.len());
        let mut expected: Vec<u32> = (0..1000).filter(|name| name % 3 == 0).collect();
        expected.sort_by_key(|name| name % 7);
        assert_eq!(due(&mut timers, 7), expected);
        assert_eq!(timers.take_cancelled().len(), 666);
    }
}
