//! A coroutine's life: resumed by whoever drives it, until it is over.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use pyo3::exceptions::{PyGeneratorExit, PyRuntimeError, PyRuntimeWarning, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::panic::PanicException;
use pyo3::prelude::*;

use super::awaiting::{Seat, Yielded};
use super::coroutine::Facts;
use super::frame::Lodged;
use super::guest::running_loop;
use super::home::Home;
use super::hosts;
use super::link::{First, Shared};
use super::polling;
use super::token::CancelToken;

/// What it is resumed with.
pub(super) enum Input {
    /// A value, if it is not None.
    Send(Option<Py<PyAny>>),
    Throw(PyErr),
}

/// How far it came.
pub(super) enum Step {
    Yield(Py<PyAny>),
    Return(Py<PyAny>),
}

/// Fresh, until it is resumed; it waits between polls; over once it has returned, raised, or was closed.
pub(super) enum Life {
    Fresh(Lodged),
    /// By its wakers. An awaitable of Python's may have the seat all the same, beside others: by its number, or 0.
    Waits(Lodged, Arc<Shared>, u64),
    /// An awaitable of Python's has the seat: it waits for what that has yielded. By its number.
    Seated(Lodged, Arc<Shared>, u64),
    /// It is being polled, further up the stack.
    Runs,
    Over,
}

impl Life {
    /// As Python sees it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Fresh(_) => "fresh",
            Self::Waits(..) => "waits",
            Self::Seated(..) => "awaits Python",
            Self::Runs => "runs",
            Self::Over => "over",
        }
    }
}

pub(super) struct Coroutine {
    pub(super) facts: Facts,
    /// Whether its future has anything to drop.
    pub(super) has_drop: bool,
    pub(super) life: Life,
    /// Of one that may not leave its thread: the loop there, once it is known.
    pub(super) home: Option<Home>,
    /// Of one that is told of its cancellation.
    pub(super) token: Option<CancelToken>,
    /// The cancellation that it was told of: raised when it has ended.
    pub(super) thrown: Option<PyErr>,
}

impl Coroutine {
    pub(super) fn is_fresh(&self) -> bool {
        matches!(self.life, Life::Fresh(_))
    }

    /// Its thread runs a loop, for all that is known.
    pub(super) fn find_home(&mut self, py: Python<'_>) {
        if self.home.is_none() && self.facts.home == Some(thread::current().id()) {
            self.home = Home::here(py).ok();
        }
    }

    /// After its poll.
    #[inline]
    fn goes_on(&mut self, life: Life) {
        // Nothing is lost with that.
        debug_assert!(matches!(self.life, Life::Runs));
        std::mem::forget(std::mem::replace(&mut self.life, life));
    }

    #[inline]
    pub(super) fn is_over(&self) -> bool {
        matches!(self.life, Life::Over)
    }

    /// Whether it may be touched on this thread.
    fn check_thread(&self) -> PyResult<()> {
        let Some(home) = self.facts.home else { return Ok(()) };
        let here = thread::current().id();
        if here == home {
            return Ok(());
        }
        let (name, place) = (self.facts.name, self.facts.place);
        Err(PyRuntimeError::new_err(format!(
            "{name} ({place}) was made on {home:?} and cannot leave it; it is awaited on {here:?}"
        )))
    }
}

/// A reference to a coroutine that may be resumed again meanwhile: nothing of it is borrowed during a poll.
pub(super) trait Lent {
    fn with<R>(&self, look: impl FnOnce(&mut Coroutine) -> R) -> R;
}

