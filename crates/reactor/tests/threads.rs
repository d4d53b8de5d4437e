//! What threads share of a loop: the remote, and the wait between them.
//!
//! In `cargo test`; by `make races` under ThreadSanitizer as well.

mod turns;

use std::sync::{Arc, Mutex};
use std::thread;

use ironloop_reactor::Remote;
use turns::{Happening, Turns};

const THREADS: usize = 4;
const EACH: u32 = 2_000;

/// Plain memory behind a reference count: whoever gets it must see all that was written before it was
/// delivered.
type Letter = (usize, Arc<Vec<u32>>);

fn deliver(remote: &Remote<Happening<Letter>>, letter: Letter) {
    assert!(remote.deliver(Happening::Word(letter)).expect("it can be woken").is_none());
}

/// Sleeps whenever there is nothing, and for ever if nobody wakes it.
fn run(turns: &mut Turns<Letter>, mut take: impl FnMut(Letter), count: usize) {
    let mut taken = 0;
    while taken < count {
        for happening in turns.turn() {
            let Happening::Word(letter) = happening else { panic!("nothing is watched") };
            take(letter);
            taken += 1;
        }
    }
}

#[test]
fn a_sleeping_loop_gets_everything_in_the_order_of_each_thread() {
    let mut turns = Turns::new();
    let remote = turns.remote();
    let mut next = [0; THREADS];
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let remote = remote.clone();
            scope.spawn(move || {
                for number in 0..EACH {
                    deliver(&remote, (thread, Arc::new(vec![number; 4])));
                    if number % 64 == 0 {
                        thread::yield_now();
                    }
                }
            });
        }
        let take = |(thread, numbers): Letter| {
            assert_eq!(*numbers, [next[thread]; 4]);
            next[thread] += 1;
        };
        run(&mut turns, take, THREADS * EACH as usize);
    });
    assert_eq!(next, [EACH; THREADS]);
}

#[test]
fn who_has_the_lock_of_a_loop_needs_no_mail_and_wakes_it_all_the_same() {
    let turns = Turns::new();
    let remote = turns.remote();
    let turns = Mutex::new(turns);
    let mut next = [0; THREADS];
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (turns, remote) = (&turns, &remote);
            scope.spawn(move || {
                for number in 0..EACH {
                    let letter = (thread, Arc::new(vec![number; 4]));
                    turns.lock().expect("nobody panics").reactor.push_from_thread(Happening::Word(letter));
                    remote.wake().expect("it can be woken");
                    if number % 64 == 0 {
                        thread::yield_now();
                    }
                }
            });
        }
        let mut taken = 0;
        while taken < THREADS * EACH as usize {
            for happening in Turns::turn_locked(&turns) {
                let Happening::Word((thread, numbers)) = happening else { panic!("nothing is watched") };
                assert_eq!(*numbers, [next[thread]; 4]);
                next[thread] += 1;
                taken += 1;
            }
        }
    });
}

#[test]
fn loops_that_call_each_other_never_both_sleep() {
    let loops = [Turns::new(), Turns::new()];
    let remotes = [loops[0].remote(), loops[1].remote()];
    thread::scope(|scope| {
        for (here, mut turns) in loops.into_iter().enumerate() {
            let other = remotes[1 - here].clone();
            scope.spawn(move || {
                if here == 0 {
                    deliver(&other, (here, Arc::new(vec![0])));
                }
                // Each answers the other, until both have had enough; the last answer may find the other
                // gone.
                let answer = |(_, numbers): Letter| {
                    let letter = (here, Arc::new(vec![numbers[0] + 1]));
                    drop(other.deliver(Happening::Word(letter)));
                };
                run(&mut turns, answer, EACH as usize);
            });
        }
    });
}

#[test]
fn after_the_end_whatever_comes_comes_back_and_nothing_is_left_inside() {
    let mut turns = Turns::<Letter>::new();
    let remote = turns.remote();
    let letters = thread::scope(|scope| {
        let delivering = scope.spawn(|| {
            (0..EACH)
                .filter(|number| {
                    let letter = (0, Arc::new(vec![*number]));
                    remote.deliver(Happening::Word(letter)).expect("it can be woken").is_none()
                })
                .count()
        });
        thread::yield_now();
        let held = turns.close();
        (delivering.join().expect("it has delivered"), held)
    });
    assert_eq!(letters.0, letters.1);
    assert!(!turns.reactor.has_mail());
}
