//! One turn of a loop: what may it wait for, what is ready then.

use std::collections::VecDeque;

use crate::deadline::Deadline;
use crate::ready::ReadyQueue;
use crate::slots::Slot;
use crate::timers::TimerHeap;

/// What a loop does before its next batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// It goes on at once: something is ready.
    Run,
    /// It waits for the kernel, until the earliest timer.
    WaitUntil(Deadline),
    /// It waits until something happens.
    Wait,
}

/// The ready queue and the timers of one loop.
///
/// A turn: [`plan`](Self::plan), wait for the kernel, [`push`](Self::push) what it brought,
/// [`begin`](Self::begin) the batch, and [`pop`](Self::pop) it empty.
///
/// `R` is what becomes ready, `T` a timer, which becomes an `R` when it is due.
pub struct Engine<R, T> {
    /// Comes before all that is ready: what has to follow the item that runs. Between turns it is what a
    /// signal handler, or a tool that waits in the loop's place, has left.
    afterwards: VecDeque<R>,
    ready: ReadyQueue<R>,
    timers: TimerHeap<T>,
}

impl<R, T> Default for Engine<R, T> {
    fn default() -> Self {
        Self { afterwards: VecDeque::new(), ready: ReadyQueue::default(), timers: TimerHeap::default() }
    }
}

impl<R: From<T>, T> Engine<R, T> {
    /// Makes an item ready.
    #[inline]
    pub fn push(&mut self, item: R) {
        self.ready.push(item);
    }

    /// The same for an item that is made in its place.
    #[inline]
    pub fn push_with(&mut self, make: impl FnOnce() -> R) {
        self.ready.push_with(make);
    }

    /// Has an item performed as soon as the one that runs is done, before the rest of the batch: what has to
    /// follow it at once.
    pub fn push_afterwards(&mut self, item: R) {
        self.afterwards.push_back(item);
    }

    /// Makes a timer ready at `deadline`; the slot is for [`Self::cancel`].
    pub fn schedule(&mut self, deadline: Deadline, timer: T) -> Slot {
        self.timers.push(deadline, timer)
    }

    /// Takes a timer out, unless it was due before.
    pub fn cancel(&mut self, slot: Slot) -> Option<T> {
        self.timers.cancel(slot)
    }

    /// A timer that waits still.
    #[must_use]
    pub fn timer(&self, slot: Slot) -> Option<&T> {
        self.timers.get(slot)
    }

    /// How long the loop may wait now.
    pub fn plan(&mut self) -> Plan {
        if !self.ready.is_empty() || !self.afterwards.is_empty() {
            return Plan::Run;
        }
        self.timers.next_deadline().map_or(Plan::Wait, Plan::WaitUntil)
    }

    /// Whether the turn has to know the time.
    #[must_use]
    pub fn has_timers(&self) -> bool {
        !self.timers.is_empty()
    }

    /// Makes due timers ready, behind all that is ready already.
    pub fn expire(&mut self, now: Deadline) {
        self.timers.take_due(now, |timer| self.ready.push(timer.into()));
    }

    /// Cuts the batch.
    pub fn begin(&mut self) {
        self.ready.cut();
    }

    /// Has those of the batch that may move change places: [`ReadyQueue::shuffle`].
    pub fn shuffle(&mut self, may_move: impl Fn(&R) -> bool, choose: impl FnMut(usize) -> usize) {
        self.ready.shuffle(may_move, choose);
    }

    /// How many items the batch has.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.ready.batch()
    }

    /// How equal deadlines are told apart from now on: [`TimerHeap::set_tie`].
    pub fn set_tie(&mut self, tie: u64) {
        self.timers.set_tie(tie);
    }

    /// The batch's next item.
    #[inline]
    pub fn pop(&mut self) -> Option<R> {
        if self.afterwards.is_empty() { self.ready.pop() } else { self.afterwards.pop_front() }
    }

    /// What has to follow the last item, though its batch is given up.
    pub fn pop_afterwards(&mut self) -> Option<R> {
        self.afterwards.pop_front()
    }

    /// How many items are ready, and how many timers wait.
    #[must_use]
    pub fn depth(&self) -> (usize, usize) {
        (self.afterwards.len() + self.ready.len(), self.timers.len())
    }

    /// What is ready, in order.
    pub fn ready(&self) -> impl Iterator<Item = &R> {
        self.afterwards.iter().chain(self.ready.iter())
    }

    /// What is scheduled and when, in no order.
    pub fn timers(&self) -> impl Iterator<Item = (Deadline, &T)> {
        self.timers.entries()
    }

    /// What is scheduled, in no order.
    pub fn scheduled(&self) -> impl Iterator<Item = &T> {
        self.timers.iter()
    }

    /// Empties the engine and hands over all that it held.
    pub fn take(&mut self) -> Vec<R> {
        let timers = self.timers.take().into_iter().map(R::from);
        let afterwards = std::mem::take(&mut self.afterwards);
        afterwards.into_iter().chain(self.ready.take()).chain(timers).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Strings = Engine<&'static str, &'static str>;

    fn turn(engine: &mut Strings, now: Deadline, mut each: impl FnMut(&mut Strings, &str)) {
        engine.expire(now);
        engine.begin();
        while let Some(item) = engine.pop() {
            each(engine, item);
        }
    }

    #[test]
    fn due_timers_run_after_what_was_ready_and_what_they_schedule_runs_a_turn_later() {
        let mut engine = Strings::default();
        let mut ran = Vec::new();
        assert_eq!(engine.plan(), Plan::Wait);
        engine.schedule(5, "late");
        engine.schedule(3, "early");
        assert_eq!(engine.plan(), Plan::WaitUntil(3));
        engine.push("ready");
        assert_eq!(engine.plan(), Plan::Run);
        turn(&mut engine, 10, |engine, item| {
            ran.push(item.to_owned());
            if item == "early" {
                engine.push("scheduled by early");
            }
        });
        assert_eq!(ran, ["ready", "early", "late"]);
        turn(&mut engine, 10, |_, item| ran.push(item.to_owned()));
        assert_eq!(ran.last().unwrap(), "scheduled by early");
        assert_eq!(engine.plan(), Plan::Wait);
    }

    #[test]
    fn what_follows_an_item_comes_before_the_rest_of_its_batch_and_after_a_batch_that_is_given_up() {
        let mut engine = Strings::default();
        let mut ran = Vec::new();
        engine.push("first");
        engine.push("second");
        turn(&mut engine, 0, |engine, item| {
            ran.push(item.to_owned());
            if item != "follows" {
                engine.push_afterwards("follows");
            }
        });
        assert_eq!(ran, ["first", "follows", "second", "follows"]);
        engine.push("never popped");
        engine.push_afterwards("follows");
        assert_eq!(engine.plan(), Plan::Run);
        assert_eq!(engine.pop_afterwards(), Some("follows"));
        assert_eq!(engine.pop_afterwards(), None);
        assert_eq!(engine.take(), ["never popped"]);
    }
}
