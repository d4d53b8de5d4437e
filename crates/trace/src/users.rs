//! Who puts into a queue and who gets out of it, as far as it was recorded: for its own program. (A viewer reads the events.)

use std::collections::HashMap;

use crate::event::Op;
use crate::waker::{Slot, Waker};

/// More are not told apart.
const MOST: usize = 8;

/// The tasks of one side: their rows and numbers.
#[derive(Default)]
struct Side {
    tasks: Vec<(Slot, u64)>,
    /// Somebody else, or too many.
    others: bool,
}

#[derive(Default)]
pub(crate) struct Users(HashMap<Slot, [Side; 2]>);

impl Users {
    /// Something was put or got; `living`: the number of the task that has a row.
    pub(crate) fn did(&mut self, object: Slot, op: Op, by: Waker, living: impl Fn(Slot) -> Option<u64>) {
        let [puts, gets] = self.0.entry(object).or_default();
        let side = if op == Op::Put { puts } else { gets };
        let task = match by {
            Waker::Task(slot) => living(slot).map(|number| (slot, number)),
            _ => None,
        };
        match task {
            Some(task) if side.tasks.contains(&task) => {}
            Some(task) => {
                if side.tasks.len() == MOST {
                    side.tasks.retain(|&(slot, number)| living(slot) == Some(number));
                }
                if side.tasks.len() == MOST {
                    side.others = true;
                } else {
                    side.tasks.push(task);
                }
            }
            None => side.others = true,
        }
    }

    /// The one task that puts into a queue, and the one that gets out of it, of those that have not ended.
    pub(crate) fn only(&self, object: Slot, living: impl Fn(Slot) -> Option<u64>) -> [Option<Slot>; 2] {
        let Some(sides) = self.0.get(&object) else { return [None; 2] };
        sides.each_ref().map(|side| {
            let mut tasks = side.tasks.iter().filter(|&&(slot, number)| living(slot) == Some(number));
            let first = tasks.next().filter(|_| !side.others && tasks.next().is_none())?;
            Some(first.0)
        })
    }

    pub(crate) fn forget(&mut self, object: Slot) {
        self.0.remove(&object);
    }

    pub(crate) fn forget_all(&mut self) {
        self.0.clear();
    }
}
