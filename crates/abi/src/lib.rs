//! The Rust door's contract: what ironloop's loop offers to the other extension modules of a process.
//!
//! `ironloop._ironloop.door_v1` is a capsule of the name [`CAPSULE`] that holds a static [`Table`]. Who uses
//! it finds the module in `sys.modules` and never imports it, compares [`Table::major`] with [`MAJOR`] and
//! [`Table::size`] with what is needed, and does without where they do not fit. The table is appended to
//! only; what would change it otherwise is a new major, under a new capsule's name. While the major is 0 it
//! may still change.
//!
//! Nothing of Rust's own crosses: no `Waker`, no `Box`, no unwinding. Each side frees what it has made. None
//! of these functions runs Python, but for those that say so. Those without a word on threads are for the
//! thread that runs the loop, and refuse elsewhere.

#![no_std]

use core::ffi::{CStr, c_int, c_void};
use core::sync::atomic::AtomicPtr;

/// The major that this crate describes.
pub const MAJOR: u32 = 0;
/// The newest minor that it describes.
pub const MINOR: u32 = 3;
/// The capsule's name.
pub const CAPSULE: &CStr = c"ironloop._ironloop.door_v1";
/// Where the capsule is: a module, and its attribute.
pub const MODULE: &CStr = c"ironloop._ironloop";
pub const ATTRIBUTE: &CStr = c"door_v1";

/// A loop; counted, and so valid as long as somebody [retains](Table::loop_retain) it, also closed. The same
/// loop has the same address.
#[repr(C)]
pub struct Loop {
    _opaque: [u8; 0],
}

/// What is woken; counted, as a loop.
#[repr(C)]
pub struct Cell {
    _opaque: [u8; 0],
}

/// Python's `PyObject`.
#[repr(C)]
pub struct Object {
    _opaque: [u8; 0],
}

/// A text that is never freed: UTF-8.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Text {
    pub at: *const u8,
    pub length: usize,
}

impl Text {
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self { at: text.as_ptr(), length: text.len() }
    }
}

/// What a Rust future tells of itself.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Facts {
    /// What Python calls it.
    pub name: Text,
    /// The path of its type, which begins with the crate.
    pub path: Text,
    /// Where it was made.
    pub file: Text,
    pub line: usize,
}

/// Called by a loop, on its thread, attached, as an item of a turn. May call the table, and whatever else
/// that does not unwind. `what` has bits of [`what`].
pub type Call = unsafe extern "C" fn(data: *mut c_void, what: u32);

/// Why a [`Call`] is made.
pub mod what {
    /// A descriptor is readable.
    pub const READABLE: u32 = 1;
    /// A descriptor is writable.
    pub const WRITABLE: u32 = 2;
    /// The other end of a descriptor has closed, or it has an error.
    pub const HUNG_UP: u32 = 4;
    /// A timer is due. The last call for it.
    pub const DUE: u32 = 8;
    /// The last call: the loop is closed, or a removal asked for on another thread is done.
    pub const ENDED: u32 = 16;
    /// A cell was woken.
    pub const WOKEN: u32 = 32;
    /// What was sent home has come. The last call for it.
    pub const HOME: u32 = 64;
}

/// How a future has ended.
pub mod ending {
    /// It was ready.
    pub const READY: u32 = 0;
    /// It has panicked.
    pub const PANICKED: u32 = 1;
    /// It was dropped before it was ready.
    pub const CANCELLED: u32 = 2;
}

/// What a loop offers. `data` belongs to the loop from the call that gives it until it comes back: by `true`
/// of a function that ends it, or by the last [`Call`]; one of both, once.
#[repr(C)]
pub struct Table {
    /// The size of the table in bytes.
    pub size: usize,
    pub major: u32,
    pub minor: u32,

    /// The loop that runs in the calling thread; null if none does. Valid while it runs: retain it to keep
    /// it.
    pub loop_running: unsafe extern "C" fn() -> *const Loop,
    /// Any thread.
    pub loop_retain: unsafe extern "C" fn(*const Loop),
    /// Any thread.
    pub loop_release: unsafe extern "C" fn(*const Loop),
    /// Whether it is closed. Any thread.
    pub loop_is_closed: unsafe extern "C" fn(*const Loop) -> bool,

