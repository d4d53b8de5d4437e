//! Who waits for which tasks together (`gather`, `wait`, the end of a TaskGroup), beyond what rows have room for.

use std::collections::{HashMap, HashSet};
use std::iter;

use crate::waker::Slot;

#[derive(Default)]
pub(crate) struct Groups {
    /// The tasks of each group that have not ended.
    members: HashMap<Slot, HashSet<Slot>>,
    /// The groups of a task beside the first, which its row names.
    beside: HashMap<Slot, Vec<Slot>>,
}

impl Groups {
    /// A group waits for a task. Whether the task's row is to name it: the first keeps its place as long as it is
    /// there, since who waits for the same task for a while (`asyncio.wait` in a loop) is not to take it from a group
    /// that waits until the end.
    pub(crate) fn join(&mut self, group: Slot, task: Slot, first: Option<Slot>) -> bool {
        if !self.members.entry(group).or_default().insert(task) {
            return false;
        }
        if first.is_some() {
            self.beside.entry(task).or_default().push(group);
        }
        first.is_none()
    }

    /// A task has ended: the groups that wait for one less.
    pub(crate) fn leave(&mut self, task: Slot, first: Slot) -> Vec<Slot> {
        let others = self.beside.remove(&task).unwrap_or_default();
        let mut groups: Vec<_> = iter::once(first).chain(others).collect();
        groups.retain(|group| self.members.get_mut(group).is_some_and(|members| members.remove(&task)));
        groups
    }

    /// A group has gone, which members may outlive: those whose row named it, each with its next group.
    pub(crate) fn disband(
        &mut self,
        group: Slot,
        first: impl Fn(Slot) -> Option<Slot>,
    ) -> Vec<(Slot, Option<Slot>)> {
        let members = self.members.remove(&group).unwrap_or_default();
        members.into_iter().filter_map(|task| self.forget(group, task, first(task))).collect()
    }

    fn forget(&mut self, group: Slot, task: Slot, first: Option<Slot>) -> Option<(Slot, Option<Slot>)> {
        let mut others = self.beside.remove(&task).unwrap_or_default();
        others.retain(|&other| other != group);
        let left = (first == Some(group)).then(|| {
            let next = (!others.is_empty()).then(|| others.remove(0));
            (task, next)
        });
        if !others.is_empty() {
            self.beside.insert(task, others);
        }
        left
    }

    pub(crate) fn forget_all(&mut self) {
        self.members.clear();
        self.beside.clear();
    }
}
