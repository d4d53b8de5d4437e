//! A loop of ironloop's extension module, by the table of C functions that it offers to others.
//!
//! The only unsafe code of `time`, `net` and `runtime`. What a function of the table may be called with,
//! `crates/abi` says; what is handed over as `data` is an `Arc` of ours, which the loop has until it comes
//! back: by `true`, or by the last call.

use std::ffi::c_void;
use std::io;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use ironloop_abi::{Loop, Table, what};
use ironloop_driver::{RawFd, Ready};

use crate::host::{Made, Spawnable};
use crate::net::Readiness;

/// A loop that is kept. Any thread may have it, compare it, and let go of it; what it offers, it offers on
/// its own thread.
pub(crate) struct TableLoop {
    table: &'static Table,
    at: NonNull<Loop>,
    calls: Calls,
}

/// What of Python's side is done for it.
#[derive(Clone, Copy)]
pub(crate) struct Calls {
    /// Polls a future on it from now on.
    pub(crate) spawn: fn(Spawnable, Made),
    /// Calls while the thread is attached, which it is not inside of a future that is `detached`.
    pub(crate) attached: fn(&mut dyn FnMut()),
}

// SAFETY: a loop is counted by its own table, from any thread; the functions that ask for the loop's thread
// refuse elsewhere.
unsafe impl Send for TableLoop {}
// SAFETY: as above: nothing of it changes but by the table.
unsafe impl Sync for TableLoop {}

impl Clone for TableLoop {
    fn clone(&self) -> Self {
        // SAFETY: it is kept, and so valid.
        unsafe { (self.table.loop_retain)(self.at.as_ptr()) };
        Self { ..*self }
    }
}

impl Drop for TableLoop {
    fn drop(&mut self) {
        // SAFETY: it was retained when this was made.
        unsafe { (self.table.loop_release)(self.at.as_ptr()) };
    }
}

impl TableLoop {
    /// The loop that runs in this thread.
    #[cfg_attr(not(feature = "pyo3"), allow(dead_code, reason = "there is none without Python"))]
    pub(crate) fn running(table: &'static Table, calls: Calls) -> Option<Self> {
        // SAFETY: a table's functions are those of `crates/abi`; the loop is valid while it runs, which it
        // does until this returns.
        let at = unsafe { (table.loop_running)() };
        let at = NonNull::new(at.cast_mut())?;
        // SAFETY: it runs.
        unsafe { (table.loop_retain)(at.as_ptr()) };
        Some(Self { table, at, calls })
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        self.at == other.at
    }

    pub(crate) fn now(&self) -> i64 {
        // SAFETY: it is kept.
        unsafe { (self.table.now)(self.at.as_ptr()) }
    }

    pub(crate) fn spawn(&self, future: Spawnable, made: Made) {
        (self.calls.spawn)(future, made);
    }

    /// Nothing if the loop is closed.
    pub(crate) fn set_timer(&self, deadline: i64, waker: Waker) -> Option<TableTimer> {
        let alarm = Arc::new(Alarm(Mutex::new(Some(waker))));
        let data = Arc::into_raw(Arc::clone(&alarm));
        let mut number = 0;
        (self.calls.attached)(&mut || {
            // SAFETY: it is kept; `due` takes what is handed over here.
            number =
                unsafe { (self.table.timer_set)(self.at.as_ptr(), deadline, due, data.cast_mut().cast()) };
        });
        if number == 0 {
            // SAFETY: a refused one is ours still.
            drop(unsafe { Arc::from_raw(data) });
            return None;
        }
        Some(TableTimer { on: self.clone(), number, alarm })
    }

