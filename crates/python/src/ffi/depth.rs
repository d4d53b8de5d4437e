//! How deep native coroutines may resume, close and drop each other.
//!
//! They do it from one C frame to the next. The interpreter counts the frames of Python code only, and has no
//! limit of a thread's small stack before Python 3.14; so each step down is counted here, against the
//! interpreter's limit and against the stack. What is counted is the thread's own.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::{self, NonNull};

use pyo3::exceptions::PyRecursionError;
use pyo3::ffi;
use pyo3::prelude::*;

use super::{Object, Traverse, Visit, Visited};

/// So many levels are below any limit that a program sets.
const SHALLOW: usize = 32;

/// As much of a stack as whatever is called from the lowest level may have, or an eighth of it if that is
/// less.
const RESERVE: usize = 256 * 1024;

struct Depth {
    levels: Cell<usize>,
    /// Below this address is the reserve.
    floor: Cell<usize>,
    /// Where the stack itself ends: an address below is none of it.
    bottom: Cell<usize>,
    /// Whether something waits to be dropped until there is room.
    is_late: Cell<bool>,
}

thread_local! {
    static DEPTH: Depth = const {
        // Nothing lies above this floor: the first one asks where the stack is.
        Depth {
            levels: Cell::new(0),
            floor: Cell::new(usize::MAX),
            bottom: Cell::new(0),
            is_late: Cell::new(false),
        }
    };

    /// Never dropped itself: a thread that ends is not attached.
    static LATE: ManuallyDrop<RefCell<Vec<Object>>> = const { ManuallyDrop::new(RefCell::new(Vec::new())) };
}

impl Depth {
    fn has_room(&self) -> bool {
        let here = ptr::from_ref(&self).addr();
        let is_usual = self.levels.get() < SHALLOW && here > self.floor.get();
        is_usual || self.looks_for_room(here)
    }

    #[cold]
    fn looks_for_room(&self, here: usize) -> bool {
        if self.floor.get() == usize::MAX {
            let stack = ironloop_driver::stack().unwrap_or(0..0);
            self.bottom.set(stack.start);
            self.floor.set(stack.start + RESERVE.min(stack.len() / 8));
        }
        // SAFETY: asks for a number.
        let limit = unsafe { ffi::Py_GetRecursionLimit() };
        self.levels.get() < usize::try_from(limit).unwrap_or(0).max(SHALLOW)
            && !(self.bottom.get()..self.floor.get()).contains(&here)
    }
}

/// One level down, until this is dropped. It knows where the thread counts: to ask for that is a call.
pub(crate) struct Level(NonNull<Depth>);

/// A `RecursionError` if there is no level below.
pub(crate) fn enter() -> PyResult<Level> {
    descend().ok_or_else(|| PyRecursionError::new_err("maximum recursion depth exceeded"))
}

fn descend() -> Option<Level> {
    DEPTH.with(|depth| {
        depth.has_room().then(|| {
            depth.levels.set(depth.levels.get() + 1);
            Level(NonNull::from(depth))
        })
    })
}

impl Drop for Level {
    fn drop(&mut self) {
        // SAFETY: the thread's own, to the end of the thread: it has no destructor, and a pointer does not
        // leave its thread.
        let depth = unsafe { self.0.as_ref() };
        depth.levels.set(depth.levels.get() - 1);
        if depth.levels.get() == 0 && depth.is_late.get() {
            drop_late(depth);
        }
    }
}

/// The uppermost level drops what those below had no room for.
#[cold]
fn drop_late(depth: &Depth) {
    depth.levels.set(1);
    while let Some(object) = LATE.with(|late| late.borrow_mut().pop()) {
        drop(object);
    }
    depth.is_late.set(false);
    depth.levels.set(0);
}

/// A reference to what may hold another such one, and so on: a long chain falls link by link, and not through
/// the stack.
pub(crate) struct Link(ManuallyDrop<Object>);

impl Link {
    pub(crate) fn new(object: Object) -> Self {
        Self(ManuallyDrop::new(object))
    }
}

impl Traverse for Link {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.0.traverse(visit)
    }
}

impl Deref for Link {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.0
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // SAFETY: taken out once, and nobody uses it afterwards.
        let object = unsafe { ManuallyDrop::take(&mut self.0) };
        match descend() {
            Some(_level) => drop(object),
            None => {
                LATE.with(|late| late.borrow_mut().push(object));
                DEPTH.with(|depth| depth.is_late.set(true));
            }
        }
    }
}
