//! Non-blocking calls on datagram sockets, whatever the socket's own mode. A stale descriptor is an error.

use std::io;
use std::os::fd::RawFd;

use crate::address::{Address, Family};
use crate::sys::socket as sys;

/// The family of a socket's addresses; `None` for one that is not known here.
pub fn family(fd: RawFd) -> io::Result<Option<Family>> {
    sys::family(fd)
}

/// Receives one datagram: its length, cut to the buffer's, and where it comes from. `None`: from a socket
/// without a name.
pub fn receive_from(fd: RawFd, buffer: &mut [u8]) -> io::Result<(usize, Option<Address>)> {
    sys::receive_from(fd, buffer)
}

/// Sends one datagram whole, or not at all.
pub fn send_to(fd: RawFd, bytes: &[u8], address: &Address) -> io::Result<()> {
    sys::send_to(fd, bytes, address)
}

/// The same to the peer that the socket is connected to.
pub fn send(fd: RawFd, bytes: &[u8]) -> io::Result<()> {
    sys::send_whole(fd, bytes)
}

#[cfg(test)]
mod tests {
    use crate::UnixName;
    use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
    use std::os::fd::AsRawFd;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram};

    use super::*;

    /// [`receive_from`], once there is something: what was sent may still be on its way.
    fn receive_some(socket: &impl AsRawFd) -> (Vec<u8>, Option<Address>) {
        let mut buffer = [0; 100];
        loop {
            match receive_from(socket.as_raw_fd(), &mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                result => {
                    let (count, address) = result.unwrap();
                    return (buffer[..count].to_vec(), address);
                }
            }
        }
    }

    fn both_ways(left: &UdpSocket, right: &UdpSocket) {
        let addresses = [left, right].map(|socket| Address::Internet(socket.local_addr().unwrap()));
        send_to(left.as_raw_fd(), b"question", &addresses[1]).unwrap();
        assert_eq!(receive_some(right), (b"question".to_vec(), Some(addresses[0].clone())));
        left.connect(right.local_addr().unwrap()).unwrap();
        send(left.as_raw_fd(), b"").unwrap();
        assert_eq!(receive_some(right), (Vec::new(), Some(addresses[0].clone())));
        send_to(right.as_raw_fd(), b"answer", &addresses[0]).unwrap();
        assert_eq!(receive_some(left), (b"answer".to_vec(), Some(addresses[1].clone())));
        // Blocking sockets, but the calls do not block.
        let error = receive_from(left.as_raw_fd(), &mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn internet_datagrams_carry_their_addresses() {
        let bind = || UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = bind();
        assert_eq!(family(socket.as_raw_fd()).unwrap(), Some(Family::V4));
        both_ways(&socket, &bind());
        // Not every machine has the other kind.
        let any = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0);
        if let (Ok(left), Ok(right)) = (UdpSocket::bind(any), UdpSocket::bind(any)) {
            assert_eq!(family(left.as_raw_fd()).unwrap(), Some(Family::V6));
            both_ways(&left, &right);
        }
    }

    #[test]
    fn unix_datagrams_carry_abstract_names_and_none() {
        let name = format!("ironloop-driver-{}", std::process::id());
        let named = UnixDatagram::bind_addr(&UnixAddr::from_abstract_name(&name).unwrap()).unwrap();
        let unnamed = UnixDatagram::unbound().unwrap();
        assert_eq!(family(named.as_raw_fd()).unwrap(), Some(Family::Unix));
        let address = Address::Unix(UnixName::new(format!("\0{name}").into_bytes()).unwrap());
        send_to(unnamed.as_raw_fd(), b"x", &address).unwrap();
        assert_eq!(receive_some(&named), (b"x".to_vec(), None));
        send_to(named.as_raw_fd(), b"to itself", &address).unwrap();
        assert_eq!(receive_some(&named), (b"to itself".to_vec(), Some(address)));
    }

    #[test]
    fn unix_datagrams_carry_paths() {
        let path = std::env::temp_dir().join(format!("ironloop-driver-{}.socket", std::process::id()));
        let named = UnixDatagram::bind(&path).unwrap();
        let name = UnixName::new(path.to_str().unwrap().into()).unwrap();
        let sent = send_to(named.as_raw_fd(), b"x", &Address::Unix(name.clone()));
        std::fs::remove_file(&path).unwrap();
        sent.unwrap();
        assert_eq!(receive_some(&named), (b"x".to_vec(), Some(Address::Unix(name))));
    }

    #[test]
    fn a_stale_descriptor_is_an_error() {
        let address = Address::Internet("127.0.0.1:9".parse().unwrap());
        assert!(receive_from(-1, &mut [0; 1]).is_err());
        assert!(send_to(-1, b"x", &address).is_err());
        assert!(send(-1, b"x").is_err());
        assert!(family(-1).is_err());
    }
}
