//! Internet sockets in a simulation: the kernel has them as UNIX sockets, whose names say for which address
//! they stand. The other end of each is the simulator's, which moves what is sent.
//!
//! A name is `\0ironloop/<whose>/<own>/<peer>`, each address in hexadecimal digits and its port behind it. A
//! bound socket has its own as its name. The two ends of a connection are told by the name of the
//! simulator's end: so they are known of a descriptor that nobody has seen before, accepted or copied. A
//! datagram begins with a label: whom it is for, or where it comes from. The Python half writes the same
//! (`simulator/network/names.py`).

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;

use crate::address::{Address, Family};
use crate::socket::Accepted;
use crate::sys::socket as sys;

const PREFIX: &[u8] = b"\0ironloop/";

/// The longest label: a family, an address, a port.
pub(crate) const LABEL_ROOM: usize = 1 + 16 + 2;

/// Kinds of labels, by their first byte.
const TO_PEER: u8 = 0;
const ERROR: u8 = 1;
const V4: u8 = 4;
const V6: u8 = 6;

/// For what a socket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Disguise {
    pub own: SocketAddr,
    pub peer: Option<SocketAddr>,
}

impl Disguise {
    fn read(name: &[u8]) -> Option<Self> {
        let mut fields = name.strip_prefix(PREFIX)?.split(|byte| *byte == b'/').skip(1);
        let own = read_address(fields.next()?)?;
        Some(Self { own, peer: read_address(fields.next()?) })
    }

    fn of(address: Option<&Address>) -> Option<Self> {
        match address? {
            Address::Unix(name) => Self::read(name.as_bytes()),
            Address::Internet(_) => None,
        }
    }

    /// Of a descriptor: what the other end says of it, else its own name.
    pub(crate) fn of_socket(fd: RawFd) -> Option<Self> {
        Self::of_connection(fd).or_else(|| Self::of(sys::local_address(fd).ok()?.as_ref()))
    }

    fn of_connection(fd: RawFd) -> Option<Self> {
        Self::of(sys::peer_address(fd).ok()?.as_ref())
    }
}

