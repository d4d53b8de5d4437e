//! What benches/workloads/door.py awaits: the same futures by ironloop, by PyO3's own `async fn`, and by
//! pyo3-async-runtimes (`par`).

use std::future::poll_fn;
use std::os::fd::FromRawFd;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

use ironloop::Awaitable;
use ironloop::net::TcpListener;
use pyo3::prelude::*;
use pyo3_async_runtimes::tokio::{future_into_py, into_future};

#[derive(Default)]
struct State {
    open: bool,
    waker: Option<Waker>,
}

/// Opened once, by whatever thread.
#[pyclass(frozen)]
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<State>>);

impl Gate {
    async fn passed(self) {
        poll_fn(|context| {
            let mut state = self.0.lock().expect("nobody panics");
            if state.open {
                return Poll::Ready(());
            }
            state.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn open_now(&self) {
        let waker = {
            let mut state = self.0.lock().expect("nobody panics");
            state.open = true;
            state.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }
}

#[pymethods]
impl Gate {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn open(&self) {
        self.open_now();
    }

    fn wait(&self) -> Awaitable {
        let gate = self.clone();
        ironloop::coroutine("Gate.wait", async move {
            gate.passed().await;
            Ok::<_, PyErr>(())
        })
    }

    async fn wait_pyo3(&self) {
        self.clone().passed().await;
    }

    fn wait_par<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let gate = self.clone();
        future_into_py(py, async move {
            gate.passed().await;
            Ok(())
        })
    }
}

/// A thread that opens gates, and is not attached.
#[pyclass(frozen)]
struct Porter(Mutex<Sender<Gate>>);

#[pymethods]
impl Porter {
    #[new]
    fn new() -> Self {
        let (sender, gates) = channel::<Gate>();
        thread::spawn(move || gates.into_iter().for_each(|gate| gate.open_now()));
        Self(Mutex::new(sender))
    }

    fn open(&self, gate: &Gate) {
        let _ = self.0.lock().expect("nobody panics").send(gate.clone());
    }
}

#[pyfunction]
fn ready() -> Awaitable {
    ironloop::coroutine("ready", async { Ok::<_, PyErr>(()) })
}

#[pyfunction]
async fn ready_pyo3() {}

#[pyfunction]
fn ready_par(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async { Ok(()) })
}

#[pyfunction]
fn value(value: Py<PyAny>) -> Awaitable {
    ironloop::coroutine("value", async { Ok::<_, PyErr>(value) })
}

#[pyfunction]
async fn value_pyo3(value: Py<PyAny>) -> Py<PyAny> {
    value
}

#[pyfunction]
fn value_par(py: Python<'_>, value: Py<PyAny>) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async { Ok(value) })
}

/// Polled by Tokio's workers, as `par` does it.
#[pyfunction]
fn spawned() -> Awaitable {
    ironloop::tokio::coroutine("spawned", async {
        tokio::task::yield_now().await;
        Ok::<_, PyErr>(())
    })
}

#[pyfunction]
fn spawned_par(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    future_into_py(py, async {
        tokio::task::yield_now().await;
        Ok(())
    })
}

/// Rust awaits Python.
#[pyfunction]
fn awaits(awaitable: Bound<'_, PyAny>) -> PyResult<Awaitable> {
    let awaiting = ironloop::awaiting(&awaitable)?;
    Ok(ironloop::coroutine("awaits", awaiting))
}

#[pyfunction]
fn awaits_par<'py>(py: Python<'py>, awaitable: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    future_into_py(py, into_future(awaitable)?)
}

/// An echo server on our own reactor, of a listening socket that is given away.
#[pyfunction]
fn echo(descriptor: i32) -> Awaitable {
    // SAFETY: the caller has detached it.
    let listener = unsafe { std::net::TcpListener::from_raw_fd(descriptor) };
    ironloop::coroutine("echo", async move {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            drop(ironloop::spawn_local(async move {
                let mut buffer = vec![0; 64 * 1024];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
            }));
        }
        #[allow(unreachable_code)]
        Ok::<_, PyErr>(())
    })
}

/// Workers of par's runtime: one, as in what its figures are compared with.
#[pyfunction]
fn one_worker() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all();
    pyo3_async_runtimes::tokio::init(builder);
}

#[pymodule]
mod door_bench {
    #[pymodule_export]
    use super::{
        Gate, Porter, awaits, awaits_par, echo, one_worker, ready, ready_par, ready_pyo3, spawned, spawned_par,
        value, value_par, value_pyo3,
    };
}
