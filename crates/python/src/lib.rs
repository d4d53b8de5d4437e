//! `ironloop._ironloop`: the native half of ironloop.

#![deny(unsafe_code)]

mod address;
mod alarm;
mod awaiting;
#[allow(unsafe_code)]
mod cell;
mod combinators;
mod datagram;
mod error;
mod event_loop;
#[allow(unsafe_code)]
mod ffi;
mod future;
mod handle;
mod hooks;
mod imports;
mod locks;
mod momentary;
mod queue;
mod running;
mod sleep;
mod stock;
mod streams;
mod task;
mod task_group;
mod timeouts;
mod transport;
mod wait_for;
mod waiter;

use pyo3::prelude::*;

/// The module. It turns the lock of a free-threaded interpreter on (docs/design/free-threaded.md).
#[pymodule(gil_used = true)]
fn _ironloop(module: &Bound<'_, PyModule>) -> PyResult<()> {
    ffi::process::claim(module.py())?;
    imports::prepare(module.py())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    event_loop::add_class(module)?;
    handle::add_classes(module)?;
    transport::add_class(module)?;
    datagram::add_class(module)?;
    vocabulary(module)
}

/// Tasks, futures, and all that waits, where this Python's are laid out as we know them.
fn vocabulary(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    ffi::stop::prepare(module)?;
    ffi::function::add(module)?;
    ffi::bound::add_class(py)?;
    ffi::wrapper::add_class(py)?;
    ffi::inspection::add(module)?;
    running::add(module)?;
    sleep::add(module)?;
    combinators::add(module)?;
    queue::add(module)?;
    timeouts::add(module)?;
    awaiting::add(module)?;
    wait_for::add(module)?;
    locks::add(module)?;
    task_group::add(module)?;
    streams::add(module)?;
    let (future, task) = (imports::stock_future(py)?, imports::stock_task(py)?);
    let misfit = ffi::fields::misfit(future, task)?;
    module.add("misfit", &misfit)?;
    if misfit.is_some() {
        module.add("Future", imports::future(py)?)?;
        return module.add("Task", imports::task(py)?);
    }
    ffi::asyncio::remember_stock(future, task);
    future::add_class(module, future)?;
    task::add_class(module, task)?;
    combinators::add_classes(py, future)
}
