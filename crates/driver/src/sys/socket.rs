//! Socket calls.

use std::io::{self, IoSlice};
use std::mem::{MaybeUninit, offset_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::{ptr, slice};

use super::{check, check_len};
use crate::address::{Address, Family, UnixName};
use crate::socket::Accepted;

pub(crate) fn accept(listener: RawFd) -> io::Result<Accepted> {
    let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: the storage is as long as `length` says; a non-negative result is a descriptor that nobody else
    // owns.
    let socket = unsafe {
        let fd = check(libc::accept4(listener, storage.as_mut_ptr().cast(), &raw mut length, flags))?;
        OwnedFd::from_raw_fd(fd)
    };
    // SAFETY: zeroed, then perhaps filled by the kernel: valid either way.
    let peer = address(unsafe { storage.assume_init_ref() }, length as usize);
    Ok(Accepted { socket, peer })
}

pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

pub(crate) fn stale() -> io::Error {
    io::Error::from_raw_os_error(libc::EBADF)
}

pub(crate) fn receive(fd: RawFd, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the buffer is writable for its whole length.
    check_len(unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0) })
}

pub(crate) fn send(fd: RawFd, bytes: &[u8], more: bool) -> io::Result<usize> {
    let flags = if more { libc::MSG_NOSIGNAL | libc::MSG_MORE } else { libc::MSG_NOSIGNAL };
    // SAFETY: the bytes are readable for their whole length.
    check_len(unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), flags) })
}

pub(crate) fn send_vectored(fd: RawFd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: all zeros is a valid msghdr: no name, no control data, no flags.
    let mut message: libc::msghdr = unsafe { zeroed() };
    // IoSlice has the layout of iovec.
    message.msg_iov = slices.as_ptr().cast_mut().cast();
    message.msg_iovlen = slices.len() as _;
    // SAFETY: the message points to slices that outlive the call, which only reads them.
    check_len(unsafe { libc::sendmsg(fd, &raw const message, libc::MSG_NOSIGNAL) })
}

pub(crate) fn shutdown_write(fd: RawFd) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::shutdown(fd, libc::SHUT_WR) }).map(drop)
}

pub(crate) fn set_nodelay(fd: RawFd) -> io::Result<()> {
    set_tcp_option(fd, libc::TCP_NODELAY, 1)
}

pub(crate) fn is_corked(fd: RawFd) -> io::Result<bool> {
    Ok(option(fd, libc::IPPROTO_TCP, libc::TCP_CORK)? != 0)
}

/// Whether the kernel may hand it what is sent to others' addresses.
pub(crate) fn is_transparent(fd: RawFd, family: Family) -> io::Result<bool> {
    let (level, name) = match family {
        Family::V4 => (libc::IPPROTO_IP, libc::IP_TRANSPARENT),
        Family::V6 => (libc::IPPROTO_IPV6, libc::IPV6_TRANSPARENT),
        Family::Unix => return Ok(false),
    };
    Ok(option(fd, level, name)? != 0)
}

fn option(fd: RawFd, level: libc::c_int, name: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option's value is an int, which the kernel may fill.
    check(unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &raw mut length) })?;
    Ok(value)
}

pub(crate) fn uncork(fd: RawFd) -> io::Result<()> {
    set_tcp_option(fd, libc::TCP_CORK, 0)
}

fn set_tcp_option(fd: RawFd, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option's value is a readable int.
    check(unsafe { libc::setsockopt(fd, libc::IPPROTO_TCP, option, (&raw const value).cast(), length) })
        .map(drop)
}

pub(crate) fn local_address(fd: RawFd) -> io::Result<Option<Address>> {
    // SAFETY: `named` hands over storage and its length.
    named(|storage, length| unsafe { libc::getsockname(fd, storage, length) })
}

pub(crate) fn peer_address(fd: RawFd) -> io::Result<Option<Address>> {
    // SAFETY: `named` hands over storage and its length.
    named(|storage, length| unsafe { libc::getpeername(fd, storage, length) })
}

fn named(
    ask: impl FnOnce(*mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int,
) -> io::Result<Option<Address>> {
    let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    check(ask(storage.as_mut_ptr().cast(), &raw mut length))?;
    // SAFETY: zeroed, then filled by the kernel.
    Ok(address(unsafe { storage.assume_init_ref() }, length as usize))
}

/// What a socket address of so many bytes says, if it is one of IPv4 or IPv6.
///
/// # Safety
/// The address is null, or that many bytes of it may be read.
pub(crate) unsafe fn internet_address_of(
    raw: *const libc::sockaddr,
    length: libc::socklen_t,
) -> Option<SocketAddr> {
    let length = (length as usize).min(size_of::<libc::sockaddr_storage>());
    if raw.is_null() {
        return None;
    }
    let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    // SAFETY: so many bytes of the address may be read, as the caller promises, and fit; they do not overlap.
    unsafe { ptr::copy_nonoverlapping(raw.cast::<u8>(), storage.as_mut_ptr().cast(), length) };
    // SAFETY: zeroed, then filled.
    internet_address(unsafe { storage.assume_init_ref() })
}

fn internet_address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which address the storage, large and aligned enough for each, holds.
            let address = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in>() };
            let host = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
            Some(SocketAddrV4::new(host, u16::from_be(address.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the family says which address it is, and the storage is large and aligned enough for
            // each.
            let address = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in6>() };
            let host = Ipv6Addr::from(address.sin6_addr.s6_addr);
            let port = u16::from_be(address.sin6_port);
            Some(
                SocketAddrV6::new(host, port, u32::from_be(address.sin6_flowinfo), address.sin6_scope_id)
                    .into(),
            )
        }
        _ => None,
    }
}

