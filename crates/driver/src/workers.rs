//! Workers for what may wait: a job each, up to a number of them at once.
//!
//! A thread does what waits, and ends when nothing has come for a while: who is done with them leaves none
//! behind. They take no signals. A child by fork has none of them, and begins anew ([`Workers::are_here`]).

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::sys::quiet;

/// As much as a thread of Rust's has; it is reserved, not used.
const STACK: usize = 2 * 1024 * 1024;

type Job = Box<dyn FnOnce() + Send>;

pub struct Workers {
    name: &'static str,
    most: usize,
    patience: Duration,
    shared: Arc<Shared>,
    process: u32,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    threads: usize,
    /// Of these, who waits for a job.
    idle: usize,
    ended: bool,
}

impl Workers {
    /// At most so many, which wait so long for the next job.
    #[must_use]
    pub fn new(name: &'static str, most: usize, patience: Duration) -> Self {
        Self { name, most, patience, shared: Arc::default(), process: std::process::id() }
    }

    /// Whether they are threads of this process.
    #[must_use]
    pub fn are_here(&self) -> bool {
        self.process == std::process::id()
    }

    /// Has a thread do it, now or when one is free. An error: it was not taken, since no thread can be had.
    pub fn submit(&self, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut state = self.shared.lock();
        // Who was woken for a job takes it a moment later: till then it counts among the idle.
        if state.idle <= state.waiting.len() && state.threads < self.most {
            match self.begin() {
                Ok(()) => state.threads += 1,
                Err(error) if state.threads == 0 => return Err(error),
                // Those that there are do it, one after another.
                Err(_) => {}
            }
        }
        state.waiting.push_back(Box::new(job));
        drop(state);
        self.shared.changed.notify_one();
        Ok(())
    }

    fn begin(&self) -> io::Result<()> {
        let (shared, patience) = (Arc::clone(&self.shared), self.patience);
        let builder = thread::Builder::new().name(self.name.to_owned()).stack_size(STACK);
        quiet::without_signals(|| builder.spawn(move || shared.work(patience))).map(drop)
    }
}

impl Drop for Workers {
    /// What waits is dropped, and never begins. What runs ends when it ends.
    fn drop(&mut self) {
        if !self.are_here() {
            return;
        }
        let mut state = self.shared.lock();
        state.ended = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, patience: Duration) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.waiting.pop_front() {
                drop(state);
                job();
                state = self.lock();
                continue;
            }
            if state.ended {
                break;
            }
            state.idle += 1;
            let (woken, waited) =
                self.changed.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if waited.timed_out() && state.waiting.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, mpsc};
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn count(workers: &Workers) -> usize {
        workers.shared.lock().threads
    }

    #[test]
    fn as_many_at_once_as_may_be_and_the_others_afterwards() {
        let workers = Workers::new("test", 4, LONG);
        let (begun, done) = (Arc::new(AtomicUsize::new(0)), mpsc::channel());
        // Five would have to meet: four do, and the test is the fifth.
        let meeting = Arc::new(Barrier::new(5));
        for number in 0..12 {
            let (begun, meeting, tell) = (Arc::clone(&begun), Arc::clone(&meeting), done.0.clone());
            let job = move || {
                begun.fetch_add(1, Ordering::SeqCst);
                if number < 4 {
                    meeting.wait();
                }
                tell.send(number).unwrap();
            };
            workers.submit(job).unwrap();
        }
        assert!(count(&workers) <= 4);
        meeting.wait();
        let mut order: Vec<_> = (0..12).map(|_| done.1.recv_timeout(LONG).unwrap()).collect();
        order.sort_unstable();
        assert_eq!(order, (0..12).collect::<Vec<_>>());
        assert_eq!(begun.load(Ordering::SeqCst), 12);
    }

    #[test]
    fn one_after_another_needs_one_thread() {
        let workers = Workers::new("test", 8, LONG);
        let (tell, told) = mpsc::channel();
        for _ in 0..50 {
            let all_wait = |state: MutexGuard<'_, State>| state.idle == state.threads;
            while !all_wait(workers.shared.lock()) {
                thread::sleep(Duration::from_millis(1));
            }
            let tell = tell.clone();
            workers.submit(move || tell.send(()).unwrap()).unwrap();
            told.recv_timeout(LONG).unwrap();
        }
        assert_eq!(count(&workers), 1);
    }

    #[test]
    fn a_thread_ends_when_nothing_has_come() {
        let workers = Workers::new("test", 8, Duration::from_millis(5));
        workers.submit(|| ()).unwrap();
        let until = Instant::now() + LONG;
        while count(&workers) > 0 {
            assert!(Instant::now() < until);
            thread::sleep(Duration::from_millis(1));
        }
        let (tell, told) = mpsc::channel();
        workers.submit(move || tell.send(()).unwrap()).unwrap();
        told.recv_timeout(LONG).unwrap();
    }

    #[test]
    fn what_waits_at_the_end_never_begins() {
        let workers = Workers::new("test", 1, LONG);
        let (release, released) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let (begin, begun) = mpsc::channel();
        let first = move || {
            begin.send(()).unwrap();
            released.recv().unwrap();
        };
        workers.submit(first).unwrap();
        begun.recv_timeout(LONG).unwrap();
        workers.submit(move || tell.send(()).unwrap()).unwrap();
        let shared = Arc::clone(&workers.shared);
        drop(workers);
        release.send(()).unwrap();
        assert!(told.recv_timeout(LONG).is_err(), "it was dropped, and with it who would tell");
        let until = Instant::now() + LONG;
        while shared.lock().threads > 0 {
            assert!(Instant::now() < until);
            thread::sleep(Duration::from_millis(1));
        }
    }
}