fn read_address(digits: &[u8]) -> Option<SocketAddr> {
    let digits = std::str::from_utf8(digits).ok()?;
    let (ip, port) = digits.split_at_checked(digits.len().checked_sub(4)?)?;
    let ip: IpAddr = match ip.len() {
        8 => IpAddr::from(u32::from_str_radix(ip, 16).ok()?.to_be_bytes()),
        32 => IpAddr::from(u128::from_str_radix(ip, 16).ok()?.to_be_bytes()),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

pub(crate) fn accept(listener: RawFd) -> io::Result<Accepted> {
    let Accepted { socket, peer } = sys::accept(listener)?;
    let peer = match Disguise::of(peer.as_ref()) {
        Some(disguise) => disguise.peer.map(Address::Internet),
        None => peer,
    };
    Ok(Accepted { socket, peer })
}

pub(crate) fn local_address(fd: RawFd) -> io::Result<Option<Address>> {
    match Disguise::of_socket(fd) {
        Some(disguise) => Ok(Some(Address::Internet(disguise.own))),
        None => sys::local_address(fd),
    }
}

/// The own address of all that a listening socket accepts; none for one that listens on all addresses.
pub(crate) fn accepted_address(listener: RawFd) -> Option<Address> {
    let address = local_address(listener).ok()??;
    let is_many = matches!(&address, Address::Internet(address) if address.ip().is_unspecified());
    (!is_many).then_some(address)
}

pub(crate) fn peer_address(fd: RawFd) -> io::Result<Option<Address>> {
    match Disguise::of_connection(fd) {
        Some(disguise) => Ok(disguise.peer.map(Address::Internet)),
        None => sys::peer_address(fd),
    }
}

pub(crate) fn family(fd: RawFd) -> io::Result<Option<Family>> {
    match Disguise::of_socket(fd) {
        Some(disguise) => Ok(Some(Address::Internet(disguise.own).family())),
        None => sys::family(fd),
    }
}

/// The name by which the simulator knows a connection: that of its own end.
pub(crate) fn connection(fd: RawFd) -> Option<Vec<u8>> {
    match sys::peer_address(fd).ok()?? {
        Address::Unix(name) => Disguise::read(name.as_bytes()).map(|_| name.as_bytes().to_vec()),
        Address::Internet(_) => None,
    }
}

thread_local! {
    /// A datagram with its label.
    static ROOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Receives one datagram, as `datagram::receive_from`. One whose label is an error is that error.
pub(crate) fn receive_from(fd: RawFd, buffer: &mut [u8]) -> io::Result<(usize, Option<Address>)> {
    ROOM.with_borrow_mut(|room| {
        if room.len() < buffer.len() + LABEL_ROOM {
            room.resize(buffer.len() + LABEL_ROOM, 0);
        }
        let (count, from) = sys::receive_from(fd, &mut room[..buffer.len() + LABEL_ROOM])?;
        // Those of a disguised socket come from the simulator.
        let (from, rest) = match from {
            Some(from) if is_ours(&from) => {
                let (from, rest) = read_label(&room[..count])?;
                (from.map(Address::Internet), rest)
            }
            from => (from, &room[..count]),
        };
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok((count, from))
    })
}

fn is_ours(address: &Address) -> bool {
    matches!(address, Address::Unix(name) if name.as_bytes().starts_with(PREFIX))
}

/// Sends one datagram, as `datagram::send_to` and `datagram::send`.
pub(crate) fn send_datagram(fd: RawFd, bytes: &[u8], address: Option<&Address>) -> io::Result<()> {
    // Whoever has an internet's address to send to is in disguise; so is who is connected to the simulator.
    let is_labelled = match address {
        Some(address) => matches!(address, Address::Internet(_)),
        None => sys::peer_address(fd).ok().flatten().as_ref().is_some_and(is_ours),
    };
    match address {
        _ if is_labelled => {
            let mut labelled = label(address);
            labelled.extend_from_slice(bytes);
            sys::send_whole(fd, &labelled)
        }
        Some(address) => sys::send_to(fd, bytes, address),
        None => sys::send_whole(fd, bytes),
    }
}

fn label(address: Option<&Address>) -> Vec<u8> {
    let mut label = Vec::with_capacity(LABEL_ROOM);
    if let Some(Address::Internet(address)) = address {
        match address.ip() {
            IpAddr::V4(ip) => {
                label.push(V4);
                label.extend(ip.octets());
            }
            IpAddr::V6(ip) => {
                label.push(V6);
                label.extend(ip.octets());
            }
        }
        label.extend(address.port().to_be_bytes());
    } else {
        label.push(TO_PEER);
    }
    label
}

fn read_label(bytes: &[u8]) -> io::Result<(Option<SocketAddr>, &[u8])> {
    let (kind, rest) = bytes.split_first().ok_or(io::ErrorKind::InvalidData)?;
    match *kind {
        ERROR => {
            let (number, _) = rest.split_first_chunk().ok_or(io::ErrorKind::InvalidData)?;
            Err(io::Error::from_raw_os_error(i32::from_be_bytes(*number)))
        }
        V4 => read_source::<4>(rest),
        V6 => read_source::<16>(rest),
        _ => Ok((None, rest)),
    }
}

fn read_source<const N: usize>(bytes: &[u8]) -> io::Result<(Option<SocketAddr>, &[u8])>
where
    IpAddr: From<[u8; N]>,
{
    let (ip, rest) = bytes.split_first_chunk::<N>().ok_or(io::ErrorKind::InvalidData)?;
    let (port, rest) = rest.split_first_chunk().ok_or(io::ErrorKind::InvalidData)?;
    Ok((Some(SocketAddr::new(IpAddr::from(*ip), u16::from_be_bytes(*port))), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixListener, UnixStream};

    fn named(rest: &str) -> UnixAddr {
        UnixAddr::from_abstract_name(format!("ironloop/{}{rest}", std::process::id())).unwrap()
    }

    #[test]
    fn names_say_whose_they_are_and_others_say_nothing() {
        let read =
            Disguise::read(b"\0ironloop/1-2/0a0000011f90/00000000000000000000000000000001c000").unwrap();
        assert_eq!(read.own, "10.0.0.1:8080".parse().unwrap());
        assert_eq!(read.peer, Some("[::1]:49152".parse().unwrap()));
        let bound = Disguise::read(b"\0ironloop/1-2/000000000050/").unwrap();
        assert_eq!((bound.own, bound.peer), ("0.0.0.0:80".parse().unwrap(), None));
        for other in [&b"path"[..], b"\0ironloop/1", b"\0ironloop/1/zz/", b"\0ironloop/1/0102/", b""] {
            assert_eq!(Disguise::read(other), None);
        }
    }

    #[test]
    fn a_connection_is_known_by_the_other_ends_name() {
        let listener = UnixListener::bind_addr(&named("a/7f0000010050/7f000001c000")).unwrap();
        let client = UnixStream::connect_addr(&listener.local_addr().unwrap()).unwrap();
        let internet = |text: &str| Some(Address::Internet(text.parse().unwrap()));
        assert_eq!(local_address(client.as_raw_fd()).unwrap(), internet("127.0.0.1:80"));
        assert_eq!(peer_address(client.as_raw_fd()).unwrap(), internet("127.0.0.1:49152"));
        assert_eq!(family(client.as_raw_fd()).unwrap(), Some(Family::V4));
        assert!(connection(client.as_raw_fd()).is_some());
        let (plain, _other) = UnixStream::pair().unwrap();
        assert_eq!(family(plain.as_raw_fd()).unwrap(), Some(Family::Unix));
        assert!(connection(plain.as_raw_fd()).is_none());
    }

    #[test]
    fn datagrams_carry_labels() {
        let fabric = UnixDatagram::unbound().unwrap();
        let fabric_name = named("b");
        let fabric_end = UnixDatagram::bind_addr(&fabric_name).unwrap();
        drop(fabric);
        let socket = UnixDatagram::bind_addr(&named("c/7f0000010035/")).unwrap();
        socket.connect_addr(&fabric_name).unwrap();
        fabric_end.connect_addr(&socket.local_addr().unwrap()).unwrap();
        let address = Address::Internet("[::1]:53".parse().unwrap());
        send_datagram(socket.as_raw_fd(), b"ask", Some(&address)).unwrap();
        let mut buffer = [0; 64];
        let count = fabric_end.recv(&mut buffer).unwrap();
        // The label of an answer says the same of its source.
        fabric_end.send(&buffer[..count]).unwrap();
        let mut short = [0; 2];
        assert_eq!(receive_from(socket.as_raw_fd(), &mut short).unwrap(), (2, Some(address)));
        assert_eq!(&short, b"as");
        fabric_end.send(&[ERROR, 0, 0, 0, 111]).unwrap();
        let error = receive_from(socket.as_raw_fd(), &mut short).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
