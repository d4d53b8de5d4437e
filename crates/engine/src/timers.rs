//! Items that become ready at a time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::deadline::Deadline;
use crate::slots::{Slot, Slots};

/// Fewer dead entries than this are not worth a compaction.
const COMPACT_FROM: usize = 128;

/// Once one in so many of all timers was taken singly, and more are due, it is cheaper to sort all the due
/// ones.
const SINGLES: usize = 64;

/// Timers, ordered by deadline; equal deadlines keep the order of arrival.
///
/// Entries of three words are ordered; the items lie apart. An entry is fresh until somebody asks what is
/// due, once a turn, and in the heap from then on: most timers are cancelled, many of them in the turn in
/// which they were set, and those are never put in order. Cancelling takes the item out at once and leaves a
/// dead entry, which goes when it would come into the heap or to its top, when more than half are dead, or
/// when none lives.
pub struct TimerHeap<T> {
    heap: BinaryHeap<Entry>,
    fresh: Vec<Entry>,
    items: Slots<T>,
    arrivals: u64,
    /// Turned in the arrival's number of what is pushed: by it a simulation changes the order of equals.
    tie: u64,
    dead: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    deadline: Deadline,
    arrival: u64,
    slot: Slot,
}

impl Entry {
    fn key(&self) -> (Deadline, u64) {
        (self.deadline, self.arrival)
    }
}

// `BinaryHeap` has its greatest entry on top: the earliest is the greatest.
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Default for TimerHeap<T> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            fresh: Vec::new(),
            items: Slots::default(),
            arrivals: 0,
            tie: 0,
            dead: 0,
        }
    }
}

impl<T> TimerHeap<T> {
    /// Schedules an item; the slot is for [`Self::cancel`].
    pub fn push(&mut self, deadline: Deadline, item: T) -> Slot {
        self.arrivals += 1;
        let slot = self.items.insert(item);
        self.fresh.push(Entry { deadline, arrival: self.arrivals ^ self.tie, slot });
        slot
    }

    /// From now on equal deadlines are in the order of their numbers of arrival with these bits turned.
    pub fn set_tie(&mut self, tie: u64) {
        self.tie = tie;
    }

    /// Takes an item out, unless it was due before.
    pub fn cancel(&mut self, slot: Slot) -> Option<T> {
        let item = self.items.remove(slot)?;
        self.dead += 1;
        if self.items.is_empty() {
            self.heap.clear();
            self.fresh.clear();
            self.dead = 0;
        } else if self.dead >= COMPACT_FROM && self.dead * 2 > self.heap.len() + self.fresh.len() {
            self.heap.retain(|entry| self.items.get(entry.slot).is_some());
            self.fresh.retain(|entry| self.items.get(entry.slot).is_some());
            self.dead = 0;
        }
        Some(item)
    }

    /// Puts the fresh entries in order.
    fn settle(&mut self) {
        if self.fresh.is_empty() {
            return;
        }
        let before = self.fresh.len();
        if self.dead > 0 {
            self.fresh.retain(|entry| self.items.get(entry.slot).is_some());
            self.dead -= before - self.fresh.len();
        }
        self.heap.extend(self.fresh.drain(..));
    }

