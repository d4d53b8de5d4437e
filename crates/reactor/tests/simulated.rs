//! A reactor in a simulation: time that jumps, seeds that choose, and a run that comes back by its list of choices.
//! Nothing is different for the reactor: its driver is.

mod turns;

use std::io::ErrorKind;
use std::sync::Arc;

use ironloop_driver::{Choices, Driver, Order, Simulated};
use ironloop_engine::deadline;
use turns::{Happening, Turns};

fn world(choices: Choices) -> (Arc<Simulated>, Driver) {
    let world = Arc::new(Simulated::world(0, choices, Order::Tasks));
    (Arc::clone(&world), Driver::Simulated(world))
}

/// Two clerks book one piece each: look, then write what was seen and one more. What is on the account at last,
/// and what chance has chosen.
fn book(choices: Choices) -> (u32, Vec<u32>) {
    let (world, driver) = world(choices);
    let mut turns = Turns::on(driver);
    let (mut account, mut seen) = (0, [0; 2]);
    // The second begins when the first should have written.
    turns.reactor.engine.push(Happening::Word(("look", 0)));
    turns.reactor.engine.push(Happening::Word(("wait", 1)));
    let mut written = 0;
    while written < 2 {
        for happening in turns.turn() {
            let Happening::Word((word, clerk)) = happening else { continue };
            let next = match word {
                "wait" => "look",
                "look" => {
                    seen[clerk] = account;
                    "write"
                }
                _ => {
                    account = seen[clerk] + 1;
                    written += 1;
                    continue;
                }
            };
            turns.reactor.engine.push(Happening::Word((next, clerk)));
        }
    }
    (account, world.made())
}

#[test]
fn a_day_of_timers_is_over_at_once_in_their_order() {
    let (_, driver) = world(Choices::replayed(Vec::new()));
    let mut turns = Turns::on(driver);
    for hour in (1..=24).rev() {
        turns.reactor.engine.schedule(deadline::at(f64::from(hour) * 3600.0), hour);
    }
    let mut rung = Vec::new();
    while rung.len() < 24 {
        rung.extend(turns.turn());
    }
    assert_eq!(rung, (1..=24).map(Happening::Word).collect::<Vec<_>>());
    assert!((turns.seconds() - 24.0 * 3600.0).abs() < 0.001);
}

#[test]
fn a_seed_finds_a_lost_update_and_its_choices_bring_it_back() {
    assert_eq!(book(Choices::replayed(Vec::new())).0, 2, "where nobody interferes it works");
    let (seed, (_, choices)) = (0..1000)
        .map(|seed| (seed, book(Choices::seeded(seed))))
        .find(|(_, (account, _))| *account == 1)
        .expect("one of them loses an update");
    assert_eq!(book(Choices::seeded(seed)).1, choices);
    assert_eq!(book(Choices::replayed(choices)).0, 1);
}

#[test]
fn a_world_in_which_nothing_will_happen_says_so() {
    let (_, driver) = world(Choices::seeded(1));
    let error = Turns::<u32>::on(driver).try_turn().expect_err("it would wait for ever");
    assert_eq!(error.kind(), ErrorKind::Deadlock);
}
