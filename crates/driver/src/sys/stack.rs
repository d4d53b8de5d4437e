//! `pthread_getattr_np`.

use std::ops::Range;

/// The addresses of the calling thread's stack, which grows down.
pub(crate) fn of_this_thread() -> Option<Range<usize>> {
    // SAFETY: the attributes are written by the first call before anything reads them, and given back once.
    unsafe {
        let mut attributes = std::mem::zeroed::<libc::pthread_attr_t>();
        if libc::pthread_getattr_np(libc::pthread_self(), &raw mut attributes) != 0 {
            return None;
        }
        let (mut low, mut size) = (std::ptr::null_mut(), 0);
        let got = libc::pthread_attr_getstack(&raw const attributes, &raw mut low, &raw mut size);
        libc::pthread_attr_destroy(&raw mut attributes);
        (got == 0).then(|| low.addr()..low.addr() + size)
    }
}
