//! `pthread_exit`, met before it unwinds anything.

use std::ffi::{c_int, c_void};
use std::ptr;

/// `struct _pthread_cleanup_buffer`; musl's has three of the four fields.
#[repr(C)]
struct Buffer {
    routine: Option<extern "C" fn(*mut c_void)>,
    argument: *mut c_void,
    cancel_type: c_int,
    previous: *mut Buffer,
}

unsafe extern "C" {
    // What the macros `pthread_cleanup_push` and `pthread_cleanup_pop` were before they used the compiler's
    // own unwinding; glibc keeps both for programs that were built then, and musl still has no others.
    fn _pthread_cleanup_push(buffer: *mut Buffer, routine: extern "C" fn(*mut c_void), argument: *mut c_void);
    fn _pthread_cleanup_pop(buffer: *mut Buffer, execute: c_int);
}

/// A handler of the thread that made it, for as long as it lives.
///
/// glibc calls such a handler as soon as unwinding has left the stack frame that the buffer lies in. This
/// buffer lies in none, but on the heap, and counts as left at the first step: nothing has been unwound when
/// the handler is called.
pub(crate) struct ExitHandler(*mut Buffer);

impl ExitHandler {
    pub(crate) fn new(holds: fn() -> bool) -> Self {
        let empty =
            Buffer { routine: None, argument: ptr::null_mut(), cancel_type: 0, previous: ptr::null_mut() };
        let buffer = Box::into_raw(Box::new(empty));
        // SAFETY: the buffer lives until `drop` has taken it out of the thread's list again; the handler gets
        // back the function that it is given here.
        unsafe { _pthread_cleanup_push(buffer, leaving, holds as *mut c_void) };
        Self(buffer)
    }
}

impl Drop for ExitHandler {
    fn drop(&mut self) {
        // SAFETY: dropped on the thread that made it (it is not `Send`), so the buffer is in this thread's
        // list; nobody else has it when it is taken out, and `new` made it of a box.
        unsafe {
            _pthread_cleanup_pop(self.0, 0);
            drop(Box::from_raw(self.0));
        }
    }
}

extern "C" fn leaving(holds: *mut c_void) {
    // SAFETY: `new` registered it with this function.
    let holds: fn() -> bool = unsafe { std::mem::transmute(holds) };
    if holds() {
        loop {
            // SAFETY: no arguments; it comes back after a signal.
            unsafe { libc::pause() };
        }
    }
}

#[cfg(test)]
unsafe extern "C-unwind" {
    fn pthread_exit(result: *mut c_void) -> !;
    fn pthread_create(
        thread: *mut libc::pthread_t,
        attributes: *const libc::pthread_attr_t,
        start: extern "C-unwind" fn(*mut c_void) -> *mut c_void,
        argument: *mut c_void,
    ) -> c_int;
}

/// Ends the thread as C code does.
#[cfg(test)]
pub(crate) fn exit() -> ! {
    // SAFETY: the tests' threads hold at this call, or have nothing on their stacks that could not be
    // unwound.
    unsafe { pthread_exit(ptr::null_mut()) }
}

/// Runs `body` in a thread of C's, which then ends by `pthread_exit`; returns when it has ended.
#[cfg(test)]
pub(crate) fn run_to_exit(body: fn()) {
    extern "C-unwind" fn start(body: *mut c_void) -> *mut c_void {
        // SAFETY: `run_to_exit` gives it this function.
        let body: fn() = unsafe { std::mem::transmute(body) };
        body();
        exit()
    }
    // SAFETY: `start` needs nothing of this frame but the function; the thread is waited for.
    unsafe {
        let mut thread = std::mem::zeroed();
        assert_eq!(pthread_create(&raw mut thread, ptr::null(), start, body as *mut c_void), 0);
        assert_eq!(libc::pthread_join(thread, ptr::null_mut()), 0);
    }
}
