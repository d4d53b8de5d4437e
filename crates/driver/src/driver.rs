//! What a loop runs on, and what that owes: the one place where it is written down.
//!
//! **A clock** that never runs backwards, in nanoseconds. **A set of watched descriptors** ([`Poller`]) and a wait on it, which ends
//! with an event, with a notification of another thread, with its time (late, never early), or with a signal
//! ([`io::ErrorKind::Interrupted`]). A level is reported as long as it lasts, an edge once each time; an
//! event carries the token that was given with the descriptor, and whether the peer has hung up. **Calls on
//! sockets** that never block ([`io::ErrorKind::WouldBlock`]), that take what there is and say how much, that
//! keep bytes and datagrams in order, and to which a number that is nobody's is an error and no more. Bytes
//! have left the program when a send returns.
//!
//! Reactor and transports ask their loop's driver, and nobody else. There are two kinds: the kernel by epoll,
//! and a [simulated](Simulated) one, whose descriptors are the kernel's and whose time is its own: there
//! sockets of the internet are UNIX sockets in [disguise](crate::disguise). One by
//! io_uring would keep a ring beside its poller.

use std::io::{self, IoSlice};
use std::os::fd::RawFd;
use std::sync::Arc;

use crate::address::{Address, Family};
use crate::event::Events;
use crate::poller::{Poller, Timeout};
use crate::simulated::Simulated;
use crate::socket::{Accepted, Follow};
use crate::{clock, datagram, disguise, socket};

/// What a loop runs on.
#[derive(Clone, Debug, Default)]
pub enum Driver {
    /// Linux: epoll, and system calls.
    #[default]
    Kernel,
    /// The same in a world where time passes when nothing else can happen.
    Simulated(Arc<Simulated>),
}

/// Time and waiting.
impl Driver {
    /// Nanoseconds on the monotonic clock.
    #[must_use]
    #[inline]
    pub fn now(&self) -> i64 {
        match self {
            Self::Kernel => clock::now(),
            Self::Simulated(world) => world.now(),
        }
    }

    /// The world of a simulation.
    #[must_use]
    #[inline]
    pub fn world(&self) -> Option<&Simulated> {
        match self {
            Self::Kernel => None,
            Self::Simulated(world) => Some(world),
        }
    }

    /// A new set of watched descriptors.
    pub fn poller(&self) -> io::Result<Poller> {
        match self {
            Self::Kernel | Self::Simulated(_) => Poller::new(),
        }
    }

    /// Waits for what is watched. The one call that may block: whoever runs Python lets go of it first,
    /// unless the timeout is [`Timeout::Now`].
    #[inline]
    pub fn wait(&self, poller: &Poller, events: &mut Events, timeout: Timeout) -> io::Result<()> {
        match self {
            Self::Kernel => poller.wait(events, timeout),
            Self::Simulated(world) => world.wait(poller, events, timeout),
        }
    }
}

/// Stream sockets.
impl Driver {
    /// Takes one connection off a listening socket. It is non-blocking and not inherited.
    #[inline]
    pub fn accept(&self, listener: RawFd) -> io::Result<Accepted> {
        match self {
            Self::Kernel => socket::accept(listener),
            Self::Simulated(_) => disguise::accept(listener),
        }
    }

    /// Reads into `buffer`; 0 is the end of file.
    #[inline]
    pub fn receive(&self, fd: RawFd, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Kernel => socket::receive(fd, buffer),
            Self::Simulated(world) => world.receive(fd, buffer),
        }
    }

    /// Sends what there is room for. A broken connection is an error and no signal.
    #[inline]
    pub fn send(&self, fd: RawFd, bytes: &[u8], follow: Follow) -> io::Result<usize> {
        match self {
            Self::Kernel => socket::send(fd, bytes, follow),
            Self::Simulated(world) => world.sent(fd, socket::send(fd, bytes, follow)),
        }
    }

    /// The same with several slices in one call, [`socket::MAX_SLICES`] at most.
    #[inline]
    pub fn send_vectored(&self, fd: RawFd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Kernel => socket::send_vectored(fd, slices),
            Self::Simulated(world) => world.sent(fd, socket::send_vectored(fd, slices)),
        }
    }

    /// Lets go of what was sent with [`Follow::More`].
    #[inline]
    pub fn push(&self, fd: RawFd) -> io::Result<()> {
        match self {
            Self::Kernel | Self::Simulated(_) => socket::push(fd),
        }
    }

    /// Tells the peer that nothing more will be sent.
    pub fn shutdown_write(&self, fd: RawFd) -> io::Result<()> {
        match self {
            Self::Kernel | Self::Simulated(_) => socket::shutdown_write(fd),
        }
    }

    /// Sends small segments at once; an error for what is not TCP.
    pub fn set_nodelay(&self, fd: RawFd) -> io::Result<()> {
        match self {
            Self::Kernel | Self::Simulated(_) => socket::set_nodelay(fd),
        }
    }

    /// The socket's own address; `None` where it is of another family.
    pub fn local_address(&self, fd: RawFd) -> io::Result<Option<Address>> {
        match self {
            Self::Kernel => socket::local_address(fd),
            Self::Simulated(_) => disguise::local_address(fd),
        }
    }

    /// The own address of all that a listening socket accepts, where they have one.
    #[must_use]
    pub fn accepted_address(&self, listener: RawFd) -> Option<Address> {
        match self {
            Self::Kernel => socket::accepted_address(listener),
            Self::Simulated(_) => disguise::accepted_address(listener),
        }
    }

    /// The peer's address; `None` where it is of another family.
    pub fn peer_address(&self, fd: RawFd) -> io::Result<Option<Address>> {
        match self {
            Self::Kernel => socket::peer_address(fd),
            Self::Simulated(_) => disguise::peer_address(fd),
        }
    }
}

/// Datagram sockets.
impl Driver {
    /// The family of a socket's addresses; `None` for one that is not known here.
    pub fn family(&self, fd: RawFd) -> io::Result<Option<Family>> {
        match self {
            Self::Kernel => datagram::family(fd),
            Self::Simulated(_) => disguise::family(fd),
        }
    }

    /// Receives one datagram: its length, cut to the buffer's, and where it comes from.
    #[inline]
    pub fn receive_from(&self, fd: RawFd, buffer: &mut [u8]) -> io::Result<(usize, Option<Address>)> {
        match self {
            Self::Kernel => datagram::receive_from(fd, buffer),
            Self::Simulated(_) => disguise::receive_from(fd, buffer),
        }
    }

    /// Sends one datagram whole, or not at all; without an address to the peer that the socket is connected
    /// to.
    #[inline]
    pub fn send_datagram(&self, fd: RawFd, bytes: &[u8], address: Option<&Address>) -> io::Result<()> {
        match (self, address) {
            (Self::Kernel, Some(address)) => datagram::send_to(fd, bytes, address),
            (Self::Kernel, None) => datagram::send(fd, bytes),
            (Self::Simulated(_), address) => disguise::send_datagram(fd, bytes, address),
        }
    }
}
