//! The synchronous twin of an awaitable.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use pyo3::PyErr;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::{host, runtime, time};

/// How long a Ctrl-C may have to wait.
const LOOK: Duration = Duration::from_millis(50);

/// Runs a future to its end on a loop that is made for it, without Python's lock: for the synchronous method
/// beside an asynchronous one. Signal handlers run meanwhile, and what they raise (Ctrl-C) drops the future.
///
/// # Errors
///
/// What the future gives; what a signal handler raises; a loop polls on this thread already.
pub fn block_on<F, T, E>(py: Python<'_>, future: F) -> PyResult<T>
where
    F: Future<Output = Result<T, E>> + Send,
    T: Send,
    E: Into<PyErr>,
{
    if host::current().is_some() {
        return Err(PyRuntimeError::new_err(
            "block_on in a future: the loop that polls it would stand still",
        ));
    }
    py.detach(|| {
        let runtime = runtime::Runtime::new()?;
        runtime.block_on(async {
            let (mut future, mut look) = (pin!(future), pin!(time::sleep(LOOK)));
            std::future::poll_fn(|context| {
                if let Poll::Ready(outcome) = future.as_mut().poll(context) {
                    return Poll::Ready(outcome.map_err(Into::into));
                }
                while look.as_mut().poll(context).is_ready() {
                    if let Err(error) = Python::attach(|py| py.check_signals()) {
                        return Poll::Ready(Err(error));
                    }
                    look.set(time::sleep(LOOK));
                }
                Poll::Pending
            })
            .await
        })
    })
}
