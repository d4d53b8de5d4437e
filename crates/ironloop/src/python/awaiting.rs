//! Rust awaits Python.
//!
//! In a coroutine the awaitable takes the *seat* of the task that drives it: it is resumed inline, what it
//! yields is yielded, and what the task sends or throws reaches it; so it runs in the same task and context.
//! A second one at the same time, and one in a future that was spawned, becomes a task of its own.
//!
//! Where the poll has also given its waker away (`select!`), what the awaitable yields is waited for by a
//! callback, so that either may come first.

use std::ffi::{c_int, c_void};
use std::pin::Pin;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use pyo3::exceptions::{PyGeneratorExit, PyRuntimeError, PyStopAsyncIteration};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyCFunction;

use super::polling::with_seat;
use super::resume::Input;
use super::stable::{PyIter_Send, Sent};

/// What stands between a coroutine's driver and the awaitable in it, during one poll.
#[derive(Default)]
pub(super) struct Seat {
    /// Whose it is; 0 if nobody's.
    pub(super) owner: u64,
    /// For the owner: what the driver has sent or thrown.
    pub(super) input: Option<Input>,
    /// What the owner waits for.
    pub(super) yielded: Option<Yielded>,
    /// Which waker is the whole coroutine's. What has one of its own (`FuturesUnordered`) is polled only when
    /// that is called.
    pub(super) top: usize,
}

/// What an awaitable has yielded: None, or a future of Python's.
pub(super) struct Yielded {
    pub(super) object: Py<PyAny>,
    /// Not of None.
    pub(super) told: Option<Arc<Told>>,
    /// Of one that is polled by another waker than the coroutine's.
    pub(super) waker: Option<Waker>,
}

/// Who is told by a callback that a future of Python's is done: whoever has waited for it last.
#[derive(Default)]
pub(super) struct Told(Mutex<Callback>);

#[derive(Default)]
struct Callback {
    waker: Option<Waker>,
    is_there: bool,
}

impl Told {
    fn callback(&self) -> MutexGuard<'_, Callback> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a future's callback stands for the task, which waits for something else.
    fn is_by_callback(&self) -> bool {
        self.callback().is_there
    }

    /// Has the future wake this one. It gets one callback, however often it is waited for.
    pub(super) fn wake_by(
        self: &Arc<Self>,
        py: Python<'_>,
        future: &Py<PyAny>,
        waker: Waker,
    ) -> PyResult<()> {
        let mut callback = self.callback();
        let before = callback.waker.replace(waker);
        let is_there = std::mem::replace(&mut callback.is_there, true);
        drop(callback);
        drop(before);
        if is_there {
            return Ok(());
        }
        let (future, this) = (future.bind(py), Arc::clone(self));
        // Yielded, but not to a task.
        future.setattr("_asyncio_future_blocking", false)?;
        let wake = PyCFunction::new_closure(py, Some(c"ironloop_wake"), None, move |_, _| {
            let waker = this.callback().waker.take();
            waker.into_iter().for_each(Waker::wake);
        })?;
        future.call_method1("add_done_callback", (wake,)).map(drop)
    }
}

/// A number that no other has.
fn number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Waits for a Python awaitable, of [`awaiting`].
#[must_use = "it does nothing until it is awaited"]
pub struct Awaiting(Stage);

/// Fresh, until the first poll; then in the seat, or a task; over once it has an outcome.
enum Stage {
    Fresh(Py<PyAny>),
    Seated { iterator: Py<PyAny>, waits_for: Waits, number: u64 },
    Task { task: Py<PyAny>, told: Arc<Told> },
    Over,
}

/// What a seated one waits for, and who is told; nobody of None.
type Waits = (Py<PyAny>, Option<Arc<Told>>);

