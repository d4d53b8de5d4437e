//! Latencies of requests, all kept, so that a percentile is a value that was really measured.

use std::time::Duration;

#[derive(Default)]
pub struct Latencies(Vec<u64>);

impl Latencies {
    pub fn with_capacity(capacity: usize) -> Latencies {
        Latencies(Vec::with_capacity(capacity))
    }

    pub fn record(&mut self, latency: Duration) {
        self.0.push(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Latency in microseconds that `percent` per cent of the requests stayed within (nearest rank); 0 if there is none.
    pub fn percentile(&mut self, percent: usize) -> f64 {
        self.0.sort_unstable();
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).map_or(0.0, |nanoseconds| *nanoseconds as f64 / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_is_the_nearest_rank() {
        let mut latencies = Latencies::default();
        for microseconds in (1..=100).rev() {
            latencies.record(Duration::from_micros(microseconds));
        }
        assert_eq!(latencies.percentile(50), 50.0);
        assert_eq!(latencies.percentile(99), 99.0);
        assert_eq!(latencies.percentile(100), 100.0);
        assert_eq!(Latencies::default().percentile(50), 0.0);
    }
}
