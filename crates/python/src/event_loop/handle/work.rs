//! What a handle runs: a function and its arguments, of which up to three need no tuple.

#[cfg(not(Py_3_12))]
use std::sync::atomic::AtomicUsize;

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::event_loop::future;
use crate::ffi::Object;
use crate::ffi::call::{call, call_tuple, call_with};
use crate::ffi::owned;
use crate::ffi::place::Places;

/// How the arguments are kept.
#[derive(Clone, Copy)]
pub(super) enum Kept {
    /// One by one: up to three.
    Apart,
    /// In a tuple, which is the first.
    Together,
}

/// The work, out of its handle.
pub(super) struct Work {
    function: Object,
    /// As many as come before the first that is empty.
    arguments: [Option<Object>; 3],
    kept: Kept,
}

impl Work {
    #[inline(always)]
    pub(super) fn call(&self, py: Python<'_>) -> PyResult<Object> {
        match (self.kept, &self.arguments) {
            (Kept::Apart, arguments) => call_with(py, &self.function, arguments),
            (Kept::Together, [Some(all), ..]) => call_tuple(py, &self.function, all),
            (Kept::Together, _) => call(py, &self.function, &[]),
        }
    }

    pub(super) fn arguments(&self, py: Python<'_>) -> PyResult<Object> {
        match (self.kept, &self.arguments) {
            (Kept::Together, [Some(all), ..]) => Ok(all.clone_ref(py)),
            (_, arguments) => {
                let list: Vec<_> = arguments.iter().map_while(Option::as_ref).collect();
                Ok(PyTuple::new(py, list.iter().map(|object| object.bind(py)))?.into())
            }
        }
    }

    pub(super) fn into_function(self) -> Object {
        self.function
    }
}

/// Where the work lies: in the order of the names under which asyncio has places there. Nobody but the
/// handle's [`Callback`](super::Callback) looks into them, and with the handle's state in its hands.
#[repr(C)]
pub(super) struct Slots {
    places: Places<7>,
    #[cfg(not(Py_3_12))]
    weak_references: AtomicUsize,
}

owned!(Slots {
    visits: places;
    #[cfg(not(Py_3_12))]
    ignores: weak_references;
});

/// `_args`: the first argument, or a tuple of all.
const FIRST: usize = 0;
/// `_callback`
const FUNCTION: usize = 1;
/// `_cancelled`: the second argument. (`_context` and `_loop` come next, and stay empty: what lies there has to
/// be of its kind, whoever writes it.)
const SECOND: usize = 2;
/// `_repr`: how it looked before it was cancelled; until then the third argument.
const THIRD: usize = 5;
/// `_source_traceback`: where it was made, if debug mode knows.
const SOURCE: usize = 6;

impl Slots {
    #[inline(always)]
    pub(super) fn new(function: Object, [first, second, third, source]: [Option<Object>; 4]) -> Self {
        Self {
            places: Places::new([first, Some(function), second, None, None, third, source]),
            #[cfg(not(Py_3_12))]
            weak_references: AtomicUsize::new(0),
        }
    }

    /// Takes the work out, if it is there still.
    #[inline(always)]
    pub(super) fn take(&self, py: Python<'_>, kept: Kept) -> Option<Work> {
        Self::work(kept, |place| self.places.take(py, place))
    }

    /// References of our own.
    pub(super) fn share(&self, py: Python<'_>, kept: Kept) -> Option<Work> {
        Self::work(kept, |place| self.places.get(py, place))
    }

    #[inline(always)]
    fn work(kept: Kept, get: impl Fn(usize) -> Option<Object>) -> Option<Work> {
        let function = get(FUNCTION)?;
        Some(Work { function, arguments: [get(FIRST), get(SECOND), get(THIRD)], kept })
    }

    /// Puts it back. What lay there meanwhile is to be dropped when nothing is borrowed.
    pub(super) fn put(&self, py: Python<'_>, work: Work) -> (Kept, [Option<Object>; 4]) {
        let put = |place, object: Option<Object>| self.places.put(py, place, object?);
        let [first, second, third] = work.arguments;
        let function = put(FUNCTION, Some(work.function));
        (work.kept, [function, put(FIRST, first), put(SECOND, second), put(THIRD, third)])
    }

    /// Whether the function is `future.set_result`, of a future of ours.
    pub(super) fn sets_result(&self) -> bool {
        let mut sets = false;
        self.places.lend(FUNCTION, |function| sets = future::is_set_result(function));
        sets
    }

    /// How it looked before it was cancelled.
    pub(super) fn repr(&self, py: Python<'_>) -> Option<Object> {
        self.places.get(py, THIRD)
    }

    #[must_use]
    pub(super) fn set_repr(&self, py: Python<'_>, repr: Object) -> Option<Object> {
        self.places.put(py, THIRD, repr)
    }

    /// Where it was made; debug mode knows.
    pub(super) fn source(&self, py: Python<'_>) -> Option<Object> {
        self.places.get(py, SOURCE)
    }
}
