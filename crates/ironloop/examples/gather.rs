//! Several futures at once: results in the order of the call, errors as values, and all or nothing.
//!
//! The guide's page on tasks has the same programs in Python (`docs/guide/tasks.md`).
//!
//! ```text
//! have c
//! have b
//! have a
//! ["A", "B", "C"]
//! [Ok("a"), Err("no b"), Ok("c")]
//! first of two: quick
//! good is dropped
//! all or nothing: Err("bad")
//! ```

use std::time::Duration;

use ironloop::time::sleep;
use ironloop::{JoinError, block_on, gather, spawn_local, yield_now};

async fn fetch(name: &'static str, millis: u64) -> String {
    sleep(Duration::from_millis(millis)).await;
    println!("have {name}");
    name.to_uppercase()
}

/// They end in their own order; the results stand in that of the arguments.
async fn all_results() {
    println!("{:?}", gather([fetch("a", 20), fetch("b", 10), fetch("c", 0)]).await);
}

async fn check(name: &'static str) -> Result<&'static str, String> {
    yield_now().await;
    if name == "b" { Err(format!("no {name}")) } else { Ok(name) }
}

/// Errors stand among the results; `collect` would give the first of them alone.
async fn errors_are_values() {
    println!("{:?}", gather(["a", "b", "c"].map(check)).await);
}

/// A channel tells who is first.
async fn whoever_is_first() {
    let (sender, receiver) = ironloop::sync::channel::bounded(2);
    for (name, millis) in [("slow", 60_000), ("quick", 5)] {
        let sender = sender.clone();
        drop(spawn_local(async move {
            sleep(Duration::from_millis(millis)).await;
            let _ = sender.send(name).await;
        }));
    }
    println!("first of two: {}", receiver.recv().await.unwrap_or("nobody"));
}

/// Says so when it is dropped before its end.
struct Guard(&'static str);

impl Drop for Guard {
    fn drop(&mut self) {
        println!("{} is dropped", self.0);
    }
}

/// If one fails the others are ended.
async fn all_or_nothing() -> Result<(), String> {
    let good = spawn_local(async {
        let _guard = Guard("good");
        sleep(Duration::from_secs(60)).await;
        Ok(())
    });
    let bad = spawn_local(async {
        yield_now().await;
        Err::<(), _>("bad".to_owned())
    });
    if let Ok(Err(error)) = bad.await {
        good.abort();
        assert!(matches!(good.await, Err(JoinError::Cancelled)));
        return Err(error);
    }
    good.await.unwrap_or(Ok(()))
}

fn main() {
    block_on(async {
        all_results().await;
        errors_are_values().await;
        whoever_is_first().await;
        println!("all or nothing: {:?}", all_or_nothing().await);
    });
}
