//! What one look at the tables cannot tell, out of the events: how long queues have been, and who puts into them.

use std::collections::{HashMap, HashSet, VecDeque};

use ironloop_trace::{Event, File, Moment, ObjectRow, Op, Slot, Unreadable, Waker};

/// A queue's shortest length in each stretch of time in which it was used, of the last ones.
#[derive(Default)]
struct Lengths(VecDeque<(u64, u32)>);

/// A stretch, in nanoseconds; how many are kept, and how many show that a queue grows.
const STRETCH: f64 = 50e6;
const KEPT: usize = 120;
const GROWS: usize = 6;
/// Events that are read at once.
const EVENTS: usize = 1 << 16;

/// The tasks that have put something into a queue, or got something out of it; and whether others have.
#[derive(Default)]
struct Users {
    tasks: HashSet<Slot>,
    others: bool,
}

#[derive(Default)]
pub struct History {
    next: u64,
    lengths: HashMap<Slot, Lengths>,
    users: HashMap<Slot, [Users; 2]>,
}

impl History {
    /// All that a file has.
    pub fn of(file: &mut File) -> Result<Self, Unreadable> {
        let mut history = Self::default();
        let until = file.header().head;
        while history.next < until {
            let events = file.events(history.next, EVENTS)?;
            let stays = events.next == history.next;
            history.next = events.next;
            let calibration = file.header().calibration;
            history.read(&events.events, |at| calibration.since_birth(at));
            if stays {
                break;
            }
        }
        Ok(history)
    }

    /// Takes more events; `since` tells their moments in nanoseconds.
    pub fn read(&mut self, events: &[Event], since: impl Fn(u64) -> f64) {
        for &Event { at, what } in events {
            match what {
                // Rows are let again.
                Moment::ObjectMade { object, .. } => {
                    self.lengths.remove(&object);
                    self.users.remove(&object);
                }
                Moment::Made { task, .. } => {
                    for users in self.users.values_mut().flatten() {
                        users.tasks.remove(&task);
                    }
                }
                Moment::Object { object, op: op @ (Op::Put | Op::Got), by, value } => {
                    let users = &mut self.users.entry(object).or_default()[usize::from(op == Op::Got)];
                    match by {
                        Waker::Task(task) => drop(users.tasks.insert(task)),
                        _ => users.others = true,
                    }
                    self.lengths.entry(object).or_default().add((since(at) / STRETCH) as u64, value);
                }
                _ => {}
            }
        }
    }

    /// From which length a queue has grown, if it does nothing else.
    pub fn grown_from(&self, queue: &ObjectRow) -> Option<u32> {
        let first = self.lengths.get(&queue.slot)?.grown_from()?;
        (queue.length > first).then_some(first)
    }

    /// The only task that puts into a queue, or (`got`) gets out of it, of those that live.
    pub fn only_user(&self, queue: Slot, got: bool, living: impl Fn(Slot) -> bool) -> Option<Slot> {
        let users = &self.users.get(&queue)?[usize::from(got)];
        let mut tasks = users.tasks.iter().copied().filter(|&task| living(task));
        tasks.next().filter(|_| !users.others && tasks.next().is_none())
    }
}

impl Lengths {
    fn add(&mut self, stretch: u64, length: u32) {
        match self.0.back_mut() {
            Some((last, shortest)) if *last == stretch => *shortest = length.min(*shortest),
            _ => {
                if self.0.len() == KEPT {
                    self.0.pop_front();
                }
                self.0.push_back((stretch, length));
            }
        }
    }

    /// If it is longer at the end of each sixth than at the end of the one before.
    fn grown_from(&self) -> Option<u32> {
        let count = self.0.len();
        if count < GROWS {
            return None;
        }
        let shortest = |part: usize| {
            let range = part * count / GROWS..(part + 1) * count / GROWS;
            self.0.range(range).map(|(_, length)| *length).min()
        };
        let parts: Vec<u32> = (0..GROWS).filter_map(shortest).collect();
        parts.is_sorted_by(|a, b| a < b).then(|| parts[0])
    }
}