    pub(crate) fn watch(&self, fd: RawFd, readiness: &Arc<Readiness>) -> io::Result<TableSource> {
        let data = Arc::into_raw(Arc::clone(readiness));
        let mut number = 0;
        let mut error = 0;
        (self.calls.attached)(&mut || {
            // SAFETY: it is kept; `report` takes what is handed over here, and the number outlives the call.
            error = unsafe {
                (self.table.source_add)(self.at.as_ptr(), fd, report, data.cast_mut().cast(), &raw mut number)
            };
        });
        if error != 0 {
            // SAFETY: a refused one is ours still.
            drop(unsafe { Arc::from_raw(data) });
            return Err(io::Error::from_raw_os_error(error));
        }
        Ok(TableSource { on: self.clone(), number, data: Handed(data) })
    }
}

/// Whom a timer wakes; nobody once it was due.
struct Alarm(Mutex<Option<Waker>>);

impl Alarm {
    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The loop's call for a timer. Each is called once.
unsafe extern "C" fn due(data: *mut c_void, _what: u32) {
    // SAFETY: `set_timer` has handed it over, and this is the last call.
    let alarm = unsafe { Arc::from_raw(data.cast_const().cast::<Alarm>()) };
    let waker = alarm.waker().take();
    // Of a loop that is closed too: nobody polls, and nobody waits for ever.
    waker.into_iter().for_each(Waker::wake);
}

/// The loop's call for a source.
unsafe extern "C" fn report(data: *mut c_void, bits: u32) {
    let data = data.cast_const().cast::<Readiness>();
    if bits & what::ENDED != 0 {
        // SAFETY: `watch` has handed it over, and this is the last call.
        unsafe { Arc::from_raw(data) }.end();
        return;
    }
    // SAFETY: `watch` has handed it over, and it has not come back. Kept, since a waker may end the source.
    let readiness = unsafe {
        Arc::increment_strong_count(data);
        Arc::from_raw(data)
    };
    let hung_up = bits & what::HUNG_UP != 0;
    readiness.report(Ready {
        readable: hung_up || bits & what::READABLE != 0,
        writable: bits & what::WRITABLE != 0,
        hung_up,
    });
}

/// A timer that is set, until it is due or [cancelled](Self::cancel).
pub(crate) struct TableTimer {
    on: TableLoop,
    number: u64,
    alarm: Arc<Alarm>,
}

impl TableTimer {
    /// Has it wake another. False if it is another loop's, or was due.
    pub(crate) fn wakes(&self, on: &TableLoop, waker: &Waker) -> bool {
        if !self.on.is(on) {
            return false;
        }
        let waker = waker.clone();
        let mut set = self.alarm.waker();
        let waits = set.is_some();
        let before = if waits { set.replace(waker) } else { None };
        drop(set);
        drop(before);
        waits
    }

    pub(crate) fn cancel(&self) {
        let waker = self.alarm.waker().take();
        // It was due: the number is nobody's.
        let Some(waker) = waker else { return };
        drop(waker);
        // SAFETY: it is kept.
        if unsafe { (self.on.table.timer_cancel)(self.on.at.as_ptr(), self.number) } {
            // SAFETY: `set_timer` has handed it over, and it has come back.
            drop(unsafe { Arc::from_raw(Arc::as_ptr(&self.alarm)) });
        }
    }
}

/// What a loop was handed. Only an address: whoever gets it back knows that it is his.
struct Handed(*const Readiness);

// SAFETY: an address, of what may be shared.
unsafe impl Send for Handed {}
// SAFETY: as above.
unsafe impl Sync for Handed {}

/// A descriptor that is watched, until it is [removed](Self::remove).
pub(crate) struct TableSource {
    pub(crate) on: TableLoop,
    number: u64,
    data: Handed,
}

impl TableSource {
    /// Watches it no longer. Once.
    pub(crate) fn remove(&self, fd: RawFd, closes: bool) {
        // SAFETY: it is kept.
        if unsafe { (self.on.table.source_remove)(self.on.at.as_ptr(), fd, self.number, closes) } {
            // SAFETY: `watch` has handed it over, and it has come back.
            drop(unsafe { Arc::from_raw(self.data.0) });
        }
    }
}
