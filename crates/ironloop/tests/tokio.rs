//! Tokio's futures on our loop: by its workers, and in its context.

#![cfg(all(feature = "tokio", feature = "tokio-io"))]

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use ironloop::tokio::{context, handle, spawn};
use ironloop::{JoinError, block_on, gather, spawn_local, time, yield_now};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[test]
fn workers_poll_what_is_spawned_and_the_loop_goes_on() {
    block_on(async {
        let here = thread::current().id();
        let turns = Rc::new(Cell::new(0));
        let counts = Rc::clone(&turns);
        let counter = spawn_local(async move {
            loop {
                counts.set(counts.get() + 1);
                yield_now().await;
            }
        });
        let numbers = gather((0..20_u64).map(|number| {
            spawn(async move {
                assert_ne!(thread::current().id(), here);
                tokio::time::sleep(Duration::from_millis(20 - number)).await;
                number
            })
        }));
        let numbers: Vec<_> = numbers.await.into_iter().map(Result::unwrap).collect();
        assert!(numbers.into_iter().eq(0..20));
        assert!(turns.get() > 1);
        counter.abort();
    });
}

#[test]
fn what_is_spawned_is_aborted_when_it_is_dropped_and_its_panic_is_an_error() {
    struct Tells(mpsc::Sender<()>);
    impl Drop for Tells {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    block_on(async {
        let (sender, dropped) = mpsc::channel();
        let tells = Tells(sender);
        let slow = spawn(async move {
            let _tells = tells;
            pending::<()>().await;
        });
        assert!(time::timeout(Duration::from_millis(2), slow).await.is_err());
        dropped.recv_timeout(Duration::from_secs(60)).unwrap();
        match spawn(async { panic!("on a worker") }).await {
            Err(JoinError::Panicked(payload)) => {
                assert_eq!(*payload.downcast::<&str>().unwrap(), "on a worker")
            }
            other => panic!("{other:?}"),
        }
    });
}

async fn echo(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut buffer = [0; 256];
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                stream.write_all(&buffer[..count]).await.expect("the client reads");
            }
        });
    }
}

#[test]
fn in_its_context_tokio_is_found_and_what_is_not_send_runs_here() {
    block_on(context(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(echo(listener));
        let answered = Rc::new(Cell::new(0));
        let clients = gather((0..10_u8).map(|number| {
            let answered = Rc::clone(&answered);
            context(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let mut back = [0; 100];
                for _ in 0..10 {
                    stream.write_all(&[number; 100]).await.unwrap();
                    stream.read_exact(&mut back).await.unwrap();
                    assert_eq!(back, [number; 100]);
                }
                answered.set(answered.get() + 1);
            })
        }));
        let clients = tokio::time::timeout(Duration::from_secs(60), clients).await;
        assert_eq!(clients.unwrap().len(), 10);
        assert_eq!(answered.get(), 10);
        server.abort();
    }));
}

#[test]
fn its_budget_does_not_hold_up_a_future_that_nobody_of_its_own_polls() {
    block_on(context(async {
        // More than Tokio lets one poll have.
        for _ in 0..1000 {
            tokio::task::consume_budget().await;
        }
    }));
}

#[test]
fn what_is_dropped_in_the_context_finds_tokio_still() {
    struct Spawns(Arc<AtomicBool>);
    impl Drop for Spawns {
        fn drop(&mut self) {
            let done = Arc::clone(&self.0);
            drop(tokio::spawn(async move { done.store(true, Ordering::Release) }));
        }
    }
    let done = Arc::new(AtomicBool::new(false));
    let spawns = Spawns(Arc::clone(&done));
    drop(context(async move {
        let _spawns = spawns;
        pending::<()>().await;
    }));
    while !done.load(Ordering::Acquire) {
        thread::yield_now();
    }
    assert!(tokio::runtime::Handle::try_current().is_err());
    drop(handle());
}
