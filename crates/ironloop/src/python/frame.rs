//! The memory of a coroutine: a Python object's head, the coroutine, and its future, in one piece.
//!
//! Made where the future is known, on whatever thread; it becomes an object where it is handed to Python, and
//! goes with that. Of Rust's own allocator: nothing of Python's frees it, and no thread need be attached.

use std::cell::UnsafeCell;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::pin::Pin;
use std::ptr::NonNull;

use pyo3::ffi;

use super::coroutine::{Body, Facts};
use super::resume::{Coroutine, Life};
use super::token::CancelToken;

/// What each frame begins with.
#[repr(C)]
pub(super) struct Head {
    object: MaybeUninit<ffi::PyObject>,
    coroutine: UnsafeCell<ManuallyDrop<Coroutine>>,
    free: unsafe fn(NonNull<Head>),
}

#[repr(C)]
struct Whole<B> {
    head: Head,
    body: UnsafeCell<ManuallyDrop<B>>,
}

/// A frame that is no object yet.
pub(super) struct Frame(NonNull<Head>);

impl Frame {
    pub(super) fn new<B: Body + 'static>(facts: Facts, body: B, token: Option<CancelToken>) -> Self {
        // A future is always said to need it. A reference takes a pointer's room.
        let has_drop = std::mem::needs_drop::<B>() && size_of::<B>() >= size_of::<usize>();
        let coroutine = Coroutine { facts, has_drop, life: Life::Over, token, home: None, thrown: None };
        let whole = Box::into_raw(Box::new(Whole {
            head: Head {
                object: MaybeUninit::uninit(),
                coroutine: UnsafeCell::new(ManuallyDrop::new(coroutine)),
                free: free::<B>,
            },
            body: UnsafeCell::new(ManuallyDrop::new(body)),
        }));
        // SAFETY: a new one, which is ours alone; its body is let go of by `Lodged`, once.
        unsafe {
            let body: *mut dyn Body = (&raw mut (*whole).body).cast::<B>();
            let coroutine = &mut *(*whole).head.coroutine.get();
            coroutine.life = Life::Fresh(Lodged(NonNull::new_unchecked(body)));
            Self(NonNull::new_unchecked(whole).cast())
        }
    }

    /// Looks at it before anybody else has it.
    pub(super) fn with<R>(&mut self, look: impl FnOnce(&mut Coroutine) -> R) -> R {
        // SAFETY: it is ours alone.
        look(unsafe { &mut *self.0.as_ref().coroutine.get() })
    }

    /// Its memory begins with room for an object. Who takes it [ends](end) and [frees](free_all) it.
    pub(super) fn into_raw(self) -> *mut ffi::PyObject {
        ManuallyDrop::new(self).0.as_ptr().cast()
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        // SAFETY: nobody else has it.
        unsafe {
            end(self.0);
            free_all(self.0);
        }
    }
}

/// The coroutine of an object.
///
/// # Safety
/// It is one of a frame, and has not [ended](end).
pub(super) unsafe fn coroutine_of(object: *mut ffi::PyObject) -> *mut Coroutine {
    // SAFETY: a frame begins so.
    unsafe { (*object.cast::<Head>()).coroutine.get().cast() }
}

/// Drops the coroutine, with its future if it has it still.
///
/// # Safety
/// Once, and only [`free_all`] follows.
pub(super) unsafe fn end(frame: NonNull<Head>) {
    // SAFETY: as the caller says.
    unsafe { ManuallyDrop::drop(&mut *frame.as_ref().coroutine.get()) };
}

/// # Safety
/// It has [ended](end); once. Nobody has a [`Lodged`] of it.
pub(super) unsafe fn free_all(frame: NonNull<Head>) {
    // SAFETY: as the caller says; the function is that of what was allocated.
    unsafe { (frame.as_ref().free)(frame) };
}

unsafe fn free<B>(frame: NonNull<Head>) {
    // SAFETY: `Frame::new` has boxed it as that; nothing of it is dropped with it.
    drop(unsafe { Box::from_raw(frame.cast::<Whole<B>>().as_ptr()) });
}

/// A frame's future: who has this drops it. The memory stays the frame's, which is kept as long.
pub(super) struct Lodged(NonNull<dyn Body>);

impl Lodged {
    pub(super) fn pinned(&mut self) -> Pin<&mut dyn Body> {
        // SAFETY: a frame never moves, and its future is dropped before it is freed; nobody else has this.
        unsafe { Pin::new_unchecked(self.0.as_mut()) }
    }
}

impl Drop for Lodged {
    fn drop(&mut self) {
        // SAFETY: it is dropped by nobody else.
        unsafe { self.0.drop_in_place() };
    }
}
