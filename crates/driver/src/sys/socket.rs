//! Socket calls.

use std::io::{self, IoSlice};
use std::mem::{MaybeUninit, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use super::{check, check_len};
use crate::socket::Accepted;

pub(crate) fn accept(listener: RawFd) -> io::Result<Accepted> {
    let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: the storage is as long as `length` says; a non-negative result is a descriptor that nobody else owns.
    let socket = unsafe {
        let fd = check(libc::accept4(listener, storage.as_mut_ptr().cast(), &raw mut length, flags))?;
        OwnedFd::from_raw_fd(fd)
    };
    // SAFETY: zeroed, then perhaps filled by the kernel: valid either way.
    let peer = internet_address(unsafe { storage.assume_init_ref() });
    Ok(Accepted { socket, peer })
}

pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

pub(crate) fn receive(fd: RawFd, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the buffer is writable for its whole length.
    check_len(unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0) })
}

pub(crate) fn send(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the bytes are readable for their whole length.
    check_len(unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) })
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
    let on: libc::c_int = 1;
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option's value is a readable int.
    check(unsafe {
        libc::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, (&raw const on).cast(), length)
    })
    .map(drop)
}

pub(crate) fn local_address(fd: RawFd) -> io::Result<Option<SocketAddr>> {
    // SAFETY: `named` hands over storage and its length.
    named(|storage, length| unsafe { libc::getsockname(fd, storage, length) })
}

pub(crate) fn peer_address(fd: RawFd) -> io::Result<Option<SocketAddr>> {
    // SAFETY: as above.
    named(|storage, length| unsafe { libc::getpeername(fd, storage, length) })
}

fn named(
    ask: impl FnOnce(*mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int,
) -> io::Result<Option<SocketAddr>> {
    let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    check(ask(storage.as_mut_ptr().cast(), &raw mut length))?;
    // SAFETY: zeroed, then filled by the kernel.
    Ok(internet_address(unsafe { storage.assume_init_ref() }))
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
            // SAFETY: as above.
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
