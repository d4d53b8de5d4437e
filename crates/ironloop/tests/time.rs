//! Sleeps, timeouts and intervals, mostly in simulated time.

use std::future::pending;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use ironloop::runtime::Runtime;
use ironloop::time::{Elapsed, Instant, interval, sleep, sleep_until, timeout};
use ironloop::{block_on, gather, spawn_local};

fn simulated<F: Future>(future: F) -> F::Output {
    Runtime::simulated(1).expect("descriptors are left").block_on(future)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Whole seconds from then to now.
fn since(begin: Instant) -> u64 {
    begin.elapsed().as_secs()
}

#[test]
fn a_sleep_lasts_as_long_as_it_says_and_never_less() {
    let begin = std::time::Instant::now();
    block_on(sleep_in_there(Duration::from_millis(5)));
    assert!(begin.elapsed() >= Duration::from_millis(5));
    simulated(async {
        let begin = Instant::now();
        sleep(seconds(3)).await;
        assert_eq!(since(begin), 3);
        sleep_until(begin + seconds(2)).await;
        assert_eq!(since(begin), 3);
        sleep_until(begin + seconds(7)).await;
        assert_eq!(since(begin), 7);
    });
}

async fn sleep_in_there(duration: Duration) {
    sleep(duration).await;
}

#[test]
fn a_day_of_sleep_takes_no_time() -> std::io::Result<()> {
    Runtime::simulated(1)?.block_on(async {
        let begin = Instant::now();
        sleep(Duration::from_secs(86_400)).await;
        assert_eq!(begin.elapsed().as_secs(), 86_400);
        Ok(())
    })
}

#[test]
fn many_sleeps_at_once_last_as_long_as_the_longest() {
    simulated(async {
        let begin = Instant::now();
        gather((0..100).map(|number| sleep(seconds(number)))).await;
        assert_eq!(since(begin), 99);
    });
}

#[test]
fn a_timeout_drops_what_was_too_slow_and_passes_on_what_was_not() {
    simulated(async {
        let begin = Instant::now();
        assert_eq!(timeout(seconds(2), pending::<()>()).await.map_err(|Elapsed { .. }| ()), Err(()));
        assert_eq!(since(begin), 2);
        assert_eq!(timeout(seconds(2), async { 5 }).await, Ok(5));
        assert_eq!(since(begin), 2);
        // What is ready in time counts, though the time is up as well.
        assert_eq!(timeout(Duration::ZERO, async { 5 }).await, Ok(5));
        let error = std::io::Error::from(timeout(Duration::ZERO, pending::<()>()).await.unwrap_err());
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        // An inner one comes first, an outer one through it.
        assert!(timeout(seconds(5), timeout(seconds(1), pending::<()>())).await.unwrap().is_err());
        assert!(timeout(seconds(1), timeout(seconds(5), pending::<()>())).await.is_err());
    });
}

#[test]
fn an_interval_leaves_out_what_nobody_has_awaited_and_keeps_its_times() {
    simulated(async {
        let begin = Instant::now();
        let mut clock = interval(seconds(10));
        let mut ticks = Vec::new();
        for wait in [0, 0, 25, 0, 0] {
            sleep(seconds(wait)).await;
            let due = clock.tick().await;
            ticks.push(((due - begin).as_secs(), since(begin)));
        }
        assert_eq!(ticks, [(0, 0), (10, 10), (20, 35), (40, 40), (50, 50)]);
    });
}

#[test]
fn a_tick_is_not_lost_where_the_wait_for_it_ends() {
    simulated(async {
        let begin = Instant::now();
        let mut clock = interval(seconds(10));
        clock.tick().await;
        assert!(timeout(seconds(3), clock.tick()).await.is_err());
        clock.tick().await;
        assert_eq!(since(begin), 10);
    });
}

#[test]
fn a_sleep_that_is_reset_waits_for_its_new_deadline() {
    simulated(async {
        let begin = Instant::now();
        let mut wait = pin!(sleep(seconds(1)));
        assert!(timeout(Duration::ZERO, wait.as_mut()).await.is_err());
        wait.as_mut().get_mut().reset(begin + seconds(4));
        assert!(!wait.is_elapsed());
        wait.await;
        assert_eq!(since(begin), 4);
    });
}

#[test]
fn a_sleep_wakes_the_last_that_has_polled_it_on_whatever_loop() {
    let mut wait = Box::pin(sleep(Duration::from_millis(30)));
    let (wait,) = block_on(async {
        let _ = timeout(Duration::ZERO, wait.as_mut()).await;
        let other = spawn_local(async move {
            wait.as_mut().await;
            (wait,)
        });
        let (mut wait,) = other.await.unwrap();
        wait.as_mut().get_mut().reset(Instant::now() + Duration::from_millis(20));
        let _ = timeout(Duration::ZERO, wait.as_mut()).await;
        // Dropped elsewhere, it is cancelled here.
        let mut elsewhere = Box::pin(sleep(seconds(60)));
        let _ = timeout(Duration::ZERO, elsewhere.as_mut()).await;
        thread::spawn(move || drop(elsewhere)).join().unwrap();
        (wait,)
    });
    thread::spawn(move || block_on(wait)).join().unwrap();
}

#[test]
fn outside_of_a_loop_a_sleep_says_what_it_needs() {
    let polled = std::panic::catch_unwind(|| {
        let mut wait = pin!(sleep(seconds(1)));
        matches!(wait.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()))
    });
    assert!(polled.is_err());
}
