//! Which Rust future a thread polls, as who polls it has shown by the door's table; read as a stack is.
//!
//! The poll's own thread writes one word. What that leads to may be gone when it is read: all is read by a
//! memory that cannot fault, and counts if the word is the same before and after.

use std::ptr;
use std::sync::atomic::AtomicPtr;

use ironloop_abi::Facts;
use ironloop_frames::Memory;

use crate::ffi::stack_of_others::Eyes;

thread_local! {
    static POLLED: AtomicPtr<Facts> = const { AtomicPtr::new(ptr::null_mut()) };
}

/// The calling thread's word.
pub(crate) fn here() -> *const AtomicPtr<Facts> {
    // Nothing of it is dropped, so it is there until the thread has ended.
    POLLED.with(ptr::from_ref)
}

/// Longer texts are none.
const LONGEST: usize = 1 << 12;
const WORD: usize = size_of::<usize>();

/// A Rust future.
#[derive(Clone)]
pub(super) struct Polled {
    name: String,
    /// Of its type: the crate, the function.
    path: String,
    file: String,
    line: usize,
}

impl Polled {
    /// What is polled by the thread whose word is here.
    pub(super) fn of(eyes: &Eyes, word: usize) -> Option<Self> {
        let memory = &eyes.reader.memory;
        let facts = memory.word(word, 0).filter(|facts| *facts != 0)?;
        let [name, path, file] = [0, 2, 4].map(|place| {
            let at = memory.word(facts, place * WORD)?;
            let length = memory.word(facts, (place + 1) * WORD).filter(|length| *length <= LONGEST)?;
            String::from_utf8(memory.bytes(at, 0, length)?).ok()
        });
        let found = Self { name: name?, path: path?, file: file?, line: memory.word(facts, 6 * WORD)? };
        (memory.word(word, 0) == Some(facts)).then_some(found)
    }

    /// In words, as in the report of slow callbacks.
    pub(super) fn text(&self) -> String {
        let Self { name, path, file, line } = self;
        format!("{name} ({path} {file}:{line})")
    }

    /// As a line of a stack in the loop's file.
    pub(super) fn line(&self) -> String {
        let Self { name, path, file, line } = self;
        format!("Rust {name} ({path})\t{file}\t{line}")
    }
}
