//! What all primitives have: who waits, and whose methods they run.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::block::Methods;
use super::waiters::Waiters;
use crate::ffi::Object;

#[pyclass(subclass, frozen, module = "ironloop._ironloop")]
#[derive(Default)]
pub(crate) struct PrimitiveCore {
    pub(super) waiters: Waiters,
    pub(super) methods: Methods,
}

#[pymethods]
impl PrimitiveCore {
    #[getter(_waiters)]
    fn waiters<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.get().waiters.show(slf)
    }

    #[setter(_waiters)]
    fn set_waiters(&self, futures: &Bound<'_, PyAny>) -> PyResult<()> {
        self.waiters.replace(futures)
    }

    #[getter(_loop)]
    fn owner(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.waiters.owner(py).map(|owner| owner.as_py().clone_ref(py))
    }

    #[setter(_loop)]
    fn set_owner(&self, owner: Option<Bound<'_, PyAny>>) {
        self.waiters.bind(owner.map(Object::from));
    }

    /// The instance has got a method of its own.
    fn _replaced(&self) {
        self.methods.replaced();
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.waiters.traverse(&visit)
    }

    fn __clear__(&self) {
        self.waiters.clear();
    }
}
