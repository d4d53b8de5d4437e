//! hyper's buffers.

use std::io;
use std::task::Poll;

use hyper::rt::ReadBufCursor;

use super::scratch;

/// Reads into a buffer.
pub(crate) fn fill(
    mut buffer: ReadBufCursor<'_>,
    read: impl FnOnce(&mut [u8]) -> Poll<io::Result<usize>>,
) -> Poll<io::Result<()>> {
    scratch::read(buffer.remaining(), read, |bytes| buffer.put_slice(bytes))
}
