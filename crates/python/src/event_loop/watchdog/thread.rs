//! The thread: it looks, says what it has found, and rests while all loops sleep.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread;
use std::time::Duration;

use ironloop_driver::Driver;

use super::registry::{ABSENT, lock};
use super::report::Said;
use crate::ffi::stack_of_others::Eyes;

/// So often it looks within a threshold.
const LOOKS: i64 = 5;

/// After so many looks that have found nothing but sleep it rests until it is called.
const PATIENCE: u32 = 40;

/// Looks until it is told to stop.
pub(super) fn watch(threshold: i64, stop: &AtomicBool) {
    let (eyes, period) = (Eyes::open(), threshold / LOOKS);
    let mut last = Driver::default().now();
    let mut quiet = 0;
    while !stop.load(Ordering::Acquire) {
        if quiet < PATIENCE {
            thread::park_timeout(Duration::from_nanos(period as u64));
        } else if rest() {
            quiet = 0;
            thread::park();
            last = Driver::default().now();
            continue;
        }
        let mut said = Vec::new();
        quiet = if look(&eyes, &mut last, period, &mut said) { quiet + 1 } else { 0 };
        said.into_iter().for_each(Said::publish);
    }
}

/// One look at each loop; whether all sleep.
fn look(eyes: &Result<Eyes, &'static str>, last: &mut i64, period: i64, said: &mut Vec<Said>) -> bool {
    let mut registry = lock();
    let now = Driver::default().now();
    // It was not run itself for a while: the machine was busy, or the process stopped.
    let overslept = now - *last > 3 * period;
    *last = now;
    let mut asleep = true;
    for watched in &mut registry.watched {
        if overslept {
            watched.forget(now);
        }
        asleep &= watched.look(eyes.as_ref(), now, said);
    }
    asleep
}

/// Says that it is about to rest; false if a loop has woken up meanwhile.
fn rest() -> bool {
    let registry = lock();
    ABSENT.store(true, Ordering::SeqCst);
    // Either it sees here that a loop is awake, or the loop sees that it rests.
    fence(Ordering::SeqCst);
    let asleep = registry.watched.iter().all(|watched| watched.is_asleep());
    if !asleep {
        ABSENT.store(false, Ordering::SeqCst);
    }
    asleep
}
