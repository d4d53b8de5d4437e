//! The states of a task, in the words of a guide to async/await, and what a suspended one waits for.
//!
//! ```text
//! READY --resumed--> RUNNING --suspends--> SUSPENDED(reason) --woken--> READY
//!                    RUNNING --yields--> READY      RUNNING --ends--> COMPLETED(outcome)
//! ```
//!
//! A state is one byte in the file, and what it is about one word.

use crate::strings::StringId;
use crate::waker::{Slot, Waker};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    Ready,
    Running,
    Suspended(Reason),
    Completed(Outcome),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    Result,
    Error,
    Cancelled,
}

macro_rules! reasons {
    ($($name:ident $word:literal,)*) => {
        /// What a suspended task waits for. A new one goes to the end: the order is the file's.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Reason { $($name,)* }

        impl Reason {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As people read it, after "waits for".
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

reasons! {
    Sleep "sleep",
    Timeout "timeout",
    Future "future",
    Task "task",
    Group "group of tasks",
    QueueGet "queue get",
    QueuePut "queue put",
    QueueJoin "queue join",
    Lock "lock",
    Semaphore "semaphore",
    Event "event",
    Condition "condition",
    Barrier "barrier",
    SocketRead "socket read",
    SocketWrite "socket write",
    SocketConnect "socket connect",
    SocketAccept "socket accept",
    StreamRead "stream read",
    StreamWrite "stream write",
    Executor "executor job",
    Subprocess "subprocess",
    Other "other",
    Rust "Rust",
}

impl State {
    const COMPLETED: u8 = 3;
    const SUSPENDED: u8 = 16;

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Ready => 1,
            Self::Running => 2,
            Self::Completed(outcome) => Self::COMPLETED + outcome as u8,
            Self::Suspended(reason) => Self::SUSPENDED + reason as u8,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Ready),
            2 => Some(Self::Running),
            3..=5 => {
                let outcomes = [Outcome::Result, Outcome::Error, Outcome::Cancelled];
                Some(Self::Completed(outcomes[usize::from(code - Self::COMPLETED)]))
            }
            Self::SUSPENDED.. => {
                Reason::ALL.get(usize::from(code - Self::SUSPENDED)).copied().map(Self::Suspended)
            }
            _ => None,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "READY",
            Self::Running => "RUNNING",
            Self::Suspended(_) => "SUSPENDED",
            Self::Completed(_) => "COMPLETED",
        }
    }

    pub fn is_completed(self) -> bool {
        matches!(self, Self::Completed(_))
    }
}

impl Outcome {
    pub fn word(self) -> &'static str {
        match self {
            Self::Result => "result",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What a state is about. Which one it can be follows from the state, so the file has the number alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    Nothing,
    /// Of READY: who woke it.
    Woken(Waker),
    /// Of a sleep or a timeout: the clock's reading when it ends.
    Until(u64),
    Task(Slot),
    /// A lock, a queue, a group: its row; and a queue's length, a semaphore's value.
    Object(Slot, u32),
    /// A socket's or a stream's descriptor.
    Descriptor(i32),
    /// A child's process number.
    Process(u32),
    /// Whatever else has a name: the class of a future, the function of a job.
    Named(StringId),
}

impl Subject {
    const NUMBER: u64 = (1 << 33) - 1;
    /// The longest queue that is told apart from longer ones.
    const MOST: u32 = (1 << 23) - 1;

    /// 56 bits, as a moment is.
    pub(crate) fn code(self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Woken(waker) => 1 + u64::from(waker.code()),
            Self::Until(ticks) => ticks & MOMENT,
            Self::Task(slot) => 1 + u64::from(slot.0),
            Self::Object(slot, value) => (1 + u64::from(slot.0)) | u64::from(value.min(Self::MOST)) << 33,
            Self::Descriptor(fd) => 1 + u64::from(fd as u32),
            Self::Process(number) => 1 + u64::from(number),
            Self::Named(string) => u64::from(string.0),
        }
    }

    /// `near` is a moment that is less than half a round of 56 bits away.
    pub(crate) fn from_code(state: State, code: u64, near: u64) -> Self {
        use Reason as R;
        if code == 0 {
            return Self::Nothing;
        }
        let number = (code & Self::NUMBER).wrapping_sub(1) as u32;
        match state {
            State::Ready => Self::Woken(Waker::from_code(number)),
            State::Running | State::Completed(_) => Self::Nothing,
            State::Suspended(reason) => match reason {
                R::Sleep | R::Timeout => Self::Until(moment(code, near)),
                R::Task => Slot::from_code(number).map_or(Self::Nothing, Self::Task),
                R::SocketRead | R::SocketWrite | R::SocketConnect | R::SocketAccept => {
                    Self::Descriptor(number as i32)
                }
                R::StreamRead | R::StreamWrite => Self::Descriptor(number as i32),
                R::Subprocess => Self::Process(number),
                R::Future | R::Executor | R::Other | R::Rust => Self::Named(StringId(code as u32)),
                R::Group | R::QueueGet | R::QueuePut | R::QueueJoin => Self::object(number, code),
                R::Lock | R::Semaphore | R::Event | R::Condition | R::Barrier => Self::object(number, code),
            },
        }
    }

    fn object(number: u32, code: u64) -> Self {
        Slot::from_code(number).map_or(Self::Nothing, |slot| Self::Object(slot, (code >> 33) as u32))
    }
}

/// What a word keeps of a moment, beside eight bits of something else.
pub(crate) const MOMENT: u64 = (1 << 56) - 1;

/// The whole moment again, which is `near` (139 days to either side at 3 GHz).
pub(crate) fn moment(kept: u64, near: u64) -> u64 {
    let ahead = kept.wrapping_sub(near) << 8;
    near.wrapping_add_signed((ahead as i64) >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_reads_as_it_was_written() {
        for code in 0..=u8::MAX {
            if let Some(state) = State::from_code(code) {
                assert_eq!(state.code(), code);
            }
        }
        for &reason in Reason::ALL {
            assert_eq!(State::from_code(State::Suspended(reason).code()), Some(State::Suspended(reason)));
        }
    }

    #[test]
    fn a_moment_is_found_again_on_both_sides_of_a_round() {
        for near in [0, 5, MOMENT - 1, MOMENT + 1, u64::MAX >> 1] {
            for far in [0_i64, 1, -1, 1 << 54, -(1 << 54)] {
                let whole = near.wrapping_add_signed(far);
                assert_eq!(moment(whole & MOMENT, near), whole);
            }
        }
    }

    #[test]
    fn a_subject_reads_as_it_was_written() {
        let held = [
            (State::Ready, Subject::Woken(Waker::Unknown)),
            (State::Ready, Subject::Woken(Waker::Task(Slot(7)))),
            (State::Suspended(Reason::Sleep), Subject::Until(MOMENT + 17)),
            (State::Suspended(Reason::Task), Subject::Task(Slot(0))),
            (State::Suspended(Reason::QueuePut), Subject::Object(Slot(3), Subject::MOST)),
            (State::Suspended(Reason::SocketRead), Subject::Descriptor(0)),
            (State::Suspended(Reason::Subprocess), Subject::Process(4711)),
            (State::Suspended(Reason::Other), Subject::Named(StringId(12))),
            (State::Suspended(Reason::Rust), Subject::Named(StringId(13))),
            (State::Suspended(Reason::Lock), Subject::Nothing),
        ];
        for (state, subject) in held {
            assert_eq!(Subject::from_code(state, subject.code(), MOMENT - 5), subject);
        }
    }
}
