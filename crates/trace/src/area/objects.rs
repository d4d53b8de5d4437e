//! The rows of locks, queues and groups. What each keeps of its own is a mark, as a task does.

use std::sync::atomic::Ordering;

use super::{Area, Table, row_of_task};
use crate::event::{Event, Moment, Op};
use crate::layout::at;
use crate::objects::{self, ObjectKind, ObjectRow};
use crate::strings::StringId;
use crate::tasks::Mark;
use crate::waker::{Slot, Waker};

/// A row that is kept beside something that keeps its object: good until the recording pauses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kept {
    pub slot: Slot,
    pub pauses: u16,
}

impl Area {
    pub fn object_made(&mut self, kind: ObjectKind, number: u64, label: StringId, limit: u32) -> Mark {
        let Some(slot) = self.take(Table::Objects, number) else {
            self.count(at::OBJECTS_REFUSED);
            return Mark::without_row(number);
        };
        self.object(slot).make(kind, number, label, limit, self.lap);
        let what = Moment::ObjectMade { object: slot, kind, number, label };
        self.put(Event { at: self.lap, what }.encode());
        Mark::new(number, slot)
    }

    #[inline]
    pub fn find_object(&self, object: Mark) -> Option<Slot> {
        self.objects.find(object)
    }

    /// For who keeps it.
    #[must_use]
    pub fn keep(&self, slot: Slot) -> Kept {
        Kept { slot, pauses: self.pauses }
    }

    /// The row that was kept, if it is the same still.
    #[must_use]
    pub fn kept(&self, kept: Kept) -> Option<Slot> {
        (kept.pauses == self.pauses).then_some(kept.slot)
    }

    /// What happened to one, by whom; `value`: its length now, what is left of it, how many it waits for.
    #[inline]
    pub fn did(&mut self, object: Slot, op: Op, by: Waker, value: u32) {
        let number = match by {
            Waker::Task(task) if op == Op::Taken => self.living(task).unwrap_or_default(),
            _ => 0,
        };
        self.object(object).did(op, by, number, value, self.lap);
        self.put(Event { at: self.lap, what: Moment::Object { object, op, by, value } }.encode());
    }

    /// The same of a queue.
    #[inline]
    pub fn did_to_queue(&mut self, queue: Slot, op: Op, by: Waker, length: u32) {
        self.did(queue, op, by, length);
        let tasks = &self.tasks;
        self.users.did(queue, op, by, |slot| tasks.number(slot));
    }

    /// The one task that puts into a queue, and the one that gets out of it, as far as was recorded.
    pub fn users(&self, queue: Slot) -> [Option<Slot>; 2] {
        self.users.only(queue, |slot| self.living(slot))
    }

    pub fn object_gone(&mut self, object: Slot) {
        self.users.forget(object);
        let left = {
            let Self { groups, memory, .. } = self;
            groups.disband(object, |task| row_of_task(memory, task).group())
        };
        for (task, next) in left {
            self.task(task).belongs(next);
        }
        self.object(object).clear();
        self.objects.leave(object);
    }

    /// A group waits for a task.
    pub fn belongs(&mut self, task: Slot, group: Slot) {
        let first = self.task(task).group();
        if self.groups.join(group, task, first) {
            self.task(task).belongs(Some(group));
        }
    }

    /// The same for a lock, a queue, a group.
    pub fn object_row(&self, slot: Slot) -> Option<ObjectRow> {
        let words = self.object(slot).0.each_ref().map(|word| word.load(Ordering::Relaxed));
        let mut row = objects::decode(slot, &words)?;
        row.forget_ended_owner(|task| self.living(task));
        Some(row)
    }
}
