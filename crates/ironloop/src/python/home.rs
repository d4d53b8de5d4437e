//! Python from a worker: a closure is sent to the loop's thread, which is attached. The worker does not
//! attach: it would wait for whoever has the lock.

use std::any::Any;
use std::ffi::c_void;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use ironloop_abi::{Loop, Table, what};
use pyo3::prelude::*;

use super::class::counted;
use super::guest::Mailbox;
use super::resume::lose;
use super::table::table;

/// Run once, on the loop's thread; dropped where that is closed.
pub(super) type Job = Box<dyn FnOnce(Python<'_>) + Send>;

/// A loop, for whatever thread. It does not keep the loop open.
#[derive(Clone)]
pub struct Home(Way);

#[derive(Clone)]
enum Way {
    Table(Kept),
    Guest(Arc<Mailbox>),
}

/// A loop of ironloop's, retained.
struct Kept {
    table: &'static Table,
    at: NonNull<Loop>,
}

// SAFETY: any thread may retain, release, and send home.
unsafe impl Send for Kept {}
// SAFETY: as above.
unsafe impl Sync for Kept {}

impl Clone for Kept {
    fn clone(&self) -> Self {
        // SAFETY: it is kept, and so valid.
        unsafe { (self.table.loop_retain)(self.at.as_ptr()) };
        Self { ..*self }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // SAFETY: it was retained when this was made.
        unsafe { (self.table.loop_release)(self.at.as_ptr()) };
    }
}

impl fmt::Debug for Home {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Home")
    }
}

/// The loop is closed: nobody calls.
#[derive(Debug)]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the loop is closed")
    }
}

impl std::error::Error for Gone {}

impl From<Gone> for PyErr {
    fn from(gone: Gone) -> Self {
        pyo3::exceptions::PyRuntimeError::new_err(gone.to_string())
    }
}

impl Home {
    /// The loop that runs in this thread.
    ///
    /// # Errors
    ///
    /// None does.
    pub fn here(py: Python<'_>) -> PyResult<Self> {
        if let Some(table) = table(py) {
            // SAFETY: the loop is valid while it runs, and is retained.
            unsafe {
                if let Some(at) = NonNull::new((table.loop_running)().cast_mut()) {
                    (table.loop_retain)(at.as_ptr());
                    return Ok(Self(Way::Table(Kept { table, at })));
                }
            }
        }
        Mailbox::here(py).map(Way::Guest).map(Self)
    }

    /// Has the loop's thread call, in its next turn, and waits for the result. Any thread may ask, and await
    /// it; the call is made also if nobody awaits it.
    ///
    /// # Panics
    ///
    /// The future panics with what the call has panicked with.
    pub fn with_python<F, T>(&self, call: F) -> WithPython<T>
    where
        F: FnOnce(Python<'_>) -> T + Send + 'static,
        T: Send + 'static,
    {
        let shared = Arc::new(Mutex::new(Answer { state: State::Waits, waker: None }));
        let answers = Answers(Arc::clone(&shared));
        self.send(move |py| {
            let outcome = catch_unwind(AssertUnwindSafe(|| call(py)));
            answers.give(outcome.map_or_else(State::Panicked, State::Is));
        });
        WithPython(shared)
    }

    /// Has the loop's thread call, in its next turn; nobody is told of the result. Any thread may ask. Where the
    /// loop is closed the call is dropped, on the thread that finds out.
    pub fn send<F>(&self, call: F)
    where
        F: FnOnce(Python<'_>) + Send + 'static,
    {
        match &self.0 {
            Way::Guest(mailbox) => mailbox.send(Box::new(call)),
            Way::Table(kept) => {
                let data = Box::into_raw(Box::new(call));
                // SAFETY: it is kept; `come` takes what is handed over here.
                if !unsafe { (kept.table.send_home)(kept.at.as_ptr(), come::<F>, data.cast()) } {
                    // SAFETY: a refused one is ours still.
                    drop(unsafe { Box::from_raw(data) });
                }
            }
        }
    }
}

/// The loop's call, once.
unsafe extern "C" fn come<F: FnOnce(Python<'_>)>(data: *mut c_void, bits: u32) {
    // SAFETY: `send` has handed it over, and this is the last call; a loop calls on its thread, attached.
    unsafe {
        let call = Box::from_raw(data.cast::<F>());
        counted(|py| if bits & what::HOME != 0 { answer_for(py, *call) } else { lose(call) });
    }
}

/// A panic is told of, and goes no further: there are frames of C's below.
pub(super) fn answer_for(py: Python<'_>, call: impl FnOnce(Python<'_>)) {
    if catch_unwind(AssertUnwindSafe(|| call(py))).is_err() {
        let error = pyo3::panic::PanicException::new_err("a call that was sent home has panicked");
        error.write_unraisable(py, None);
    }
}

/// The result of a call on the loop's thread, of [`Home::with_python`].
#[must_use = "the call is made, but its result is lost"]
pub struct WithPython<T>(Arc<Mutex<Answer<T>>>);

enum State<T> {
    Waits,
    Is(T),
    Panicked(Box<dyn Any + Send>),
    Gone,
}

struct Answer<T> {
    state: State<T>,
    waker: Option<Waker>,
}

/// Gives the answer, once; that nobody calls if it is dropped before.
struct Answers<T>(Arc<Mutex<Answer<T>>>);

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Answers<T> {
    fn give(&self, state: State<T>) {
        let mut answer = lock(&self.0);
        if !matches!(answer.state, State::Waits) {
            return;
        }
        answer.state = state;
        let waker = answer.waker.take();
        drop(answer);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T> Drop for Answers<T> {
    fn drop(&mut self) {
        self.give(State::Gone);
    }
}

impl<T> Future for WithPython<T> {
    type Output = Result<T, Gone>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answer = lock(&self.0);
        match std::mem::replace(&mut answer.state, State::Gone) {
            State::Is(value) => Poll::Ready(Ok(value)),
            State::Gone => Poll::Ready(Err(Gone)),
            State::Panicked(payload) => {
                drop(answer);
                resume_unwind(payload)
            }
            State::Waits => {
                answer.state = State::Waits;
                let before = answer.waker.replace(context.waker().clone());
                drop(answer);
                drop(before);
                Poll::Pending
            }
        }
    }
}

impl<T> fmt::Debug for WithPython<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WithPython")
    }
}
