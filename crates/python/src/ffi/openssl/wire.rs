//! What has come from the peer and OpenSSL has not read yet, and what it has written for the peer.
//!
//! Plain memory, which OpenSSL reads and writes through a BIO of ours. It calls with Python's lock and without,
//! but never from two threads at once: an `SSL` belongs to one. The BIO owns it, as an `SSLObject` may outlive
//! the connection.

use std::ptr;

use ironloop_engine::records::{HEADER, record_length};

pub(super) struct Wire {
    /// Ciphertext of ours, the first `read` bytes of which are read.
    kept: Vec<u8>,
    read: usize,
    /// And that of others behind it, as long as they lend it.
    lent: *const u8,
    lent_len: usize,
    out: Vec<u8>,
}

/// Into how much plaintext the records that are whole can turn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// At most so many bytes.
    Records(usize),
    /// What is there is no TLS.
    Nonsense,
}

/// What begins at a place.
enum Record {
    /// Less than a header.
    Unknown,
    /// A record's header, with so many bytes to follow.
    Of(usize),
    Nonsense,
}

impl Wire {
    pub(super) fn new() -> Self {
        Self { kept: Vec::new(), read: 0, lent: ptr::null(), lent_len: 0, out: Vec::new() }
    }

    fn kept(&self) -> &[u8] {
        &self.kept[self.read..]
    }

    fn lent(&self) -> &[u8] {
        if self.lent_len == 0 {
            return &[];
        }
        // SAFETY: who lends it keeps it until it is taken back.
        unsafe { std::slice::from_raw_parts(self.lent, self.lent_len) }
    }

    pub(super) fn len(&self) -> usize {
        self.kept().len() + self.lent_len
    }

    /// Puts the bytes behind what is there.
    ///
    /// # Safety
    /// They are there until [`Self::take_back`].
    pub(super) unsafe fn lend(&mut self, bytes: &[u8]) {
        self.take_back();
        (self.lent, self.lent_len) = (bytes.as_ptr(), bytes.len());
    }

    /// Copies what of lent bytes is not read.
    pub(super) fn take_back(&mut self) {
        if self.read > 0 {
            self.kept.drain(..self.read);
            self.read = 0;
        }
        if self.lent_len > 0 {
            // SAFETY: still lent.
            let lent = unsafe { std::slice::from_raw_parts(self.lent, self.lent_len) };
            self.kept.extend_from_slice(lent);
            (self.lent, self.lent_len) = (ptr::null(), 0);
        } else if self.kept.is_empty() {
            self.kept = Vec::new();
        }
    }

    /// Reads as `read(2)` does.
    pub(super) fn take(&mut self, buffer: &mut [u8]) -> usize {
        let (first, second) = (self.kept(), self.lent());
        let from_first = first.len().min(buffer.len());
        buffer[..from_first].copy_from_slice(&first[..from_first]);
        let rest = &mut buffer[from_first..];
        let from_second = second.len().min(rest.len());
        rest[..from_second].copy_from_slice(&second[..from_second]);
        self.read += from_first;
        self.lent = self.lent.wrapping_add(from_second);
        self.lent_len -= from_second;
        from_first + from_second
    }

    fn byte(&self, at: usize) -> Option<u8> {
        let kept = self.kept();
        kept.get(at).or_else(|| self.lent().get(at.wrapping_sub(kept.len()))).copied()
    }

    fn record(&self, at: usize) -> Record {
        let mut header = [0; HEADER];
        for (place, byte) in header.iter_mut().enumerate() {
            let Some(there) = self.byte(at + place) else { return Record::Unknown };
            *byte = there;
        }
        record_length(header).map_or(Record::Nonsense, Record::Of)
    }

    /// Whether there is a record to be read, or what OpenSSL will call none.
    pub(super) fn has_record(&self) -> bool {
        match self.record(0) {
            Record::Unknown => false,
            Record::Of(len) => self.len() >= HEADER + len,
            Record::Nonsense => true,
        }
    }

    /// The records that are whole, as far as they turn into about `limit` bytes.
    pub(super) fn whole(&self, limit: usize) -> Whole {
        let (mut at, mut sum) = (0, 0);
        while sum < limit {
            match self.record(at) {
                Record::Of(len) if at + HEADER + len <= self.len() => {
                    at += HEADER + len;
                    sum += len;
                }
                Record::Nonsense if at == 0 => return Whole::Nonsense,
                _ => break,
            }
        }
        Whole::Records(sum)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// About so much plaintext will be written, into this room if there is none yet.
    pub(super) fn expect(&mut self, plain: usize, room: Vec<u8>) {
        if self.out.capacity() == 0 {
            self.out = room;
        }
        self.out.reserve(plain + (plain / (1 << 14) + 1) * 64);
    }

    pub(super) fn take_out(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }
}
