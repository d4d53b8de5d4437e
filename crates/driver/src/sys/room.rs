//! The process' table of descriptors.

use std::fs;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU32, Ordering};

/// As many as hardly any process has open; the table takes 64 KiB for it.
const ENOUGH: libc::rlim_t = 8192;

/// The process, by its generation, whose table was looked at.
static LOOKED: AtomicU32 = AtomicU32::new(u32::MAX);

/// Makes room for as many descriptors as the process may have, up to [`ENOUGH`], while that costs nothing.
///
/// The kernel's table begins with 64 and doubles when it is full. In a process of several threads whoever asked
/// for the next number waits then until each processor has been seen to change its task: 9 to 16 ms, in which a
/// loop that accepts a connection or opens a file stands still. With one thread it takes 12 µs. (Our own
/// watchdog is another thread, so it is done before that begins. Where others run already they are left alone.)
pub(crate) fn make(of: RawFd, generation: u32) {
    if LOOKED.swap(generation, Ordering::Relaxed) == generation || has_other_threads() {
        return;
    }
    let Some(last) = limit().min(ENOUGH).checked_sub(1).and_then(|last| RawFd::try_from(last).ok()) else {
        return;
    };
    // SAFETY: a copy that is not inherited; what is refused needs nothing.
    let copy = unsafe { libc::fcntl(of, libc::F_DUPFD_CLOEXEC, last) };
    if copy >= 0 {
        // SAFETY: just made, and nobody else's.
        drop(unsafe { OwnedFd::from_raw_fd(copy) });
    }
}

/// Also where nobody can say.
fn has_other_threads() -> bool {
    // A folder for each, and its own two names.
    !fs::metadata("/proc/self/task").is_ok_and(|folder| folder.nlink() <= 3)
}

fn limit() -> libc::rlim_t {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a place for the answer; untouched it says none.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limits) };
    limits.rlim_cur
}
