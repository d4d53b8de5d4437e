//! The loop's clock: `CLOCK_MONOTONIC`, the one that Python's `time.monotonic()` reads.

use crate::sys;

/// Nanoseconds on the monotonic clock.
#[must_use]
pub fn now() -> i64 {
    sys::clock::monotonic()
}

#[cfg(test)]
mod tests {
    #[test]
    fn time_does_not_run_backwards() {
        let first = super::now();
        assert!(super::now() >= first);
    }
}
