//! When a protocol writes faster than its peer reads.

/// The marks between which a protocol may write: paused above `high`, resumed at or below `low`. In bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub high: usize,
    pub low: usize,
}

impl Default for Limits {
    /// asyncio's.
    fn default() -> Self {
        Self { high: 64 * 1024, low: 16 * 1024 }
    }
}

/// What to tell the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowChange {
    Pause,
    Resume,
}

#[derive(Default)]
pub(crate) struct Flow {
    pub(crate) limits: Limits,
    pub(crate) paused: bool,
}

impl Flow {
    /// `full`: the kernel has been offered all of `buffered` and refused it.
    pub(crate) fn judge(&mut self, buffered: usize, full: bool) -> Option<FlowChange> {
        if !self.paused && full && buffered > self.limits.high {
            self.paused = true;
            Some(FlowChange::Pause)
        } else if self.paused && buffered <= self.limits.low {
            self.paused = false;
            Some(FlowChange::Resume)
        } else {
            None
        }
    }
}
