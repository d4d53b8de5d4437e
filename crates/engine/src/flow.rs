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
    /// The kernel has taken something since the last judgement: only that resumes, and not that the limits
    /// were raised.
    eased: bool,
}

impl Flow {
    /// The kernel has taken some of what waited.
    pub(crate) fn ease(&mut self) {
        self.eased = true;
    }

    /// `full`: the kernel has been offered all of `buffered` and refused it.
    pub(crate) fn judge(&mut self, buffered: usize, full: bool) -> Option<FlowChange> {
        let eased = std::mem::take(&mut self.eased);
        if !self.paused && full && buffered > self.limits.high {
            self.paused = true;
            Some(FlowChange::Pause)
        } else if self.paused && eased && buffered <= self.limits.low {
            self.paused = false;
            Some(FlowChange::Resume)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raised_limits_resume_with_what_the_kernel_takes_next() {
        let mut flow = Flow::default();
        assert_eq!(flow.judge(70_000, true), Some(FlowChange::Pause));
        flow.limits = Limits { high: 1_000_000, low: 100_000 };
        assert_eq!(flow.judge(70_000, true), None);
        flow.ease();
        assert_eq!(flow.judge(69_000, true), Some(FlowChange::Resume));
        assert_eq!(flow.judge(69_000, true), None);
    }

    #[test]
    fn lowered_limits_pause_at_once() {
        let mut flow = Flow::default();
        assert_eq!(flow.judge(70, true), None);
        flow.limits = Limits { high: 0, low: 0 };
        assert_eq!(flow.judge(70, true), Some(FlowChange::Pause));
    }
}
