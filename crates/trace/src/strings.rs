//! The strings of a file: written once, never moved. An entry is its length in one word and its bytes in the
//! words that follow; its number is the index of the first word, so none is number 0, which is "no string".
//! The writer's side here; it belongs to the loop's thread.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct StringId(pub u32);

impl StringId {
    pub const NONE: Self = Self(0);
}

/// Longer ones are cut off. A reader takes no longer one for a string.
pub(crate) const LONGEST: usize = 1024;

pub(crate) struct Strings {
    known: HashMap<Box<str>, StringId>,
    /// How many words are in use.
    used: usize,
}

impl Strings {
    pub(crate) fn new() -> Self {
        Self { known: HashMap::new(), used: 1 }
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// The number of a string, which is written if it is new; nothing if it does not fit in any more.
    pub(crate) fn number(&mut self, words: &[AtomicU64], text: &str) -> Option<StringId> {
        let text = cut(text, LONGEST);
        if text.is_empty() {
            return Some(StringId::NONE);
        }
        if let Some(&number) = self.known.get(text) {
            return Some(number);
        }
        let entry = words.get(self.used..self.used + 1 + text.len().div_ceil(8))?;
        let number = StringId(u32::try_from(self.used).ok()?);
        entry[0].store(text.len() as u64, Ordering::Relaxed);
        write(&entry[1..], text.as_bytes());
        self.used += entry.len();
        self.known.insert(text.into(), number);
        Some(number)
    }
}

/// Bytes into words, the first one lowest; what is left of the last word is nothing.
pub(crate) fn write(words: &[AtomicU64], bytes: &[u8]) {
    for (word, bytes) in words.iter().zip(bytes.chunks(8)) {
        let mut whole = [0; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        word.store(u64::from_le_bytes(whole), Ordering::Relaxed);
    }
}

/// At most so many bytes of a text, and no piece of a character.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Bytes of a file as a person may see them: what is no UTF-8 or would steer a terminal is replaced.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars()
        .map(|sign| if sign.is_control() && sign != '\n' && sign != '\t' { '\u{b7}' } else { sign })
        .collect()
}
