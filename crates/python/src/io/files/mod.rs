//! Files: what is in the page cache is read at once on the loop's thread, the rest in threads.
//!
//! [`core`] is a file's state and what of it can be had at once; [`calls`] the system calls that may wait, for
//! whatever thread. Who waits for whom, and the threads, are `python/ironloop/files/`.

mod budget;
mod calls;
mod core;

use pyo3::prelude::*;

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<core::FileCore>()?;
    calls::add(module)
}