pub(super) fn resume(py: Python<'_>, lent: &impl Lent, input: Input) -> PyResult<Step> {
    lent.with(|coroutine| coroutine.check_thread())?;
    let life = lent.with(|coroutine| std::mem::replace(&mut coroutine.life, Life::Runs));
    let end = |error| {
        lent.with(|coroutine| coroutine.life = Life::Over);
        Err(error)
    };
    match (life, input) {
        (Life::Runs, _) => Err(PyValueError::new_err("coroutine already executing")),
        (Life::Over, _) => end(PyRuntimeError::new_err("cannot reuse already awaited coroutine")),
        (Life::Fresh(body), Input::Send(Some(_))) => {
            lent.with(|coroutine| coroutine.life = Life::Fresh(body));
            Err(PyTypeError::new_err("can't send non-None value to a just-started coroutine"))
        }
        (Life::Fresh(body), Input::Throw(error)) => {
            lose(body);
            end(error)
        }
        (Life::Waits(body, shared, owner), Input::Throw(error)) if is_told(py, lent, &error) => {
            lent.with(|coroutine| coroutine.thrown = Some(error));
            poll_again(py, lent, body, shared, Seat { owner, ..Seat::default() })
        }
        (Life::Waits(body, shared, 0), Input::Throw(error)) => {
            shared.end(py);
            lose(body);
            end(error)
        }
        (Life::Waits(body, shared, owner), input) => {
            let input = if let Input::Throw(_) = input { Some(input) } else { None };
            poll_again(py, lent, body, shared, Seat { owner, input, ..Seat::default() })
        }
        (Life::Fresh(body), Input::Send(None)) => {
            lent.with(|coroutine| {
                if coroutine.facts.home.is_some() {
                    coroutine.find_home(py);
                }
            });
            poll_first(py, lent, body)
        }
        (Life::Seated(body, shared, owner), input) => {
            let seat = Seat { owner, input: Some(input), ..Seat::default() };
            poll_again(py, lent, body, shared, seat)
        }
    }
}

/// Whether the future is told of what was thrown, and may end by itself: once, and not of its `close()`.
fn is_told(py: Python<'_>, lent: &impl Lent, error: &PyErr) -> bool {
    let token = lent.with(|coroutine| coroutine.token.clone());
    token.is_some_and(|token| !error.is_instance_of::<PyGeneratorExit>(py) && token.cancel())
}

/// Drops a future, or what else is a user's. What panics meanwhile ends here: there is nobody to be told.
pub(super) fn lose<T>(what: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(what)));
}

fn poll_first(py: Python<'_>, lent: &impl Lent, mut body: Lodged) -> PyResult<Step> {
    let (first, seat) = (First::new(), RefCell::default());
    let polled = poll(py, lent, &mut body, &first.waker(), &seat);
    match polled {
        Poll::Pending => {
            let shared = first.into_shared();
            wait(py, lent, body, shared, seat.into_inner())
        }
        Poll::Ready(outcome) => {
            // Somebody may keep a waker of it.
            first.end();
            over(lent, body, outcome)
        }
    }
}

fn poll_again(
    py: Python<'_>,
    lent: &impl Lent,
    mut body: Lodged,
    shared: Arc<Shared>,
    seat: Seat,
) -> PyResult<Step> {
    shared.state.begin();
    let seat = RefCell::new(seat);
    let waker = Waker::from(Arc::clone(&shared));
    let polled = poll(py, lent, &mut body, &waker, &seat);
    drop(waker);
    let mut seat = seat.into_inner();
    match (polled, seat.input.take()) {
        (Poll::Ready(outcome), _) => {
            shared.end(py);
            over(lent, body, outcome)
        }
        // Who had the seat has gone: the future hears of it as any other does.
        (Poll::Pending, Some(Input::Throw(error))) => {
            shared.end(py);
            over(lent, body, Err(error))
        }
        (Poll::Pending, _) => wait(py, lent, body, shared, seat),
    }
}

/// A panic becomes an exception.
fn poll(
    py: Python<'_>,
    lent: &impl Lent,
    body: &mut Lodged,
    waker: &Waker,
    seat: &RefCell<Seat>,
) -> Poll<PyResult<Py<PyAny>>> {
    let mut context = Context::from_waker(waker);
    let facts = lent.with(|coroutine| coroutine.facts);
    polling::poll(py, facts, seat, waker, || hosts::enter(|| body.pinned().poll(py, &mut context)))
        .unwrap_or_else(|panic| Poll::Ready(Err(PanicException::new_err(text_of(&*panic)))))
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panic from Rust code")
        .to_owned()
}

