//! Futures on a loop of their own: who runs when, how they end, what wakes them.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use ironloop::runtime::Runtime;
use ironloop::{JoinError, block_on, blocking, gather, spawn_local, time, yield_now};

/// What several futures have done, in order.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    fn note(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }

    fn take(&self) -> Vec<String> {
        self.0.take()
    }

    /// Notes when it is dropped.
    fn at_drop(&self, what: &'static str) -> impl Drop + use<> {
        struct Dropped(Log, &'static str);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.note(self.1);
            }
        }
        Dropped(self.clone(), what)
    }
}

#[test]
fn a_future_that_borrows_runs_to_its_result() {
    let text = String::from("borrowed");
    assert_eq!(block_on(async { text.len() }), 8);
}

#[test]
fn what_is_spawned_begins_in_the_next_turn_and_takes_turns() {
    let log = Log::default();
    block_on(async {
        let handles = ["a", "b"].map(|name| {
            let log = log.clone();
            spawn_local(async move {
                for step in 0..2 {
                    log.note(format!("{name}{step}"));
                    yield_now().await;
                }
            })
        });
        log.note("main");
        for handle in handles {
            handle.await.unwrap();
        }
    });
    assert_eq!(log.take(), ["main", "a0", "b0", "a1", "b1"]);
}

#[test]
fn a_handle_that_is_dropped_lets_its_future_go_on() {
    let done = Rc::new(Cell::new(false));
    block_on(async {
        let done = Rc::clone(&done);
        drop(spawn_local(async move { done.set(true) }));
        yield_now().await;
    });
    assert!(done.get());
}

#[test]
fn an_aborted_future_is_dropped_before_whoever_waits_hears_of_it() {
    let log = Log::default();
    block_on(async {
        let dropped = log.at_drop("dropped");
        let handle = spawn_local(async move {
            let _dropped = dropped;
            pending::<()>().await;
        });
        yield_now().await;
        handle.abort();
        handle.abort();
        assert!(!handle.is_finished());
        assert!(matches!(handle.await, Err(JoinError::Cancelled)));
        log.note("heard");
    });
    assert_eq!(log.take(), ["dropped", "heard"]);
}

#[test]
fn one_that_aborts_itself_ends_at_its_next_wait_and_one_that_has_ended_keeps_its_result() {
    block_on(async {
        let own = Rc::new(RefCell::new(None::<ironloop::JoinHandle<()>>));
        let seen = Rc::clone(&own);
        let dropped = Log::default();
        let at_drop = dropped.at_drop("dropped");
        own.replace(Some(spawn_local(async move {
            let _at_drop = at_drop;
            seen.borrow().as_ref().unwrap().abort();
            pending::<()>().await;
        })));
        yield_now().await;
        yield_now().await;
        assert_eq!(dropped.take(), ["dropped"]);

        let handle = spawn_local(async { 5 });
        yield_now().await;
        handle.abort();
        assert_eq!(handle.await.unwrap(), 5);
    });
}

#[test]
fn a_panic_is_its_own_future_s_and_that_of_the_main_one_comes_out() {
    block_on(async {
        let error = spawn_local(async { panic!("spilt {}", "milk") }).await.unwrap_err();
        assert_eq!(error.to_string(), "panicked: spilt milk");
        assert_eq!(spawn_local(async { 5 }).await.unwrap(), 5);
    });
    let out = catch_unwind(|| block_on(async { panic!("out") }));
    assert_eq!(*out.unwrap_err().downcast::<&str>().unwrap(), "out");
    // The thread's next loop knows nothing of it.
    assert_eq!(block_on(async { 5 }), 5);
}

