//! The rows of tasks, 128 bytes each: a cache line that each step writes, and one that is written once.
//!
//! ```text
//! sequence 32, steps 32 | since 56, state 8 | subject 56, flags 8 | run 64 | ready 64 | number 64 | made 64 | longest f32, coroutine 32
//! parent 32, place 32 | cancelled by 32, group 32 | waits at 24, after steps 8, cancelled why 32 | name: its length, 39 bytes
//! ```
//!
//! The sequence is odd while a row is being written. Rows that ended are used again in order, the oldest first,
//! and not the last few: so a viewer that looks once a second still finds how a task ended.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use crate::layout::{STRETCH, TASK, WORD};
use crate::state::{MOMENT, State, Subject, moment};
use crate::strings::{self, StringId};
use crate::waker::{Slot, Waker};

/// What a task keeps of its own: its number and its row, in one word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Mark(u64);

impl Mark {
    const ROWS: u32 = (1 << 24) - 1;

    /// A task that has no row yet: made while nobody recorded.
    pub fn without_row(number: u64) -> Self {
        Self(number << 24 | u64::from(Self::ROWS))
    }

    /// A task that nobody has recorded yet: its number is nobody's.
    pub const NONE: Self = Self(Self::ROWS as u64);

    pub(crate) fn new(number: u64, slot: Slot) -> Self {
        Self(number << 24 | u64::from(slot.0))
    }

    /// Tasks are numbered from 1 by the loop; asyncio names them so.
    pub fn number(self) -> u64 {
        self.0 >> 24
    }

    fn row(self) -> u32 {
        self.0 as u32 & Self::ROWS
    }
}

/// What is known of a task when its row is made.
#[derive(Clone, Copy, Debug)]
pub struct NewTask<'a> {
    pub number: u64,
    /// Who made it.
    pub by: Waker,
    /// Nothing where it is called by its number.
    pub name: &'a str,
    /// Its coroutine's qualified name.
    pub coroutine: StringId,
    /// File and line of where it was made.
    pub place: StringId,
    /// How it stands: fresh ones are READY.
    pub state: State,
    pub subject: Subject,
    pub flags: Flags,
}

/// What is true of a task beside its state.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Flags(pub u8);

impl Flags {
    /// Made before the recording: when, nobody knows.
    pub const ADOPTED: Self = Self(1);
    /// Somebody asked for its end.
    pub const CANCELLING: Self = Self(2);
    /// It ended by an exception that nobody asked for.
    pub const NEVER_RETRIEVED: Self = Self(4);
    /// A task of asyncio's own class: what it waits for is known, not when it was woken.
    pub const STOCK: Self = Self(8);
    /// What it waits for is held by nobody else: it waits for ever.
    pub const FORSAKEN: Self = Self(16);
    /// A Rust future that the loop polls by itself: its coroutine is the path of its type.
    pub const RUST: Self = Self(32);

    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A row, as a viewer has it.
#[derive(Clone, PartialEq, Debug)]
pub struct TaskRow {
    pub slot: Slot,
    pub number: u64,
    pub state: State,
    pub subject: Subject,
    /// When it came into this state.
    pub since: u64,
    pub made: u64,
    pub steps: u32,
    /// All its time RUNNING, and READY; in ticks.
    pub run: u64,
    pub ready: u64,
    pub longest: f32,
    pub flags: Flags,
    pub coroutine: StringId,
    pub place: StringId,
    pub by: Waker,
    pub cancelled_by: Waker,
    /// What the callback or the timeout is called that it was.
    pub cancelled_why: StringId,
    /// The group (a gather, a TaskGroup) that waits for it.
    pub group: Option<Slot>,
    /// File and line where its own code waits, where the loop knows it.
    pub waits_at: StringId,
    /// As it was given, or as asyncio gives one.
    pub name: String,
}

mod at {
    pub(super) const SEQUENCE: usize = 0;
    pub(super) const STATE: usize = 1;
    pub(super) const SUBJECT: usize = 2;
    pub(super) const RUN: usize = 3;
    pub(super) const READY: usize = 4;
    pub(super) const NUMBER: usize = 5;
    pub(super) const MADE: usize = 6;
    pub(super) const LONGEST: usize = 7;
    pub(super) const MAKER: usize = 8;
    pub(super) const CANCELLED: usize = 9;
    pub(super) const WAITS_AT: usize = 10;
    pub(super) const NAME: usize = 11;
}

pub(crate) const WORDS: usize = TASK / WORD;
pub(crate) const NAME: usize = (WORDS - at::NAME) * WORD - 1;
/// The last string that can be a place where a task waits.
const PLACES: u32 = (1 << 24) - 1;
/// How many ended tasks keep their rows.
const RESTING: usize = 64;

/// Which row is whose: the loop's thread has it for itself.
pub(crate) struct Tasks {
    /// The number of the task in each row that was used; 0 in those that are free.
    numbers: Vec<u64>,
    free: VecDeque<u32>,
    /// Rows that have memory; and whether more was refused.
    reserved: usize,
    at_its_end: bool,
}

pub(crate) enum Taken {
    Row(u32),
    /// The rows that have memory are all in use.
    Full,
}

impl Tasks {
    pub(crate) fn new(reserved: usize) -> Self {
        Self { numbers: Vec::new(), free: VecDeque::new(), reserved, at_its_end: false }
    }