/// Waits for a Python awaitable in a Rust future: a coroutine, a task, whatever `await` takes. Its errors are
/// the outcome's.
///
/// Dropped before it has an outcome, the awaitable is cancelled. In a [`coroutine`](super::coroutine()) it
/// runs in the task that awaits that, in its context, and a cancellation of the task reaches it first.
///
/// # Errors
///
/// The object cannot be awaited.
pub fn awaiting(awaitable: &Bound<'_, PyAny>) -> PyResult<Awaiting> {
    if slot_of(awaitable, ffi::Py_am_await).is_null()
        && !awaitable.hasattr(intern!(awaitable.py(), "__await__"))?
    {
        let name = awaitable.get_type().qualname()?;
        let text = format!("object {name} can't be used in 'await' expression");
        return Err(pyo3::exceptions::PyTypeError::new_err(text));
    }
    Ok(Awaiting(Stage::Fresh(awaitable.clone().unbind())))
}

impl Future for Awaiting {
    type Output = PyResult<Py<PyAny>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Python::attach(|py| {
            let (stage, outcome) = match std::mem::replace(&mut self.0, Stage::Over) {
                Stage::Fresh(awaitable) => begin(py, awaitable, context.waker()),
                Stage::Seated { iterator, waits_for, number } => {
                    seated(py, iterator, waits_for, number, context.waker())
                }
                Stage::Task { task, told } => of_task(py, task, told, context.waker()),
                Stage::Over => panic!("an awaitable was polled after its end"),
            }?;
            self.0 = stage;
            outcome.map_or(Poll::Pending, |value| Poll::Ready(Ok(value)))
        })
    }
}

/// A function of the object's class.
fn slot_of(object: &Bound<'_, PyAny>, slot: c_int) -> *mut c_void {
    // SAFETY: attached, the class of a live object.
    unsafe { ffi::PyType_GetSlot(ffi::Py_TYPE(object.as_ptr()), slot) }
}

/// What `__await__` gives. A coroutine of CPython's is resumed as it is: its wrapper would add a call to each
/// step.
fn iterator_of(awaitable: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    static COROUTINE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = awaitable.py();
    let coroutine =
        COROUTINE.get_or_try_init(py, || py.import("types")?.getattr("CoroutineType").map(Bound::unbind))?;
    if awaitable.get_type().is(coroutine) {
        return Ok(awaitable.clone().unbind());
    }
    let slot = slot_of(awaitable, ffi::Py_am_await);
    if slot.is_null() {
        return awaitable.call_method0(intern!(py, "__await__")).map(Bound::unbind);
    }
    // SAFETY: attached; what stands in this slot is such a function, and gives a new reference or raises.
    unsafe {
        let slot: ffi::unaryfunc = std::mem::transmute(slot);
        Bound::from_owned_ptr_or_err(py, slot(awaitable.as_ptr())).map(Bound::unbind)
    }
}

type Went = Result<(Stage, Option<Py<PyAny>>), PyErr>;

fn begin(py: Python<'_>, awaitable: Py<PyAny>, waker: &Waker) -> Went {
    let number = number();
    let free = with_seat(|seat| {
        let free = seat.owner == 0;
        if free {
            seat.owner = number;
        }
        free
    });
    if free == Some(true) {
        let iterator = match iterator_of(awaitable.bind(py)) {
            Ok(iterator) => iterator,
            Err(error) => {
                leave(number);
                return Err(error);
            }
        };
        return drive(py, iterator, number, Input::Send(None), waker);
    }
    let task = py.import("asyncio")?.call_method1("ensure_future", (awaitable,))?;
    of_task(py, task.unbind(), Arc::default(), waker)
}

/// The seat is free again. An error that its owner has not taken stays: it is the whole future's then.
fn leave(number: u64) {
    let left = with_seat(|seat| {
        if seat.owner != number {
            return None;
        }
        seat.owner = 0;
        let value = seat.input.take_if(|input| matches!(input, Input::Send(_)));
        Some((value, seat.yielded.take()))
    });
    // With nothing borrowed: what is dropped may run Python.
    drop(left);
}