#[test]
fn what_is_left_at_the_end_is_dropped_on_its_thread_where_it_may_still_ask_the_loop() {
    let log = Log::default();
    block_on(async {
        let (first, inner) = (log.at_drop("first"), log.clone());
        drop(spawn_local(async move {
            let _first = first;
            let _sleep = time::sleep(Duration::from_secs(60)).await;
            inner.note("never");
        }));
        struct Spawns(Log);
        impl Drop for Spawns {
            fn drop(&mut self) {
                let dropped = self.0.at_drop("spawned at the end");
                drop(spawn_local(async move { drop(dropped) }));
            }
        }
        let spawns = Spawns(log.clone());
        drop(spawn_local(async move {
            let _spawns = spawns;
            pending::<()>().await;
        }));
        yield_now().await;
    });
    assert_eq!(log.take(), ["first", "spawned at the end"]);
}

#[test]
fn a_runtime_keeps_what_was_spawned_from_one_future_to_the_next() {
    let runtime = Runtime::new().unwrap();
    let handle = runtime.block_on(poll_fn(|_| {
        Poll::Ready(spawn_local(async {
            yield_now().await;
            7
        }))
    }));
    assert_eq!(runtime.block_on(handle).unwrap(), 7);
}

#[test]
fn block_on_inside_of_a_future_says_what_to_do() {
    let inner = catch_unwind(|| block_on(async { block_on(async {}) }));
    let text = *inner.unwrap_err().downcast::<&str>().unwrap();
    assert!(text.contains("await it instead"), "{text}");
    let outside = catch_unwind(|| drop(spawn_local(async {})));
    assert!(outside.is_err());
}

#[test]
fn other_threads_wake_a_loop_that_sleeps_and_a_wake_after_the_end_does_nothing() {
    let kept = Rc::new(RefCell::new(None::<Waker>));
    let answer = block_on(async {
        let (sender, receiver) = std::sync::mpsc::channel::<Waker>();
        let waked = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let set = std::sync::Arc::clone(&waked);
        let thread = thread::spawn(move || {
            let waker = receiver.recv().unwrap();
            set.store(true, std::sync::atomic::Ordering::Release);
            waker.wake();
        });
        poll_fn(|context| {
            if waked.load(std::sync::atomic::Ordering::Acquire) {
                return Poll::Ready(());
            }
            kept.replace(Some(context.waker().clone()));
            let _ = sender.send(context.waker().clone());
            Poll::Pending
        })
        .await;
        thread.join().unwrap();
        5
    });
    assert_eq!(answer, 5);
    let kept = kept.take().unwrap();
    kept.wake_by_ref();
    thread::spawn(move || kept.wake()).join().unwrap();
}

#[test]
fn a_thousand_threads_calls_come_back_and_a_panic_among_them_too() {
    block_on(async {
        let answers = gather((0..1000_u32).map(|number| blocking(move || number * 2))).await;
        assert!(answers.iter().enumerate().all(|(number, answer)| *answer as usize == number * 2));
        let error = spawn_local(blocking(|| -> () { panic!("elsewhere") })).await.unwrap_err();
        assert_eq!(error.to_string(), "panicked: elsewhere");
    });
}

#[test]
fn gather_keeps_the_order_of_its_arguments_and_ends_the_rest_when_it_is_dropped() {
    let log = Log::default();
    let runtime = Runtime::simulated(3).unwrap();
    runtime.block_on(async {
        let outputs = gather([3_u64, 1, 2].map(|seconds| {
            let log = log.clone();
            async move {
                time::sleep(Duration::from_secs(seconds)).await;
                log.note(seconds.to_string());
                seconds
            }
        }));
        assert_eq!(outputs.await, [3, 1, 2]);
        assert_eq!(log.take(), ["1", "2", "3"]);

        let dropped = log.at_drop("dropped");
        let rest = gather([async move {
            let _dropped = dropped;
            pending::<()>().await;
        }]);
        assert!(time::timeout(Duration::from_secs(1), rest).await.is_err());
        yield_now().await;
        assert_eq!(log.take(), ["dropped"]);
    });
    let panics = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async { gather([async { panic!("one") }]).await })
    }));
    assert!(panics.is_err());
}

#[test]
fn in_simulated_time_what_cannot_come_is_said() {
    let runtime = Runtime::simulated(1).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| runtime.block_on(pending::<()>()))).is_err());
}
