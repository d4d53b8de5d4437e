//! `process_vm_readv`, and `write` to a pipe where that is refused: reads of memory that may not be there.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::{check, check_len};

/// Copies what lies at an address of a process; how much of it.
pub(crate) fn read_of(process: u32, address: usize, into: &mut [u8]) -> io::Result<usize> {
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: into.len() };
    let process = process as libc::pid_t;
    // SAFETY: the kernel writes into the buffer, and no more than fits. To it the other address is a number:
    // it answers EFAULT where nothing is.
    check_len(unsafe { libc::process_vm_readv(process, &raw const local, 1, &raw const remote, 1, 0) })
}

/// A pipe that is ours alone: what comes first out of it, and what goes in. Neither end blocks.
pub(crate) fn pipe() -> io::Result<[OwnedFd; 2]> {
    let mut ends = [0; 2];
    // SAFETY: room for the two descriptors, which are nobody else's when the call has succeeded.
    unsafe {
        check(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK))?;
        Ok(ends.map(|fd| OwnedFd::from_raw_fd(fd)))
    }
}

/// Has the kernel take so many bytes of our memory into an empty pipe, and takes them out again.
pub(crate) fn read_through(
    [out, inwards]: &[OwnedFd; 2],
    address: usize,
    into: &mut [u8],
) -> io::Result<usize> {
    let source = address as *const libc::c_void;
    // SAFETY: to the kernel the address is a number: it answers EFAULT where nothing is.
    let taken = check_len(unsafe { libc::write(inwards.as_raw_fd(), source, into.len()) })?;
    // SAFETY: the kernel writes into the buffer; of its length no more was taken.
    check_len(unsafe { libc::read(out.as_raw_fd(), into.as_mut_ptr().cast(), taken) })
}
