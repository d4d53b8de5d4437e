//! Events: 32 bytes each, four words, whatever their kind:
//!
//! ```text
//! kind 8 | moment 56      a 32 | b 32      c 32 | d 32      code 8 | word 56
//! ```
//!
//! Lengths of time are floats of the clock's ticks: exact up to 16 million, and without an end.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::objects::ObjectKind;
use crate::state::{MOMENT, State, Subject, moment};
use crate::strings::StringId;
use crate::waker::{Slot, Waker};

pub(crate) type Words = [u64; 4];
pub(crate) const WORDS: usize = 4;
/// The bytes of a name that fit into one event; a task's name takes up to two.
pub(crate) const PIECE: usize = 24;

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Event {
    /// When it began, by the file's clock.
    pub at: u64,
    pub what: Moment,
}

/// What happened. Lengths of time are in ticks.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Moment {
    /// A task ran for `run`, after it had been ready for `ready` since `waker` woke it. `then` and `subject`:
    /// what it does next.
    Step {
        task: Slot,
        waker: Waker,
        run: f32,
        ready: f32,
        then: State,
        subject: Subject,
    },
    Made {
        task: Slot,
        by: Waker,
        number: u64,
        coroutine: StringId,
        place: StringId,
    },
    /// A piece of the name of the task that was made just before.
    Name([u8; PIECE]),
    /// Somebody asked for the end of a task: another one, or a timeout by the callback of its timer.
    Cancel {
        task: Slot,
        by: Waker,
        /// What the callback or the timeout is called that it was, where it is none of a task's own code.
        why: StringId,
    },
    /// A callback that is no task's step. `late`: how long after its time, where it is a timer's.
    Call {
        label: StringId,
        waker: Waker,
        run: f32,
        late: f32,
    },
    /// A turn: it ran for `run` after it had waited in the kernel for `waited`.
    Turn {
        run: f32,
        waited: f32,
        items: u32,
        ready: u32,
        timers: u32,
    },
    /// The watchdog's word: blocked since this event's moment, for `wall` by now, for `cpu` of which it computed.
    Blocked {
        wall: f32,
        cpu: f32,
        task: Option<Slot>,
        report: u32,
        over: bool,
    },
    /// Python's collector ran.
    Collected {
        run: f32,
        generation: u8,
        objects: u32,
    },
    /// A job of an executor: it `waited` for a thread, and ran.
    Job {
        label: StringId,
        by: Waker,
        run: f32,
        waited: f32,
    },
    /// What happened to a lock, a queue, a group, by whom; and its length or value then.
    Object {
        object: Slot,
        op: Op,
        by: Waker,
        value: u32,
    },
    ObjectMade {
        object: Slot,
        kind: ObjectKind,
        number: u64,
        label: StringId,
    },
    Connection {
        fd: i32,
        op: Op,
        bytes: u64,
    },
    /// A task or future has ended by an exception that nobody asked for.
    NeverRetrieved {
        task: Option<Slot>,
        error: StringId,
    },
    /// A word of the program's own.
    Mark(StringId),
}

