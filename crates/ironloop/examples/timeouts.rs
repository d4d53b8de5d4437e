//! Waiting, but not for ever, on the telephone. The Python twin is `examples/timeouts.py`.
//!
//! What was too slow is dropped: its guards tell of it, and nothing is left behind that runs on alone.
//!
//! ```text
//! A limit for one thing
//!   Ida's phone rings
//! Ida answers
//!   Jan's phone rings
//!   Jan's phone falls silent
//! Jan does not answer: the time is up
//! One limit for several
//!   Kim's phone rings
//! Kim answers
//!   Lou's phone rings
//!   Lou's phone falls silent
//! the time is up in the middle of the second call
//! Give up waiting without giving up the work
//!   Olga's phone rings
//! we stop listening; the call goes on
//! Olga answers
//! ```

use std::time::Duration;

use ironloop::time::{sleep, timeout};
use ironloop::{JoinError, block_on, spawn_local};

/// Falls silent if it is dropped while it rings.
struct Phone {
    friend: &'static str,
    rings: bool,
}

impl Drop for Phone {
    fn drop(&mut self) {
        if self.rings {
            println!("  {}'s phone falls silent", self.friend);
        }
    }
}

/// Lets it ring until the friend answers.
async fn ring(friend: &'static str, millis: u64) -> String {
    let mut phone = Phone { friend, rings: true };
    println!("  {friend}'s phone rings");
    sleep(Duration::from_millis(millis)).await;
    phone.rings = false;
    format!("{friend} answers")
}

async fn one_call() {
    println!("A limit for one thing");
    for (friend, answers_after, patience) in [("Ida", 5, 60_000), ("Jan", 60_000, 10)] {
        match timeout(Duration::from_millis(patience), ring(friend, answers_after)).await {
            Ok(answer) => println!("{answer}"),
            Err(elapsed) => println!("{friend} does not answer: {elapsed}"),
        }
    }
}

async fn several_calls() {
    println!("One limit for several");
    let calls = async {
        println!("{}", ring("Kim", 1).await);
        println!("{}", ring("Lou", 60_000).await);
    };
    if timeout(Duration::from_millis(200), calls).await.is_err() {
        println!("the time is up in the middle of the second call");
    }
}

async fn keep_ringing() -> Result<(), JoinError> {
    println!("Give up waiting without giving up the work");
    let mut call = spawn_local(ring("Olga", 100));
    if timeout(Duration::from_millis(5), &mut call).await.is_err() {
        println!("we stop listening; the call goes on");
    }
    println!("{}", call.await?);
    Ok(())
}

fn main() -> Result<(), JoinError> {
    block_on(async {
        one_call().await;
        several_calls().await;
        keep_ringing().await
    })
}