    pub(crate) fn reserved(&self) -> usize {
        self.reserved
    }

    pub(crate) fn more(&mut self) {
        self.reserved += STRETCH;
    }

    pub(crate) fn at_its_end(&self) -> bool {
        self.at_its_end
    }

    pub(crate) fn no_more(&mut self) {
        self.at_its_end = true;
    }

    pub(crate) fn used(&self) -> usize {
        self.numbers.len()
    }

    /// The row of a task, if it has one in this recording.
    #[inline]
    pub(crate) fn find(&self, mark: Mark) -> Option<Slot> {
        let row = mark.row();
        (self.numbers.get(row as usize) == Some(&mark.number())).then_some(Slot(row))
    }

    /// The number of the task that has a row and has not ended.
    pub(crate) fn number(&self, slot: Slot) -> Option<u64> {
        self.numbers.get(slot.0 as usize).copied().filter(|&number| number != 0)
    }

    /// The row that a task has, or has had.
    pub(crate) fn place(&self, mark: Mark) -> Option<Slot> {
        let row = mark.row();
        ((row as usize) < self.numbers.len()).then_some(Slot(row))
    }

    pub(crate) fn take(&mut self, number: u64) -> Taken {
        let fresh = self.numbers.len() < self.reserved;
        if self.free.len() > RESTING || !fresh && !self.free.is_empty() {
            if let Some(row) = self.free.pop_front() {
                self.numbers[row as usize] = number;
                return Taken::Row(row);
            }
        }
        if !fresh {
            return Taken::Full;
        }
        self.numbers.push(number);
        Taken::Row((self.numbers.len() - 1) as u32)
    }

    pub(crate) fn leave(&mut self, slot: Slot) {
        self.numbers[slot.0 as usize] = 0;
        self.free.push_back(slot.0);
    }

    pub(crate) fn forget_all(&mut self) {
        self.numbers.clear();
        self.free.clear();
    }
}

/// A row in the file, for who writes it.
pub(crate) struct Row<'a>(pub(crate) &'a [AtomicU64; WORDS]);

