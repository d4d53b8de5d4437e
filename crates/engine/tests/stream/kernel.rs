//! The kernel's end of a socket, and the peer behind it.

/// What a call was answered.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer<T> {
    Done(T),
    WouldBlock,
    Interrupted,
    Broken,
}

#[derive(Clone, Default)]
pub(crate) struct Kernel {
    /// How many bytes it takes before it would block.
    pub(crate) room: usize,
    /// How many sends, and how many receives, a signal interrupts first.
    pub(crate) interrupts: [u32; 2],
    /// The peer has reset the connection: every call fails.
    pub(crate) broken: bool,
    /// Every byte that it took.
    pub(crate) taken: Vec<u8>,
    /// Every byte that the peer sent, and how much of it was received.
    pub(crate) all_arrived: Vec<u8>,
    pub(crate) received: usize,
    pub(crate) peer_ended: bool,
    /// How often the sending side was shut down.
    pub(crate) shutdowns: u32,
}

fn take_one(interrupts: &mut u32) -> bool {
    let interrupted = *interrupts > 0;
    *interrupts = interrupts.saturating_sub(1);
    interrupted
}

impl Kernel {
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Answer<usize> {
        if take_one(&mut self.interrupts[0]) {
            return Answer::Interrupted;
        }
        if self.broken {
            return Answer::Broken;
        }
        assert_eq!(self.shutdowns, 0, "bytes after the end of file");
        let count = bytes.len().min(self.room);
        if count == 0 {
            return Answer::WouldBlock;
        }
        self.room -= count;
        self.taken.extend_from_slice(&bytes[..count]);
        Answer::Done(count)
    }

    /// No bytes are the end of file.
    pub(crate) fn receive(&mut self, size: usize) -> Answer<Vec<u8>> {
        if take_one(&mut self.interrupts[1]) {
            return Answer::Interrupted;
        }
        if self.broken {
            return Answer::Broken;
        }
        let waiting = &self.all_arrived[self.received..];
        if waiting.is_empty() && !self.peer_ended {
            return Answer::WouldBlock;
        }
        let bytes = waiting[..size.min(waiting.len())].to_vec();
        self.received += bytes.len();
        Answer::Done(bytes)
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.broken || self.peer_ended || self.received < self.all_arrived.len()
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.broken || self.room > 0
    }
}
