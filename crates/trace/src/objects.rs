//! The rows of locks, queues, groups and the like, 64 bytes each: one cache line.
//!
//! ```text
//! sequence 32, kind 8 | number | owner 32, label 32 | length 32, limit 32 | since | most 32 | in 32, out 32 | free
//! ```

use std::sync::atomic::{AtomicU64, Ordering, fence};

use crate::event::Op;
use crate::layout::{OBJECT, WORD};
use crate::strings::StringId;
use crate::waker::{Slot, Waker};

macro_rules! kinds {
    ($($name:ident $word:literal,)*) => {
        /// A new one goes to the end: the order is the file's.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum ObjectKind { $($name,)* }

        impl ObjectKind {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

kinds! {
    Lock "Lock",
    Semaphore "Semaphore",
    Event "Event",
    Condition "Condition",
    Barrier "Barrier",
    Queue "Queue",
    Group "group",
}

/// A row, as a viewer has it. Who waits for it the rows of the tasks say.
#[derive(Clone, PartialEq, Debug)]
pub struct ObjectRow {
    pub slot: Slot,
    pub kind: ObjectKind,
    pub number: u64,
    /// Who holds it, where it is held. A task that has ended is not named: its row may be another's.
    pub owner: Waker,
    /// The owner's number, where it is a task.
    pub(crate) owner_number: u64,
    /// Where it was made, or what the program calls it.
    pub label: StringId,
    /// A queue's length; what is left of a semaphore; how many a group waits for.
    pub length: u32,
    /// A queue's, a semaphore's; 0: without end.
    pub limit: u32,
    /// Since when it has its owner, or its length.
    pub since: u64,
    /// The longest that it was.
    pub most: u32,
    /// How often something was put or it was taken, how often something was got or it was released.
    pub ins: u32,
    pub outs: u32,
}

pub(crate) const WORDS: usize = OBJECT / WORD;

/// A row in the file, for who writes it.
pub(crate) struct Row<'a>(pub(crate) &'a [AtomicU64; WORDS]);

impl ObjectRow {
    /// Names no owner that has ended; `number_of`: whose row it is now.
    pub(crate) fn forget_ended_owner(&mut self, number_of: impl FnOnce(Slot) -> Option<u64>) {
        if let Waker::Task(slot) = self.owner
            && number_of(slot) != Some(self.owner_number)
        {
            self.owner = Waker::Unknown;
        }
    }
}

impl Row<'_> {
    fn load(&self, index: usize) -> u64 {
        self.0[index].load(Ordering::Relaxed)
    }

    fn store(&self, index: usize, value: u64) {
        self.0[index].store(value, Ordering::Relaxed);
    }

    #[inline]
    fn writing(&self, kind: Option<u8>, write: impl FnOnce()) {
        let first = self.load(0);
        let sequence = first as u32;
        self.store(0, first & !0xffff_ffff | u64::from(sequence.wrapping_add(1)));
        fence(Ordering::Release);
        write();
        let kind = kind.map_or(first >> 32, u64::from);
        self.0[0].store(kind << 32 | u64::from(sequence.wrapping_add(2)), Ordering::Release);
    }

    pub(crate) fn make(&self, kind: ObjectKind, number: u64, label: StringId, limit: u32, now: u64) {
        self.writing(Some(1 + kind as u8), || {
            self.store(1, number);
            self.store(2, u64::from(Waker::Unknown.code()) | u64::from(label.0) << 32);
            self.store(3, u64::from(limit) << 32);
            self.store(4, now);
            self.store(5, 0);
            self.store(6, 0);
            self.store(7, 0);
        });
    }

    /// `number`: of the task that it is done by.
    #[inline]
    pub(crate) fn did(&self, op: Op, by: Waker, number: u64, value: u32, now: u64) {
        self.writing(None, || {
            let (owner, label) = (self.load(2) as u32, self.load(2) & !0xffff_ffff);
            let owner = match op {
                Op::Taken => by.code(),
                Op::Released => Waker::Unknown.code(),
                _ => owner,
            };
            self.store(2, label | u64::from(owner));
            if op == Op::Taken {
                self.store(7, number);
            }
            self.store(3, self.load(3) & !0xffff_ffff | u64::from(value));
            self.store(4, now);
            self.store(5, self.load(5).max(value.into()));
            let (ins, outs) = (self.load(6) as u32, (self.load(6) >> 32) as u32);
            let (ins, outs) = match op {
                Op::Taken | Op::Put | Op::Set => (ins.wrapping_add(1), outs),
                Op::Released | Op::Got | Op::Cleared | Op::Notified => (ins, outs.wrapping_add(1)),
                _ => (ins, outs),
            };
            self.store(6, u64::from(ins) | u64::from(outs) << 32);
        });
    }

    /// A group waits for one less: no event, the step that has ended says it.
    pub(crate) fn one_less(&self, now: u64) {
        self.writing(None, || {
            let word = self.load(3);
            let left = (word as u32).saturating_sub(1);
            self.store(3, word & !0xffff_ffff | u64::from(left));
            self.store(4, now);
        });
    }

    pub(crate) fn clear(&self) {
        self.writing(Some(0), || {});
    }
}

/// What the words of a row say; nothing for one that is free, or that no writer has written so.
pub(crate) fn decode(slot: Slot, words: &[u64]) -> Option<ObjectRow> {
    let code = (words[0] >> 32) as u8;
    Some(ObjectRow {
        slot,
        kind: *ObjectKind::ALL.get(usize::from(code.checked_sub(1)?))?,
        number: words[1],
        owner: Waker::from_code(words[2] as u32),
        owner_number: words[7],
        label: StringId((words[2] >> 32) as u32),
        length: words[3] as u32,
        limit: (words[3] >> 32) as u32,
        since: words[4],
        most: words[5] as u32,
        ins: words[6] as u32,
        outs: (words[6] >> 32) as u32,
    })
}
