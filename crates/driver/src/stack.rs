//! How deep the calling thread may go.

use std::ops::Range;

use crate::sys;

/// The addresses of the calling thread's stack, which grows down; nothing where the system does not say.
#[must_use]
pub fn stack() -> Option<Range<usize>> {
    sys::stack::of_this_thread()
}

#[cfg(test)]
mod tests {
    use std::ptr;

    #[test]
    fn a_local_lies_in_the_stack_of_its_thread() {
        let local = 0;
        let here = super::stack().unwrap();
        assert!(here.contains(&ptr::from_ref(&local).addr()));
        let size = 512 * 1024;
        let other = std::thread::Builder::new().stack_size(size).spawn(super::stack).unwrap();
        let other = other.join().unwrap().unwrap();
        assert!(!other.contains(&ptr::from_ref(&local).addr()));
        // No less: it may be the stack of a thread that has ended.
        assert!(other.len() >= size);
    }
}
