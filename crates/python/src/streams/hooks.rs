//! Whether an object's methods are the ones that we know: if a subclass or a tool has put others there, those must be called.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

use crate::ffi::Object;

/// The methods of a class that its other methods would call.
pub(super) struct Hooks {
    names: &'static [&'static str],
    known: PyOnceLock<Vec<(Py<PyString>, Object)>>,
}

impl Hooks {
    pub(super) const fn new(names: &'static [&'static str]) -> Self {
        Self { names, known: PyOnceLock::new() }
    }

    /// What the class has now is what we know.
    pub(super) fn learn(&self, class: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = class.py();
        let method = |name: &&str| {
            let name = PyString::intern(py, name);
            Ok((name.clone().unbind(), class.getattr(name)?.into()))
        };
        let methods = self.names.iter().map(method).collect::<PyResult<Vec<_>>>()?;
        // The first class stays: the module is imported once.
        let _ = self.known.set(py, methods);
        Ok(())
    }

    pub(super) fn are_there(&self, object: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = object.py();
        let Some(known) = self.known.get(py) else { return Ok(false) };
        let class = object.get_type();
        for (name, method) in known {
            if !class.getattr(name)?.is(method.bind(py)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn has(&self, name: &Bound<'_, PyAny>) -> bool {
        name.extract::<&str>().is_ok_and(|name| self.names.contains(&name))
    }
}

/// What is known of one object.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Plain {
    #[default]
    Unknown,
    Yes,
    No,
}

impl From<bool> for Plain {
    fn from(plain: bool) -> Self {
        if plain { Self::Yes } else { Self::No }
    }
}
