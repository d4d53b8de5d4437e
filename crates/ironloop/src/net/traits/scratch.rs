//! A buffer to read into, where the caller's has not been written yet.
//!
//! To make such a one readable costs its whole length each time; a copy costs what has come.

use std::cell::RefCell;
use std::io;
use std::task::Poll;

const MOST: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Reads `room` bytes at most, and passes on what has come.
pub(super) fn read(
    room: usize,
    read: impl FnOnce(&mut [u8]) -> Poll<io::Result<usize>>,
    pass: impl FnOnce(&[u8]),
) -> Poll<io::Result<()>> {
    let room = room.min(MOST);
    // Not borrowed meanwhile: a waker may be called.
    let mut scratch = SCRATCH.take();
    if scratch.len() < room {
        scratch.resize(room, 0);
    }
    let result = read(&mut scratch[..room]).map_ok(|count| pass(&scratch[..count]));
    SCRATCH.replace(scratch);
    result
}
