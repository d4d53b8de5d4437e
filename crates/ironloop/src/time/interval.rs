//! Something that comes again and again.

use std::time::Duration;

use crate::time::{Instant, Sleep, sleep_until};

/// Ticks at once, and then once each period.
///
/// ```
/// use std::time::Duration;
/// use ironloop::time::{Instant, interval};
///
/// ironloop::block_on(async {
///     let begin = Instant::now();
///     let mut clock = interval(Duration::from_millis(2));
///     for _ in 0..3 {
///         clock.tick().await;
///     }
///     assert!(begin.elapsed() >= Duration::from_millis(4));
/// });
/// ```
///
/// # Panics
///
/// If the period is nothing.
#[must_use]
pub fn interval(period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval has to take time");
    Interval { sleep: sleep_until(Instant::now()), period }
}

/// Ticks at regular times. Those that nobody has awaited in time are left out, and the others keep their
/// times.
#[derive(Debug)]
pub struct Interval {
    /// Until the next tick.
    sleep: Sleep,
    period: Duration,
}

impl Interval {
    /// Waits for the next tick, and says when it was due. A tick is not lost if this is dropped before.
    pub async fn tick(&mut self) -> Instant {
        (&mut self.sleep).await;
        let due = self.sleep.deadline();
        let period = self.period.as_nanos();
        let behind = due.elapsed().as_nanos() / period;
        let periods = u32::try_from(behind + 1).unwrap_or(u32::MAX);
        self.sleep.reset(due + self.period.saturating_mul(periods));
        due
    }

    /// From one tick to the next.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }
}
