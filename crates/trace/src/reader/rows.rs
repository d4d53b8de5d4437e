//! Rows of a table, each of which is one that its writer has finished.

use super::{Unreadable, exact, word_of};
use crate::layout::{Part, WORD};
use crate::waker::Slot;

pub(super) struct Rows {
    words: Vec<u64>,
    size: usize,
    pub(super) torn: usize,
}

/// How often a row is read that changes all the time.
const LOOKS: usize = 200;

pub(super) fn read(file: &std::fs::File, part: &Part, used: usize) -> Result<Rows, Unreadable> {
    let used = used.min(part.count);
    let mut once = vec![0; used * part.size];
    exact(file, &mut once, part.start)?;
    let mut twice = vec![0; used * part.size];
    exact(file, &mut twice, part.start)?;
    let mut torn = 0;
    let pairs = once.chunks_exact_mut(part.size).zip(twice.chunks_exact_mut(part.size));
    for (index, (row, again)) in pairs.enumerate() {
        let mut looks = 0;
        while row != again || word_of(&row[..4]) % 2 == 1 {
            if looks == LOOKS {
                torn += 1;
                break;
            }
            looks += 1;
            row.copy_from_slice(again);
            exact(file, again, part.start + index * part.size)?;
        }
    }
    Ok(Rows { words: once.chunks_exact(WORD).map(word_of).collect(), size: part.size / WORD, torn })
}

impl Rows {
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &[u64])> {
        self.words.chunks_exact(self.size).enumerate().map(|(index, words)| (Slot(index as u32), words))
    }
}
