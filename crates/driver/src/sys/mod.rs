//! The system calls. One kernel facility a file; the only `unsafe` of this crate.

pub(crate) mod clock;
pub(crate) mod epoll;
pub(crate) mod eventfd;
pub(crate) mod file;
pub(crate) mod fork;
pub(crate) mod inotify;
pub(crate) mod lookup;
pub(crate) mod memory;
pub(crate) mod quiet;
pub(crate) mod room;
pub(crate) mod socket;
pub(crate) mod stack;
pub(crate) mod thread;
pub(crate) mod timerfd;

use std::io;

pub(crate) use socket::UNIX_NAME_ROOM;

/// Turns a system call's `-1` into the error that `errno` holds.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Whether the kernel has refused a number because it is nobody's, or not watched.
pub(crate) fn is_unknown(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBADF | libc::ENOENT))
}

/// [`check`] for a call that returns a length.
fn check_len(result: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
