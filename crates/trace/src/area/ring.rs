//! The ring of events: where the next one goes, and what the last ones come to in numbers.

use std::sync::atomic::{Ordering, fence};

use super::Area;
use crate::event::{self, Event, Words};
use crate::layout::{EVENT, PAGE, PIECE_OF_RING, at};
use crate::page::Memory;
use crate::tally::Tally;

/// Events that are counted at once, when a turn ends: fewer in a short ring.
pub(super) const COUNTED: u64 = 1 << 12;
/// And when somebody first asks: that takes a millisecond.
const COUNTED_AT_FIRST: u64 = 20_000;

/// Where the next event goes. The ring gets its memory piece by piece, as long as it is in its first round: so a
/// short recording is small, and there is a seam only once the ring has its end.
pub(super) struct Ring {
    /// Its first word.
    pub(super) start: usize,
    /// The next place, and how many there are.
    pub(super) place: usize,
    pub(super) count: usize,
    /// How many there may be; fewer if there is no more memory.
    pub(super) most: usize,
}

impl Area {
    /// What the events say in numbers: of the last ones that the ring has when this is first asked for, and of each
    /// since. (Whoever asks waits meanwhile, and so does the loop.)
    pub fn tally(&mut self) -> &Tally {
        let (head, count) = (self.head, self.ring.count as u64);
        let most = if self.tally.is_none() { count.min(COUNTED_AT_FIRST) } else { count };
        let mut tally = self.tally.take().unwrap_or_default();
        let oldest = head.saturating_sub(most);
        tally.missed += oldest.saturating_sub(tally.next);
        for number in tally.next.max(oldest)..head {
            let start = self.ring.start + (number % count) as usize * event::WORDS;
            let words = &self.memory.mapping.words()[start..start + event::WORDS];
            let words = std::array::from_fn(|place| words[place].load(Ordering::Relaxed));
            if let Some(event) = Event::decode(&words, self.lap) {
                tally.add(&event);
            }
        }
        tally.next = head;
        self.tally.insert(tally)
    }

    #[inline]
    pub(super) fn put(&mut self, words: Words) {
        let start = self.ring.start + self.ring.place * event::WORDS;
        // After the count that says that the event in this place is the oldest.
        fence(Ordering::Release);
        for (place, word) in self.memory.mapping.words()[start..start + event::WORDS].iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
        self.head += 1;
        self.shared.word(at::HEAD).store(self.head, Ordering::Release);
        self.ring.place += 1;
        if self.ring.place == self.ring.count {
            self.lengthen_or_begin_anew();
        }
    }

    #[cold]
    fn lengthen_or_begin_anew(&mut self) {
        let longer = (self.ring.count + PIECE_OF_RING).min(self.ring.most);
        if longer == self.ring.count {
            self.ring.place = 0;
            return;
        }
        let Memory { mapping, layout } = &*self.memory;
        let [start, end] = [self.ring.count, longer].map(|count| layout.ring.start + count * EVENT);
        let reserved = self.file.open().and_then(|file| self.file.reserve(&file, start, end));
        if reserved.is_ok() {
            mapping.touch(start - PAGE, end - start);
            self.ring.count = longer;
            // Before the first event that lies there is counted.
            self.shared.word(at::RING).store(longer as u64, Ordering::Release);
        } else {
            self.ring.most = self.ring.count;
            self.ring.place = 0;
        }
    }
}
