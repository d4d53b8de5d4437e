//! UDP.

use std::io;
use std::net::SocketAddr;

use ironloop_driver::Address;
use socket2::Socket;

use crate::net::io::{DRIVER, Io};
use crate::net::lookup::{self, ToAddresses};
use crate::net::readiness::Side;
use crate::net::stream::has_descriptor;
use crate::net::tcp::internet;

/// A socket of datagrams. Several tasks may share it: each datagram reaches one of them.
///
/// ```
/// use ironloop::net::UdpSocket;
///
/// # fn main() -> std::io::Result<()> {
/// ironloop::block_on(async {
///     let (asks, answers) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
///     asks.send_to(b"what time is it?", answers.local_addr()?).await?;
///     let mut buffer = [0; 100];
///     let (length, from) = answers.recv_from(&mut buffer).await?;
///     assert_eq!((&buffer[..length], from), (&b"what time is it?"[..], asks.local_addr()?));
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct UdpSocket {
    io: Io,
}

has_descriptor!(UdpSocket);

impl UdpSocket {
    /// Binds it to the first of the addresses that is free.
    ///
    /// # Errors
    ///
    /// That of the last address.
    pub async fn bind(address: impl ToAddresses) -> io::Result<Self> {
        lookup::first(address, async |address| Self::from_std(std::net::UdpSocket::bind(address)?)).await
    }

    /// A socket of the standard library's, which must have no copy.
    ///
    /// # Errors
    ///
    /// The kernel's, if it is no socket any more.
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<Self> {
        Ok(Self { io: Io::new(Socket::from(socket))? })
    }

    /// From now on it sends to this address, and receives from nobody else.
    ///
    /// # Errors
    ///
    /// That of the last address.
    pub async fn connect(&self, address: impl ToAddresses) -> io::Result<()> {
        lookup::first(address, async |address| self.io.socket().connect(&address.into())).await
    }

    /// Receives a datagram, cut to the buffer: its length, and where it comes from.
    ///
    /// # Errors
    ///
    /// The kernel's: some tell of an earlier datagram that nobody has wanted.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self.io.operate(Side::Read, |fd| DRIVER.receive_from(fd, buffer)).await? {
            (length, Some(Address::Internet(from))) => Ok((length, from)),
            _ => Err(io::Error::other("the socket is of another family")),
        }
    }

    /// The same of a socket that is [connected](Self::connect).
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.operate(Side::Read, |fd| DRIVER.receive(fd, buffer)).await
    }

    /// Sends a datagram, whole or not at all.
    ///
    /// # Errors
    ///
    /// The kernel's: it is too long, for instance.
    pub async fn send_to(&self, bytes: &[u8], address: impl ToAddresses) -> io::Result<()> {
        lookup::first(address, async |address| {
            let address = Address::Internet(address);
            self.io.operate(Side::Write, |fd| DRIVER.send_datagram(fd, bytes, Some(&address))).await
        })
        .await
    }

    /// The same to the address that it is [connected](Self::connect) to.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to).
    pub async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.io.operate(Side::Write, |fd| DRIVER.send_datagram(fd, bytes, None)).await
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
