//! Calls on non-blocking stream sockets. Each takes a raw descriptor, because Python may own it; a stale one
//! is an error.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{OwnedFd, RawFd};

use crate::address::Address;
use crate::sys::socket as sys;

/// The most slices that one vectored send takes; a longer list is cut.
pub const MAX_SLICES: usize = 64;

/// A new connection and the peer's address, if it is of a known family.
pub struct Accepted {
    pub socket: OwnedFd,
    pub peer: Option<Address>,
}

/// Takes one connection off a listening socket. It is non-blocking and not inherited.
pub fn accept(listener: RawFd) -> io::Result<Accepted> {
    sys::accept(listener)
}

/// Whether accepting failed for want of descriptors or memory: it may go better in a while.
#[must_use]
pub fn is_exhausted(error: &io::Error) -> bool {
    sys::is_exhausted(error)
}

/// What each call here gives for a number that is nobody's.
#[must_use]
pub fn stale() -> io::Error {
    sys::stale()
}

/// Reads into `buffer`; 0 is the end of file.
pub fn receive(fd: RawFd, buffer: &mut [u8]) -> io::Result<usize> {
    sys::receive(fd, buffer)
}

/// Whether more bytes are about to follow those that are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    Nothing,
    /// The kernel may wait with what does not fill a segment: until the next send, [`push`], an answer of the
    /// peer's, the end of the connection, or about a fifth of a second. Sockets that are not TCP send at once
    /// all the same.
    More,
}

/// Sends what the kernel has room for. A broken connection is an error and no signal.
pub fn send(fd: RawFd, bytes: &[u8], follow: Follow) -> io::Result<usize> {
    sys::send(fd, bytes, follow == Follow::More)
}

/// Lets go of what the kernel has waited with, unless the owner of the socket has told it to wait himself
/// (`TCP_CORK`).
pub fn push(fd: RawFd) -> io::Result<()> {
    if sys::is_corked(fd)? { Ok(()) } else { sys::uncork(fd) }
}

/// The same with several slices in one call.
pub fn send_vectored(fd: RawFd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    match slices {
        [only] => sys::send(fd, only, false),
        many => sys::send_vectored(fd, &many[..many.len().min(MAX_SLICES)]),
    }
}

/// Tells the peer that nothing more will be sent.
pub fn shutdown_write(fd: RawFd) -> io::Result<()> {
    sys::shutdown_write(fd)
}

/// Sends small segments at once (`TCP_NODELAY`).
pub fn set_nodelay(fd: RawFd) -> io::Result<()> {
    sys::set_nodelay(fd)
}

/// The socket's own address; `None` where it is of another family.
pub fn local_address(fd: RawFd) -> io::Result<Option<Address>> {
    sys::local_address(fd)
}

/// The own address of all that a listening socket accepts: its own, unless it is one of many (`0.0.0.0`), or
/// the kernel may hand it connections to other addresses (`IP_TRANSPARENT`).
#[must_use]
pub fn accepted_address(listener: RawFd) -> Option<Address> {
    let address = local_address(listener).ok()??;
    let is_one = match &address {
        Address::Internet(SocketAddr::V4(v4)) => !v4.ip().is_unspecified(),
        // The scope of a link is that of the connection.
        Address::Internet(SocketAddr::V6(v6)) => {
            !v6.ip().to_canonical().is_unspecified() && v6.scope_id() == 0
        }
        Address::Unix(_) => return Some(address),
    };
    let serves_itself = sys::is_transparent(listener, address.family()).is_ok_and(|others| !others);
    (is_one && serves_itself).then_some(address)
}

/// The peer's address; `None` where it is of another family.
pub fn peer_address(fd: RawFd) -> io::Result<Option<Address>> {
    sys::peer_address(fd)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use super::*;

    /// [`receive`], once there is something: what was sent may still be on its way.
    fn receive_some(fd: RawFd, buffer: &mut [u8]) -> usize {
        loop {
            match receive(fd, buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                result => return result.unwrap(),
            }
        }
    }

    #[test]
    fn a_connection_is_accepted_and_carries_bytes_both_ways() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let accepted = accept(listener.as_raw_fd()).unwrap();
        assert_eq!(accepted.peer, Some(Address::Internet(client.local_addr().unwrap())));
        let server = accepted.socket.as_raw_fd();
        set_nodelay(server).unwrap();
        let own = Address::Internet(listener.local_addr().unwrap());
        assert_eq!(local_address(server).unwrap(), Some(own));

        let parts = [IoSlice::new(b"ab"), IoSlice::new(b"cd")];
        assert_eq!(send_vectored(client.as_raw_fd(), &parts).unwrap(), 4);
        let mut buffer = [0; 8];
        assert_eq!(receive_some(server, &mut buffer), 4);
        assert_eq!(&buffer[..4], b"abcd");
        assert_eq!(receive(server, &mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);

        assert_eq!(accepted_address(listener.as_raw_fd()), local_address(server).unwrap());

        shutdown_write(client.as_raw_fd()).unwrap();
        assert_eq!(receive_some(server, &mut [0; 1]), 0);
    }

    #[test]
    fn what_is_accepted_from_many_addresses_has_none_in_common() {
        for many in ["0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0"] {
            // Not every machine has IPv6.
            let Ok(listener) = TcpListener::bind(many) else { continue };
            assert_eq!(accepted_address(listener.as_raw_fd()), None);
        }
        assert_eq!(accepted_address(-1), None);
    }

    #[test]
    fn what_the_kernel_waits_with_goes_out_with_a_push_or_the_next_send() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let accepted = accept(listener.as_raw_fd()).unwrap();
        let (server, client) = (accepted.socket.as_raw_fd(), client.as_raw_fd());
        set_nodelay(client).unwrap();
        let mut buffer = [0; 8];

        assert_eq!(send(client, b"head", Follow::More).unwrap(), 4);
        assert_eq!(send(client, b"body", Follow::Nothing).unwrap(), 4);
        assert_eq!(receive_some(server, &mut buffer), 8);
        assert_eq!(&buffer, b"headbody");

        assert_eq!(send(client, b"head", Follow::More).unwrap(), 4);
        push(client).unwrap();
        assert_eq!(receive_some(server, &mut buffer), 4);
    }

    #[test]
    fn a_stale_descriptor_is_an_error() {
        assert!(receive(-1, &mut [0; 1]).is_err());
        assert!(send(-1, b"x", Follow::Nothing).is_err());
        assert!(push(-1).is_err());
        assert!(accept(-1).is_err());
    }
}
