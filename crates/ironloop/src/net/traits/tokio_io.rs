//! Tokio's buffers.

use std::io;
use std::task::{Poll, ready};

use tokio::io::ReadBuf;

use super::scratch;

/// Reads into a buffer.
pub(crate) fn fill(
    buffer: &mut ReadBuf<'_>,
    read: impl FnOnce(&mut [u8]) -> Poll<io::Result<usize>>,
) -> Poll<io::Result<()>> {
    if buffer.initialized().len() < buffer.capacity() {
        return scratch::read(buffer.remaining(), read, |bytes| buffer.put_slice(bytes));
    }
    let count = ready!(read(buffer.initialize_unfilled()))?;
    buffer.advance(count);
    Poll::Ready(Ok(()))
}
