//! Calls that block, on threads that are there for them.
//!
//! The pool is of the whole process: it begins with the first call, grows as long as all of its threads are
//! busy, and shrinks when they have nothing to do for a while. A child that was forked begins one of its own.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ironloop_driver::Workers;

/// Threads at most; what does not get one waits for its turn.
const MOST_THREADS: usize = 32;

/// For so long a thread waits for something to do.
const IDLE: Duration = Duration::from_secs(10);

/// Has a thread call what would block the loop: a file, a lookup, a computation.
///
/// The call begins at once, and is not undone if the future is dropped.
///
/// ```
/// let text = ironloop::block_on(async {
///     ironloop::blocking(|| std::fs::read_to_string("Cargo.toml")).await
/// });
/// assert!(text.unwrap().contains("[package]"));
/// ```
///
/// # Panics
///
/// The future panics with what the call has panicked with, or if the system has no thread for it.
pub fn blocking<T, F>(call: F) -> Blocking<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let answer = Arc::new(Mutex::new(Answer { outcome: None, waker: None }));
    let asked = Arc::clone(&answer);
    start(move || {
        let outcome = catch_unwind(AssertUnwindSafe(call));
        let mut answer = lock(&asked);
        answer.outcome = Some(outcome);
        let waker = answer.waker.take();
        drop(answer);
        waker.into_iter().for_each(Waker::wake);
    });
    Blocking { answer }
}

/// The result of a call on another thread, of [`blocking`].
pub struct Blocking<T> {
    answer: Arc<Mutex<Answer<T>>>,
}

struct Answer<T> {
    outcome: Option<Result<T, Box<dyn Any + Send>>>,
    waker: Option<Waker>,
}

impl<T> Future for Blocking<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut answer = lock(&self.answer);
        match answer.outcome.take() {
            Some(Ok(result)) => Poll::Ready(result),
            Some(Err(payload)) => {
                drop(answer);
                resume_unwind(payload)
            }
            None => {
                let before = answer.waker.replace(context.waker().clone());
                drop(answer);
                drop(before);
                Poll::Pending
            }
        }
    }
}

static POOL: Mutex<Option<Workers>> = Mutex::new(None);

fn start(job: impl FnOnce() + Send + 'static) {
    let mut pool = lock(&POOL);
    // In a child the threads are the parent's, and so is what they had to do.
    let workers = pool.take().filter(Workers::are_here);
    let workers = workers.unwrap_or_else(|| Workers::new("ironloop-blocking", MOST_THREADS, IDLE));
    let begun = workers.submit(job);
    *pool = Some(workers);
    drop(pool);
    if let Err(error) = begun {
        panic!("no thread for a call that blocks: {error}");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
