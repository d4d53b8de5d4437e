//! What threads share of a loop: the inbox, the notifier, and the wait between them, as the binding puts them together.
//!
//! In `cargo test`; by `make races` under ThreadSanitizer as well.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;

use ironloop_driver::{Events, Notifier, Poller, Timeout, Token};
use ironloop_engine::{Inbox, Sleep};

const THREADS: usize = 4;
const EACH: u32 = 2_000;

/// Plain memory behind a reference count: whoever gets it must see all that was written before it was delivered.
type Item = (usize, Arc<Vec<u32>>);

struct Loop {
    inbox: Inbox<Item>,
    poller: Arc<Poller>,
    notifier: Notifier,
}

impl Loop {
    fn new() -> Self {
        let poller = Arc::new(Poller::new().expect("a descriptor is left"));
        let notifier = Notifier::new(&poller, Token(0)).expect("a descriptor is left");
        Self { inbox: Inbox::default(), poller, notifier }
    }

    fn deliver(&self, item: Item) {
        if self.inbox.deliver(item) {
            self.notifier.notify().expect("it can be written to");
        }
    }

    /// Sleeps whenever there is nothing, and for ever if nobody wakes it.
    fn run(&self, mut take: impl FnMut(Item), count: usize) {
        let (mut events, mut items) = (Events::with_capacity(8), VecDeque::new());
        let mut taken = 0;
        while taken < count {
            if self.inbox.fall_asleep() == Sleep::Allowed {
                self.poller.wait(&mut events, Timeout::Never).expect("it can wait");
                self.inbox.wake_up();
            }
            self.inbox.collect(&mut items);
            taken += items.len();
            items.drain(..).for_each(&mut take);
        }
    }
}

#[test]
fn a_sleeping_loop_gets_everything_in_the_order_of_each_thread() {
    let owner = Loop::new();
    let mut next = [0; THREADS];
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let owner = &owner;
            scope.spawn(move || {
                for number in 0..EACH {
                    owner.deliver((thread, Arc::new(vec![number; 4])));
                    if number % 64 == 0 {
                        thread::yield_now();
                    }
                }
            });
        }
        let take = |(thread, numbers): Item| {
            assert_eq!(*numbers, [next[thread]; 4]);
            next[thread] += 1;
        };
        owner.run(take, THREADS * EACH as usize);
    });
    assert_eq!(next, [EACH; THREADS]);
}

#[test]
fn loops_that_call_each_other_never_both_sleep() {
    let loops = [Loop::new(), Loop::new()];
    thread::scope(|scope| {
        for here in 0..2 {
            let (owner, other) = (&loops[here], &loops[1 - here]);
            scope.spawn(move || {
                if here == 0 {
                    other.deliver((here, Arc::new(vec![0])));
                }
                // Each answers the other, until both have had enough.
                let answer = |(_, numbers): Item| {
                    other.deliver((here, Arc::new(vec![numbers[0] + 1])));
                };
                owner.run(answer, EACH as usize);
            });
        }
    });
}
