//! Methods of a loop that are called by name: it is not ours, or somebody has replaced them.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::ffi::Object;
use crate::ffi::intern::intern;

/// `loop.call_soon(callback, argument, context=context)`, whosever it is.
pub(crate) fn call_soon_by_name(
    owner: &Bound<'_, PyAny>,
    callback: &Object,
    argument: &Object,
    context: Option<&Object>,
) -> PyResult<()> {
    let py = owner.py();
    let keywords = PyDict::new(py);
    keywords.set_item(intern!(py, "context"), context.map(|context| context.bind(py)))?;
    let arguments = (callback.bind(py), argument.bind(py));
    owner.call_method(intern!(py, "call_soon"), arguments, Some(&keywords)).map(drop)
}
