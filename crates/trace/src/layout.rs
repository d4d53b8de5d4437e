//! Where in the file what is. The page at its beginning is there as long as the loop is; what follows, the
//! area, from the first time that somebody records.
//!
//! ```text
//! page 4 KB | strings | ring | reports | objects … | tasks …
//! ```
//!
//! The two tables are long, and empty for the most part: a stretch of rows gets its memory when it is needed.

use std::ops::Range;

/// The page, and what the area's parts are rounded up to.
pub const PAGE: usize = 4096;
pub const VERSION: u32 = 4;
/// The oldest that is read. What has come since is empty in it.
pub(crate) const OLDEST: u32 = 2;

pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"ironloop");
pub(crate) const WORD: usize = 8;
pub(crate) const EVENT: usize = 32;
pub(crate) const TASK: usize = 128;
pub(crate) const OBJECT: usize = 64;
pub(crate) const REPORT: usize = 2048;

/// Words of the page. Those of one writer, or of one speed, have a cache line (8 words) to themselves.
pub(crate) mod at {
    pub(crate) const MAGIC: usize = 0;
    /// The version, and the page's size above it.
    pub(crate) const VERSION: usize = 1;
    /// The process, and the loop's thread above it, as numbered in the namespace that follows.
    pub(crate) const PROCESS: usize = 2;
    pub(crate) const NAMESPACE: usize = 3;
    pub(crate) const CLOCK: usize = 4;
    /// Three readings: the file's clock, the monotonic clock, the wall's; when the page was made, and later.
    pub(crate) const BORN: usize = 5;
    pub(crate) const CALIBRATION: usize = 8; // sequence, then the three readings
    /// Zero until the loop has ended as it should.
    pub(crate) const ENDED: usize = 12;
    /// Zero, or the clock's reading when this copy was made.
    pub(crate) const SAVED: usize = 13;
    /// Until which second of the monotonic clock somebody wants a recording. The viewers write it.
    pub(crate) const SWITCH: usize = 16;
    /// Twice the number of items that were performed, and one more while the loop sleeps.
    pub(crate) const HEARTBEAT: usize = 24;
    /// The row of the task that runs, and one more.
    pub(crate) const RUNNING: usize = 25;
    /// The last reading of the clock.
    pub(crate) const LAP: usize = 26;
    /// Bytes that came in from sockets, and that went out, of connections that the loop has.
    pub(crate) const RECEIVED: usize = 27;
    pub(crate) const SENT: usize = 28;
    /// Since version 3, as the last recorded turn left it: transports that are open, how many there have been,
    /// and the bytes that wait in them for the kernel.
    pub(crate) const TRANSPORTS: usize = 29;
    pub(crate) const CONNECTIONS: usize = 30;
    pub(crate) const UNSENT: usize = 31;
    pub(crate) const HEAD: usize = 32;
    pub(crate) const STRINGS_USED: usize = 33;
    pub(crate) const TASKS_USED: usize = 34;
    pub(crate) const OBJECTS_USED: usize = 35;
    pub(crate) const TASKS_REFUSED: usize = 36;
    pub(crate) const OBJECTS_REFUSED: usize = 37;
    pub(crate) const STRINGS_REFUSED: usize = 38;
    pub(crate) const TASKS_MADE: usize = 39;
    /// The watchdog's.
    pub(crate) const REPORTS: usize = 40;
    /// Zero: no area. Otherwise one, and one more while it is being written.
    pub(crate) const AREA: usize = 48;
    /// For each part where it begins, in bytes, and how many it holds: strings, ring, reports, objects, tasks.
    pub(crate) const PARTS: usize = 49;
    /// How many events the ring holds by now.
    pub(crate) const RING: usize = PARTS + 3;
    /// Texts: their length in a word, and their bytes.
    pub(crate) const NAME: usize = 64;
    pub(crate) const NAME_WORDS: usize = 16;
    pub(crate) const RUNTIME: usize = 80;
    pub(crate) const RUNTIME_WORDS: usize = 16;
    pub(crate) const PROGRAM: usize = 96;
    pub(crate) const PROGRAM_WORDS: usize = 160;
    /// The last block, for those who did not record: one report in the page's second half.
    pub(crate) const LAST_REPORT: usize = 256;
}

/// How much a file holds.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Events in the ring at most; it takes memory as it needs it, until then. The oldest go when more come.
    pub events: usize,
    /// Rows of tasks at most; they take memory as they are needed, `STRETCH` at a time.
    pub tasks: usize,
    pub objects: usize,
    /// In bytes.
    pub strings: usize,
    pub reports: usize,
}

