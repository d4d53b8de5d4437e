//! How a future stands towards its wakers: one word.
//!
//! ```text
//! Polling --wake--> Woken          seen when the poll is over: it is queued
//! Polling --over--> Waiting        the loop is told by whoever wakes
//! Waiting --wake--> Queued         who makes this step tells the loop
//! Woken, Queued --wake--> same     somebody has told, or will
//! any --poll begins--> Polling
//! any --end--> Ended               a wake finds nothing to do
//! ```
//!
//! Any thread wakes; all else is done by who polls.

use std::sync::atomic::Ordering;

#[cfg(loom)]
use loom::sync::atomic::AtomicU8;
#[cfg(not(loom))]
use std::sync::atomic::AtomicU8;

const POLLING: u8 = 0;
const WOKEN: u8 = 1;
const WAITING: u8 = 2;
const QUEUED: u8 = 3;
const ENDED: u8 = 4;

pub(super) struct State(AtomicU8);

impl State {
    /// Being polled.
    pub(super) fn polling() -> Self {
        Self(AtomicU8::new(POLLING))
    }

    /// A poll begins.
    pub(super) fn begin(&self) {
        self.0.swap(POLLING, Ordering::AcqRel);
    }

    /// Whether it was woken since the poll has begun.
    pub(super) fn is_woken(&self) -> bool {
        self.0.load(Ordering::Acquire) == WOKEN
    }

    /// Whether somebody has woken it since it waits.
    pub(super) fn is_queued(&self) -> bool {
        self.0.load(Ordering::Acquire) == QUEUED
    }

    /// The poll is over, and the loop is told by whoever wakes. False if somebody has, meanwhile: then it is
    /// queued, and who polls has to tell the loop.
    #[must_use]
    pub(super) fn wait(&self) -> bool {
        let waits = self.0.compare_exchange(POLLING, WAITING, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if !waits {
            self.queue();
        }
        waits
    }

    /// It comes again without anybody's wake.
    pub(super) fn queue(&self) {
        // Exchanged and not stored, so that it comes after those who have woken it meanwhile.
        self.0.swap(QUEUED, Ordering::AcqRel);
    }

    pub(super) fn end(&self) {
        self.0.store(ENDED, Ordering::Release);
    }

    /// Wakes. True if the loop has to be told, by who has woken it.
    #[must_use]
    pub(super) fn wake(&self) -> bool {
        let mut seen = self.0.load(Ordering::Acquire);
        loop {
            let next = match seen {
                POLLING => WOKEN,
                WAITING => QUEUED,
                // Written all the same: the poll that comes has to see what was done before this wake.
                WOKEN | QUEUED => seen,
                _ => return false,
            };
            match self.0.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return seen == WAITING,
                Err(other) => seen = other,
            }
        }
    }
}

/// Every order in which threads meet: `make races`.
#[cfg(all(test, loom))]
mod races {
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::sync::{Arc, Condvar, Mutex};
    use loom::thread;

    use super::State;

    /// A future that is ready when so many have come, and the loop that polls it. One that is told by nobody
    /// waits for ever, which loom finds.
    struct Polled {
        state: State,
        come: AtomicUsize,
        told: Mutex<usize>,
        kernel: Condvar,
    }

    impl Polled {
        fn comes(&self) {
            self.come.fetch_add(1, Ordering::Release);
            if self.state.wake() {
                *self.told.lock().expect("nobody panics") += 1;
                self.kernel.notify_one();
            }
        }

        fn wait(&self) {
            let mut told = self.told.lock().expect("nobody panics");
            while *told == 0 {
                told = self.kernel.wait(told).expect("nobody panics");
            }
            // Nobody is told twice of one wait.
            assert_eq!(*told, 1);
            *told = 0;
        }

        fn run(&self, count: usize) {
            loop {
                if self.come.load(Ordering::Acquire) == count {
                    return self.state.end();
                }
                if self.state.is_woken() {
                    self.state.queue();
                } else if self.state.wait() {
                    self.wait();
                }
                self.state.begin();
            }
        }
    }

    fn model(threads: usize) {
        loom::model(move || {
            let polled = Arc::new(Polled {
                state: State::polling(),
                come: AtomicUsize::new(0),
                told: Mutex::new(0),
                kernel: Condvar::new(),
            });
            let threads: Vec<_> = (0..threads)
                .map(|_| {
                    let polled = polled.clone();
                    thread::spawn(move || polled.comes())
                })
                .collect();
            polled.run(threads.len());
            for thread in threads {
                thread.join().expect("it has come");
            }
            assert!(!polled.state.wake());
        });
    }

    #[test]
    fn a_wake_is_never_lost() {
        model(1);
    }

    #[test]
    fn of_two_wakes_neither_is_lost_and_one_tells() {
        model(2);
    }
}
