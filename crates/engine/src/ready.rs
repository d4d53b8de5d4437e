//! What is ready to run, in the order in which it became so.

use std::collections::VecDeque;

/// A first-in first-out queue that is run in batches.
///
/// A batch is cut before it runs: what is pushed while it runs belongs to the next one, so callbacks that
/// schedule callbacks cannot keep the loop from looking at the kernel.
pub struct ReadyQueue<T> {
    items: VecDeque<T>,
    batch: usize,
}

impl<T> Default for ReadyQueue<T> {
    fn default() -> Self {
        Self { items: VecDeque::new(), batch: 0 }
    }
}

impl<T> ReadyQueue<T> {
    #[inline]
    pub fn push(&mut self, item: T) {
        self.items.push_back(item);
    }

    /// The same for an item that is made in its place: to copy what was just written costs more than to
    /// write it.
    #[inline]
    pub fn push_with(&mut self, make: impl FnOnce() -> T) {
        self.items.extend(std::iter::once_with(make));
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// All that stands in the queue now is the batch.
    pub fn cut(&mut self) {
        self.batch = self.items.len();
    }

    /// Of the batch, those that may move change places among each other: by a choice from so many each time,
    /// of which 0 leaves all in order.
    pub fn shuffle(&mut self, may_move: impl Fn(&T) -> bool, mut choose: impl FnMut(usize) -> usize) {
        let places: Vec<_> = (0..self.batch).filter(|place| may_move(&self.items[*place])).collect();
        for (index, place) in places.iter().enumerate() {
            let other = places[index + choose(places.len() - index)];
            self.items.swap(*place, other);
        }
    }

    /// How many items the batch has.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The batch's next item.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        self.batch = self.batch.checked_sub(1)?;
        self.items.pop_front()
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter()
    }

    /// Empties the queue and hands over what it held.
    pub fn take(&mut self) -> VecDeque<T> {
        self.batch = 0;
        std::mem::take(&mut self.items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_during_a_batch_waits_for_the_next() {
        let mut queue = ReadyQueue::default();
        queue.push(1);
        queue.push_with(|| 2);
        queue.cut();
        assert_eq!(queue.pop(), Some(1));
        queue.push(3);
        assert_eq!(queue.pop(), Some(2));
        assert_eq!(queue.pop(), None);
        queue.cut();
        assert_eq!(queue.pop(), Some(3));
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn what_may_move_changes_places_and_nothing_else() {
        let mut queue = ReadyQueue::default();
        (0..6).for_each(|n| queue.push(n));
        queue.cut();
        queue.push(8);
        queue.shuffle(|n| n % 2 == 0, |of| of - 1);
        let mut order = Vec::new();
        order.extend(std::iter::from_fn(|| queue.pop()));
        assert_eq!(order, [4, 1, 0, 3, 2, 5]);
        (0..6).for_each(|n| queue.push(n));
        queue.cut();
        queue.shuffle(|_| true, |_| 0);
        assert_eq!(queue.take(), [8, 0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_batch_left_in_the_middle_keeps_its_rest() {
        let mut queue = ReadyQueue::default();
        (0..3).for_each(|n| queue.push(n));
        queue.cut();
        assert_eq!(queue.pop(), Some(0));
        queue.cut();
        assert_eq!(queue.pop(), Some(1));
        assert_eq!(queue.take(), [2]);
        assert_eq!(queue.pop(), None);
    }
}
