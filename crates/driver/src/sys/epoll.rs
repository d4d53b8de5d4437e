//! Linux' epoll.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use super::check;
use crate::event::{Event, Interest, Ready, Token, Trigger};
use crate::poller::Timeout;

const NANOS_A_SECOND: i64 = 1_000_000_000;
const NANOS_A_MILLISECOND: i64 = 1_000_000;

/// Whether this kernel (5.11 and later) waits to the nanosecond; learned from the first refusal.
static WAITS_TO_THE_NANOSECOND: AtomicBool = AtomicBool::new(true);

pub(crate) struct EventList {
    list: Vec<libc::epoll_event>,
    capacity: usize,
}

impl EventList {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { list: Vec::with_capacity(capacity), capacity }
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    pub(crate) fn shuffle(&mut self, mut choose: impl FnMut(u32) -> u32) {
        self.list.sort_by_key(|event| Token(event.u64).is_wake_up());
        let count = self.list.iter().take_while(|event| !Token(event.u64).is_wake_up()).count();
        for index in 0..count {
            let left = u32::try_from(count - index).unwrap_or(u32::MAX);
            self.list.swap(index, index + choose(left) as usize);
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<Event> {
        let raw = self.list.get(index)?;
        let bits = raw.events as i32;
        let failed = bits & (libc::EPOLLERR | libc::EPOLLHUP) != 0;
        let ready = Ready {
            readable: failed || bits & (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLPRI) != 0,
            writable: failed || bits & libc::EPOLLOUT != 0,
            hung_up: failed || bits & libc::EPOLLRDHUP != 0,
        };
        Some(Event { token: Token(raw.u64), ready })
    }
}

pub(crate) struct Epoll(OwnedFd);

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no pointers; a non-negative result is a descriptor that nobody else owns.
        unsafe {
            let fd = check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?;
            Ok(Self(OwnedFd::from_raw_fd(fd)))
        }
    }

    pub(crate) fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    pub(crate) fn add(
        &self,
        fd: RawFd,
        token: Token,
        interest: Interest,
        trigger: Trigger,
    ) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, bits(interest, trigger))
    }

    pub(crate) fn modify(
        &self,
        fd: RawFd,
        token: Token,
        interest: Interest,
        trigger: Trigger,
    ) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, bits(interest, trigger))
    }

    pub(crate) fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, Token(0), 0)
    }

    /// Puts another set in the place of this one, under the same number. This one ends, with all that it
    /// watched.
    pub(crate) fn replace(&self, other: Self) -> io::Result<()> {
        // SAFETY: no pointers; both numbers are ours. The second stays ours, whatever it stands for.
        check(unsafe { libc::dup3(other.0.as_raw_fd(), self.0.as_raw_fd(), libc::O_CLOEXEC) }).map(drop)
    }

    fn control(&self, operation: libc::c_int, fd: RawFd, token: Token, events: u32) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: token.0 };
        // SAFETY: `event` is valid for the call; the kernel checks both descriptors.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, fd, &raw mut event) }).map(drop)
    }

    #[inline]
    pub(crate) fn wait(&self, events: &mut EventList, timeout: Timeout) -> io::Result<()> {
        events.clear();
        let count = match timeout {
            Timeout::After(nanos) if WAITS_TO_THE_NANOSECOND.load(Ordering::Relaxed) => {
                match self.wait_nanos(events, nanos) {
                    // A sandbox may refuse the newer call with EPERM.
                    Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                        WAITS_TO_THE_NANOSECOND.store(false, Ordering::Relaxed);
                        self.wait_millis(events, millis(nanos))
                    }
                    result => result,
                }
            }
            Timeout::After(nanos) => self.wait_millis(events, millis(nanos)),
            Timeout::Now => self.wait_millis(events, 0),
            Timeout::Never => self.wait_millis(events, -1),
        }?;
        // SAFETY: the kernel has filled `count` entries, no more than the capacity it was given.
        unsafe { events.list.set_len(count) };
        Ok(())
    }

    fn wait_millis(&self, events: &mut EventList, millis: libc::c_int) -> io::Result<usize> {
        let capacity = events.capacity as libc::c_int;
        // SAFETY: the list has room for `capacity` entries.
        let count =
            unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.list.as_mut_ptr(), capacity, millis) };
        check(count).map(|count| count as usize)
    }

    fn wait_nanos(&self, events: &mut EventList, nanos: i64) -> io::Result<usize> {
        let nanos = nanos.max(0);
        let limit = libc::timespec { tv_sec: nanos / NANOS_A_SECOND, tv_nsec: nanos % NANOS_A_SECOND };
        // SAFETY: the list has room for `capacity` entries, `limit` outlives the call, there is no signal
        // mask. The system call itself, because older C libraries do not have its wrapper.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.0.as_raw_fd(),
                events.list.as_mut_ptr(),
                events.capacity as libc::c_int,
                &raw const limit,
                ptr::null::<libc::sigset_t>(),
                0_usize,
            )
        };
        check(count as libc::c_int).map(|count| count as usize)
    }
}

fn bits(interest: Interest, trigger: Trigger) -> u32 {
    let mut bits = 0;
    if interest.readable {
        bits |= libc::EPOLLIN | libc::EPOLLRDHUP;
    }
    if interest.writable {
        bits |= libc::EPOLLOUT;
    }
    if trigger == Trigger::Edge {
        bits |= libc::EPOLLET;
    }
    bits as u32
}

/// Rounded up: a timer may fire late, never early.
fn millis(nanos: i64) -> libc::c_int {
    let millis = nanos.max(0).saturating_add(NANOS_A_MILLISECOND - 1) / NANOS_A_MILLISECOND;
    libc::c_int::try_from(millis).unwrap_or(libc::c_int::MAX)
}

#[cfg(test)]
mod tests {
    use super::millis;

    #[test]
    fn milliseconds_round_up_and_saturate() {
        assert_eq!(millis(-5), 0);
        assert_eq!(millis(1), 1);
        assert_eq!(millis(1_000_000), 1);
        assert_eq!(millis(1_000_001), 2);
        assert_eq!(millis(i64::MAX), i32::MAX);
    }
}
