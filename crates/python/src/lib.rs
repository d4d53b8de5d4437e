//! `ironloop._ironloop`: the native half of ironloop.

#![deny(unsafe_code)]

mod door;
mod event_loop;
#[allow(unsafe_code)]
mod ffi;
mod io;
mod waiting;

use pyo3::prelude::*;
use pyo3::types::PyType;

/// The module. It turns the lock of a free-threaded interpreter on (docs/design/free-threaded.md).
#[pymodule(gil_used = true)]
fn _ironloop(module: &Bound<'_, PyModule>) -> PyResult<()> {
    ffi::process::claim(module.py())?;
    ffi::imports::prepare(module.py())?;
    ffi::stock::prepare(module.py())?;
    ffi::context::prepare(module.py())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    event_loop::add_class(module)?;
    event_loop::add_simulated_classes(module)?;
    event_loop::handle::add_classes(module)?;
    io::add_classes(module)?;
    io::files::add(module)?;
    module.add_function(wrap_pyfunction!(native_loop, module)?)?;
    vocabulary(module)?;
    door::add(module)
}

/// A decorator that gives the Python half of the loop the native methods, of whatever wing.
///
/// They could be inherited. But the interpreter calls a native method directly only on the very class that it
/// was made for.
#[pyfunction]
fn native_loop<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyType>> {
    event_loop::add_methods_to(class)?;
    io::add_methods_to(class)?;
    Ok(class.clone())
}

/// Tasks, futures, and all that waits, where this Python's are laid out as we know them.
fn vocabulary(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    ffi::stop::prepare(module)?;
    ffi::function::add(module)?;
    ffi::wrapper::add_class(py)?;
    ffi::inspection::add(module)?;
    event_loop::running::add(module)?;
    waiting::sleep::add(module)?;
    waiting::combinators::add(module)?;
    waiting::queue::add(module)?;
    waiting::timeouts::add(module)?;
    waiting::awaiting::add(module)?;
    waiting::wait_for::add(module)?;
    waiting::locks::add(module)?;
    waiting::task_group::add(module)?;
    io::streams::add(module)?;
    io::add_coroutines(module)?;
    let (future, task) = (ffi::imports::stock_future(py)?, ffi::imports::stock_task(py)?);
    let misfit = ffi::fields::probe::misfit(future, task)?;
    module.add("misfit", &misfit)?;
    if misfit.is_some() {
        module.add("Future", ffi::imports::future(py)?)?;
        return module.add("Task", ffi::imports::task(py)?);
    }
    ffi::view::remember_stock(future, task);
    event_loop::future::add_class(module, future)?;
    event_loop::task::add_class(module, task)?;
    event_loop::named::add(module)?;
    waiting::combinators::add_classes(py, future)
}