impl Default for Sizes {
    /// 2 MB to begin with, and up to 10 with the events.
    fn default() -> Self {
        Self { events: 1 << 18, tasks: 1 << 20, objects: 1 << 20, strings: 1 << 20, reports: 64 }
    }
}

impl Sizes {
    /// What this version writes or reads at most: a reader asks for no memory without end because of a number
    /// in a file.
    const MOST: Self =
        Self { events: 1 << 24, tasks: 1 << 22, objects: 1 << 22, strings: 1 << 28, reports: 1 << 12 };

    pub fn with_events(events: usize) -> Self {
        Self { events, ..Self::default() }
    }

    fn rounded(self) -> Self {
        let most = Self::MOST;
        Self {
            events: self.events.clamp(1 << 7, most.events).next_power_of_two(),
            tasks: self.tasks.clamp(STRETCH, most.tasks).next_multiple_of(STRETCH),
            objects: self.objects.clamp(STRETCH, most.objects).next_multiple_of(STRETCH),
            strings: self.strings.clamp(PAGE, most.strings).next_multiple_of(PAGE),
            reports: self.reports.clamp(2, most.reports).next_multiple_of(2),
        }
    }
}

/// Events that get their memory at once: 512 KB.
pub(crate) const PIECE_OF_RING: usize = 1 << 14;

/// Rows that get their memory at once: 256 KB of tasks, 128 KB of objects.
pub(crate) const STRETCH: usize = 2048;

/// One part of the area.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Part {
    /// In bytes, from the file's beginning.
    pub(crate) start: usize,
    /// How many of whatever it holds.
    pub(crate) count: usize,
    /// The bytes of one of them.
    pub(crate) size: usize,
}

impl Part {
    pub(crate) fn end(&self) -> usize {
        self.start + self.count * self.size
    }

    /// Its words among those of the area, which begins after the page.
    pub(crate) fn words(&self) -> Range<usize> {
        (self.start - PAGE) / WORD..(self.end() - PAGE) / WORD
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    pub(crate) strings: Part,
    pub(crate) ring: Part,
    pub(crate) reports: Part,
    pub(crate) objects: Part,
    pub(crate) tasks: Part,
}

impl Layout {
    pub(crate) fn new(sizes: Sizes) -> Self {
        let sizes = sizes.rounded();
        let mut start = PAGE;
        let mut part = |count: usize, size: usize| {
            let part = Part { start, count, size };
            start = part.end();
            part
        };
        Self {
            strings: part(sizes.strings / WORD, WORD),
            ring: part(sizes.events, EVENT),
            reports: part(sizes.reports, REPORT),
            objects: part(sizes.objects, OBJECT),
            tasks: part(sizes.tasks, TASK),
        }
    }

    pub(crate) fn end(&self) -> usize {
        self.tasks.end()
    }

    pub(crate) fn to_words(self) -> [u64; 10] {
        let parts = [self.strings, self.ring, self.reports, self.objects, self.tasks];
        let mut words = [0; 10];
        for (pair, part) in words.chunks_exact_mut(2).zip(parts) {
            pair.copy_from_slice(&[part.start as u64, part.count as u64]);
        }
        words
    }

    /// The layout that a page names, if it is one that can be.
    pub(crate) fn from_words(words: &[u64]) -> Option<Self> {
        let most = Sizes::MOST;
        let kinds = [
            (WORD, most.strings / WORD),
            (EVENT, most.events),
            (REPORT, most.reports),
            (OBJECT, most.objects),
            (TASK, most.tasks),
        ];
        let mut parts = [Part { start: 0, count: 0, size: 0 }; 5];
        let mut free = PAGE;
        for ((part, pair), (size, most)) in parts.iter_mut().zip(words.chunks_exact(2)).zip(kinds) {
            let [start, count] = [pair[0], pair[1]].map(usize::try_from);
            *part = Part { start: start.ok()?, count: count.ok()?, size };
            let sane = part.start >= free && part.start % WORD == 0 && part.start < 1 << 40;
            if !sane || part.count == 0 || part.count > most {
                return None;
            }
            free = part.end();
        }
        let [strings, ring, reports, objects, tasks] = parts;
        Some(Self { strings, ring, reports, objects, tasks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_reads_as_it_was_written_and_keeps_its_parts_on_pages() {
        for sizes in [Sizes::default(), Sizes { events: 1, tasks: 0, objects: 9, strings: 1, reports: 0 }] {
            let layout = Layout::new(sizes);
            assert_eq!(Layout::from_words(&layout.to_words()), Some(layout));
            for part in [layout.ring, layout.reports, layout.objects, layout.tasks] {
                assert_eq!(part.start % PAGE, 0);
            }
        }
    }
}