    /// An item that waits still.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&T> {
        self.items.get(slot)
    }

    /// When the earliest timer is due.
    pub fn next_deadline(&mut self) -> Option<Deadline> {
        self.settle();
        while let Some(top) = self.heap.peek() {
            if self.items.get(top.slot).is_some() {
                return Some(top.deadline);
            }
            self.heap.pop();
            self.dead -= 1;
        }
        None
    }

    /// Hands over all items whose deadline is not after `now`, the earliest first.
    pub fn take_due(&mut self, now: Deadline, mut take: impl FnMut(T)) {
        self.settle();
        let mut singles = self.heap.len() / SINGLES;
        while self.heap.peek().is_some_and(|top| top.deadline <= now) {
            if singles == 0 && self.heap.len() > SINGLES {
                return self.take_all_due(now, take);
            }
            singles = singles.saturating_sub(1);
            if let Some(entry) = self.heap.pop() {
                self.release(entry, &mut take);
            }
        }
    }

    fn take_all_due(&mut self, now: Deadline, mut take: impl FnMut(T)) {
        let mut entries = std::mem::take(&mut self.heap).into_vec();
        let mut due: Vec<_> = entries.extract_if(.., |entry| entry.deadline <= now).collect();
        self.heap = entries.into();
        due.sort_unstable_by_key(Entry::key);
        for entry in due {
            self.release(entry, &mut take);
        }
    }

    fn release(&mut self, entry: Entry, take: &mut impl FnMut(T)) {
        match self.items.remove(entry.slot) {
            Some(item) => take(item),
            None => self.dead -= 1,
        }
    }

    /// Nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// What waits, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter()
    }

    /// The same with the deadlines.
    pub fn entries(&self) -> impl Iterator<Item = (Deadline, &T)> {
        let entries = self.heap.iter().chain(&self.fresh);
        entries.filter_map(|entry| Some((entry.deadline, self.items.get(entry.slot)?)))
    }

    /// Empties the heap and hands over all that it held.
    pub fn take(&mut self) -> Vec<T> {
        self.heap.clear();
        self.fresh.clear();
        self.dead = 0;
        self.items.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(timers: &mut TimerHeap<u32>, now: Deadline) -> Vec<u32> {
        let mut list = Vec::new();
        timers.take_due(now, |item| list.push(item));
        list
    }

    #[test]
    fn timers_come_by_deadline_and_equal_ones_by_arrival() {
        let mut timers = TimerHeap::default();
        for (deadline, name) in [(30, 1), (-10, 2), (20, 3), (20, 4), (20, 5), (31, 6)] {
            timers.push(deadline, name);
        }
        assert_eq!(timers.next_deadline(), Some(-10));
        assert_eq!(due(&mut timers, 19), [2]);
        assert_eq!(due(&mut timers, 30), [3, 4, 5, 1]);
        assert_eq!(timers.next_deadline(), Some(31));
    }

    #[test]
    fn with_bits_turned_equals_come_in_another_order_and_others_do_not() {
        let mut timers = TimerHeap::default();
        timers.set_tie(1);
        for (deadline, name) in [(10, 1), (20, 2), (20, 3), (20, 4), (30, 5)] {
            timers.push(deadline, name);
        }
        assert_eq!(due(&mut timers, 30), [1, 3, 2, 4, 5]);
    }

    #[test]
    fn many_due_at_once_keep_the_order_too() {
        let mut timers = TimerHeap::default();
        let deadline = |name: u32| Deadline::from(name.wrapping_mul(2_654_435_761) % 1000);
        (0..10_000).for_each(|name| {
            timers.push(deadline(name), name);
        });
        let mut expected: Vec<u32> = (0..10_000).filter(|name| deadline(*name) <= 800).collect();
        expected.sort_by_key(|name| deadline(*name));
        assert_eq!(due(&mut timers, 800), expected);
        assert_eq!(timers.next_deadline(), Some(801));
        assert_eq!(due(&mut timers, 1000).len() + expected.len(), 10_000);
        assert!(timers.is_empty());
    }

    #[test]
    fn a_cancelled_timer_is_handed_back_once_and_holds_nothing_up() {
        let mut timers = TimerHeap::default();
        let first = timers.push(10, 1);
        let second = timers.push(20, 2);
        assert_eq!(timers.cancel(first), Some(1));
        assert_eq!(timers.cancel(first), None);
        assert!(timers.get(first).is_none());
        assert_eq!(timers.next_deadline(), Some(20));
        assert_eq!(due(&mut timers, 50), [2]);
        assert_eq!(timers.cancel(second), None);
    }

    #[test]
    fn where_none_lives_none_is_left() {
        let mut timers = TimerHeap::default();
        let slots: Vec<_> = (0..10).map(|name| timers.push(Deadline::from(name), name)).collect();
        assert!(slots.into_iter().all(|slot| timers.cancel(slot).is_some()));
        assert!(timers.heap.is_empty() && timers.is_empty());
        assert_eq!(timers.next_deadline(), None);
        timers.push(3, 1);
        assert_eq!(due(&mut timers, 3), [1]);
    }

    #[test]
    fn dead_entries_leave_the_heap_and_the_rest_keeps_its_order() {
        let mut timers = TimerHeap::default();
        let slots: Vec<_> = (0..1000).map(|name| timers.push(Deadline::from(name % 7), name)).collect();
        for (name, slot) in slots.iter().enumerate().filter(|(name, _)| name % 3 != 0) {
            assert_eq!(timers.cancel(*slot), Some(name as u32));
        }
        assert!(timers.heap.len() < 700, "{} are left", timers.heap.len());
        let mut expected: Vec<u32> = (0..1000).filter(|name| name % 3 == 0).collect();
        expected.sort_by_key(|name| name % 7);
        assert_eq!(due(&mut timers, 7), expected);
        assert_eq!(timers.next_deadline(), None);
    }
}
