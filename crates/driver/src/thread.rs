//! Threads that somebody else ends while Rust code is on their stack.

use crate::sys::thread::ExitHandler;

thread_local! {
    static HANDLER: std::cell::OnceCell<ExitHandler> = const { std::cell::OnceCell::new() };
}

/// From now on this thread stops for ever where `pthread_exit` would end it, if `holds` says so then.
///
/// `pthread_exit` ends a thread by unwinding its stack. Rust code cannot be unwound so: the process is
/// aborted, or values are dropped by a thread that may not touch them any more. A thread that has stopped
/// keeps all that it refers to.
///
/// Another call in the same thread does nothing.
pub fn hold_at_exit(holds: fn() -> bool) {
    // A thread that ends has nothing left that could be unwound.
    let _ = HANDLER.try_with(|handler| {
        handler.get_or_init(|| ExitHandler::new(holds));
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    /// What a thread that is ended has on its stack.
    struct Dropped(&'static AtomicUsize);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_thread_that_is_ended_stops_before_anything_is_unwound() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        static DROPPED: AtomicUsize = AtomicUsize::new(0);
        thread::spawn(|| {
            hold_at_exit(|| {
                ASKED.fetch_add(1, Ordering::SeqCst);
                true
            });
            let _on_the_stack = Dropped(&DROPPED);
            crate::sys::thread::exit();
        });
        while ASKED.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        assert_eq!(DROPPED.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_thread_ends_where_nothing_holds_it() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        crate::sys::thread::run_to_exit(|| {
            hold_at_exit(|| {
                ASKED.fetch_add(1, Ordering::SeqCst);
                false
            });
        });
        assert_eq!(ASKED.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_thread_that_returns_is_not_asked() {
        thread::spawn(|| hold_at_exit(|| unreachable!())).join().expect("it has ended");
    }
}
