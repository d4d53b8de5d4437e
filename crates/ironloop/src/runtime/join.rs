//! Spawning, and what one has of a spawned future: its result, its end.
//!
//! Whoever runs it sees a future that says only how it has ended, and never panics; the rest is here, so it is
//! the same on every loop. Belongs to the loop's thread.

use std::any::{Any, type_name};
use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::host::{self, Ending, Made};

/// Has a future polled on the loop that polls now, beside the caller. It need not be `Send`.
///
/// It begins in the loop's next turn, and goes on if the handle is dropped.
///
/// ```
/// let words = ironloop::block_on(async {
///     let handles = ["one", "two"].map(|word| ironloop::spawn_local(async move { word.len() }));
///     let mut lengths = Vec::new();
///     for handle in handles {
///         lengths.push(handle.await.unwrap());
///     }
///     lengths
/// });
/// assert_eq!(words, [3, 3]);
/// ```
///
/// # Panics
///
/// Where no loop polls.
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let host = host::current().expect("spawn_local is called in a future that a loop polls");
    let shared = Rc::new(RefCell::new(Shared { state: State::Runs, runner: None, joiner: None }));
    let made = Made { path: type_name::<F>(), place: Location::caller() };
    host.spawn(Box::pin(Spawned { future: Some(Box::pin(future)), shared: Rc::clone(&shared) }), made);
    JoinHandle { shared }
}

/// Runs, until it has an outcome, which is taken once. `Aborts` is one that runs and shall not go on.
enum State<T> {
    Runs,
    Aborts,
    Ended(Result<T, JoinError>),
    Taken,
}

struct Shared<T> {
    state: State<T>,
    /// Polls the future again.
    runner: Option<Waker>,
    /// Waits for the outcome.
    joiner: Option<Waker>,
}

/// A spawned future, to be awaited. Dropped, it lets the future go on; [`abort`](Self::abort) ends it.
pub struct JoinHandle<T> {
    shared: Rc<RefCell<Shared<T>>>,
}

impl<T> JoinHandle<T> {
    /// Has the future dropped in the loop's next turn, unless it has ended before.
    pub fn abort(&self) {
        let mut shared = self.shared.borrow_mut();
        if matches!(shared.state, State::Runs) {
            shared.state = State::Aborts;
        }
        let runner = shared.runner.take();
        drop(shared);
        runner.into_iter().for_each(Waker::wake);
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.shared.borrow().state, State::Ended(_) | State::Taken)
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// If it is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = context.waker().clone();
        let mut shared = self.shared.borrow_mut();
        match std::mem::replace(&mut shared.state, State::Taken) {
            State::Ended(outcome) => Poll::Ready(outcome),
            State::Taken => panic!("the outcome of a spawned future is taken once"),
            waits => {
                shared.state = waits;
                let before = shared.joiner.replace(waker);
                drop(shared);
                drop(before);
                Poll::Pending
            }
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("JoinHandle").field("is_finished", &self.is_finished()).finish()
    }
}

/// Why a spawned future has no result.
pub enum JoinError {
    /// It was aborted, or its loop has ended.
    Cancelled,
    /// It has panicked, with this.
    Panicked(Box<dyn Any + Send>),
}

impl fmt::Debug for JoinError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "JoinError({self})")
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Panicked(payload) = self else { return formatter.write_str("cancelled") };
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        write!(formatter, "panicked: {}", text.unwrap_or("with a value that is no text"))
    }
}

impl std::error::Error for JoinError {}

/// The future that a host runs.
struct Spawned<F: Future> {
    /// `None` once it has ended.
    future: Option<Pin<Box<F>>>,
    shared: Rc<RefCell<Shared<F::Output>>>,
}

impl<F: Future> Spawned<F> {
    fn end(&mut self, outcome: Result<F::Output, JoinError>) -> Ending {
        let ending = match &outcome {
            Ok(_) => Ending::Ready,
            Err(JoinError::Panicked(_)) => Ending::Panicked,
            Err(JoinError::Cancelled) => Ending::Cancelled,
        };
        // Before anybody hears of the end, what it held is gone. What panics as it is dropped ends here.
        let future = self.future.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
        let mut shared = self.shared.borrow_mut();
        shared.state = State::Ended(outcome);
        let (joiner, runner) = (shared.joiner.take(), shared.runner.take());
        drop(shared);
        drop(runner);
        joiner.into_iter().for_each(Waker::wake);
        ending
    }
}

impl<F: Future> Future for Spawned<F> {
    type Output = Ending;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ending> {
        let aborts = matches!(self.shared.borrow().state, State::Aborts);
        let Some(future) = self.future.as_mut().filter(|_| !aborts) else {
            return Poll::Ready(self.end(Err(JoinError::Cancelled)));
        };
        let outcome = match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(JoinError::Panicked(payload)),
            Ok(Poll::Pending) => {
                let mut shared = self.shared.borrow_mut();
                if matches!(shared.state, State::Aborts) {
                    // It has aborted itself.
                    context.waker().wake_by_ref();
                }
                let same = shared.runner.as_ref().is_some_and(|runner| runner.will_wake(context.waker()));
                let before = if same { None } else { shared.runner.replace(context.waker().clone()) };
                drop(shared);
                drop(before);
                return Poll::Pending;
            }
        };
        Poll::Ready(self.end(outcome))
    }
}

impl<F: Future> Drop for Spawned<F> {
    fn drop(&mut self) {
        if self.future.is_some() {
            self.end(Err(JoinError::Cancelled));
        }
    }
}
