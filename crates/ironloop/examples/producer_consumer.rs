//! A bakery: one oven fills a shelf of three places, two sellers empty it. The Python twin is
//! `examples/producer_consumer.py`.
//!
//! The shelf is a bounded channel. A full one holds the baker up and an empty one the sellers, so neither side
//! runs away from the other. When the baker goes home the channel is closed, and the sellers with it.
//!
//! ```text
//! [o..] baker puts loaf 1 down
//! [oo.] baker puts loaf 2 down
//! [ooo] baker puts loaf 3 down
//! [ooo] baker holds loaf 4: no room on the shelf
//! [oo.]     Mia takes loaf 1
//! [o..]     Noah takes loaf 2
//! [oo.] baker puts loaf 4 down
//! [ooo] baker puts loaf 5 down
//! [ooo] baker holds loaf 6: no room on the shelf
//! [oo.]     Mia takes loaf 3
//! [ooo] baker puts loaf 6 down
//! [ooo] baker goes home
//! [oo.]     Mia takes loaf 4
//! [o..]     Noah takes loaf 5
//! [...]     Mia takes loaf 6
//! Sold: Mia 4, Noah 2
//! ```

use std::rc::Rc;
use std::time::Duration;

use ironloop::runtime::Runtime;
use ironloop::sync::channel::{self, Receiver, Sender};
use ironloop::time::sleep;
use ironloop::{gather, spawn_local, yield_now};

const PLACES: usize = 3;
const LOAVES: u32 = 6;

fn note(taken: usize, text: &str) {
    println!("[{}{}] {text}", "o".repeat(taken), ".".repeat(PLACES - taken));
}

async fn bake(shelf: Sender<u32>) {
    for loaf in 1..=LOAVES {
        if shelf.is_full() {
            note(shelf.len(), &format!("baker holds loaf {loaf}: no room on the shelf"));
        }
        if shelf.send(loaf).await.is_err() {
            return; // nobody sells any more
        }
        note(shelf.len(), &format!("baker puts loaf {loaf} down"));
    }
    note(shelf.len(), "baker goes home");
}

/// Serves customers, each of whom takes so many seconds, until there are no loaves and no baker.
async fn sell(seller: &'static str, seconds: u64, shelf: Rc<Receiver<u32>>) -> (&'static str, u32) {
    let mut sold = 0;
    while let Ok(loaf) = shelf.recv().await {
        note(shelf.len(), &format!("    {seller} takes loaf {loaf}"));
        sleep(Duration::from_secs(seconds)).await;
        sold += 1;
    }
    (seller, sold)
}

fn main() -> std::io::Result<()> {
    // In simulated time a day at the bakery takes no longer than its steps.
    Runtime::simulated(1)?.block_on(async {
        let (oven, shelf) = channel::bounded(PLACES);
        let shelf = Rc::new(shelf);
        let baker = spawn_local(bake(oven));
        yield_now().await;
        let sellers = [("Mia", 2), ("Noah", 5)];
        let sold = gather(sellers.map(|(seller, seconds)| sell(seller, seconds, Rc::clone(&shelf)))).await;
        assert!(baker.await.is_ok());
        let sold: Vec<_> = sold.into_iter().map(|(seller, loaves)| format!("{seller} {loaves}")).collect();
        println!("Sold: {}", sold.join(", "));
    });
    Ok(())
}