fn seated(py: Python<'_>, iterator: Py<PyAny>, waits_for: Waits, number: u64, waker: &Waker) -> Went {
    let input = with_seat(|seat| if seat.owner == number { seat.input.take() } else { None }).flatten();
    let input = match input {
        Some(Input::Throw(error)) => {
            // The task's cancellation has reached a future of the coroutine's own, and not this one.
            if waits_for.1.as_ref().is_some_and(|told| told.is_by_callback())
                && let Err(error) = cancel(py, &waits_for.0)
            {
                error.write_unraisable(py, None);
            }
            Input::Throw(error)
        }
        Some(input) => input,
        // Something else has woken the future.
        None if is_done(py, &waits_for.0)? => Input::Send(None),
        None => return Ok((sit(py, iterator, waits_for, number, waker), None)),
    };
    drive(py, iterator, number, input, waker)
}

fn is_done(py: Python<'_>, waits_for: &Py<PyAny>) -> PyResult<bool> {
    Ok(waits_for.is_none(py) || waits_for.bind(py).call_method0(intern!(py, "done"))?.is_truthy()?)
}

/// It waits, and says for what.
fn sit(py: Python<'_>, iterator: Py<PyAny>, waits_for: Waits, number: u64, waker: &Waker) -> Stage {
    let top = with_seat(|seat| (seat.owner == 0 || seat.owner == number).then_some(seat.top)).flatten();
    if let Some(top) = top {
        // Made, and what stood there dropped, with nothing borrowed: both may call others.
        let waker = (waker.data().addr() != top).then(|| waker.clone());
        let yielded = Yielded { object: waits_for.0.clone_ref(py), told: waits_for.1.clone(), waker };
        let before = with_seat(|seat| {
            seat.owner = number;
            seat.yielded.replace(yielded)
        });
        drop(before);
    } else {
        // Polled elsewhere than before, or beside another: it is woken as any future is.
        let told = match &waits_for.1 {
            Some(told) => told.wake_by(py, &waits_for.0, waker.clone()),
            None => {
                waker.wake_by_ref();
                Ok(())
            }
        };
        if let Err(error) = told {
            error.write_unraisable(py, None);
        }
    }
    Stage::Seated { iterator, waits_for, number }
}

/// Resumes the awaitable.
fn drive(py: Python<'_>, iterator: Py<PyAny>, number: u64, input: Input, waker: &Waker) -> Went {
    match resumed(py, iterator.bind(py), input) {
        Ok(Resumed::Yielded(object)) => {
            let told = (!object.is_none(py)).then(Arc::default);
            Ok((sit(py, iterator, (object, told), number, waker), None))
        }
        Ok(Resumed::Returned(value)) => {
            leave(number);
            Ok((Stage::Over, Some(value)))
        }
        Err(error) => {
            leave(number);
            Err(error)
        }
    }
}

enum Resumed {
    Yielded(Py<PyAny>),
    Returned(Py<PyAny>),
}

fn resumed(py: Python<'_>, iterator: &Bound<'_, PyAny>, input: Input) -> PyResult<Resumed> {
    let value = match input {
        Input::Send(value) => value.unwrap_or_else(|| py.None()),
        Input::Throw(error) => return thrown(py, iterator, error),
    };
    let mut result = ptr::null_mut();
    // SAFETY: attached, live objects; what comes back is new, or an exception is set.
    unsafe {
        match PyIter_Send(iterator.as_ptr(), value.as_ptr(), &raw mut result) {
            Sent::Yielded => Ok(Resumed::Yielded(Bound::from_owned_ptr(py, result).unbind())),
            Sent::Returned => Ok(Resumed::Returned(Bound::from_owned_ptr(py, result).unbind())),
            Sent::Failed => Err(PyErr::fetch(py)),
        }
    }
}

