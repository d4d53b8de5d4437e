//! Whether another write will follow in the same callback.

/// How many writes a connection makes in a row: a head and a body are two.
///
/// The guess is that it does as it did the last time. A wrong one costs the driver a call, and nobody
/// anything that he could see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bursts {
    /// The callback that the burst belongs to.
    callback: u64,
    writes: u32,
    /// Of the burst before.
    expected: u32,
}

impl Bursts {
    /// Counts a write that is made in a callback; true if another is to be expected in it.
    pub fn write(&mut self, callback: u64) -> bool {
        if self.callback != callback {
            self.end();
            self.callback = callback;
        }
        self.writes = self.writes.saturating_add(1);
        self.writes < self.expected
    }

    /// The writer has said that this was all for now (`drain`).
    pub fn end(&mut self) {
        if self.writes > 0 {
            self.expected = std::mem::take(&mut self.writes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Bursts;

    fn burst(bursts: &mut Bursts, callback: u64, writes: usize) -> Vec<bool> {
        (0..writes).map(|_| bursts.write(callback)).collect()
    }

    #[test]
    fn nothing_is_expected_of_a_connection_that_writes_once() {
        let mut bursts = Bursts::default();
        for callback in 1..5 {
            assert_eq!(burst(&mut bursts, callback, 1), [false]);
        }
    }

    #[test]
    fn a_burst_is_expected_to_be_as_long_as_the_one_before() {
        let mut bursts = Bursts::default();
        assert_eq!(burst(&mut bursts, 1, 2), [false, false]);
        assert_eq!(burst(&mut bursts, 2, 2), [true, false]);
        assert_eq!(burst(&mut bursts, 9, 3), [true, false, false]);
        assert_eq!(burst(&mut bursts, 10, 1), [true]);
        assert_eq!(burst(&mut bursts, 11, 2), [false, false]);
    }

    #[test]
    fn a_drain_ends_the_burst() {
        let mut bursts = Bursts::default();
        for _ in 0..3 {
            assert!(!bursts.write(1));
            bursts.end();
            bursts.end();
        }
        assert!(!bursts.write(2));
    }
}
