//! A thread beside the program that nobody notices: it takes no signals, and it can be waited for until the
//! kernel has forgotten it.

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Once};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crate::sys::{fork, quiet};

/// The most that is written to standard error at once: a pipe that is ready takes so much.
const PIECE: usize = 4096;

/// So much stack as the thread needs; the rest of a usual one would only be reserved.
const STACK: usize = 256 * 1024;

/// How long a thread is waited for that was told to end.
const PATIENCE: Duration = Duration::from_secs(1);

/// A thread that takes no signals.
pub struct QuietThread {
    handle: JoinHandle<()>,
    /// The process that it is a thread of: a child by fork has not got it.
    process: u32,
    number: Arc<AtomicI32>,
}

impl QuietThread {
    pub fn begin(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let number = Arc::new(AtomicI32::new(0));
        let its_number = Arc::clone(&number);
        let builder = thread::Builder::new().name(name.to_owned()).stack_size(STACK);
        let handle = quiet::without_signals(|| {
            builder.spawn(move || {
                its_number.store(quiet::thread_number(), Ordering::Relaxed);
                body();
            })
        })?;
        Ok(Self { handle, process: std::process::id(), number })
    }

    /// For [`Thread::unpark`].
    #[must_use]
    pub fn thread(&self) -> &Thread {
        self.handle.thread()
    }

    /// Whether it is a thread of this process.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.process == std::process::id()
    }

    /// Waits until it has ended, and the kernel has forgotten it. Whoever calls has told it to end. If it does
    /// not, it is left behind after a second: it may be writing to a terminal that stands still.
    pub fn join(self) {
        if !self.is_here() {
            std::mem::forget(self.handle);
            return;
        }
        let until = Instant::now() + PATIENCE;
        while !self.handle.is_finished() {
            if Instant::now() > until {
                return;
            }
            self.handle.thread().unpark();
            thread::yield_now();
        }
        let number = self.number.load(Ordering::Relaxed);
        // It has nothing to return, and a panic was its own.
        let _ = self.handle.join();
        while !quiet::is_gone(number) && Instant::now() < until {
            thread::yield_now();
        }
    }
}

/// The time that a thread has had of processors.
#[derive(Clone, Copy)]
pub struct CpuClock(libc::clockid_t);

impl CpuClock {
    /// That of the calling thread, for any other.
    #[must_use]
    pub fn of_this_thread() -> Option<Self> {
        quiet::own_clock().map(Self)
    }

    /// Nanoseconds; nothing if the thread has ended.
    #[must_use]
    pub fn now(&self) -> Option<i64> {
        quiet::read_clock(self.0)
    }
}

/// Writes a text to standard error as far as that takes it: nobody is held up by it for long. A terminal that a
/// full-screen program has in raw mode gets nothing: it would be garbled.
pub fn tell_on_stderr(text: &str) {
    if quiet::stderr_is_raw() {
        return;
    }
    let mut left = text.as_bytes();
    while !left.is_empty() {
        let piece = &left[..left.len().min(PIECE)];
        match quiet::write_to_stderr(piece) {
            Ok(written) if written > 0 => left = &left[written..],
            _ => return,
        }
    }
}

/// Has `before` called before each fork from now on, in the thread that forks, and the others after it: in
/// the parent, and in the child. Only the first call of the process does something.
pub fn around_forks(before: extern "C" fn(), in_parent: extern "C" fn(), in_child: extern "C" fn()) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| fork::around_each(before, in_parent, in_child));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn who_is_joined_is_not_counted_any_more() {
        let count = || std::fs::read_dir("/proc/self/task").unwrap().count();
        for _ in 0..50 {
            let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
            let (its_stop, its_seen) = (Arc::clone(&stop), Arc::clone(&seen));
            let thread = QuietThread::begin("quiet", move || {
                its_seen.store(true, Ordering::Release);
                while !its_stop.load(Ordering::Acquire) {
                    thread::park();
                }
            })
            .unwrap();
            while !seen.load(Ordering::Acquire) {
                thread::yield_now();
            }
            assert!(count() >= 2);
            let number = thread.number.load(Ordering::Relaxed);
            stop.store(true, Ordering::Release);
            thread.join();
            assert!(!std::path::Path::new(&format!("/proc/self/task/{number}")).exists());
        }
    }

    #[test]
    fn a_threads_clock_is_read_from_another() {
        let clock = CpuClock::of_this_thread().unwrap();
        let before = clock.now().unwrap();
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(5) {}
        let after = thread::spawn(move || clock.now()).join().unwrap().unwrap();
        assert!(after > before);
    }

    #[test]
    fn the_clock_of_a_thread_that_has_ended_says_nothing() {
        let thread = QuietThread::begin("ended", || ()).unwrap();
        while !thread.handle.is_finished() {
            thread::yield_now();
        }
        thread.join();
        let clock = thread::spawn(CpuClock::of_this_thread).join().unwrap().unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while clock.now().is_some() {
            assert!(Instant::now() < until);
        }
    }
}
