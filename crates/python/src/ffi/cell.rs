//! State that belongs to one loop.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, Ordering};

/// A value that is used for an instant at a time, never across a call into Python.
///
/// Python's own lock makes that instant exclusive, so all that is checked is that `with` is not nested:
/// dropping a Python object inside it could run code that comes back here. Where Python has no such lock, the
/// flag is one itself.
#[derive(Default)]
pub(crate) struct LoopCell<T> {
    busy: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `with` gives out the value to one thread at a time: it runs under Python's lock, or takes its own.
unsafe impl<T: Send> Sync for LoopCell<T> {}

impl<T> LoopCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { busy: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// Lends the value to `body`, which must not run Python code, nor drop what may run some.
    pub(crate) fn with<R>(&self, body: impl FnOnce(&mut T) -> R) -> R {
        self.try_with(body).unwrap_or_else(|| panic!("a loop's state was used while it was in use"))
    }

    /// The value of a cell that nobody else can reach yet.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// The same as `with`, or nothing if the value is in use: for the garbage collector, which may come at
    /// any time.
    pub(crate) fn try_with<R>(&self, body: impl FnOnce(&mut T) -> R) -> Option<R> {
        if !self.acquire() {
            return None;
        }
        let guard = Guard(&self.busy);
        // SAFETY: `busy` was ours to set, and stays set until the guard is dropped.
        let result = body(unsafe { &mut *self.value.get() });
        drop(guard);
        Some(result)
    }

    #[cfg(not(Py_GIL_DISABLED))]
    fn acquire(&self) -> bool {
        let free = !self.busy.load(Ordering::Relaxed);
        if free {
            self.busy.store(true, Ordering::Relaxed);
        }
        free
    }

    #[cfg(Py_GIL_DISABLED)]
    fn acquire(&self) -> bool {
        // Held for nanoseconds, unless the holder has lost its processor; a thread that nests gives up at
        // last.
        for attempt in 0..1_000_000 {
            if self.busy.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                return true;
            }
            if attempt < 1_000 { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
        false
    }
}

struct Guard<'a>(&'a AtomicBool);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
