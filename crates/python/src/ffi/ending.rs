//! Threads that run Python when the interpreter goes down.
//!
//! Up to Python 3.13 a daemon thread that takes the interpreter's lock then is ended by `pthread_exit`,
//! wherever it is: in a callback, a finalizer, a wait of ours. From 3.14 on it stops for ever there. Here it
//! does so on each Python.

/// Sees to it, for the calling thread. Called where a thread meets us first: it runs a loop, makes one, hands
/// something to one, or calls a function of ours where none of ours runs.
#[cfg(not(Py_3_14))]
pub(crate) fn outlive_interpreter() {
    ironloop_driver::hold_at_exit(is_ending);
}

#[cfg(Py_3_14)]
pub(crate) fn outlive_interpreter() {}

/// Asked by a thread that is not attached.
#[cfg(not(Py_3_14))]
fn is_ending() -> bool {
    #[cfg(Py_3_13)]
    use pyo3::ffi::Py_IsFinalizing as is_finalizing;
    #[cfg(not(Py_3_13))]
    unsafe extern "C" {
        #[link_name = "_Py_IsFinalizing"]
        fn is_finalizing() -> std::ffi::c_int;
    }
    // SAFETY: it reads one variable of the process, whoever asks.
    unsafe { is_finalizing() != 0 }
}
