//! An extension module as pyo3-async-runtimes' guide teaches to write one.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use futures_util::StreamExt;
use pyo3::exceptions::{PyStopIteration, PyValueError};
use pyo3::prelude::*;
use pyo3_async_runtimes::TaskLocals;
use pyo3_async_runtimes::tokio::{future_into_py, get_runtime, into_future};

static DROPPED: AtomicUsize = AtomicUsize::new(0);

struct Dropped;

impl Drop for Dropped {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::SeqCst);
    }
}

/// How many of `never`'s futures were dropped.
#[pyfunction]
fn dropped() -> usize {
    DROPPED.load(Ordering::SeqCst)
}

#[pyfunction]
fn value<'py>(py: Python<'py>, value: Py<PyAny>) -> PyResult<Bound<'py, PyAny>> {
    future_into_py(py, async move { Ok(value) })
}

#[pyfunction]
fn number(py: Python<'_>, number: u64) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async move { Ok(number) })
}

#[pyfunction]
fn nothing(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async { Ok(()) })
}

#[pyfunction]
fn sleep(py: Python<'_>, seconds: f64) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async move {
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        Ok(seconds)
    })
}

#[pyfunction]
fn fail(py: Python<'_>, text: String) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async move { Err::<(), _>(PyValueError::new_err(text)) })
}

#[pyfunction]
fn stop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async move { Err::<(), _>(PyStopIteration::new_err(1)) })
}

#[pyfunction]
fn panics(py: Python<'_>, text: String) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async move {
        if !text.is_empty() {
            panic!("{text}");
        }
        Ok(())
    })
}

/// Becomes nothing of Python's.
struct Unconvertible;

impl<'py> IntoPyObject<'py> for Unconvertible {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, _: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Err(PyValueError::new_err("no object of that"))
    }
}

#[pyfunction]
fn unconvertible(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async { Ok(Unconvertible) })
}

/// On which thread a value becomes Python's.
struct Threads {
    polled: thread::ThreadId,
}

impl<'py> IntoPyObject<'py> for Threads {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let here = py.import("threading")?.getattr("current_thread")?.call0()?;
        (self.polled == thread::current().id(), here).into_pyobject(py).map(Bound::into_any)
    }
}

/// Whether it is polled where its value is converted, and the thread of the latter.
#[pyfunction]
fn threads(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async { Ok(Threads { polled: thread::current().id() }) })
}

#[pyfunction]
fn never(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let guard = Dropped;
    future_into_py(py, async move {
        std::future::pending::<()>().await;
        drop(guard);
        Ok(())
    })
}

/// Woken by a thread that is no worker.
#[pyfunction]
fn woken(py: Python<'_>, seconds: f64) -> PyResult<Bound<'_, PyAny>> {
    let (tells, told) = tokio::sync::oneshot::channel();
    thread::spawn(move || {
        thread::sleep(Duration::from_secs_f64(seconds));
        let _ = tells.send(1);
    });
    future_into_py(py, async move { Ok(told.await.unwrap_or(0)) })
}

/// Many that end a little later, whether anybody waits or not: for what ends meanwhile.
#[pyfunction]
fn fire(py: Python<'_>, count: u64) -> PyResult<Vec<Bound<'_, PyAny>>> {
    let after = |number: u64| async move {
        tokio::time::sleep(Duration::from_micros(number * 20)).await;
        Ok(number)
    };
    (0..count).map(|number| future_into_py(py, after(number))).collect()
}

/// Rust awaits Python.
#[pyfunction]
fn call(py: Python<'_>, awaitable: Py<PyAny>) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async move {
        let outcome = Python::attach(|py| into_future(awaitable.into_bound(py)))?;
        outcome.await
    })
}

/// The same until a time limit: None if it is late.
#[pyfunction]
fn call_within(py: Python<'_>, awaitable: Py<PyAny>, seconds: f64) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async move {
        let outcome = Python::attach(|py| into_future(awaitable.into_bound(py)))?;
        match tokio::time::timeout(Duration::from_secs_f64(seconds), outcome).await {
            Ok(outcome) => outcome.map(Some),
            Err(_) => Ok(None),
        }
    })
}

/// Begun, and not waited for.
#[pyfunction]
fn start(awaitable: Bound<'_, PyAny>) -> PyResult<()> {
    into_future(awaitable).map(drop)
}

/// With locals that are handed on.
#[pyfunction]
fn call_with_locals(py: Python<'_>, function: Py<PyAny>) -> PyResult<Bound<'_, PyAny>> {
    let locals = TaskLocals::with_running_loop(py)?.copy_context(py)?;
    let scoped = locals.clone();
    pyo3_async_runtimes::tokio::future_into_py_with_locals(
        py,
        locals.clone(),
        pyo3_async_runtimes::tokio::scope(scoped, async move {
            let outcome = Python::attach(|py| {
                let current = pyo3_async_runtimes::tokio::get_current_locals(py)?;
                assert!(current.event_loop(py).is(locals.event_loop(py)));
                pyo3_async_runtimes::into_future_with_locals(&locals, function.bind(py).call0()?)
            })?;
            outcome.await
        }),
    )
}

/// A future that is made on a worker: there the locals are the scope's.
#[pyfunction]
fn nested(py: Python<'_>, seconds: f64) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async move {
        let outcome = Python::attach(|py| into_future(sleep(py, seconds)?))?;
        outcome.await
    })
}

