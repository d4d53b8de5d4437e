//! TLS records, told from each other by their headers.

/// The header of a record: its kind, two bytes of version, two of length.
pub const HEADER: usize = 5;

/// A record is never longer: 2^14 bytes, and what TLS 1.2 may add.
const LONGEST: usize = (1 << 14) + 2048;

/// How long what follows a header is, if it is a record's.
#[must_use]
pub fn record_length(header: [u8; HEADER]) -> Option<usize> {
    let [kind, major, _, high, low] = header;
    let length = usize::from(high) << 8 | usize::from(low);
    ((20..=24).contains(&kind) && major == 3 && length <= LONGEST).then_some(length)
}

/// How far the records that came are whole, counted in bytes since the beginning. Whoever reads them knows how
/// many bytes are left.
#[derive(Default)]
pub struct Records {
    came: u64,
    /// The end of the last record that is whole.
    whole: u64,
    /// The header behind it, as far as it is there.
    header: [u8; HEADER],
    /// The end of the record that is on its way, once its header is there.
    end: Option<u64>,
    /// What comes is no TLS, which OpenSSL will say.
    nonsense: bool,
}

impl Records {
    /// Bytes have come.
    pub fn came(&mut self, bytes: &[u8]) {
        let from = self.came;
        self.came += bytes.len() as u64;
        while !self.nonsense {
            if self.end.is_none() {
                let there = self.came - self.whole;
                // Those of the header that are new.
                for place in from.saturating_sub(self.whole)..there.min(HEADER as u64) {
                    self.header[place as usize] = bytes[(self.whole + place - from) as usize];
                }
                if there < HEADER as u64 {
                    return;
                }
                match record_length(self.header) {
                    Some(length) => self.end = Some(self.whole + (HEADER + length) as u64),
                    None => self.nonsense = true,
                }
            }
            match self.end {
                Some(end) if end <= self.came => (self.whole, self.end) = (end, None),
                _ => return,
            }
        }
    }

    /// How much of whole records waits, if so many bytes do.
    #[must_use]
    pub fn waiting(&self, pending: usize) -> usize {
        if self.nonsense {
            return pending;
        }
        self.whole.saturating_sub(self.came - pending as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(length: usize) -> Vec<u8> {
        let mut record = vec![23, 3, 3, (length >> 8) as u8, length as u8];
        record.resize(HEADER + length, 0);
        record
    }

    #[test]
    fn records_are_whole_however_they_come() {
        let all = [record(3), record(0), record(300), record(1)].concat();
        for piece in 1..all.len() {
            let mut records = Records::default();
            for bytes in all.chunks(piece) {
                records.came(bytes);
                let came = records.came as usize;
                let whole = [8, 13, 318, 324].into_iter().filter(|end| *end <= came).max().unwrap_or(0);
                assert_eq!(records.waiting(came), whole, "in pieces of {piece}, after {came}");
                assert_eq!(records.waiting(came - whole), 0);
            }
        }
    }

    #[test]
    fn what_is_no_record_is_for_openssl_to_say() {
        let mut records = Records::default();
        records.came(&record(2));
        records.came(b"GET / HTTP/1.1\r\n");
        assert_eq!(records.waiting(16), 16);
    }
}
