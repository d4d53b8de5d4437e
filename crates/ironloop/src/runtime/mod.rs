//! Running futures without Python, on a loop of one thread.
//!
//! [`block_on`] runs a program's main future; [`spawn_local`] has others polled beside it. Neither asks a
//! future to be `Send`: all are polled and dropped on the thread that runs the loop.

mod blocking;
mod core;
mod gather;
#[allow(dead_code, reason = "for loops of Python's")]
pub(crate) mod guest;
mod join;
mod turns;
mod wake;

use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ironloop_driver::{Choices, Driver, Order, Simulated};

pub use blocking::{Blocking, blocking};
pub use gather::{Gather, gather};
pub use join::{JoinError, JoinHandle, spawn_local};
pub use turns::yield_now;

pub(crate) use self::core::{Core, Door, Item};

use crate::host::{self, Host};
use wake::RunWaker;

/// Runs a future to its end, on a loop that is made for it, and hands over its result. What it has spawned
/// and has not awaited is dropped then.
///
/// ```
/// use std::time::Duration;
///
/// let answer = ironloop::block_on(async {
///     let question = ironloop::spawn_local(async { 6 * 7 });
///     ironloop::time::sleep(Duration::from_millis(1)).await;
///     question.await.unwrap()
/// });
/// assert_eq!(answer, 42);
/// ```
///
/// # Panics
///
/// If a loop polls on this thread already (await the future instead), if there are no descriptors left, or if
/// the future panics. [`Runtime::new`] gives an error where this panics for want of descriptors.
pub fn block_on<F: Future>(future: F) -> F::Output {
    Runtime::new().expect("a loop takes two descriptors").block_on(future)
}

/// A loop of one's own, for more than one [`block_on`](Self::block_on). Belongs to its thread.
///
/// What was spawned waits between them, and is dropped with the runtime.
pub struct Runtime {
    core: Rc<Core>,
}

impl Runtime {
    /// A loop that does nothing yet.
    ///
    /// # Errors
    ///
    /// There are no descriptors left.
    pub fn new() -> io::Result<Self> {
        Self::on(Driver::Kernel)
    }

    /// The same in simulated time, for tests: where nothing is ready the clock jumps to the next timer, and
    /// whoever waits for what cannot come is told so by a panic. What may come in one order or another comes
    /// in that of the seed. Sockets are real ones: what they bring is there at once, or it is not waited for.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ironloop::{runtime::Runtime, time};
    ///
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// let begin = std::time::Instant::now();
    /// let slept = Runtime::simulated(1)?.block_on(async {
    ///     let begin = time::Instant::now();
    ///     time::sleep(day).await;
    ///     begin.elapsed()
    /// });
    /// assert!(slept >= day && begin.elapsed() < day);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn simulated(seed: u64) -> io::Result<Self> {
        let world = Simulated::world(0, Choices::seeded(seed), Order::Documented);
        Self::on(Driver::Simulated(Arc::new(world)))
    }

    fn on(driver: Driver) -> io::Result<Self> {
        Ok(Self { core: Rc::new(Core::new(driver)?) })
    }

    /// Runs a future to its end, and beside it what was spawned.
    ///
    /// # Panics
    ///
    /// If a loop polls on this thread already, if the future panics, or in a simulated world in which nothing
    /// will ever happen again.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        assert!(
            host::current().is_none(),
            "block_on inside of a future: the loop that polls it would stand still; await it instead"
        );
        let mut future = pin!(future);
        let wakes = RunWaker::main(Arc::clone(self.core.door()));
        let waker = Waker::from(Arc::clone(&wakes));
        self.core.push(Item::Main);
        host::enter(Host::Own(Rc::clone(&self.core)), || {
            loop {
                self.core.gather(true).expect("something can wake the future still");
                while let Some(item) = self.core.pop() {
                    if !matches!(item, Item::Main) {
                        self.core.perform(item);
                        continue;
                    }
                    wakes.begin();
                    host::refresh_budget();
                    if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                        return output;
                    }
                }
            }
        })
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        host::enter(Host::Own(Rc::clone(&self.core)), || self.core.close());
    }
}
