//! The strings of a file. They stand one after the other and never change: what was read once is kept.

use std::collections::HashMap;

use super::{Unreadable, words};
use crate::layout::WORD;
use crate::strings::{self, LONGEST, StringId};

#[derive(Default)]
pub(super) struct Texts {
    known: HashMap<StringId, String>,
    /// The first word that was not read yet.
    next: usize,
}

impl Texts {
    pub(super) fn get(&self, string: StringId) -> &str {
        self.known.get(&string).map_or("", String::as_str)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (StringId, &str)> {
        self.known.iter().map(|(&number, text)| (number, text.as_str()))
    }

    pub(super) fn read(&mut self, file: &std::fs::File, start: usize, used: usize) -> Result<(), Unreadable> {
        self.next = self.next.max(1);
        if used <= self.next {
            return Ok(());
        }
        let words = words(file, start + self.next * WORD, used - self.next)?;
        let mut place = 0;
        while let Some(&length) = words.get(place) {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let entry = length.div_ceil(WORD);
            if length == 0 || length > LONGEST {
                // Not what a writer writes: nothing after it can be found.
                break;
            }
            let Some(text) = words.get(place + 1..place + 1 + entry) else { break };
            let bytes: Vec<u8> = text.iter().flat_map(|word| word.to_le_bytes()).collect();
            let number = StringId((self.next + place) as u32);
            self.known.insert(number, strings::shown(&bytes[..length]));
            place += 1 + entry;
        }
        self.next = used;
        Ok(())
    }
}