macro_rules! ops {
    ($($name:ident $word:literal,)*) => {
        /// A new one goes to the end: the order is the file's.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Op { $($name,)* }

        impl Op {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

ops! {
    Taken "taken",
    Released "released",
    Put "put",
    Got "got",
    Set "set",
    Cleared "cleared",
    Notified "notified",
    Opened "opened",
    Accepted "accepted",
    Closed "closed",
    Received "received",
    Sent "sent",
}

mod kind {
    pub(super) const STEP: u8 = 1;
    pub(super) const MADE: u8 = 2;
    pub(super) const NAME: u8 = 3;
    pub(super) const CANCEL: u8 = 4;
    pub(super) const CALL: u8 = 5;
    pub(super) const TURN: u8 = 6;
    pub(super) const BLOCKED: u8 = 7;
    pub(super) const COLLECTED: u8 = 8;
    pub(super) const JOB: u8 = 9;
    pub(super) const OBJECT: u8 = 10;
    pub(super) const OBJECT_MADE: u8 = 11;
    pub(super) const CONNECTION: u8 = 12;
    pub(super) const NEVER_RETRIEVED: u8 = 13;
    pub(super) const MARK: u8 = 14;
}

#[inline]
fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

#[inline]
fn top(code: u8, word: u64) -> u64 {
    u64::from(code) << 56 | word & MOMENT
}

#[inline]
fn times(a: f32, b: f32) -> u64 {
    pair(a.to_bits(), b.to_bits())
}

/// The one that is written a million times a second: by itself, without the `match`.
#[inline]
pub(crate) fn step(at: u64, times_of: (f32, f32), task: Slot, waker: u32, then: u8, subject: u64) -> Words {
    [top(kind::STEP, at), times(times_of.0, times_of.1), pair(task.0, waker), top(then, subject)]
}

/// Says of a step what its task does next, if it is this task's.
pub(crate) fn mend_step(words: &[AtomicU64], task: Slot, then: u8, subject: u64) -> bool {
    let word = |place: usize| words[place].load(Ordering::Relaxed);
    let is_its = (word(0) >> 56) as u8 == kind::STEP && word(2) as u32 == task.0;
    if is_its {
        words[3].store(top(then, subject), Ordering::Relaxed);
    }
    is_its
}

impl Event {
    pub(crate) fn encode(&self) -> Words {
        let at = self.at;
        let word = |kind| top(kind, at);
        match self.what {
            Moment::Step { task, waker, run, ready, then, subject } => {
                step(at, (run, ready), task, waker.code(), then.code(), subject.code())
            }
            Moment::Made { task, by, number, coroutine, place } => {
                [word(kind::MADE), number, pair(task.0, by.code()), pair(coroutine.0, place.0)]
            }
            Moment::Name(text) => {
                let mut words = [word(kind::NAME), 0, 0, 0];
                for (word, bytes) in words[1..].iter_mut().zip(text.chunks_exact(8)) {
                    *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
                }
                words
            }
            Moment::Cancel { task, by, why } => {
                [word(kind::CANCEL), 0, pair(task.0, by.code()), why.0.into()]
            }
            Moment::Call { label, waker, run, late } => {
                [word(kind::CALL), times(run, late), pair(label.0, waker.code()), 0]
            }
            Moment::Turn { run, waited, items, ready, timers } => {
                [word(kind::TURN), times(run, waited), pair(items, ready), u64::from(timers)]
            }
            Moment::Blocked { wall, cpu, task, report, over } => {
                let about = pair(Slot::code(task), report);
                [word(kind::BLOCKED), times(wall, cpu), about, top(over.into(), 0)]
            }
            Moment::Collected { run, generation, objects } => {
                [word(kind::COLLECTED), times(run, 0.0), 0, top(generation, objects.into())]
            }
            Moment::Job { label, by, run, waited } => {
                [word(kind::JOB), times(run, waited), pair(label.0, by.code()), 0]
            }
            Moment::Object { object, op, by, value } => {
                [word(kind::OBJECT), 0, pair(object.0, by.code()), top(op as u8, value.into())]
            }
            Moment::ObjectMade { object, kind: made, number, label } => {
                [word(kind::OBJECT_MADE), number, pair(object.0, label.0), top(made as u8, 0)]
            }
            Moment::Connection { fd, op, bytes } => {
                [word(kind::CONNECTION), bytes, pair(fd as u32, 0), top(op as u8, 0)]
            }
            Moment::NeverRetrieved { task, error } => {
                [word(kind::NEVER_RETRIEVED), 0, pair(Slot::code(task), error.0), 0]
            }
            Moment::Mark(text) => [word(kind::MARK), 0, pair(text.0, 0), 0],
        }
    }

    /// What the words say; nothing where they say what no writer of this version writes. `near`: a moment not
    /// far from the event's.
    pub(crate) fn decode(words: &Words, near: u64) -> Option<Self> {
        let [first, ab, cd, last] = *words;
        let at = moment(first & MOMENT, near);
        let (a, b) = (length(ab as u32), length((ab >> 32) as u32));
        let (c, d) = (cd as u32, (cd >> 32) as u32);
        let (code, word) = ((last >> 56) as u8, last & MOMENT);
        let slot = Slot::from_code(c);
        let by = Waker::from_code(d);
        let op = Op::ALL.get(usize::from(code)).copied();
        let what = match (first >> 56) as u8 {
            kind::STEP => {
                let then = State::from_code(code)?;
                let subject = Subject::from_code(then, word, at);
                Moment::Step { task: slot?, waker: by, run: a?, ready: b?, then, subject }
            }
            kind::MADE => Moment::Made {
                task: slot?,
                by,
                number: ab,
                coroutine: StringId(last as u32),
                place: StringId((last >> 32) as u32),
            },
            kind::NAME => {
                let mut text = [0; PIECE];
                for (bytes, word) in text.chunks_exact_mut(8).zip(&words[1..]) {
                    bytes.copy_from_slice(&word.to_le_bytes());
                }
                Moment::Name(text)
            }
            kind::CANCEL => Moment::Cancel { task: slot?, by, why: StringId(last as u32) },
            kind::CALL => Moment::Call { label: StringId(c), waker: by, run: a?, late: b? },
            kind::TURN => Moment::Turn { run: a?, waited: b?, items: c, ready: d, timers: last as u32 },
            kind::BLOCKED => Moment::Blocked { wall: a?, cpu: b?, task: slot, report: d, over: code != 0 },
            kind::COLLECTED => Moment::Collected { run: a?, generation: code, objects: word as u32 },
            kind::JOB => Moment::Job { label: StringId(c), by, run: a?, waited: b? },
            kind::OBJECT => Moment::Object { object: slot?, op: op?, by, value: word as u32 },
            kind::OBJECT_MADE => Moment::ObjectMade {
                object: slot?,
                kind: *ObjectKind::ALL.get(usize::from(code))?,
                number: ab,
                label: StringId(d),
            },
            kind::CONNECTION => Moment::Connection { fd: c as i32, op: op?, bytes: ab },
            kind::NEVER_RETRIEVED => Moment::NeverRetrieved { task: slot, error: StringId(d) },
            kind::MARK => Moment::Mark(StringId(c)),
            _ => return None,
        };
        Some(Self { at, what })
    }
}

/// A length of time as the file has it: a number, and not below nothing.
fn length(bits: u32) -> Option<f32> {
    let length = f32::from_bits(bits);
    (length.is_finite() && length >= 0.0).then_some(length)
}
