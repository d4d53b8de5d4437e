//! Streams of Python's asynchronous iterators.
//!
//! The next item is asked for on the loop's thread, as a task, a few ahead of who takes them; so that a
//! thread of Rust's never attaches, and crosses once for several.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use pyo3::exceptions::PyStopAsyncIteration;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::TaskLocals;
use crate::answer::{context_of, ensure_future};
use crate::generic::{ContextExt, Runtime, get_current_locals};
use crate::locals::python;
use crate::way::Way;

/// An iterator that is asked on its loop, and the items that nobody has taken yet.
struct Pump {
    locals: TaskLocals,
    way: Way,
    context: Py<PyAny>,
    next: Py<PyAny>,
    /// How many items wait at most.
    ahead: usize,
    /// An error is told to the loop's handler and ends it; else it is an item.
    errors_end: bool,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<PyResult<Py<PyAny>>>,
    /// The next is being asked for.
    asks: bool,
    /// No more come, or nobody takes them.
    over: bool,
    waker: Option<Waker>,
}

impl Pump {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the loop ask.
    fn prime(self: &Arc<Self>) {
        let asks = Asks(Some(Arc::clone(self)));
        self.way.send(move |py| asks.ask(py));
    }

    fn end(&self) {
        let mut queue = self.queue();
        queue.over = true;
        let waker = queue.waker.take();
        drop(queue);
        waker.into_iter().for_each(Waker::wake);
    }

    /// True if the next may be asked for.
    fn put(&self, item: PyResult<Py<PyAny>>) -> bool {
        let mut queue = self.queue();
        if queue.over {
            drop(queue);
            drop(item);
            return false;
        }
        queue.items.push_back(item);
        queue.asks = queue.items.len() < self.ahead;
        let (more, waker) = (queue.asks, queue.waker.take());
        drop(queue);
        waker.into_iter().for_each(Waker::wake);
        more
    }

    fn tell(&self, py: Python<'_>, error: PyErr) -> PyResult<()> {
        let context = PyDict::new(py);
        context.set_item("message", "an asynchronous iterator has failed under a Rust stream")?;
        context.set_item("exception", error.into_value(py))?;
        self.locals.event_loop(py).call_method1("call_exception_handler", (context,)).map(drop)
    }
}

/// The right to ask, which one has at a time. Let go of, it ends the stream: the iterator has, or the loop.
struct Asks(Option<Arc<Pump>>);

impl Asks {
    fn ask(self, py: Python<'_>) {
        let Some(pump) = self.0.clone() else { return };
        if pump.queue().over {
            return;
        }
        let asked = pump.next.call0(py).and_then(|next| ensure_future(py, &pump.context, next));
        match asked {
            Err(error) => self.take(py, Err(error)),
            Ok(task) => {
                let item = Item(Mutex::new(Some(self)));
                if let Err(error) = task.call_method1(intern!(py, "add_done_callback"), (item,)) {
                    error.write_unraisable(py, Some(&task));
                }
            }
        }
    }

    /// An item, or why there is none.
    fn take(mut self, py: Python<'_>, outcome: PyResult<Py<PyAny>>) {
        let Some(pump) = self.0.clone() else { return };
        match outcome {
            Err(error) if error.is_instance_of::<PyStopAsyncIteration>(py) => {}
            Err(error) if pump.errors_end => {
                if let Err(error) = pump.tell(py, error) {
                    error.write_unraisable(py, None);
                }
            }
            item => {
                if pump.put(item) {
                    self.ask(py);
                } else {
                    // Who takes one asks for more.
                    drop(self.0.take());
                }
            }
        }
    }
}

impl Drop for Asks {
    fn drop(&mut self) {
        if let Some(pump) = self.0.take() {
            pump.end();
        }
    }
}

/// The callback of the task that gives the next.
#[pyclass(frozen, module = "pyo3_async_runtimes")]
struct Item(Mutex<Option<Asks>>);

#[pymethods]
impl Item {
    fn __call__(&self, task: &Bound<'_, PyAny>) {
        let asks = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(asks) = asks {
            let py = task.py();
            asks.take(py, task.call_method0(intern!(py, "result")).map(Bound::unbind));
        }
    }
}

/// Takes the items, on whatever thread.
struct Taking(Arc<Pump>);

impl Stream for Taking {
    type Item = PyResult<Py<PyAny>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let pump = &self.0;
        let mut queue = pump.queue();
        if let Some(item) = queue.items.pop_front() {
            let asks = !queue.asks && !queue.over;
            queue.asks |= asks;
            drop(queue);
            if asks {
                pump.prime();
            }
            return Poll::Ready(Some(item));
        }
        if queue.over {
            return Poll::Ready(None);
        }
        let before = queue.waker.replace(context.waker().clone());
        drop(queue);
        drop(before);
        Poll::Pending
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.over = true;
        let (items, waker) = (std::mem::take(&mut queue.items), queue.waker.take());
        drop(queue);
        drop((items, waker));
    }
}

/// The same without errors.
struct Items(Taking);

impl Stream for Items {
    type Item = Py<PyAny>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // An error is no item, by `errors_end`.
        Pin::new(&mut self.0).poll_next(context).map(|item| item.and_then(Result::ok))
    }
}

fn begin(
    locals: TaskLocals,
    iterator: &Bound<'_, PyAny>,
    ahead: usize,
    errors_end: bool,
) -> PyResult<Taking> {
    let py = iterator.py();
    let next = iterator.getattr(intern!(py, "__anext__"))?.unbind();
    let (way, context) = (locals.way(py)?.clone(), context_of(py, &locals)?);
    let queue = Mutex::new(Queue { asks: true, ..Queue::default() });
    let pump = Arc::new(Pump { locals, way, context, next, ahead, errors_end, queue });
    pump.prime();
    Ok(Taking(pump))
}

/// The items of an asynchronous iterator; an error is one too.
///
/// # Errors
///
/// It is none, or the loop is closed.
pub fn into_stream_with_locals_v1<R>(
    locals: TaskLocals,
    generator: Bound<'_, PyAny>,
) -> PyResult<impl Stream<Item = PyResult<Py<PyAny>>> + use<R>>
where
    R: Runtime,
{
    begin(locals, &generator, 1, false)
}

/// The same with the current locals.
///
/// # Errors
///
/// As above; there are no locals.
pub fn into_stream_v1<R>(
    generator: Bound<'_, PyAny>,
) -> PyResult<impl Stream<Item = PyResult<Py<PyAny>>> + use<R>>
where
    R: Runtime + ContextExt,
{
    into_stream_with_locals_v1::<R>(get_current_locals::<R>(generator.py())?, generator)
}

/// The items of what `async for` takes, of which ten may wait. An error ends it, and is told to the loop's
/// handler.
///
/// # Errors
///
/// It is none, or the loop is closed.
pub fn into_stream_with_locals_v2<R>(
    locals: TaskLocals,
    generator: Bound<'_, PyAny>,
) -> PyResult<impl Stream<Item = Py<PyAny>> + use<R>>
where
    R: Runtime + ContextExt,
{
    let iterator = python!(generator.py(), "builtins", "aiter")?.call1((generator,))?;
    begin(locals, &iterator, 10, true).map(Items)
}

/// The same with the current locals.
///
/// # Errors
///
/// As above; there are no locals.
pub fn into_stream_v2<R>(generator: Bound<'_, PyAny>) -> PyResult<impl Stream<Item = Py<PyAny>> + use<R>>
where
    R: Runtime + ContextExt,
{
    into_stream_with_locals_v2::<R>(get_current_locals::<R>(generator.py())?, generator)
}
