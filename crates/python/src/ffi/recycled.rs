//! `bytes` whose memory is used again, once nobody else has them. Belongs to a loop's thread.
//!
//! Each message is a `bytes` object, and most are gone when the protocol returns. From some thousand bytes on the C
//! library has no quick list for their memory, and to let go of it and to get it anew takes longer than to copy the
//! message. So the last ones stay here; one of which ours is the only reference is nobody's, and becomes the next.

use pyo3::prelude::*;

use super::blank::Blank;

/// So many messages of any length, whatever else: those that come in one turn, mostly, before the first is done with.
const LEAST_PLACES: usize = 16;

/// More only as long as all of them together have no more than this. A server of streams has a message of each of its
/// connections at once, and what is left over of them is the loop's to keep.
const MOST_KEPT: usize = LEAST_PLACES * LONG;

/// As many others are looked at where the last one is still somebody's: connections that keep theirs until the next has
/// come do not come in a row.
const TRIES: usize = 4;

/// What is shorter the interpreter's own allocator has as quickly.
const LEAST: usize = 480;

/// What is longer is much to keep: there is one place for such.
const LONG: usize = 8 * 1024;

/// What is longer than that takes long to copy anyway. (A slice of TLS is shorter.)
const MOST: usize = 72 * 1024;

/// The last few that were made.
#[derive(Default)]
pub(crate) struct Recycled {
    /// A ring: who is done with one at a time uses the same again and again, who keeps some for a while goes round.
    /// It begins with one place, and grows where all that are looked at are somebody's.
    places: Vec<Option<Blank>>,
    /// The place that was used last.
    recent: usize,
    /// So many bytes are in the ring.
    kept: usize,
    long: Option<Blank>,
}

impl Recycled {
    /// Whether a `bytes` of that length is kept.
    #[inline]
    pub(crate) fn takes(length: usize) -> bool {
        // Who has a reference is not in one number where threads are free.
        !cfg!(Py_GIL_DISABLED) && (LEAST..=MOST).contains(&length)
    }

    /// One to be filled with at most so many bytes; [`keep`](Self::keep) it afterwards.
    #[inline]
    pub(crate) fn blank(&mut self, py: Python<'_>, length: usize) -> PyResult<Blank> {
        let known = if !Self::takes(length) {
            None
        } else if length > LONG {
            take(&mut self.long, length)
        } else {
            self.find(length)
        };
        known.map_or_else(|| Blank::new(py, length), Ok)
    }

    #[inline]
    fn find(&mut self, length: usize) -> Option<Blank> {
        let recent = self.places.get_mut(self.recent)?;
        let found = take(recent, length).or_else(|| {
            (0..TRIES).find_map(|_| {
                self.recent = if self.recent + 1 < self.places.len() { self.recent + 1 } else { 0 };
                take(&mut self.places[self.recent], length)
            })
        })?;
        self.kept -= found.capacity();
        Some(found)
    }

    /// Its memory is the next one's as soon as nobody else has it.
    #[inline]
    pub(crate) fn keep(&mut self, blank: Blank) {
        let length = blank.capacity();
        if !Self::takes(length) {
            return;
        }
        // What goes is a `bytes`: to drop it runs no code of others.
        if length > LONG {
            self.long = Some(blank);
            return;
        }
        self.kept += length;
        match self.places.get_mut(self.recent) {
            Some(place @ None) => *place = Some(blank),
            _ => self.add(blank),
        }
    }

    /// None was free.
    #[cold]
    fn add(&mut self, blank: Blank) {
        if self.places.len() < LEAST_PLACES || self.kept <= MOST_KEPT {
            self.recent = self.places.len();
            self.places.push(Some(blank));
        } else if let Some(before) = self.places[self.recent].replace(blank) {
            self.kept -= before.capacity();
        }
    }
}

#[inline]
fn take(place: &mut Option<Blank>, length: usize) -> Option<Blank> {
    place.take_if(|blank| blank.is_exclusive() && blank.fits(length))
}
