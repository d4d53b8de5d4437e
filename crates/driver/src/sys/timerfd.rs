//! `timerfd`: a deadline that can be waited for.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use super::check;

const NANOS_A_SECOND: i64 = 1_000_000_000;

pub(crate) struct TimerFd(OwnedFd);

impl TimerFd {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no pointers; a non-negative result is a descriptor that nobody else owns.
        unsafe {
            let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
            let fd = check(libc::timerfd_create(libc::CLOCK_MONOTONIC, flags))?;
            Ok(Self(OwnedFd::from_raw_fd(fd)))
        }
    }

    pub(crate) fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    pub(crate) fn set(&self, deadline: i64) -> io::Result<()> {
        let never = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // Zero would stop it.
        let deadline = deadline.max(1);
        let at = libc::timespec { tv_sec: deadline / NANOS_A_SECOND, tv_nsec: deadline % NANOS_A_SECOND };
        let times = libc::itimerspec { it_interval: never, it_value: at };
        let (fd, flags) = (self.as_raw_fd(), libc::TFD_TIMER_ABSTIME);
        // SAFETY: the times are readable, and nothing is written.
        check(unsafe { libc::timerfd_settime(fd, flags, &raw const times, ptr::null_mut()) }).map(drop)
    }
}