    /// A new cell, retained once. With a `call`, that is called after each wake, until the end; it is null if
    /// the loop does not run in this thread. Without one, a Python awaitable waits by
    /// [`cell_wait`](Self::cell_wait), and it may be made on any thread.
    pub cell_new: unsafe extern "C" fn(*const Loop, call: Option<Call>, data: *mut c_void) -> *const Cell,
    /// Any thread.
    pub cell_retain: unsafe extern "C" fn(*const Cell),
    /// Any thread.
    pub cell_release: unsafe extern "C" fn(*const Cell),
    /// What an awaitable yields to the task that awaits it, which goes on once the cell is woken: a new
    /// reference. Attached; null with an exception set.
    pub cell_wait: unsafe extern "C" fn(*const Cell) -> *mut Object,
    /// Wakes who waits for it. False if nobody will ever be told: the loop is closed. Any thread, attached or
    /// not.
    pub cell_wake: unsafe extern "C" fn(*const Cell) -> bool,
    /// Nobody waits for it any more; with a `call`, true says that `data` is back. Attached.
    pub cell_end: unsafe extern "C" fn(*const Cell) -> bool,

    /// The loop's clock, in nanoseconds; a simulation's is its own. Any thread.
    pub now: unsafe extern "C" fn(*const Loop) -> i64,
    /// Calls once `now` is the deadline or later. A number that names the timer; 0 if it is refused.
    pub timer_set: unsafe extern "C" fn(*const Loop, deadline: i64, call: Call, data: *mut c_void) -> u64,
    /// True: it will not be called, `data` is back. On other threads it is sent home, and `false`.
    pub timer_cancel: unsafe extern "C" fn(*const Loop, timer: u64) -> bool,

    /// Watches a descriptor for both directions by edges, until it is removed. 0 and a number that names the
    /// source, or an `errno`.
    pub source_add: unsafe extern "C" fn(
        *const Loop,
        descriptor: c_int,
        call: Call,
        data: *mut c_void,
        source: *mut u64,
    ) -> c_int,
    /// Watches it no more; `closing` says that its only owner closes it next. True: `data` is back. On other
    /// threads it is sent home, and `false`.
    pub source_remove:
        unsafe extern "C" fn(*const Loop, descriptor: c_int, source: u64, closing: bool) -> bool,

    /// Calls on the loop's thread, soon. False if it is closed, or belongs to the process that this one was
    /// forked from: then `data` stays the caller's. Any thread, attached or not.
    pub send_home: unsafe extern "C" fn(*const Loop, call: Call, data: *mut c_void) -> bool,

    /// Sets the `StopIteration` by which an iterator returns the value, and takes it: those of the loop come
    /// from a pool. Attached, any thread.
    pub stop: unsafe extern "C" fn(value: *mut Object),
    /// A class whose instances are resumed as coroutines are: `create_task` takes them without asking. 0, or
    /// -1 with an exception set. Attached, any thread.
    pub adopt: unsafe extern "C" fn(class: *mut Object) -> c_int,

    /// Where this thread shows which Rust future it polls, for whoever looks while a poll lasts; null in it
    /// says none. Who polls puts back what was there. Valid as long as the thread. Any thread.
    pub polled: unsafe extern "C" fn() -> *const AtomicPtr<Facts>,
    /// A cell with a call, as [`cell_new`](Self::cell_new) makes it, for a Rust future that is polled by
    /// itself: what that is is shown to whoever watches the loop. `facts` is copied.
    pub cell_of_future:
        unsafe extern "C" fn(*const Loop, call: Call, data: *mut c_void, facts: *const Facts) -> *const Cell,
    /// As [`cell_end`](Self::cell_end), for a cell of a future: how that has ended, a number of [`ending`].
    pub cell_end_of_future: unsafe extern "C" fn(*const Cell, ending: u32) -> bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::{offset_of, size_of};

    /// What an extension that was built against the first table finds where.
    #[test]
    fn each_function_stays_where_it_is() {
        let word = size_of::<usize>();
        let offsets = [offset_of!(Table, size), offset_of!(Table, major), offset_of!(Table, minor)];
        assert_eq!(offsets, [0, word, word + 4]);
        let functions = [
            offset_of!(Table, loop_running),
            offset_of!(Table, loop_retain),
            offset_of!(Table, loop_release),
            offset_of!(Table, loop_is_closed),
            offset_of!(Table, cell_new),
            offset_of!(Table, cell_retain),
            offset_of!(Table, cell_release),
            offset_of!(Table, cell_wait),
            offset_of!(Table, cell_wake),
            offset_of!(Table, cell_end),
            offset_of!(Table, now),
            offset_of!(Table, timer_set),
            offset_of!(Table, timer_cancel),
            offset_of!(Table, source_add),
            offset_of!(Table, source_remove),
            offset_of!(Table, send_home),
            offset_of!(Table, stop),
            offset_of!(Table, adopt),
            offset_of!(Table, polled),
            offset_of!(Table, cell_of_future),
            offset_of!(Table, cell_end_of_future),
        ];
        let first = word + 8;
        for (index, offset) in functions.into_iter().enumerate() {
            assert_eq!(offset, first + index * word);
        }
        assert_eq!(size_of::<Table>(), first + functions.len() * word);
    }
}
