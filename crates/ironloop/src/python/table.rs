//! ironloop's table, if it is in this process.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use ironloop_abi::{self as abi, Table};
use pyo3::ffi;
use pyo3::prelude::*;

use super::class;

/// Null until it is found: ironloop may be imported later.
static FOUND: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());

/// Looked for in `sys.modules`; nothing is imported.
pub(crate) fn table(py: Python<'_>) -> Option<&'static Table> {
    let found = FOUND.load(Ordering::Acquire);
    let found = if found.is_null() { look(py)? } else { found };
    // SAFETY: `look` has found a static of the module's, which is never unloaded; it is as large as asked
    // for.
    Some(unsafe { &*found })
}

/// The same if it was found: nothing is looked for.
#[inline]
pub(super) fn known() -> Option<&'static Table> {
    // SAFETY: as above; null where it was not found.
    unsafe { FOUND.load(Ordering::Acquire).as_ref() }
}

#[cold]
fn look(py: Python<'_>) -> Option<*mut Table> {
    // SAFETY: attached; borrowed references that are looked at before anything runs.
    let found = unsafe {
        let module = ffi::PyDict_GetItemString(ffi::PyImport_GetModuleDict(), abi::MODULE.as_ptr());
        if module.is_null() {
            return None;
        }
        let capsule = ffi::PyObject_GetAttrString(module, abi::ATTRIBUTE.as_ptr());
        if capsule.is_null() {
            ffi::PyErr_Clear();
            return None;
        }
        let table = ffi::PyCapsule_GetPointer(capsule, abi::CAPSULE.as_ptr()).cast::<Table>();
        ffi::Py_DECREF(capsule);
        if table.is_null() {
            ffi::PyErr_Clear();
            return None;
        }
        table
    };
    // SAFETY: a capsule of this name holds a table, which begins so in every version.
    let fits = unsafe { (*found).major == abi::MAJOR && (*found).size >= size_of::<Table>() };
    if !fits {
        warn_once(py);
        return None;
    }
    FOUND.store(found, Ordering::Release);
    // SAFETY: it fits.
    class::found(py, unsafe { &*found });
    Some(found)
}

/// It runs all the same, as on asyncio.
fn warn_once(py: Python<'_>) {
    static WARNED: std::sync::Once = std::sync::Once::new();
    WARNED.call_once(|| {
        let text = c"this extension was built for another version of ironloop: it runs as on asyncio";
        let category = py.get_type::<pyo3::exceptions::PyRuntimeWarning>();
        if let Err(error) = PyErr::warn(py, &category, text, 1) {
            error.write_unraisable(py, None);
        }
    });
}
