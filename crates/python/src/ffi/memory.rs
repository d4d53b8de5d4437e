//! Memory for instances of collected classes: where it comes from, and where it waits for the next one.

use std::mem::size_of;
use std::ptr::{self, NonNull};

use pyo3::exceptions::PyMemoryError;
use pyo3::ffi;
use pyo3::prelude::*;

use super::cell::LoopCell;

/// The memory of dead instances of one class, none of them from the collector's allocator: making the next
/// one then asks no allocator. Owned by the class, or by a loop.
pub(crate) struct Pool {
    waiting: LoopCell<Vec<Memory>>,
    most: usize,
}

struct Memory(NonNull<ffi::PyObject>);

// SAFETY: dead memory that nobody else refers to.
unsafe impl Send for Memory {}

impl Memory {
    fn release(self) {
        // SAFETY: the memory of a dead instance, which did not come from the collector's allocator.
        unsafe { release(self.0.as_ptr(), false) };
    }
}

impl Pool {
    /// About three megabytes of handles.
    const KEPT: usize = 16 * 1024;

    /// A burst of so many costs no page faults the next time: the C library gives back to the kernel what lies
    /// at the end of its heap.
    const MOST: usize = 128 * 1024;

    /// So many are given up at a time.
    const STEP: usize = 512;

    pub(crate) const fn new() -> Self {
        Self { waiting: LoopCell::new(Vec::new()), most: Self::KEPT }
    }

    /// One that keeps more after a burst, for somebody who [trims](Self::trim) it.
    pub(crate) const fn for_bursts() -> Self {
        Self { waiting: LoopCell::new(Vec::new()), most: Self::MOST }
    }

    pub(super) fn take(&self) -> Option<NonNull<ffi::PyObject>> {
        self.waiting.with(Vec::pop).map(|memory| memory.0)
    }

    /// Gives some of it up, if it is more than should be kept. For one who has time.
    pub(crate) fn trim(&self) {
        let surplus = self.waiting.with(|waiting| {
            let first = waiting.len().saturating_sub(Self::STEP).max(Self::KEPT);
            if first < waiting.len() { waiting.split_off(first) } else { Vec::new() }
        });
        surplus.into_iter().for_each(Memory::release);
    }

    /// False if the pool is full.
    pub(super) fn put(&self, memory: *mut ffi::PyObject) -> bool {
        // A free-threaded object has more state than a new header resets.
        if cfg!(Py_GIL_DISABLED) {
            return false;
        }
        let Some(memory) = NonNull::new(memory) else {
            return false;
        };
        self.waiting.with(|pool| {
            let room = pool.len() < self.most;
            if room {
                pool.push(Memory(memory));
            }
            room
        })
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.waiting.with(std::mem::take).into_iter().for_each(Memory::release);
    }
}

/// The size of an instance: of a Python class below, the interpreter puts the values of attributes right
/// behind it.
pub(super) const fn whole_words(size: usize) -> usize {
    size.next_multiple_of(size_of::<usize>())
}

/// What may stand before an object of a collected class: the collector's header, and where the interpreter
/// keeps a dictionary and weak references that it manages itself.
pub(super) const BEFORE: usize = 4 * size_of::<usize>();

/// Memory for an instance, with its header, and zeros behind it.
///
/// The collector counts what its own allocator gives out, and comes the sooner. An instance that it never
/// walks has no business there. It comes from the C library, which keeps what is freed: the interpreter's own
/// allocator gives arenas back to the kernel after a burst, and the next burst faults them in again. A
/// free-threaded collector finds objects by their allocator, so there all come from its own.
pub(super) unsafe fn allocate(
    py: Python<'_>,
    kind: *mut ffi::PyTypeObject,
    tracked: bool,
) -> PyResult<*mut ffi::PyObject> {
    // SAFETY: a live type; all that is written lies inside what was allocated.
    unsafe {
        let size = (*kind).tp_basicsize as usize;
        if tracked || cfg!(Py_GIL_DISABLED) {
            let memory = ffi::PyObject_GC_New::<ffi::PyObject>(kind);
            if memory.is_null() {
                return Err(PyErr::fetch(py));
            }
            let header = size_of::<ffi::PyObject>();
            ptr::write_bytes(memory.cast::<u8>().add(header), 0, size - header);
            return Ok(memory);
        }
        let block = ffi::PyMem_RawMalloc(BEFORE + size).cast::<u8>();
        if block.is_null() {
            return Err(PyMemoryError::new_err(()));
        }
        ptr::write_bytes(block, 0, BEFORE + size);
        Ok(ffi::PyObject_Init(block.add(BEFORE).cast(), kind))
    }
}

/// Gives back what `allocate` gave.
pub(super) unsafe fn release(memory: *mut ffi::PyObject, tracked: bool) {
    // SAFETY: the deallocators and pools that call this have taken all out of the instance, and say how
    // `allocate` was called for its class.
    unsafe {
        if tracked || cfg!(Py_GIL_DISABLED) {
            ffi::PyObject_GC_Del(memory.cast());
        } else {
            ffi::PyMem_RawFree(memory.cast::<u8>().sub(BEFORE).cast());
        }
    }
}
