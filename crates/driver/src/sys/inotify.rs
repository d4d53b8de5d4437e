//! What the kernel tells of changes in folders.

use std::ffi::CStr;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use super::check;

pub(crate) fn open() -> io::Result<OwnedFd> {
    // SAFETY: no pointers; a non-negative result is a descriptor that nobody else owns.
    unsafe {
        let fd = check(libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

pub(crate) fn add(fd: RawFd, path: &CStr, mask: u32) -> io::Result<i32> {
    // SAFETY: a text with its end.
    check(unsafe { libc::inotify_add_watch(fd, path.as_ptr(), mask) })
}

pub(crate) fn remove(fd: RawFd, watch: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::inotify_rm_watch(fd, watch) }).map(drop)
}
