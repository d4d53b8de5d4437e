//! The system calls that std does not offer, each behind a safe function. The only unsafe code of the crate.

use std::fs::File;
use std::io;
use std::mem;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

pub use libc::epoll_event;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

pub fn epoll_create() -> io::Result<OwnedFd> {
    // SAFETY: no pointer is passed, and the new descriptor has no other owner.
    unsafe {
        let fd = check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

pub fn epoll_ctl(
    epoll: &OwnedFd,
    operation: libc::c_int,
    fd: RawFd,
    mut event: epoll_event,
) -> io::Result<()> {
    // SAFETY: `event` outlives the call; the kernel answers a descriptor that is none with an error.
    check(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), operation, fd, &raw mut event) }).map(drop)
}

/// Waits for events and returns how many were written to `events`. A negative timeout (milliseconds) waits for ever.
pub fn epoll_wait(epoll: &OwnedFd, events: &mut [epoll_event], timeout: libc::c_int) -> io::Result<usize> {
    let capacity = libc::c_int::try_from(events.len()).unwrap_or(libc::c_int::MAX);
    // SAFETY: the kernel writes at most `capacity` events, and `events` holds as many.
    let count =
        check(unsafe { libc::epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), capacity, timeout) })?;
    Ok(count.unsigned_abs() as usize)
}

/// Accepts a connection that is non-blocking from the start; std's `accept` would need a second call for that.
pub fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: null pointers say that the peer's address is not wanted; the new descriptor has no other owner.
    unsafe {
        let fd = check(libc::accept4(listener.as_raw_fd(), ptr::null_mut(), ptr::null_mut(), flags))?;
        Ok(TcpStream::from_raw_fd(fd))
    }
}

/// A listener on 127.0.0.1 whose queue takes `backlog` connections (std fixes it at 128: too few for 1,000 at once).
pub fn listen(port: u16, backlog: libc::c_int) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    // SAFETY: no pointer is passed; a second listen() on a listening socket changes its backlog.
    check(unsafe { libc::listen(listener.as_raw_fd(), backlog) })?;
    Ok(listener)
}

/// Standard input as a file that reads straight from descriptor 0, with no buffer and no lock in between.
pub fn standard_input() -> io::Result<File> {
    // SAFETY: dup() makes a descriptor of our own, which the file may close.
    unsafe { Ok(File::from_raw_fd(check(libc::dup(libc::STDIN_FILENO))?)) }
}

/// CPU time (user and system, every thread, ended ones too) that process `pid` has used.
pub fn cpu_time(pid: libc::pid_t) -> io::Result<Duration> {
    let mut clock: libc::clockid_t = 0;
    // SAFETY: a timespec is plain integers, for which zero is a value.
    let mut time: libc::timespec = unsafe { mem::zeroed() };
    // SAFETY: both pointers are to live values of the types that the calls write.
    unsafe {
        match libc::clock_getcpuclockid(pid, &raw mut clock) {
            0 => check(libc::clock_gettime(clock, &raw mut time))?,
            error => return Err(io::Error::from_raw_os_error(error)),
        };
    }
    Ok(Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32))
}

/// Resident memory of process `pid`.
pub fn resident_bytes(pid: libc::pid_t) -> io::Result<i64> {
    let pages = std::fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<i64>().ok());
    // SAFETY: no pointer is passed.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages.map(|pages| pages * page).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// Raises the soft limit of open descriptors to the hard one: 1,000 connections pass the usual 1,024.
pub fn raise_descriptor_limit() -> io::Result<()> {
    // SAFETY: an rlimit is plain integers, for which zero is a value.
    let mut limit: libc::rlimit = unsafe { mem::zeroed() };
    // SAFETY: `limit` is live and of the type that the calls read and write.
    unsafe {
        check(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit))?;
        limit.rlim_cur = limit.rlim_max;
        check(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit))?;
    }
    Ok(())
}
