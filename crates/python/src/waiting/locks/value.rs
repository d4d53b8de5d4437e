//! The value of a primitive: whether a lock is held, whether an event is set, how many a semaphore lets in.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt};

use crate::ffi::attributes::missing;
use crate::ffi::{Object, Release, Traverse, Visit, Visited};

#[derive(Default)]
pub(super) enum Value {
    /// The initialiser was not called.
    #[default]
    Missing,
    Truth(bool),
    Count(i64),
    /// Whatever a program has put there, such as `math.inf`: Python counts and compares.
    Other(Object),
}

impl Traverse for Value {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        match self {
            Self::Other(object) => object.traverse(visit),
            Self::Missing | Self::Truth(_) | Self::Count(_) => Ok(()),
        }
    }
}

impl Release for Value {
    fn release(&mut self, _: Python<'_>) -> impl Sized + use<> {
        std::mem::take(self)
    }
}

impl Value {
    pub(super) fn of(object: &Bound<'_, PyAny>) -> Self {
        if let Ok(truth) = object.cast_exact::<PyBool>() {
            return Self::Truth(truth.is_true());
        }
        let count = object.cast_exact::<PyInt>().ok().and_then(|count| count.extract().ok());
        count.map_or_else(|| Self::Other(object.into()), Self::Count)
    }

    pub(super) fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Missing => Self::Missing,
            Self::Truth(truth) => Self::Truth(*truth),
            Self::Count(count) => Self::Count(*count),
            Self::Other(object) => Self::Other(object.clone_ref(py)),
        }
    }

    /// None where Python has to be asked.
    pub(super) fn truth(&self) -> Option<bool> {
        match self {
            Self::Truth(truth) => Some(*truth),
            Self::Count(count) => Some(*count != 0),
            Self::Missing | Self::Other(_) => None,
        }
    }

    /// None where Python has to be asked.
    pub(super) fn count(&self) -> Option<i64> {
        match self {
            Self::Count(count) => Some(*count),
            Self::Missing | Self::Truth(_) | Self::Other(_) => None,
        }
    }

    /// As an attribute of its owner's. An AttributeError if it is missing.
    pub(super) fn show<'py, T>(&self, owner: &Bound<'py, T>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let py = owner.py();
        match self {
            Self::Truth(truth) => Ok(PyBool::new(py, *truth).to_owned().into_any()),
            Self::Count(count) => Ok(count.into_pyobject(py)?.into_any()),
            Self::Other(object) => Ok(object.bind(py).clone()),
            Self::Missing => Err(missing(owner, name)),
        }
    }
}
