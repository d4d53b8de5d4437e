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
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// All that stands in the queue now is the batch.
    pub fn cut(&mut self) {
        self.batch = self.items.len();
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
