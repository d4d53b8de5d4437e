//! Our loop as the guest of another: asyncio, uvloop. The host waits for one descriptor, and gives the guest
//! its turn when that is readable; in between it may poll futures on it.

use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::Arc;

use crate::host::{self, Host};
use crate::runtime::{Core, Door};

/// A loop that another loop waits for. Belongs to that one's thread, and is dropped there.
pub(crate) struct Guest {
    core: Rc<Core>,
}

impl Guest {
    /// An error: there are no descriptors left; it takes three.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { core: Rc::new(Core::guest()?) })
    }

    /// Readable, as a level, whenever a [turn](Self::turn) has something to do.
    pub(crate) fn fd(&self) -> RawFd {
        self.core.fd()
    }

    /// It, if this is its door.
    #[cfg_attr(not(feature = "pyo3"), allow(dead_code, reason = "for Python"))]
    pub(crate) fn of(&self, door: &Arc<Door>) -> Option<Rc<Core>> {
        Arc::ptr_eq(self.core.door(), door).then(|| Rc::clone(&self.core))
    }

    /// Where futures are polled that wait for what the guest has: by [`host::enter`], on this thread.
    pub(crate) fn host(&self) -> Host {
        Host::Own(Rc::clone(&self.core))
    }

    /// What has become ready is told of it: wakers are called, and spawned futures polled. An error: the
    /// kernel could not be asked.
    pub(crate) fn turn(&self) -> io::Result<()> {
        host::enter(self.host(), || {
            self.core.answer();
            self.core.gather(false)?;
            while let Some(item) = self.core.pop() {
                self.core.perform(item);
            }
            Ok(())
        })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        host::enter(self.host(), || self.core.close());
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Context, Poll, Wake, Waker};
    use std::time::Duration;

    use ironloop_driver::{Events, Interest, Poller, Timeout, Token, Trigger};

    use super::*;
    use crate::net::UnixStream;
    use crate::time::{Instant, sleep};
    use crate::{spawn_local, yield_now};

    /// A loop that knows nothing but a descriptor.
    struct Outer {
        guest: Guest,
        poller: Poller,
        events: Events,
    }

    #[derive(Default)]
    struct Counts(AtomicU32);

    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Outer {
        fn new() -> Self {
            let (guest, poller) = (Guest::new().unwrap(), Poller::new().unwrap());
            poller.add(guest.fd(), Token(1), Interest::READABLE, Trigger::Level).unwrap();
            Self { guest, poller, events: Events::with_capacity(4) }
        }

        fn wait(&mut self, timeout: Timeout) -> bool {
            let _ = self.poller.wait(&mut self.events, timeout);
            !self.events.is_empty()
        }

        /// Polls a future as its host would: when it is woken. Says in how many turns it was done.
        fn run<T>(&mut self, future: impl Future<Output = T>) -> (T, u32) {
            let (counts, mut seen, mut turns) = (Arc::new(Counts::default()), u32::MAX, 0);
            let waker = Waker::from(Arc::clone(&counts));
            let mut future = std::pin::pin!(future);
            loop {
                let woken = counts.0.load(Ordering::Relaxed);
                if woken != seen {
                    seen = woken;
                    let poll = || future.as_mut().poll(&mut Context::from_waker(&waker));
                    if let Poll::Ready(output) = host::enter(self.guest.host(), poll) {
                        return (output, turns);
                    }
                    continue;
                }
                if self.wait(Timeout::Never) {
                    self.guest.turn().unwrap();
                    turns += 1;
                }
            }
        }
    }

    #[test]
    fn a_timer_calls_the_guest_once_and_not_early() {
        let mut outer = Outer::new();
        for millis in [20, 5] {
            let begin = Instant::now();
            let ((), turns) = outer.run(sleep(Duration::from_millis(millis)));
            assert!(begin.elapsed() >= Duration::from_millis(millis));
            assert_eq!(turns, 1);
        }
        assert!(!outer.wait(Timeout::Now));
    }

    #[test]
    fn what_is_spawned_between_the_turns_runs_in_them() {
        let mut outer = Outer::new();
        let spawned = host::enter(outer.guest.host(), || {
            spawn_local(async {
                yield_now().await;
                5
            })
        });
        assert!(outer.wait(Timeout::Now));
        let (output, turns) = outer.run(spawned);
        assert_eq!((output.unwrap(), turns), (5, 2));
        assert!(!outer.wait(Timeout::Now));
    }

    #[test]
    fn sockets_and_other_threads_call_the_guest() {
        let mut outer = Outer::new();
        let (mut left, mut right) = UnixStream::pair().unwrap();
        let byte = outer.run(async {
            let answer = spawn_local(async move {
                let mut byte = [0; 1];
                left.read_exact(&mut byte).await.unwrap();
                byte[0]
            });
            yield_now().await;
            // Of the guest, and so it is the guest that the thread wakes.
            spawn_local(crate::blocking(|| std::thread::sleep(Duration::from_millis(2)))).await.unwrap();
            right.write_all(b"x").await.unwrap();
            answer.await.unwrap()
        });
        assert_eq!(byte.0, b'x');
    }

    #[test]
    fn a_guest_that_ends_drops_what_it_runs() {
        let outer = Outer::new();
        let spawned = Rc::new(());
        let held = Rc::clone(&spawned);
        host::enter(outer.guest.host(), || {
            drop(spawn_local(async move {
                let _held = held;
                sleep(Duration::from_secs(60)).await;
            }));
        });
        outer.guest.turn().unwrap();
        drop(outer);
        assert_eq!(Rc::strong_count(&spawned), 1);
    }

    thread_local! {
        static LOOKED_FOR: Cell<u32> = const { Cell::new(0) };
        static KNOWN: RefCell<Option<Rc<Core>>> = const { RefCell::new(None) };
    }

    static FINDS: host::Finds = host::Finds {
        host: || {
            LOOKED_FOR.set(LOOKED_FOR.get() + 1);
            None
        },
        own: |door| KNOWN.with_borrow(|known| known.clone().filter(|core| Arc::ptr_eq(core.door(), door))),
    };

    #[test]
    fn what_is_woken_or_dropped_in_a_poll_looks_for_no_host() {
        let mut outer = Outer::new();
        for known in [false, true] {
            let waker = Rc::new(RefCell::new(None));
            let kept = Rc::clone(&waker);
            let (handle, mut sleeping) = host::enter(outer.guest.host(), || {
                let handle = spawn_local(std::future::poll_fn(move |context| {
                    let first = kept.borrow().is_none();
                    *kept.borrow_mut() = Some(context.waker().clone());
                    if first { Poll::Pending } else { Poll::Ready(7) }
                }));
                let mut sleeping = Box::pin(sleep(Duration::from_secs(60)));
                let polled = sleeping.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert!(polled.is_pending());
                (handle, Some(sleeping))
            });
            outer.guest.turn().unwrap();
            KNOWN.replace(known.then(|| Rc::clone(&outer.guest.core)));
            host::enter_later(&FINDS, || {
                waker.borrow().as_ref().unwrap().wake_by_ref();
                drop(sleeping.take());
            });
            assert_eq!(LOOKED_FOR.get(), 0);
            // It is called for that.
            let (output, _) = outer.run(handle);
            assert_eq!(output.unwrap(), 7);
        }
        assert!(host::enter_later(&FINDS, || host::current().is_none()));
        assert_eq!(LOOKED_FOR.get(), 1);
        KNOWN.take();
    }
}
