//! Signal masks, clocks of threads, `tgkill`, and standard error.

use std::io;
use std::mem::zeroed;

use super::{check, check_len};

/// Runs `body` with all signals blocked: a thread that it starts inherits that, and is never interrupted, nor
/// given what another thread waits for.
pub(crate) fn without_signals<R>(body: impl FnOnce() -> R) -> R {
    // SAFETY: both sets are written before they are read; to block and to unblock touches this thread alone.
    unsafe {
        let (mut all, mut before) = (zeroed::<libc::sigset_t>(), zeroed::<libc::sigset_t>());
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        let result = body();
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
        result
    }
}

/// The number by which the kernel knows the calling thread.
pub(crate) fn thread_number() -> i32 {
    // SAFETY: no arguments.
    unsafe { libc::gettid() }
}

/// Whether the kernel does not count a thread of this process any more. (`pthread_join` returns a moment before.)
pub(crate) fn is_gone(thread: i32) -> bool {
    // SAFETY: no pointers; signal 0 is none.
    let told = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, 0) };
    told != 0
}

/// The clock of the time that the calling thread has had of processors. It may be read from any thread, also
/// when the thread has ended: then the call is refused.
pub(crate) fn own_clock() -> Option<libc::clockid_t> {
    let mut clock = 0;
    // SAFETY: the calling thread lives; room for the number.
    let found = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) };
    (found == 0).then_some(clock)
}

/// Nanoseconds on a clock.
pub(crate) fn read_clock(clock: libc::clockid_t) -> Option<i64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: room for the time; a clock that is none any more is an error.
    let read = unsafe { libc::clock_gettime(clock, &raw mut time) };
    (read == 0).then(|| time.tv_sec * 1_000_000_000 + time.tv_nsec)
}

/// Whether standard error is a terminal that hands on each key by itself.
pub(crate) fn stderr_is_raw() -> bool {
    let mut about = std::mem::MaybeUninit::<libc::termios>::uninit();
    // SAFETY: room for the answer; what is no terminal is an error.
    if unsafe { libc::tcgetattr(libc::STDERR_FILENO, about.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: the call has succeeded, so all of it is filled.
    unsafe { about.assume_init() }.c_lflag & libc::ICANON == 0
}

/// Writes to standard error, if it takes something within a tenth of a second.
pub(crate) fn write_to_stderr(bytes: &[u8]) -> io::Result<usize> {
    const PATIENCE: libc::c_int = 100;
    let mut asked = libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one descriptor to ask for.
    if check(unsafe { libc::poll(&raw mut asked, 1, PATIENCE) })? == 0 {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    // SAFETY: the bytes are readable for their whole length.
    check_len(unsafe { libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len()) })
}