fn thrown(py: Python<'_>, iterator: &Bound<'_, PyAny>, error: PyErr) -> PyResult<Resumed> {
    // An iterator need not know how.
    let Some(throw) = iterator.getattr_opt(intern!(py, "throw"))? else { return Err(error) };
    match throw.call1((error.into_value(py),)) {
        Ok(yielded) => Ok(Resumed::Yielded(yielded.unbind())),
        Err(stop) if stop.is_instance_of::<pyo3::exceptions::PyStopIteration>(py) => {
            stop.value(py).getattr("value").map(|value| Resumed::Returned(value.unbind()))
        }
        Err(error) => Err(error),
    }
}

fn of_task(py: Python<'_>, task: Py<PyAny>, told: Arc<Told>, waker: &Waker) -> Went {
    if is_done(py, &task)? {
        return Ok((Stage::Over, Some(task.bind(py).call_method0(intern!(py, "result"))?.unbind())));
    }
    told.wake_by(py, &task, waker.clone())?;
    Ok((Stage::Task { task, told }, None))
}

impl Drop for Awaiting {
    fn drop(&mut self) {
        let stage = std::mem::replace(&mut self.0, Stage::Over);
        if matches!(stage, Stage::Over) {
            return;
        }
        // While the interpreter goes down there is nobody to be cancelled.
        let _ = Python::try_attach(|py| {
            let ended = match &stage {
                Stage::Fresh(awaitable) => close(py, awaitable),
                Stage::Seated { iterator, waits_for, number } => {
                    leave(*number);
                    cancel(py, &waits_for.0).and(end(py, iterator))
                }
                Stage::Task { task, .. } => cancel(py, task),
                Stage::Over => Ok(()),
            };
            if let Err(error) = ended {
                error.write_unraisable(py, None);
            }
            drop(stage);
        });
    }
}

fn cancel(py: Python<'_>, future: &Py<PyAny>) -> PyResult<()> {
    if is_done(py, future)? {
        return Ok(());
    }
    let bound = future.bind(py);
    bound.call_method0(intern!(py, "cancel"))?;
    if is_done(py, future)? || bound.hasattr(intern!(py, "get_coro"))? {
        return Ok(());
    }
    // No task: a `gather` ends after its children, and complains if nobody asks how.
    let ask = PyCFunction::new_closure(py, Some(c"ironloop_ask"), None, |arguments, _| -> PyResult<()> {
        let future = arguments.get_item(0)?;
        if !future.call_method0("cancelled")?.is_truthy()? {
            future.call_method0("exception")?;
        }
        Ok(())
    })?;
    bound.call_method1(intern!(py, "add_done_callback"), (ask,)).map(drop)
}

/// Of one that was resumed. `close()` of what an asynchronous generator gives leaves the generator running, up
/// to Python 3.12; what later ones do in it, `throw` does in all.
fn end(py: Python<'_>, iterator: &Py<PyAny>) -> PyResult<()> {
    let iterator = iterator.bind(py);
    let kind = iterator.get_type().name()?;
    let kinds = ["async_generator_asend", "async_generator_athrow", "anext_awaitable"];
    if !kinds.contains(&&*kind.to_cow()?) {
        return close(py, iterator.as_unbound());
    }
    match thrown(py, iterator, PyGeneratorExit::new_err(())) {
        Ok(Resumed::Yielded(_)) => {
            Err(PyRuntimeError::new_err("asynchronous generator ignored GeneratorExit"))
        }
        Ok(Resumed::Returned(_)) => Ok(()),
        Err(error) if error.is_instance_of::<PyGeneratorExit>(py) => Ok(()),
        Err(error) if error.is_instance_of::<PyStopAsyncIteration>(py) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Also of what was never awaited: it is told of by nobody.
fn close(py: Python<'_>, iterator: &Py<PyAny>) -> PyResult<()> {
    match iterator.bind(py).getattr_opt(intern!(py, "close"))? {
        Some(close) if close.is_callable() && is_generator_like(iterator.bind(py))? => {
            close.call0().map(drop)
        }
        _ => Ok(()),
    }
}

/// A file has a `close` too.
fn is_generator_like(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(object.hasattr("send")? && object.hasattr("throw")?)
}
