//! The only unsafe of this crate: shared memory, the processor's clock, the kernel's answers that the standard
//! library does not give. Every thread may call in here.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A stretch of a file in memory, which other processes may read and write: so it is shown as atomic words
/// only. Its pages are promised by `allocate` before anybody touches them, or the first touch could be SIGBUS.
pub(crate) struct Mapping {
    start: NonNull<AtomicU64>,
    bytes: usize,
}

// SAFETY: what it shows are atomics, and the memory stays mapped until the last owner drops it.
unsafe impl Send for Mapping {}
// SAFETY: as for Send.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// `offset` and `bytes` are whole pages.
    pub(crate) fn new(file: &File, offset: u64, bytes: usize) -> io::Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: a new mapping, at an address that the kernel chooses, of a descriptor that is open.
        let start =
            unsafe { libc::mmap(ptr::null_mut(), bytes, access, libc::MAP_SHARED, file.as_raw_fd(), offset) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mapped at nothing"))?;
        Ok(Self { start, bytes })
    }

    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: mapped, readable and writable for `bytes` as long as `self` lives, aligned to a page; that
        // other processes write to it is what atomics are for. Pages that `allocate` has not promised yet are
        // left alone by `layout`, which knows how far the tables reach.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.bytes / size_of::<AtomicU64>()) }
    }
}

impl Mapping {
    /// Has the kernel map a stretch, of whole pages that `allocate` has promised, all at once: a fault for each
    /// page costs more. Kernels that cannot leave it to the faults.
    pub(crate) fn touch(&self, offset: usize, bytes: usize) {
        debug_assert!(offset + bytes <= self.bytes);
        const MADV_POPULATE_WRITE: libc::c_int = 23;
        // SAFETY: a stretch of our own mapping; what is in it stays as it is.
        unsafe { libc::madvise(self.start.as_ptr().byte_add(offset).cast(), bytes, MADV_POPULATE_WRITE) };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: ours since `new`, and no slice of `words` outlives `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

/// Promises the pages of a stretch of the file: no space left is an error here, and not a signal later.
pub(crate) fn allocate(file: &File, offset: u64, bytes: u64) -> io::Result<()> {
    let [offset, bytes] = [offset, bytes].map(libc::off_t::try_from);
    let (offset, bytes) = (offset.map_err(io::Error::other)?, bytes.map_err(io::Error::other)?);
    loop {
        // SAFETY: no pointers; the descriptor is open.
        if unsafe { libc::fallocate(file.as_raw_fd(), 0, offset, bytes) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// The next stretch of a file from `from` on that is no hole; nothing where only holes follow.
pub(crate) fn data(file: &File, from: u64) -> io::Result<Option<(u64, u64)>> {
    let seek = |offset: u64, whence| {
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: no pointers; the descriptor is open.
        let at = unsafe { libc::lseek(file.as_raw_fd(), offset, whence) };
        u64::try_from(at).map_err(|_| io::Error::last_os_error())
    };
    match seek(from, libc::SEEK_DATA) {
        Ok(start) => Ok(Some((start, seek(start, libc::SEEK_HOLE)?))),
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Of the kernel's files in memory. (Each C library has a type of its own for them.)
const TMPFS_MAGIC: u64 = 0x0102_1994;
const RAMFS_MAGIC: u64 = 0x8584_58f6;

/// Whether a file lies in memory. On a disk its pages would be written back, and stall who writes them.
pub(crate) fn in_memory(file: &File) -> io::Result<bool> {
    let mut about = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the kernel fills `about`, or says that it did not.
    if unsafe { libc::fstatfs(file.as_raw_fd(), about.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: filled, as the call has succeeded.
    let kind = unsafe { about.assume_init() }.f_type as u64;
    Ok([TMPFS_MAGIC, RAMFS_MAGIC].contains(&kind))
}

pub(crate) fn user() -> u32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::geteuid() }
}

pub(crate) fn thread() -> u32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::gettid() as u32 }
}

/// Whether there is a process of this number, of whatever user, where we look from.
pub(crate) fn exists(process: u32) -> bool {
    let Ok(process) = libc::pid_t::try_from(process) else { return false };
    // SAFETY: no pointers; signal 0 only asks.
    process > 0
        && (unsafe { libc::kill(process, 0) } == 0
            || io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH))
}

fn nanos(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec to write to; both clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

pub(crate) fn monotonic() -> u64 {
    nanos(libc::CLOCK_MONOTONIC)
}

pub(crate) fn wall() -> u64 {
    nanos(libc::CLOCK_REALTIME)
}

/// The processor's counter: 10 ns, where asking the kernel's clock is 29.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn counter() -> u64 {
    // SAFETY: reads a register; every x86-64 has it, and Linux lets programs read it.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(crate) fn counter() -> u64 {
    monotonic()
}

/// Whether that counter runs at one speed, also while the processor sleeps or is throttled.
#[cfg(target_arch = "x86_64")]
#[allow(unused_unsafe)] // newer compilers call `__cpuid` safe
pub(crate) fn counter_is_steady() -> bool {
    const ADVANCED: u32 = 0x8000_0007;
    // SAFETY: every x86-64 has the instruction; a leaf that it does not have is not asked.
    let (last, advanced) = unsafe {
        let last = std::arch::x86_64::__cpuid(0x8000_0000).eax;
        (last, (last >= ADVANCED).then(|| std::arch::x86_64::__cpuid(ADVANCED).edx))
    };
    last >= ADVANCED && advanced.is_some_and(|bits| bits & (1 << 8) != 0)
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn counter_is_steady() -> bool {
    false
}

static FORKS: AtomicU32 = AtomicU32::new(0);

extern "C" fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// From now on `forks` differs in a child from what it was in its parent.
pub(crate) fn notice_forks() {
    static ONCE: Once = Once::new();
    // SAFETY: the function stays where it is as long as this library is loaded, which is until the process
    // ends; all that it does is an addition to an atomic. Out of memory, forks go unnoticed as before.
    ONCE.call_once(|| unsafe {
        libc::pthread_atfork(None, None, Some(forked));
    });
}

#[inline]
pub(crate) fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}
