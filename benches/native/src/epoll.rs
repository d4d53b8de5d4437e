//! A level-triggered epoll instance. Tokens are chosen by the caller; a descriptor that is closed leaves by itself.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use crate::sys::{self, epoll_event};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    Read,
    Write,
    ReadWrite,
}

impl Interest {
    fn bits(self) -> u32 {
        let bits = match self {
            Interest::Read => libc::EPOLLIN,
            Interest::Write => libc::EPOLLOUT,
            Interest::ReadWrite => libc::EPOLLIN | libc::EPOLLOUT,
        };
        bits.cast_unsigned()
    }
}

pub struct Epoll {
    fd: OwnedFd,
    events: Vec<epoll_event>,
}

/// What happened to one descriptor. A hang-up or an error counts as both: the next call on the descriptor reports it.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    pub token: usize,
    pub readable: bool,
    pub writable: bool,
}

impl Epoll {
    pub fn new() -> io::Result<Epoll> {
        Ok(Epoll { fd: sys::epoll_create()?, events: vec![epoll_event { events: 0, u64: 0 }; 1024] })
    }

    pub fn add(&self, source: &impl AsRawFd, token: usize, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, source, token, interest)
    }

    pub fn change(&self, source: &impl AsRawFd, token: usize, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, source, token, interest)
    }

    fn control(
        &self,
        operation: i32,
        source: &impl AsRawFd,
        token: usize,
        interest: Interest,
    ) -> io::Result<()> {
        let event = epoll_event { events: interest.bits(), u64: token as u64 };
        sys::epoll_ctl(&self.fd, operation, source.as_raw_fd(), event)
    }

    /// Waits until something is ready and returns how many events there are; `timeout` None waits for ever.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let milliseconds = match timeout {
            None => -1,
            // Rounded up, so that a caller who waits for a deadline does not spin through its last millisecond.
            Some(timeout) => i32::try_from(timeout.as_millis() + 1).unwrap_or(i32::MAX),
        };
        loop {
            match sys::epoll_wait(&self.fd, &mut self.events, milliseconds) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// The event at `index`, below what `wait` returned.
    pub fn event(&self, index: usize) -> Ready {
        let event = self.events[index];
        let failed = (libc::EPOLLHUP | libc::EPOLLERR).cast_unsigned();
        let has = |bit: i32| event.events & (bit.cast_unsigned() | failed) != 0;
        Ready { token: event.u64 as usize, readable: has(libc::EPOLLIN), writable: has(libc::EPOLLOUT) }
    }
}
