//! A call: a future of Python's that stands for one of Rust's.
//!
//! The Rust future is polled by some runtime's threads, which hold nothing of Python's but references. Its
//! outcome goes home, and becomes Python's there. Cancelling the Python future says so to who polls; nothing
//! else crosses.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyRuntimeError;
use pyo3::exceptions::asyncio::CancelledError;
use pyo3::intern;
use pyo3::prelude::*;

use crate::TaskLocals;
use crate::err::of_panic;
use crate::way::Way;

/// What a panic has left.
type Payload = Box<dyn Any + Send>;

/// Whether somebody wants the outcome, told by the loop's thread to who polls.
#[derive(Default)]
pub(crate) struct Wish(Mutex<Wanted>);

#[derive(Default)]
struct Wanted {
    cancelled: bool,
    polls: Option<Waker>,
}

impl Wish {
    /// False if it is cancelled; if it will be, the waker is woken.
    fn lasts(&self, waker: &Waker) -> bool {
        let mut wanted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !wanted.cancelled && !wanted.polls.as_ref().is_some_and(|polls| polls.will_wake(waker)) {
            let before = wanted.polls.replace(waker.clone());
            let lasts = !wanted.cancelled;
            drop(wanted);
            drop(before);
            return lasts;
        }
        !wanted.cancelled
    }

    fn cancel(&self) {
        let mut wanted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.cancelled = true;
        let polls = wanted.polls.take();
        drop(wanted);
        polls.into_iter().for_each(Waker::wake);
    }

    fn is_cancelled(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).cancelled
    }
}

/// Polls until it has an outcome, or nobody wants one: then it is dropped where it was polled.
pub(crate) struct Wanting<F> {
    /// Empty once it is over.
    future: Option<F>,
    wish: Arc<Wish>,
}

impl<F> Wanting<F> {
    pub(crate) fn new(future: F, wish: Arc<Wish>) -> Self {
        Self { future: Some(future), wish }
    }

    fn end(&mut self) {
        let future = self.future.take();
        // Its outcome is known, whatever the rest of it does.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
    }
}

impl<F: Future + Unpin> Future for Wanting<F> {
    /// None if nobody wants it.
    type Output = Option<Result<F::Output, Payload>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if !this.wish.lasts(context.waker()) {
            this.end();
            return Poll::Ready(None);
        }
        let Some(future) = &mut this.future else { return Poll::Ready(None) };
        let outcome = match catch_unwind(AssertUnwindSafe(|| Pin::new(future).poll(context))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(outcome)) => Ok(outcome),
            Err(payload) => Err(payload),
        };
        this.end();
        Poll::Ready(Some(outcome))
    }
}

/// The Python future's callback: it hears of a cancellation.
#[pyclass(frozen, module = "pyo3_async_runtimes")]
struct Done(Arc<Wish>);

#[pymethods]
impl Done {
    fn __call__(&self, future: &Bound<'_, PyAny>) -> PyResult<()> {
        if future.call_method0(intern!(future.py(), "cancelled"))?.is_truthy()? {
            self.0.cancel();
        }
        Ok(())
    }
}

/// Takes an outcome home, once. Let go of without one, it says so there.
pub(crate) struct Delivery {
    way: Way,
    wish: Arc<Wish>,
    parcel: Option<Parcel>,
}

/// What is dropped on the loop's thread, unless that has gone.
struct Parcel {
    future: Py<PyAny>,
    callback: Py<Done>,
    /// References to the loop and a context that end here rather than with a worker.
    locals: TaskLocals,
}

/// Makes the Python future, on the loop of these locals.
pub(crate) fn begin<'py>(
    py: Python<'py>,
    locals: &TaskLocals,
) -> PyResult<(Bound<'py, PyAny>, Delivery, Arc<Wish>)> {
    let way = locals.way(py)?.clone();
    let future = locals.event_loop(py).call_method0(intern!(py, "create_future"))?;
    let wish = Arc::new(Wish::default());
    let callback = Bound::new(py, Done(Arc::clone(&wish)))?;
    future.call_method1(intern!(py, "add_done_callback"), (&callback,))?;
    let parcel =
        Parcel { future: future.clone().unbind(), callback: callback.unbind(), locals: locals.clone() };
    let delivery = Delivery { way, wish: Arc::clone(&wish), parcel: Some(parcel) };
    Ok((future, delivery, wish))
}

impl Delivery {
    /// The value becomes Python's at home.
    pub(crate) fn send<T>(mut self, outcome: Result<PyResult<T>, Payload>)
    where
        T: for<'py> IntoPyObject<'py> + Send + 'static,
    {
        let Some(parcel) = self.parcel.take() else { return };
        self.way.send(move |py| {
            parcel.open(py, || match outcome {
                Ok(outcome) => outcome.and_then(|value| value.into_py_any(py)),
                Err(payload) => Err(of_panic(&*payload)),
            });
        });
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        let Some(parcel) = self.parcel.take() else { return };
        if !self.wish.is_cancelled() {
            self.way.send(move |py| {
                parcel.open(py, || Err(PyRuntimeError::new_err("the runtime has ended before the future")));
            });
        }
    }
}

impl Parcel {
    fn open(self, py: Python<'_>, outcome: impl FnOnce() -> PyResult<Py<PyAny>>) {
        if let Err(error) = self.give(py, outcome) {
            error.write_unraisable(py, Some(self.future.bind(py)));
        }
        drop(self.locals);
    }

    fn give(&self, py: Python<'_>, outcome: impl FnOnce() -> PyResult<Py<PyAny>>) -> PyResult<()> {
        let future = self.future.bind(py);
        // There is nothing more to hear of: it saves the loop a call. One that is cancelled has let go of it.
        let removed = future.call_method1(intern!(py, "remove_done_callback"), (&self.callback,))?;
        if !removed.is_truthy()? {
            return Ok(());
        }
        let outcome = catch_unwind(AssertUnwindSafe(outcome));
        let error = match outcome.unwrap_or_else(|payload| Err(of_panic(&*payload))) {
            Ok(value) => return future.call_method1(intern!(py, "set_result"), (value,)).map(drop),
            Err(error) => error,
        };
        // As a task ends that lets it through: nobody has to retrieve it.
        if error.is_instance_of::<CancelledError>(py) {
            return future.call_method0(intern!(py, "cancel")).map(drop);
        }
        match future.call_method1(intern!(py, "set_exception"), (error.into_value(py),)) {
            Ok(_) => Ok(()),
            // Not every exception may be a future's.
            Err(refused) => {
                let why = refused.into_value(py);
                future.call_method1(intern!(py, "set_exception"), (why,)).map(drop)
            }
        }
    }
}
