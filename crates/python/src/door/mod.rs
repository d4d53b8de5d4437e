//! The Rust door: what other extension modules may have of a loop, by the table of `crates/abi`.
//!
//! Homes and cells cross as counted addresses; tenants live in the loop's slots (`event_loop::home`). What
//! wakes may be called by any thread, attached or not, and runs no Python.

mod cell;
mod sources;
#[allow(unsafe_code)]
mod table;
mod timers;

use pyo3::prelude::*;

/// Exports the table.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    table::export(module)
}
