//! Who made a task ready.

/// The row of a task or an object in its table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Slot(pub u32);

impl Slot {
    /// The one that stands for "none": no table is as long.
    pub(crate) const NONE: u32 = u32::MAX;

    pub(crate) fn code(slot: Option<Self>) -> u32 {
        slot.map_or(Self::NONE, |slot| slot.0)
    }

    /// The numbers just below `NONE` are wakers that are no tasks.
    pub(crate) fn from_code(code: u32) -> Option<Self> {
        (code < Waker::FIRST).then_some(Self(code))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Waker {
    Task(Slot),
    /// A timer was due.
    Timer,
    /// The kernel reported a socket or a descriptor.
    Kernel,
    /// Another thread: `call_soon_threadsafe`, an executor's job that is done.
    Thread,
    /// A callback that belongs to no task.
    Callback,
    Unknown,
}

impl Waker {
    const FIRST: u32 = u32::MAX - 4;

    pub(crate) fn code(self) -> u32 {
        match self {
            Self::Task(slot) => slot.0,
            Self::Timer => Self::FIRST,
            Self::Kernel => Self::FIRST + 1,
            Self::Thread => Self::FIRST + 2,
            Self::Callback => Self::FIRST + 3,
            Self::Unknown => Slot::NONE,
        }
    }

    pub(crate) fn from_code(code: u32) -> Self {
        match code {
            Slot::NONE => Self::Unknown,
            code if code < Self::FIRST => Self::Task(Slot(code)),
            code => [Self::Timer, Self::Kernel, Self::Thread, Self::Callback][(code - Self::FIRST) as usize],
        }
    }
}
