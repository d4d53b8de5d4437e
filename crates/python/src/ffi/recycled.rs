//! `bytes` whose memory is used again, once nobody else has them. Belongs to a loop's thread.
//!
//! Each message is a `bytes` object, and most are gone when the protocol returns. From some thousand bytes on the C
//! library has no quick list for their memory, and to let go of it and to get it anew takes longer than to copy the
//! message. So the last ones stay here; one of which ours is the only reference is nobody's, and becomes the next.

use pyo3::prelude::*;

use super::blank::Blank;

/// The messages that come at once, mostly, before the first is done with.
const PLACES: usize = 16;

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
    places: [Option<Blank>; PLACES],
    /// The place that was used last.
    recent: usize,
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
            take(&mut self.places[self.recent], length).or_else(|| {
                (0..TRIES).find_map(|_| {
                    self.recent = (self.recent + 1) % PLACES;
                    take(&mut self.places[self.recent], length)
                })
            })
        };
        known.map_or_else(|| Blank::new(py, length), Ok)
    }

    /// Its memory is the next one's as soon as nobody else has it.
    #[inline]
    pub(crate) fn keep(&mut self, blank: Blank) {
        let length = blank.capacity();
        if Self::takes(length) {
            let place = if length > LONG { &mut self.long } else { &mut self.places[self.recent] };
            // What goes is a `bytes`: to drop it runs no code of others.
            *place = Some(blank);
        }
    }
}

#[inline]
fn take(place: &mut Option<Blank>, length: usize) -> Option<Blank> {
    place.take_if(|blank| blank.is_exclusive() && blank.fits(length))
}