fn over(lent: &impl Lent, body: Lodged, outcome: PyResult<Py<PyAny>>) -> PyResult<Step> {
    // What it held is gone before anybody hears of the end.
    lose(body);
    lent.with(|coroutine| coroutine.goes_on(Life::Over));
    match (outcome, lent.with(|coroutine| coroutine.thrown.take())) {
        (Ok(_), Some(thrown)) => Err(thrown),
        (outcome, _) => outcome.map(Step::Return),
    }
}

/// It is pending: what it yields, and how it waits.
fn wait(py: Python<'_>, lent: &impl Lent, body: Lodged, shared: Arc<Shared>, seat: Seat) -> PyResult<Step> {
    let mut owner = 0;
    let yielded = match seat.yielded {
        // Nobody else can wake it: the task waits for what the awaitable waits for.
        Some(Yielded { object, told, waker: None }) if told.is_none() || !shared.is_kept() => {
            lent.with(|coroutine| coroutine.goes_on(Life::Seated(body, shared, seat.owner)));
            return Ok(Step::Yield(object));
        }
        Some(Yielded { object, told, waker }) => {
            owner = seat.owner;
            let waker = waker.unwrap_or_else(|| Waker::from(Arc::clone(&shared)));
            let woken = match told {
                Some(told) => told.wake_by(py, &object, waker),
                None => {
                    waker.wake();
                    Ok(())
                }
            };
            woken.and_then(|()| own(py, lent, &shared))
        }
        None => own(py, lent, &shared),
    };
    match yielded {
        Ok(yielded) => {
            lent.with(|coroutine| coroutine.goes_on(Life::Waits(body, shared, owner)));
            Ok(Step::Yield(yielded))
        }
        Err(error) => {
            shared.end(py);
            over(lent, body, Err(error))
        }
    }
}

/// It is told by its wakers.
fn own(py: Python<'_>, lent: &impl Lent, shared: &Arc<Shared>) -> PyResult<Py<PyAny>> {
    if shared.state.is_woken() {
        // It has to come again: in its turn, as after `sleep(0)`.
        shared.state.queue();
        return Ok(py.None());
    }
    let yielded = shared.wait(py)?;
    // A waker's clones count; a wake just now has gone with one.
    if Arc::strong_count(shared) == 1 && !shared.state.is_queued() {
        forsaken(py, lent)?;
    }
    Ok(yielded)
}

/// Nobody can wake it: debug mode tells of it.
#[cold]
fn forsaken(py: Python<'_>, lent: &impl Lent) -> PyResult<()> {
    let running = running_loop(py)?;
    if !running.call_method0(intern!(py, "get_debug"))?.is_truthy()? {
        return Ok(());
    }
    let facts = lent.with(|coroutine| coroutine.facts);
    let text = format!("{} ({}) waits, and nobody has kept its waker", facts.name, facts.place);
    let text = CString::new(text).unwrap_or_default();
    PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &text, 1)
}

/// `close()`: the future is dropped.
pub(super) fn close(py: Python<'_>, lent: &impl Lent) -> PyResult<()> {
    lent.with(|coroutine| coroutine.check_thread())?;
    match lent.with(|coroutine| std::mem::replace(&mut coroutine.life, Life::Over)) {
        Life::Runs => {
            lent.with(|coroutine| coroutine.life = Life::Runs);
            return Err(PyValueError::new_err("coroutine already executing"));
        }
        Life::Fresh(body) => lose(body),
        Life::Waits(body, shared, _) | Life::Seated(body, shared, _) => {
            shared.end(py);
            lose(body);
        }
        Life::Over => {}
    }
    Ok(())
}
