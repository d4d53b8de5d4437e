//! Files: reads that do not wait for the disk, opening without a look at it, reading and writing that may.

use std::ffi::CStr;
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::{check, check_len};

/// Superblock magics of file systems whose files are on this machine: what the kernel knows of their open files
/// it has in memory.
const LOCAL: &[u32] = &[
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // xfs
    0x9123_683E, // btrfs
    0x0102_1994, // tmpfs
    0x8584_58F6, // ramfs
    0x794C_7630, // overlayfs
    0xF2F5_2010, // f2fs
    0xCA45_1A4E, // bcachefs
    0x2FC1_2FC1, // zfs
    0x7371_7368, // squashfs
    0xE0F5_E1E2, // erofs
];

pub(crate) fn read_now(fd: RawFd, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // By number: glibc has a function for it only since 2.26. The offset's halves are longs, of which a 64-bit
    // kernel looks at the first.
    let (low, high) = (offset as libc::c_long, (offset >> 32) as libc::c_long);
    // SAFETY: one vector, which is writable for its whole length.
    let count = unsafe {
        libc::syscall(libc::SYS_preadv2, fd, &raw const vector, 1usize, low, high, libc::RWF_NOWAIT)
    };
    check_len(count as libc::ssize_t)
}

pub(crate) fn read_at(fd: RawFd, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    // SAFETY: the buffer is writable for its whole length.
    check_len(unsafe { libc::pread64(fd, buffer.as_mut_ptr().cast(), buffer.len(), offset as libc::off64_t) })
}

pub(crate) fn write_at(fd: RawFd, bytes: &[u8], offset: u64) -> io::Result<usize> {
    // SAFETY: the bytes are readable for their whole length.
    check_len(unsafe { libc::pwrite64(fd, bytes.as_ptr().cast(), bytes.len(), offset as libc::off64_t) })
}

pub(crate) fn write(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the bytes are readable for their whole length.
    check_len(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) })
}

pub(crate) fn status(fd: RawFd) -> io::Result<libc::stat64> {
    let mut status = MaybeUninit::zeroed();
    // SAFETY: room for the answer; all zeros is a valid one.
    unsafe {
        check(libc::fstat64(fd, status.as_mut_ptr()))?;
        Ok(status.assume_init())
    }
}

pub(crate) fn is_local(fd: RawFd) -> io::Result<bool> {
    let mut system = MaybeUninit::<libc::statfs64>::zeroed();
    // SAFETY: room for the answer; all zeros is a valid one.
    let system = unsafe {
        check(libc::fstatfs64(fd, system.as_mut_ptr()))?;
        system.assume_init()
    };
    Ok(LOCAL.contains(&(system.f_type as u32)))
}

/// Opens what the kernel can find without asking the disk or anybody else; EAGAIN if it cannot.
pub(crate) fn open_cached(path: &CStr, flags: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: all zeros is a valid one, with fields of later kernels empty.
    let mut how: libc::open_how = unsafe { MaybeUninit::zeroed().assume_init() };
    how.flags = u64::from((flags | libc::O_CLOEXEC) as u32);
    how.resolve = libc::RESOLVE_CACHED;
    // SAFETY: a text with its end, and a structure of the size that is given; a non-negative result is a
    // descriptor that nobody else owns.
    unsafe {
        let fd = libc::syscall(
            libc::SYS_openat2,
            libc::AT_FDCWD,
            path.as_ptr(),
            &raw const how,
            size_of::<libc::open_how>(),
        );
        Ok(OwnedFd::from_raw_fd(check(fd as libc::c_int)?))
    }
}

pub(crate) fn set_blocking(fd: &OwnedFd) -> io::Result<()> {
    // SAFETY: no pointers.
    unsafe {
        let flags = check(libc::fcntl(fd.as_raw_fd(), libc::F_GETFL))?;
        check(libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags & !libc::O_NONBLOCK)).map(drop)
    }
}