/// The loop of the locals, as a worker finds it.
#[pyfunction]
fn loop_of(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async {
        Python::attach(|py| pyo3_async_runtimes::tokio::get_current_loop(py).map(Bound::unbind))
    })
}

#[pyfunction]
fn collect(py: Python<'_>, iterator: Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let items = pyo3_async_runtimes::tokio::into_stream_v1(iterator)?;
    let outcome = future_into_py(py, async move {
        let mut items = Box::pin(items);
        let mut all = Vec::new();
        while let Some(item) = items.next().await {
            all.push(item?);
        }
        Ok(all)
    });
    outcome.map(Bound::unbind)
}

#[pyfunction]
fn collect_ahead(py: Python<'_>, iterator: Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let items = pyo3_async_runtimes::tokio::into_stream_v2(iterator)?;
    let outcome = future_into_py(py, async move { Ok(items.collect::<Vec<_>>().await) });
    outcome.map(Bound::unbind)
}

/// The first item, and no more are taken.
#[pyfunction]
fn first(py: Python<'_>, iterator: Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let items = pyo3_async_runtimes::tokio::into_stream_v2(iterator)?;
    let outcome = future_into_py(py, async move { Ok(Box::pin(items).next().await) });
    outcome.map(Bound::unbind)
}

#[pyfunction]
fn run(py: Python<'_>, number: u64) -> PyResult<u64> {
    pyo3_async_runtimes::tokio::run(py, async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let outcome =
            Python::attach(|py| into_future(py.import("asyncio")?.call_method1("sleep", (0, number))?))?;
        let outcome = outcome.await?;
        Python::attach(|py| outcome.extract(py))
    })
}

#[pyfunction]
fn run_until_complete(event_loop: Bound<'_, PyAny>, text: Option<String>) -> PyResult<u64> {
    pyo3_async_runtimes::tokio::run_until_complete(event_loop, async move {
        text.map_or(Ok(7), |text| Err(PyValueError::new_err(text)))
    })
}

/// A future that is not `Send`, in a set of its own.
#[pyfunction]
#[allow(deprecated)]
fn local(py: Python<'_>, number: u64) -> PyResult<Bound<'_, PyAny>> {
    let locals = pyo3_async_runtimes::tokio::get_current_locals(py)?;
    future_into_py(py, async move {
        let work = move || {
            tokio::task::LocalSet::new().block_on(get_runtime(), async move {
                let cell = Rc::new(Cell::new(number));
                let outcome = Python::attach(|py| {
                    let inner = locals.clone();
                    let future = pyo3_async_runtimes::tokio::local_future_into_py_with_locals(
                        py,
                        inner,
                        async move {
                            tokio::task::yield_now().await;
                            cell.set(cell.get() + 1);
                            Ok(cell.get())
                        },
                    )?;
                    pyo3_async_runtimes::into_future_with_locals(&locals, future)
                })?;
                outcome.await
            })
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| PyValueError::new_err(error.to_string()))?
    })
}

#[pymodule]
fn compat_extension(py: Python<'_>, module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("RustPanic", py.get_type::<pyo3_async_runtimes::err::RustPanic>())?;
    module.add_function(wrap_pyfunction!(dropped, module)?)?;
    module.add_function(wrap_pyfunction!(value, module)?)?;
    module.add_function(wrap_pyfunction!(number, module)?)?;
    module.add_function(wrap_pyfunction!(nothing, module)?)?;
    module.add_function(wrap_pyfunction!(sleep, module)?)?;
    module.add_function(wrap_pyfunction!(fail, module)?)?;
    module.add_function(wrap_pyfunction!(stop, module)?)?;
    module.add_function(wrap_pyfunction!(panics, module)?)?;
    module.add_function(wrap_pyfunction!(unconvertible, module)?)?;
    module.add_function(wrap_pyfunction!(threads, module)?)?;
    module.add_function(wrap_pyfunction!(never, module)?)?;
    module.add_function(wrap_pyfunction!(woken, module)?)?;
    module.add_function(wrap_pyfunction!(fire, module)?)?;
    module.add_function(wrap_pyfunction!(call, module)?)?;
    module.add_function(wrap_pyfunction!(call_within, module)?)?;
    module.add_function(wrap_pyfunction!(start, module)?)?;
    module.add_function(wrap_pyfunction!(call_with_locals, module)?)?;
    module.add_function(wrap_pyfunction!(nested, module)?)?;
    module.add_function(wrap_pyfunction!(loop_of, module)?)?;
    module.add_function(wrap_pyfunction!(collect, module)?)?;
    module.add_function(wrap_pyfunction!(collect_ahead, module)?)?;
    module.add_function(wrap_pyfunction!(first, module)?)?;
    module.add_function(wrap_pyfunction!(run, module)?)?;
    module.add_function(wrap_pyfunction!(run_until_complete, module)?)?;
    module.add_function(wrap_pyfunction!(local, module)?)
}
