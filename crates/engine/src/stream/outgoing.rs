//! Bytes that wait to be sent.

use std::collections::VecDeque;

/// A queue of chunks, of which the first may be partly sent. No byte is copied.
pub struct Outgoing<C> {
    chunks: VecDeque<C>,
    /// How much of the first chunk is sent.
    sent: usize,
    /// How much of all chunks is not.
    len: usize,
}

impl<C> Default for Outgoing<C> {
    fn default() -> Self {
        Self { chunks: VecDeque::new(), sent: 0, len: 0 }
    }
}

impl<C: AsRef<[u8]>> Outgoing<C> {
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The unsent bytes, if they are all in one chunk, as they mostly are.
    #[must_use]
    pub fn single(&self) -> Option<&[u8]> {
        self.slices().next().filter(|bytes| bytes.len() == self.len)
    }

    /// All but the first `sent` bytes of the chunk, which may be some only if nothing waits before it.
    pub(super) fn push(&mut self, chunk: C, sent: usize) {
        debug_assert!(sent == 0 || self.is_empty());
        let len = chunk.as_ref().len();
        // An empty chunk would be an empty offer.
        if len > sent {
            self.len += len - sent;
            self.sent += sent;
            self.chunks.push_back(chunk);
        }
    }

    /// The chunks, of which none is sent in part.
    pub fn into_chunks(self) -> impl Iterator<Item = C> {
        debug_assert!(self.sent == 0);
        self.chunks.into_iter()
    }

    /// The unsent bytes, in order.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let skip = std::iter::once(self.sent).chain(std::iter::repeat(0));
        self.chunks.iter().zip(skip).map(|(chunk, skip)| &chunk.as_ref()[skip..])
    }

    pub(super) fn advance(&mut self, count: usize) {
        let count = count.min(self.len);
        self.len -= count;
        self.sent += count;
        while let Some(first) = self.chunks.front() {
            let len = first.as_ref().len();
            if self.sent < len {
                break;
            }
            self.sent -= len;
            self.chunks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Outgoing;

    #[test]
    fn a_send_may_end_inside_a_chunk_at_its_end_or_chunks_later() {
        for cut in 0..=6 {
            let mut outgoing = Outgoing::default();
            for chunk in [&b"ab"[..], b"", b"c", b"def"] {
                outgoing.push(chunk, 0);
            }
            outgoing.advance(cut);
            assert_eq!(outgoing.single().is_some(), (3..6).contains(&cut), "cut at {cut}");
            assert_eq!(outgoing.slices().collect::<Vec<_>>().concat(), b"abcdef"[cut..]);
            assert_eq!(outgoing.len(), 6 - cut);
        }
    }
}
