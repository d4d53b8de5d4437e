//! `pthread_atfork`.

/// Has `before` called in the thread that forks, before each fork from now on.
pub(crate) fn before_each(before: extern "C" fn()) {
    // SAFETY: the function is there as long as the library, with which glibc forgets it. For want of memory
    // nothing is called.
    unsafe { libc::pthread_atfork(Some(as_unsafe(before)), None, None) };
}

fn as_unsafe(function: extern "C" fn()) -> unsafe extern "C" fn() {
    function
}

/// Has the first called in the thread that forks, before each fork from now on, the others after it.
pub(crate) fn around_each(before: extern "C" fn(), in_parent: extern "C" fn(), in_child: extern "C" fn()) {
    // SAFETY: as above.
    unsafe {
        libc::pthread_atfork(Some(as_unsafe(before)), Some(as_unsafe(in_parent)), Some(as_unsafe(in_child)))
    };
}
