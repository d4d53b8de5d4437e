//! How long things took, counted out of the events: by the loop's own thread for its program, by a viewer for
//! others. Lengths are in ticks of the file's clock, as they stand in the events.

use crate::event::{Event, Moment};
use crate::waker::Waker;

/// A power of two is cut into so many parts: a length is known to some 6 %.
const PARTS: u32 = 16;
/// What a float has of a mantissa beyond these.
const SHIFT: u32 = 23 - PARTS.ilog2();
/// Where the parts of one tick begin.
const ONE: u32 = 1_f32.to_bits() >> SHIFT;
/// Parts until 2^56 ticks, and one for what is shorter than a tick.
const LAST: usize = 56 * PARTS as usize;

/// How often which length occurred. The first bits of a float are the number of its part.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    sum: f64,
    most: f32,
}

impl Histogram {
    pub fn add(&mut self, length: f32) {
        if self.counts.is_empty() {
            self.counts = vec![0; LAST + 1];
        }
        self.counts[Self::part(length)] += 1;
        self.count += 1;
        self.sum += f64::from(length.max(0.0));
        self.most = self.most.max(length);
    }

    fn part(length: f32) -> usize {
        if length >= 1.0 { ((length.to_bits() >> SHIFT) - ONE + 1).min(LAST as u32) as usize } else { 0 }
    }

    /// Where a part begins.
    fn begin(part: usize) -> f64 {
        if part == 0 { 0.0 } else { f64::from(f32::from_bits((part as u32 - 1 + ONE) << SHIFT)) }
    }

    fn middle(part: usize) -> f64 {
        f64::midpoint(Self::begin(part), Self::begin(part + 1))
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The longest.
    pub fn most(&self) -> f64 {
        self.most.into()
    }

    /// Each length that occurred, by the middle of its part, and how often it did; the shortest first.
    pub fn parts(&self) -> impl Iterator<Item = (f64, u64)> {
        let parts = self.counts.iter().enumerate().filter(|(_, count)| **count != 0);
        parts.map(|(part, count)| (Self::middle(part).min(self.most()), *count))
    }

    /// How many were at most so long. (To some 3 %: a part counts as its middle.)
    pub fn below(&self, length: f64) -> u64 {
        self.parts().take_while(|(middle, _)| *middle <= length).map(|(_, count)| count).sum()
    }

    /// The length that this share of them does not exceed.
    pub fn quantile(&self, share: f64) -> f64 {
        let wanted = (share.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut passed = 0;
        let mut parts = self.parts();
        let found = parts.find(|(_, count)| {
            passed += count;
            passed >= wanted
        });
        found.map_or(self.most(), |(middle, _)| middle)
    }
}

/// What the events say of steps, of turns and of timers.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// The number of the event that comes next, and how many were gone before a look.
    pub next: u64,
    pub missed: u64,
    /// How long steps ran, and how long their tasks had been ready.
    pub steps: Histogram,
    pub ready: Histogram,
    pub turns: Histogram,
    /// How late callbacks of timers were.
    pub late: Histogram,
    /// After the last turn: what was ready, and the timers that waited.
    pub depth: u32,
    pub timers: u32,
}

impl Tally {
    pub fn add(&mut self, event: &Event) {
        match event.what {
            Moment::Step { run, ready, .. } => {
                self.steps.add(run);
                self.ready.add(ready);
            }
            Moment::Turn { run, ready, timers, .. } => {
                self.turns.add(run);
                (self.depth, self.timers) = (ready, timers);
            }
            Moment::Call { waker: Waker::Timer, late, .. } => self.late.add(late),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_known_to_six_percent() {
        for length in [0.0, 0.5, 1.0, 1.05, 3.0, 1000.0, 123_456_789.0, 4e12] {
            let part = Histogram::part(length);
            let length = f64::from(length);
            assert!((Histogram::begin(part)..Histogram::begin(part + 1)).contains(&length), "{length}");
            assert!(length < 1.0 || Histogram::begin(part + 1) / Histogram::begin(part) < 1.07);
        }
        assert_eq!(Histogram::part(f32::MAX), LAST);
        assert_eq!(Histogram::part(f32::NAN), 0);
    }

    #[test]
    fn quantiles_and_counts_agree() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.count(), histogram.quantile(0.5), histogram.below(1e9)), (0, 0.0, 0));
        for length in 1..=1000 {
            histogram.add(length as f32);
        }
        assert_eq!((histogram.count(), histogram.sum(), histogram.most()), (1000, 500_500.0, 1000.0));
        for share in [0.5, 0.9, 0.99] {
            let found = histogram.quantile(share);
            assert!((found / (share * 1000.0) - 1.0).abs() < 0.05, "{found}");
        }
        assert_eq!(histogram.quantile(1.0), 1000.0);
        assert!(histogram.below(500.0).abs_diff(500) < 30);
        assert_eq!(histogram.below(1e9), 1000);
    }
}
