//! One direction of a stream, to be used by another task than the other.

use std::sync::Arc;

use crate::net::io::Io;
use crate::net::stream::{reads, writes};

/// What a stream reads: of `split`.
#[derive(Debug)]
pub struct ReadHalf {
    io: Arc<Io>,
}

/// What a stream writes: of `split`. Dropped, it [shuts down](Self::shutdown) its direction.
#[derive(Debug)]
pub struct WriteHalf {
    io: Arc<Io>,
}

pub(crate) fn split(io: Io) -> (ReadHalf, WriteHalf) {
    let io = Arc::new(io);
    (ReadHalf { io: Arc::clone(&io) }, WriteHalf { io })
}

impl Drop for WriteHalf {
    fn drop(&mut self) {
        // Where there is nobody to be told it does not matter.
        let _ = self.io.shutdown_write();
    }
}

reads!(ReadHalf);
writes!(WriteHalf);
