//! `await future`: gives the future to the task once, then its result.

use std::ffi::CStr;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::Outcome;
use crate::ffi::cell::LoopCell;
use crate::ffi::memory::Pool;
use crate::ffi::raise::raised;
use crate::ffi::resumable::{Input, Resumable, Step, resumable_methods, resumable_slots};
use crate::ffi::view::View;
use crate::ffi::{Class, Instance, Native, Object, owned};

/// The iterator of one `await`.
pub(crate) struct FutureIterator {
    /// None once it has given the result.
    future: LoopCell<Option<Object>>,
}

owned!(FutureIterator { clears: future; });

static FUTURE_ITERATOR: Class = Class::new();
static POOL: Pool = Pool::new();

impl Native for FutureIterator {
    const NAME: &'static CStr = c"ironloop.FutureIter";
    const DOC: &'static CStr = c"An await of a future.";
    const OPEN: bool = false;
    // Its memory comes from the pool.
    const TRACKED: bool = false;
    const FINALIZES: bool = false;

    fn class() -> &'static Class {
        &FUTURE_ITERATOR
    }

    /// The future leads to the task, and so back to it.
    fn begins_tracked(&mut self) -> bool {
        true
    }

    fn pool(&self) -> Option<&Pool> {
        Some(&POOL)
    }
}

pub(super) fn iterate(py: Python<'_>, future: View<'_>) -> PyResult<Object> {
    let iterator = FutureIterator { future: LoopCell::new(Some(future.object.clone_ref(py))) };
    FUTURE_ITERATOR.instantiate(py, iterator).map(Instance::into_object)
}

impl Resumable for FutureIterator {
    fn resume(py: Python<'_>, iterator: &Instance<Self>, input: Input) -> PyResult<Step> {
        if let Input::Throw(error) = input {
            drop(iterator.future.with(Option::take));
            return Err(error);
        }
        let Some(object) = iterator.future.with(|future| future.as_ref().map(|future| future.clone_ref(py)))
        else {
            return Ok(Step::nothing(py));
        };
        // It is ours or of a class below: the iterator was made by its method.
        let future = View::of_iterated(&object);
        if future.is_pending() {
            if future.is_blocking() {
                return Err(PyRuntimeError::new_err("await wasn't used with future"));
            }
            future.set_blocking(true);
            return Ok(Step::Yield(object.clone_ref(py)));
        }
        drop(iterator.future.with(Option::take));
        match future.outcome(py)? {
            Outcome::Result(result) => Ok(Step::Return(result)),
            Outcome::Error(error) => Err(raised(py, &error)),
        }
    }
}

pub(super) fn add_class(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let slots = resumable_slots::<FutureIterator>();
    let methods = resumable_methods::<FutureIterator>();
    FUTURE_ITERATOR.create_hidden::<FutureIterator>(module.py(), &methods, &[], &slots)
}