/// Bytes that the name of a UNIX socket may have, the end mark of a path included.
pub(crate) const UNIX_NAME_ROOM: usize = size_of::<libc::sockaddr_un>() - UNIX_NAME;

/// Where in a UNIX address the name begins.
const UNIX_NAME: usize = offset_of!(libc::sockaddr_un, sun_path);

pub(crate) fn family(fd: RawFd) -> io::Result<Option<Family>> {
    Ok(match option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)? {
        libc::AF_INET => Some(Family::V4),
        libc::AF_INET6 => Some(Family::V6),
        libc::AF_UNIX => Some(Family::Unix),
        _ => None,
    })
}

pub(crate) fn receive_from(fd: RawFd, buffer: &mut [u8]) -> io::Result<(usize, Option<Address>)> {
    let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let room = size_of::<libc::sockaddr_storage>();
    let mut length = room as libc::socklen_t;
    // SAFETY: buffer and storage are writable for the lengths that the call is told.
    let count = check_len(unsafe {
        libc::recvfrom(
            fd,
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            libc::MSG_DONTWAIT,
            storage.as_mut_ptr().cast(),
            &raw mut length,
        )
    })?;
    // SAFETY: zeroed, then perhaps filled by the kernel: valid either way.
    let storage = unsafe { storage.assume_init_ref() };
    Ok((count, address(storage, length as usize)))
}

pub(crate) fn send_to(fd: RawFd, bytes: &[u8], address: &Address) -> io::Result<()> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    let (storage, length) = raw_address(address);
    // SAFETY: the bytes are readable for their whole length, the address is as long as `length` says.
    let sent = unsafe {
        libc::sendto(fd, bytes.as_ptr().cast(), bytes.len(), flags, (&raw const storage).cast(), length)
    };
    check_len(sent).map(drop)
}

pub(crate) fn send_whole(fd: RawFd, bytes: &[u8]) -> io::Result<()> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the bytes are readable for their whole length.
    check_len(unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), flags) }).map(drop)
}

/// What the first `length` bytes of the storage say. The kernel may tell of a longer address than it had room
/// for.
fn address(storage: &libc::sockaddr_storage, length: usize) -> Option<Address> {
    let length = length.min(size_of::<libc::sockaddr_storage>());
    if length == 0 {
        return None;
    }
    if libc::c_int::from(storage.ss_family) != libc::AF_UNIX {
        return internet_address(storage).map(Address::Internet);
    }
    // SAFETY: initialised, and the length is cut to its size.
    let bytes = unsafe { slice::from_raw_parts((&raw const *storage).cast::<u8>(), length) };
    Some(Address::Unix(UnixName::known(bytes.get(UNIX_NAME..).unwrap_or_default())))
}

fn raw_address(address: &Address) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: all zeros is a valid sockaddr_storage.
    let mut storage: libc::sockaddr_storage = unsafe { zeroed() };
    let place = &raw mut storage;
    let length = match address {
        Address::Internet(SocketAddr::V4(address)) => {
            // SAFETY: the storage is large and aligned enough for each address, and all zeros is a valid one.
            let raw = unsafe { &mut *place.cast::<libc::sockaddr_in>() };
            raw.sin_family = libc::AF_INET as libc::sa_family_t;
            raw.sin_port = address.port().to_be();
            raw.sin_addr.s_addr = u32::from(*address.ip()).to_be();
            size_of::<libc::sockaddr_in>()
        }
        Address::Internet(SocketAddr::V6(address)) => {
            // SAFETY: the storage is large and aligned enough for each address, and all zeros is a valid one.
            let raw = unsafe { &mut *place.cast::<libc::sockaddr_in6>() };
            raw.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            raw.sin6_port = address.port().to_be();
            raw.sin6_flowinfo = address.flowinfo().to_be();
            raw.sin6_addr.s6_addr = address.ip().octets();
            raw.sin6_scope_id = address.scope_id();
            size_of::<libc::sockaddr_in6>()
        }
        Address::Unix(name) => {
            let bytes = name.as_bytes();
            let end_mark = usize::from(!bytes.is_empty() && !name.is_abstract());
            // SAFETY: the storage is large enough for each address; a `UnixName` and its end mark, which is
            // there already, fit into `sun_path`.
            unsafe {
                let raw = place.cast::<libc::sockaddr_un>();
                (*raw).sun_family = libc::AF_UNIX as libc::sa_family_t;
                let path = (&raw mut (*raw).sun_path).cast::<u8>();
                ptr::copy_nonoverlapping(bytes.as_ptr(), path, bytes.len());
            }
            UNIX_NAME + bytes.len() + end_mark
        }
    };
    (storage, length as libc::socklen_t)
}
