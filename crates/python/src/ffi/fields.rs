//! The C structs of asyncio's own `Future` and `Task`.
//!
//! Ours are subclasses that keep their state where the base keeps its own: whatever we do not override is
//! asyncio's own code, and tools that read a process from outside find what they look for. The layouts are
//! those of the Python that this is built for; [`probe`] compares them with the types that are there.

pub(crate) mod probe;

use std::cell::Cell;
use std::ffi::c_int;
use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;

use super::Object;

/// An owned reference in a C struct, or none.
#[repr(transparent)]
pub(crate) struct Field(Cell<*mut ffi::PyObject>);

impl Field {
    pub(crate) const fn empty() -> Self {
        Self(Cell::new(ptr::null_mut()))
    }

    pub(crate) fn new(object: Object) -> Self {
        Self(Cell::new(object.into_ptr()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.get().is_null()
    }

    pub(crate) fn is(&self, object: &Object) -> bool {
        self.0.get() == object.as_ptr()
    }

    pub(crate) fn as_ptr(&self) -> *mut ffi::PyObject {
        self.0.get()
    }

    /// Shows the object to `body`, which runs no Python.
    pub(crate) fn lend(&self, body: impl FnOnce(&Object)) {
        if !self.is_empty() {
            // SAFETY: an `Object` is such a pointer; the struct keeps it meanwhile.
            body(unsafe { &*ptr::from_ref(&self.0).cast() });
        }
    }

    pub(crate) fn get(&self, py: Python<'_>) -> Option<Object> {
        if self.is_empty() {
            return None;
        }
        // SAFETY: a live object that the struct owns.
        Some(unsafe { Object::from_owned(py, ffi::Py_NewRef(self.0.get())) })
    }

    pub(crate) fn replace(&self, py: Python<'_>, object: Option<Object>) -> Option<Object> {
        let old = self.0.replace(object.map_or(ptr::null_mut(), Object::into_ptr));
        // SAFETY: the struct has owned it, and does not any more.
        (!old.is_null()).then(|| unsafe { Object::from_owned(py, old) })
    }

    pub(crate) fn take(&self, py: Python<'_>) -> Option<Object> {
        self.replace(py, None)
    }

    pub(crate) fn set(&self, py: Python<'_>, object: Object) {
        drop(self.replace(py, Some(object)));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    Cancelled,
    Finished,
}

/// `FutureObj`
#[repr(C)]
pub(crate) struct FutureFields {
    head: ffi::PyObject,
    /// The loop.
    pub(crate) owner: Field,
    pub(crate) callback0: Field,
    pub(crate) context0: Field,
    pub(crate) callbacks: Field,
    pub(crate) exception: Field,
    pub(crate) exception_traceback: Field,
    pub(crate) result: Field,
    source_traceback: Field,
    pub(crate) cancel_message: Field,
    #[cfg(Py_3_13)]
    pub(crate) cancelled_error: Field,
    #[cfg(Py_3_14)]
    pub(crate) awaited_by: Field,
    state: Cell<c_int>,
    #[cfg(Py_3_14)]
    is_task: Cell<u8>,
    #[cfg(Py_3_14)]
    awaited_by_is_set: Cell<u8>,
    #[cfg(Py_3_14)]
    flags: Cell<u8>,
    #[cfg(all(Py_3_13, not(Py_3_14)))]
    flags: Cell<u32>,
    #[cfg(not(Py_3_13))]
    log_traceback: Cell<c_int>,
    #[cfg(not(Py_3_13))]
    blocking: Cell<c_int>,
    #[cfg(not(Py_3_13))]
    dictionary: Field,
    #[cfg(not(Py_3_13))]
    weak_references: Cell<*mut ffi::PyObject>,
    #[cfg(not(Py_3_13))]
    pub(crate) cancelled_error: Field,
}

/// `TaskObj`
#[repr(C)]
pub(crate) struct TaskFields {
    pub(crate) future: FutureFields,
    #[cfg(Py_3_13)]
    cancels_requested: Cell<c_int>,
    pub(crate) waiting_for: Field,
    pub(crate) coroutine: Field,
    pub(crate) name: Field,
    pub(crate) context: Field,
    #[cfg(not(Py_3_13))]
    must_cancel: Cell<c_int>,
    #[cfg(not(Py_3_13))]
    log_destroy_pending: Cell<c_int>,
    #[cfg(not(Py_3_13))]
    cancels_requested: Cell<c_int>,
    #[cfg(Py_3_14)]
    node: Cell<Node>,
}

/// A place in the interpreter's list of tasks.
#[cfg(Py_3_14)]
#[derive(Clone, Copy)]
#[repr(C)]
struct Node {
    next: *mut Cell<Node>,
    previous: *mut Cell<Node>,
}

#[cfg(Py_3_13)]
mod flag {
    pub(super) const LOG_TRACEBACK: u8 = 1;
    pub(super) const BLOCKING: u8 = 2;
    pub(super) const MUST_CANCEL: u8 = 4;
    pub(super) const LOG_DESTROY_PENDING: u8 = 8;
}

impl FutureFields {
    pub(crate) fn state(&self) -> State {
        match self.state.get() {
            0 => State::Pending,
            1 => State::Cancelled,
            _ => State::Finished,
        }
    }

    pub(crate) fn set_state(&self, state: State) {
        self.state.set(state as c_int);
    }

    #[cfg(Py_3_13)]
    fn flag(&self, flag: u8) -> bool {
        self.flags.get() & flag_bits(flag) != 0
    }

    #[cfg(Py_3_13)]
    fn set_flag(&self, flag: u8, on: bool) {
        let others = self.flags.get() & !flag_bits(flag);
        self.flags.set(if on { others | flag_bits(flag) } else { others });
    }
}

#[cfg(all(Py_3_13, not(Py_3_14)))]
fn flag_bits(flag: u8) -> u32 {
    u32::from(flag)
}

#[cfg(Py_3_14)]
fn flag_bits(flag: u8) -> u8 {
    flag
}

#[cfg(Py_3_13)]
impl FutureFields {
    pub(crate) fn logs_traceback(&self) -> bool {
        self.flag(flag::LOG_TRACEBACK)
    }

    pub(crate) fn set_log_traceback(&self, on: bool) {
        self.set_flag(flag::LOG_TRACEBACK, on);
    }

    pub(crate) fn is_blocking(&self) -> bool {
        self.flag(flag::BLOCKING)
    }

    pub(crate) fn set_blocking(&self, on: bool) {
        self.set_flag(flag::BLOCKING, on);
    }
}

#[cfg(not(Py_3_13))]
impl FutureFields {
    pub(crate) fn logs_traceback(&self) -> bool {
        self.log_traceback.get() != 0
    }

    pub(crate) fn set_log_traceback(&self, on: bool) {
        self.log_traceback.set(c_int::from(on));
    }

    pub(crate) fn is_blocking(&self) -> bool {
        self.blocking.get() != 0
    }

    pub(crate) fn set_blocking(&self, on: bool) {
        self.blocking.set(c_int::from(on));
    }
}

#[cfg(Py_3_13)]
impl TaskFields {
    pub(crate) fn must_cancel(&self) -> bool {
        self.future.flag(flag::MUST_CANCEL)
    }

    pub(crate) fn set_must_cancel(&self, on: bool) {
        self.future.set_flag(flag::MUST_CANCEL, on);
    }

    pub(crate) fn logs_destroy_pending(&self) -> bool {
        self.future.flag(flag::LOG_DESTROY_PENDING)
    }

    pub(crate) fn set_log_destroy_pending(&self, on: bool) {
        self.future.set_flag(flag::LOG_DESTROY_PENDING, on);
    }
}

#[cfg(not(Py_3_13))]
impl TaskFields {
    pub(crate) fn must_cancel(&self) -> bool {
        self.must_cancel.get() != 0
    }

    pub(crate) fn set_must_cancel(&self, on: bool) {
        self.must_cancel.set(c_int::from(on));
    }

    pub(crate) fn logs_destroy_pending(&self) -> bool {
        self.log_destroy_pending.get() != 0
    }

    pub(crate) fn set_log_destroy_pending(&self, on: bool) {
        self.log_destroy_pending.set(c_int::from(on));
    }
}

impl TaskFields {
    /// `task.cancelling()`
    pub(crate) fn cancels_requested(&self) -> i64 {
        i64::from(self.cancels_requested.get())
    }

    /// What a new task is beyond zeros.
    pub(crate) fn begin(&self) {
        #[cfg(Py_3_14)]
        self.future.is_task.set(1);
        self.set_log_destroy_pending(true);
    }
}

/// Who awaits a future, which Python 3.14 and later write down for those who look from outside.
#[cfg(Py_3_14)]
impl FutureFields {
    /// True if it was done; a second awaiter needs a set, which asyncio's own function makes.
    pub(crate) fn set_only_awaiter(&self, py: Python<'_>, task: &Object) -> bool {
        let free = self.awaited_by.is_empty();
        if free {
            self.awaited_by.set(py, task.clone_ref(py));
        }
        free
    }

    /// True if it was done.
    pub(crate) fn forget_only_awaiter(&self, py: Python<'_>, task: &Object) -> bool {
        let only = self.awaited_by_is_set.get() == 0 && self.awaited_by.is(task);
        if only {
            drop(self.awaited_by.take(py));
        }
        only
    }
}

#[cfg(Py_3_14)]
impl TaskFields {
    /// Leaves the interpreter's list of tasks.
    pub(crate) fn unlink(&self) {
        let Node { next, previous } = self.node.get();
        if next.is_null() {
            return;
        }
        // SAFETY: neighbours in a list, which only this thread changes: tasks stand in their thread's list,
        // or are unlinked when nobody else refers to them.
        unsafe {
            (*previous).set(Node { next, ..(*previous).get() });
            (*next).set(Node { previous, ..(*next).get() });
        }
        self.node.set(Node { next: ptr::null_mut(), previous: ptr::null_mut() });
    }
}
