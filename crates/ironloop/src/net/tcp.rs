//! TCP.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::net::eyeballs;
use crate::net::halves::{self, ReadHalf, WriteHalf};
use crate::net::io::{DRIVER, Io};
use crate::net::lookup::{self, ToAddresses, lookup};
use crate::net::readiness::Side;
use crate::net::stream::{has_descriptor, reads, writes};

/// Connections that wait for [`TcpListener::accept`]; the system may allow fewer.
const BACKLOG: i32 = 4096;

/// A connection. Small segments are sent at once ([`set_nodelay`](Self::set_nodelay)).
#[derive(Debug)]
pub struct TcpStream {
    io: Io,
}

reads!(TcpStream);
writes!(TcpStream);
has_descriptor!(TcpStream);

impl TcpStream {
    /// Connects to the first of the addresses that answers. Where there are several, an attempt is alone for
    /// 250 ms; then the next begins beside it, or at once if it fails ([RFC 8305]).
    ///
    /// [RFC 8305]: https://www.rfc-editor.org/rfc/rfc8305
    ///
    /// # Errors
    ///
    /// That of the address that has failed last.
    pub async fn connect(address: impl ToAddresses) -> io::Result<Self> {
        match lookup(address).await?[..] {
            [only] => Self::connect_to(only).await,
            ref several => eyeballs::race(several.to_vec(), Self::connect_to).await,
        }
    }

    async fn connect_to(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_tcp_nodelay(true)?;
        Ok(Self { io: Io::connect(socket, &address.into()).await? })
    }

    /// A connection of the standard library's, which must have no copy.
    ///
    /// # Errors
    ///
    /// The kernel's, if it is no socket any more.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        Ok(Self { io: Io::new(stream.into())? })
    }

    /// The standard library's. It does not block.
    #[must_use]
    pub fn into_std(self) -> std::net::TcpStream {
        self.io.into_socket().into()
    }

    /// Two halves, for two tasks.
    #[must_use]
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        halves::split(self.io)
    }

    /// Its own address.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        internet(&self.io.socket().local_addr()?)
    }

    /// The peer's address.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](io::ErrorKind::NotConnected) if the peer is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        internet(&self.io.socket().peer_addr()?)
    }

    /// Whether small segments are sent at once.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io.socket().tcp_nodelay()
    }

    /// Whether small segments are to be sent at once, or to wait for an acknowledgement of what was sent.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.io.socket().set_tcp_nodelay(nodelay)
    }
}

/// A socket that takes connections.
#[derive(Debug)]
pub struct TcpListener {
    io: Io,
}

has_descriptor!(TcpListener);

impl TcpListener {
    /// Listens at the first of the addresses that is free. An address that was in use until just now counts
    /// as free.
    ///
    /// # Errors
    ///
    /// That of the last address.
    pub async fn bind(address: impl ToAddresses) -> io::Result<Self> {
        lookup::first(address, async |address| {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            Ok(Self { io: Io::new(socket)? })
        })
        .await
    }

    /// A listener of the standard library's, which must have no copy.
    ///
    /// # Errors
    ///
    /// The kernel's, if it is no socket any more.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        Ok(Self { io: Io::new(listener.into())? })
    }

    /// The next connection, and where it comes from. Several may wait for one.
    ///
    /// # Errors
    ///
    /// The kernel's: of descriptors there are no more, for instance. The listener can go on.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let accepted = accept(&self.io).await?;
        accepted.set_tcp_nodelay(true)?;
        let stream = TcpStream { io: Io::of_nonblocking(accepted) };
        let peer = stream.peer_addr()?;
        Ok((stream, peer))
    }

    /// Its own address.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        internet(&self.io.socket().local_addr()?)
    }
}

/// The next connection of a listener of whatever family that has not gone already.
pub(crate) async fn accept(listener: &Io) -> io::Result<Socket> {
    let take = |fd| loop {
        match DRIVER.accept(fd) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            result => return result.map(|accepted| accepted.socket.into()),
        }
    };
    listener.operate(Side::Read, take).await
}

pub(crate) fn internet(address: &SockAddr) -> io::Result<SocketAddr> {
    address.as_socket().ok_or_else(|| io::Error::other("the socket is of another family"))
}