impl Row<'_> {
    #[inline]
    fn load(&self, index: usize) -> u64 {
        self.0[index].load(Ordering::Relaxed)
    }

    #[inline]
    fn store(&self, index: usize, value: u64) {
        self.0[index].store(value, Ordering::Relaxed);
    }

    /// Runs `write` between two numbers of the sequence, and counts so many steps.
    #[inline]
    fn writing(&self, steps: u32, write: impl FnOnce()) {
        let first = self.load(at::SEQUENCE);
        let (sequence, before) = (first as u32, (first >> 32) as u32);
        // It is even.
        self.store(at::SEQUENCE, first | 1);
        fence(Ordering::Release);
        write();
        let after = u64::from(before.saturating_add(steps)) << 32 | u64::from(sequence.wrapping_add(2));
        self.0[at::SEQUENCE].store(after, Ordering::Release);
    }

    pub(crate) fn make(&self, task: &NewTask<'_>, now: u64) {
        let sequence = self.load(at::SEQUENCE) & 0xffff_ffff;
        self.store(at::SEQUENCE, sequence);
        self.writing(0, || {
            for index in at::RUN..WORDS {
                self.store(index, 0);
            }
            self.store(at::STATE, packed(task.state.code(), now));
            self.store(at::SUBJECT, packed(task.flags.0, task.subject.code()));
            self.store(at::NUMBER, task.number);
            self.store(at::MADE, now);
            self.store(at::LONGEST, u64::from(task.coroutine.0) << 32);
            self.store(at::MAKER, u64::from(task.by.code()) | u64::from(task.place.0) << 32);
            self.store(at::CANCELLED, u64::from(Waker::Unknown.code()) | u64::from(Slot::NONE) << 32);
            let name = strings::cut(task.name, NAME).as_bytes();
            let mut bytes = [0; NAME + 1];
            bytes[0] = name.len() as u8;
            bytes[1..=name.len()].copy_from_slice(name);
            strings::write(&self.0[at::NAME..], &bytes);
        });
    }

    /// The code of its state; 0 in one that is free.
    pub(crate) fn state(&self) -> u8 {
        (self.load(at::STATE) >> 56) as u8
    }

    /// Since when it is READY, and who woke it; nothing if it is in another state.
    #[inline]
    pub(crate) fn woken(&self) -> Option<(u64, u32)> {
        let state = self.load(at::STATE);
        let waker = ((self.load(at::SUBJECT) & MOMENT) as u32).wrapping_sub(1);
        (self.state() == State::Ready.code()).then_some((state & MOMENT, waker))
    }

    #[inline]
    pub(crate) fn step(&self, end: u64, then: u8, subject: u64, (run, ready): (u64, u64), length: f32) {
        self.writing(1, || {
            self.change(then, end, subject);
            self.store(at::RUN, self.load(at::RUN).wrapping_add(run));
            self.store(at::READY, self.load(at::READY).wrapping_add(ready));
            let last = self.load(at::LONGEST);
            if length > f32::from_bits(last as u32) {
                self.store(at::LONGEST, last & !0xffff_ffff | u64::from(length.to_bits()));
            }
        });
    }

    #[inline]
    pub(crate) fn enter(&self, state: u8, now: u64, subject: u64) {
        self.writing(0, || self.change(state, now, subject));
    }

    #[inline]
    fn change(&self, state: u8, now: u64, subject: u64) {
        self.store(at::STATE, packed(state, now));
        self.store(at::SUBJECT, packed((self.load(at::SUBJECT) >> 56) as u8, subject));
    }

    /// The same state, about something else.
    pub(crate) fn waits_for(&self, state: u8, subject: u64) {
        self.writing(0, || self.change(state, self.load(at::STATE) & MOMENT, subject));
    }

    pub(crate) fn flag(&self, flag: Flags, on: bool) {
        self.writing(0, || {
            let word = self.load(at::SUBJECT);
            let bit = u64::from(flag.0) << 56;
            self.store(at::SUBJECT, if on { word | bit } else { word & !bit });
        });
    }

    pub(crate) fn cancelled(&self, by: Waker, why: StringId) {
        self.flag(Flags::CANCELLING, true);
        self.writing(0, || {
            self.store(at::CANCELLED, self.load(at::CANCELLED) & !0xffff_ffff | u64::from(by.code()));
            self.store(at::WAITS_AT, self.load(at::WAITS_AT) & 0xffff_ffff | u64::from(why.0) << 32);
        });
    }

    /// Whether somebody has asked for its end already.
    pub(crate) fn is_cancelling(&self) -> bool {
        Flags((self.load(at::SUBJECT) >> 56) as u8).has(Flags::CANCELLING)
    }

    pub(crate) fn group(&self) -> Option<Slot> {
        Slot::from_code((self.load(at::CANCELLED) >> 32) as u32)
    }

    pub(crate) fn belongs(&self, group: Option<Slot>) {
        self.writing(0, || {
            let low = self.load(at::CANCELLED) & 0xffff_ffff;
            self.store(at::CANCELLED, low | u64::from(Slot::code(group)) << 32);
        });
    }

    /// After its last step. One that is not looked at after a later step says nothing: the count of steps differs.
    pub(crate) fn waits_at(&self, place: StringId) {
        if place.0 > PLACES {
            return;
        }
        let steps = (self.load(at::SEQUENCE) >> 32) as u32;
        let low = u64::from(place.0 | steps << PLACES.count_ones());
        self.writing(0, || self.store(at::WAITS_AT, self.load(at::WAITS_AT) & !0xffff_ffff | low));
    }

    pub(crate) fn clear(&self) {
        self.writing(0, || self.store(at::STATE, 0));
    }
}

/// The number of the task that has the row of these words, for another thread than the loop's.
pub(crate) fn number_in(words: &[AtomicU64]) -> Option<u64> {
    Some(words.get(at::NUMBER)?.load(Ordering::Relaxed)).filter(|number| *number != 0)
}

#[inline]
fn packed(code: u8, word: u64) -> u64 {
    u64::from(code) << 56 | word & MOMENT
}

/// What the words of a row say; nothing for one that is free, or that no writer has written so.
pub(crate) fn decode(slot: Slot, words: &[u64], near: u64) -> Option<TaskRow> {
    let state = State::from_code((words[at::STATE] >> 56) as u8)?;
    let since = moment(words[at::STATE] & MOMENT, near);
    let low = |index: usize| words[index] as u32;
    let high = |index: usize| (words[index] >> 32) as u32;
    let longest = f32::from_bits(low(at::LONGEST));
    let number = words[at::NUMBER];
    let bytes: Vec<u8> = words[at::NAME..].iter().flat_map(|word| word.to_le_bytes()).collect();
    let name = bytes.get(1..=usize::from(bytes[0])).map(strings::shown).unwrap_or_default();
    Some(TaskRow {
        slot,
        number,
        state,
        subject: Subject::from_code(state, words[at::SUBJECT] & MOMENT, near),
        since,
        made: words[at::MADE],
        steps: high(at::SEQUENCE),
        run: words[at::RUN],
        ready: words[at::READY],
        longest: if longest.is_finite() { longest.max(0.0) } else { 0.0 },
        flags: Flags((words[at::SUBJECT] >> 56) as u8),
        coroutine: StringId(high(at::LONGEST)),
        place: StringId(high(at::MAKER)),
        by: Waker::from_code(low(at::MAKER)),
        cancelled_by: Waker::from_code(low(at::CANCELLED)),
        cancelled_why: StringId(high(at::WAITS_AT)),
        group: Slot::from_code(high(at::CANCELLED)),
        waits_at: if low(at::WAITS_AT) >> PLACES.count_ones() == high(at::SEQUENCE) & 0xff {
            StringId(low(at::WAITS_AT) & PLACES)
        } else {
            StringId::NONE
        },
        name: if name.is_empty() { format!("Task-{number}") } else { name },
    })
}
