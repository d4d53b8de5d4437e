//! Who waits for whom: an edge from each suspended task to those that can wake it.

use std::collections::{HashMap, HashSet};

use crate::history::History;
use ironloop_trace::{ObjectKind, Reason, Slot, Snapshot, State, Subject, TaskRow, Waker};

pub struct Graph {
    /// The tasks that each one waits for: the task itself, a lock's owner, the members of a group.
    edges: HashMap<Slot, Vec<Slot>>,
    /// The other way.
    waiters: HashMap<Slot, Vec<Slot>>,
}

impl Graph {
    pub fn new(snapshot: &Snapshot) -> Self {
        let mut members: HashMap<Slot, Vec<Slot>> = HashMap::new();
        for task in snapshot.tasks.iter().filter(|task| !task.state.is_completed()) {
            if let Some(group) = task.group {
                members.entry(group).or_default().push(task.slot);
            }
        }
        let mut edges = HashMap::new();
        let mut waiters: HashMap<Slot, Vec<Slot>> = HashMap::new();
        for task in &snapshot.tasks {
            let for_whom = awaited(task, snapshot, &members);
            for &other in &for_whom {
                waiters.entry(other).or_default().push(task.slot);
            }
            if !for_whom.is_empty() {
                edges.insert(task.slot, for_whom);
            }
        }
        Self { edges, waiters }
    }

    pub fn awaits(&self, task: Slot) -> &[Slot] {
        self.edges.get(&task).map_or(&[], Vec::as_slice)
    }

    pub fn awaited_by(&self, task: Slot) -> &[Slot] {
        self.waiters.get(&task).map_or(&[], Vec::as_slice)
    }

    /// From a task to what it waits for in the end, by the first of each; ends where it comes round.
    pub fn chain(&self, task: Slot, snapshot: &Snapshot, history: &History) -> Vec<Slot> {
        let mut chain = vec![task];
        let mut last = task;
        let first = |task| self.awaits(task).first().copied();
        while let Some(next) = first(last).or_else(|| self.alone(last, snapshot, history)) {
            let round = chain.contains(&next);
            chain.push(next);
            if round {
                break;
            }
            last = next;
        }
        chain
    }

    /// Whom alone a task waits for. One that waits for a queue's item: the only one who puts any; one that waits for
    /// room, or for all to be done: the only one who gets any.
    fn alone(&self, task: Slot, snapshot: &Snapshot, history: &History) -> Option<Slot> {
        match (self.awaits(task), snapshot.task(task)) {
            ([next], _) => Some(*next),
            ([], Some(row)) => {
                let (State::Suspended(reason), Subject::Object(queue, _)) = (row.state, row.subject) else {
                    return None;
                };
                let got = match reason {
                    Reason::QueueGet => false,
                    Reason::QueuePut | Reason::QueueJoin => true,
                    _ => return None,
                };
                let living = |slot| snapshot.task(slot).is_some_and(|row| !row.state.is_completed());
                history.only_user(queue, got, living)
            }
            // One that waits for several goes on when the others do.
            _ => None,
        }
    }

    /// Cycles of tasks each of which waits for the next alone: none of them will ever run. Each once, from its
    /// lowest row on.
    pub fn deadlocks(&self, snapshot: &Snapshot, history: &History) -> Vec<Vec<Slot>> {
        let mut cycles = Vec::new();
        let mut done = HashSet::new();
        let mut starts: Vec<Slot> = self.edges.keys().copied().collect();
        starts.sort();
        let next_of = |task| self.alone(task, snapshot, history);
        for start in starts {
            let mut path = Vec::new();
            let mut at = HashMap::new();
            let mut task = start;
            while done.insert(task) {
                at.insert(task, path.len());
                path.push(task);
                match next_of(task) {
                    Some(next) => task = next,
                    None => break,
                }
            }
            if let Some(&from) = at.get(&task).filter(|_| next_of(task).is_some()) {
                let mut cycle = path.split_off(from);
                let lowest =
                    cycle.iter().enumerate().min_by_key(|(_, slot)| **slot).map_or(0, |(place, _)| place);
                cycle.rotate_left(lowest);
                cycles.push(cycle);
            }
        }
        cycles
    }
}

fn awaited(task: &TaskRow, snapshot: &Snapshot, members: &HashMap<Slot, Vec<Slot>>) -> Vec<Slot> {
    let State::Suspended(_) = task.state else { return Vec::new() };
    match task.subject {
        Subject::Task(other) => vec![other],
        Subject::Object(slot, _) => match snapshot.object(slot) {
            Some(object) if object.kind == ObjectKind::Group => {
                members.get(&slot).cloned().unwrap_or_default()
            }
            Some(object) => match object.owner {
                Waker::Task(owner) => vec![owner],
                _ => Vec::new(),
            },
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}
