//! UNIX sockets.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{self as std_net, SocketAddr};
use std::path::Path;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::net::halves::{self, ReadHalf, WriteHalf};
use crate::net::io::Io;
use crate::net::stream::{has_descriptor, reads, writes};
use crate::net::tcp::accept;

/// A connection on this machine, by a path.
#[derive(Debug)]
pub struct UnixStream {
    io: Io,
}

reads!(UnixStream);
writes!(UnixStream);
has_descriptor!(UnixStream);

impl UnixStream {
    /// Connects to whoever listens at a path.
    ///
    /// # Errors
    ///
    /// The kernel's; [`WouldBlock`](io::ErrorKind::WouldBlock) if too many wait there already.
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        Ok(Self { io: Io::connect(socket, &SockAddr::unix(path)?).await? })
    }

    /// Two that are connected to each other.
    ///
    /// # Errors
    ///
    /// The kernel's: there are no descriptors left.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (left, right) = std_net::UnixStream::pair()?;
        Ok((Self::from_std(left)?, Self::from_std(right)?))
    }

    /// A connection of the standard library's, which must have no copy.
    ///
    /// # Errors
    ///
    /// The kernel's, if it is no socket any more.
    pub fn from_std(stream: std_net::UnixStream) -> io::Result<Self> {
        Ok(Self { io: Io::new(OwnedFd::from(stream).into())? })
    }

    /// The standard library's. It does not block.
    #[must_use]
    pub fn into_std(self) -> std_net::UnixStream {
        OwnedFd::from(self.io.into_socket()).into()
    }

    /// Two halves, for two tasks.
    #[must_use]
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        halves::split(self.io)
    }

    /// Its own address, which mostly has no name.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        unix(&self.io.socket().local_addr()?)
    }

    /// The peer's address.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](io::ErrorKind::NotConnected) if the peer is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        unix(&self.io.socket().peer_addr()?)
    }
}

/// A socket that takes connections at a path. The file stays when it is dropped.
#[derive(Debug)]
pub struct UnixListener {
    io: Io,
}

has_descriptor!(UnixListener);

impl UnixListener {
    /// Listens at a path where nothing is yet.
    ///
    /// # Errors
    ///
    /// The kernel's; [`AddrInUse`](io::ErrorKind::AddrInUse) if something is there.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::from_std(std_net::UnixListener::bind(path)?)
    }

    /// A listener of the standard library's, which must have no copy.
    ///
    /// # Errors
    ///
    /// The kernel's, if it is no socket any more.
    pub fn from_std(listener: std_net::UnixListener) -> io::Result<Self> {
        Ok(Self { io: Io::new(OwnedFd::from(listener).into())? })
    }

    /// The next connection, and where it comes from. Several may wait for one.
    ///
    /// # Errors
    ///
    /// The kernel's: of descriptors there are no more, for instance. The listener can go on.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let stream = UnixStream { io: Io::of_nonblocking(accept(&self.io).await?) };
        let peer = stream.peer_addr()?;
        Ok((stream, peer))
    }

    /// Its own address.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        unix(&self.io.socket().local_addr()?)
    }
}

fn unix(address: &SockAddr) -> io::Result<SocketAddr> {
    if address.is_unnamed() {
        return SocketAddr::from_pathname("");
    }
    address.as_unix().ok_or_else(|| io::Error::other("the socket is of another family"))
}
