//! A reading of the loop's clock.

use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

use crate::host;

/// A point in time on the clock of the loop that polls.
///
/// As [`std::time::Instant`], but that it follows a simulated clock. Only readings of the same loop compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    pub(crate) nanos: i64,
}

impl Instant {
    /// What the clock reads now; that of the machine where no loop polls.
    #[must_use]
    pub fn now() -> Self {
        Self { nanos: host::now() }
    }

    /// How long ago that was; nothing if it is to come.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().duration_since(self)
    }

    /// How long after the other this is; nothing if it is before.
    #[must_use]
    pub fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.nanos.saturating_sub(earlier.nanos)).unwrap_or(0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// The sum, or the end of time.
    fn add(self, duration: Duration) -> Self {
        let nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Self { nanos: self.nanos.saturating_add(nanos) }
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// [`duration_since`](Self::duration_since).
    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}
