//! The stream machine against a connection written in the plainest way.
//!
//! A script (what the kernel does, what the protocol does, what its callbacks do in their turn) is played to
//! both: to the machine with a driver around it as `crates/python` has one, and to [`Plain`], which sends
//! every write at once and keeps one `Vec<u8>`. After each turn nobody may be able to tell them apart.
//!
//! `PROPTEST_CASES=100000 cargo test -p ironloop-engine --test stream` for a long run.

mod connection;
mod driven;
mod kernel;
mod plain;
mod script;

use std::env;

use connection::{Connection, Told};
use driven::Driven;
use plain::Plain;
use proptest::prelude::*;
use script::{Op, Script, Turn};

fn config() -> ProptestConfig {
    // A failure is printed with the least script that shows it: that becomes a test of its own, not a file of
    // seeds.
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if env::var_os("PROPTEST_CASES").is_some() { config } else { ProptestConfig { cases: 512, ..config } }
}

fn same(machine: &Driven, plain: &Plain) -> Result<(), TestCaseError> {
    let (machine_side, plain_side) = (machine.side(), plain.side());
    prop_assert_eq!(&machine_side.log, &plain_side.log, "what the protocol was told");
    prop_assert!(machine_side.kernel.taken == plain_side.kernel.taken, "what the peer gets");
    if !machine.view().closing {
        // The close of a socket ends its bytes as well, whether a shutdown went before it or not.
        prop_assert_eq!(machine_side.kernel.shutdowns, plain_side.kernel.shutdowns, "ends of file sent");
    }
    prop_assert_eq!(&machine_side.refused, &plain_side.refused, "writes refused after write_eof()");
    prop_assert_eq!(machine.view(), plain.view());
    Ok(())
}

/// What holds without any comparison.
fn lawful(machine: &Driven) -> Result<(), TestCaseError> {
    let side = machine.side();
    prop_assert!(side.accepted.starts_with(&side.kernel.taken), "bytes in order, none lost, none doubled");
    if !machine.view().over {
        let waiting = side.accepted.len() - side.kernel.taken.len();
        prop_assert_eq!(machine.view().buffered, waiting);
    }
    prop_assert!(side.kernel.shutdowns <= 1, "one end of file");
    let delivered = side.log.iter().map(Told::data).collect::<Vec<_>>().concat();
    prop_assert!(side.kernel.all_arrived.starts_with(&delivered), "what arrived, in order");

    let flow: Vec<_> = side.log.iter().filter(|told| matches!(told, Told::Pause | Told::Resume)).collect();
    prop_assert!(flow.iter().step_by(2).all(|told| **told == Told::Pause), "paused first: {:?}", flow);
    prop_assert!(flow.iter().skip(1).step_by(2).all(|told| **told == Told::Resume), "in turns: {:?}", flow);

    let ends = side.log.iter().filter(|told| **told == Told::Eof).count();
    prop_assert!(ends <= 1 + side.resumes, "the end of file is told once, and once more after a resume");
    if let Some(end) = side.log.iter().position(|told| *told == Told::Eof) {
        prop_assert!(side.log[end..].iter().all(|told| told.data().is_empty()), "no data after the end");
        prop_assert_eq!(&delivered, &side.kernel.all_arrived, "the end comes after all data");
    }
    if let Some(lost) = side.log.iter().position(|told| *told == Told::Lost) {
        prop_assert_eq!(lost + 1, side.log.len(), "lost once, and last");
    }
    Ok(())
}

/// What holds when nothing has stood in the way for long enough.
fn finished(machine: &Driven) -> Result<(), TestCaseError> {
    let (side, view) = (machine.side(), machine.view());
    prop_assert_eq!(view.buffered, 0);
    prop_assert!(!view.wants_to_write && !view.writing_paused);
    if !side.cut_off {
        prop_assert!(side.kernel.taken == side.accepted, "all that was written is sent, close or not");
    }
    if !view.closing {
        prop_assert_eq!(side.kernel.received, side.kernel.all_arrived.len(), "all that came is delivered");
        prop_assert_eq!(side.log.contains(&Told::Eof), side.kernel.peer_ended);
    }
    prop_assert_eq!(view.closing, side.log.last() == Some(&Told::Lost), "lost if and only if ended");
    Ok(())
}

fn both(machine: &mut Driven, plain: &mut Plain, turn: &Turn) -> Result<(), TestCaseError> {
    machine.turn(turn);
    plain.turn(turn);
    same(machine, plain)?;
    lawful(machine)
}

fn play(script: &Script) -> Result<(), TestCaseError> {
    let (mut machine, mut plain) = (Driven::new(script), Plain::new(script));
    machine.begin(&script.made);
    plain.begin(&script.made);
    same(&machine, &plain)?;
    for turn in &script.turns {
        both(&mut machine, &mut plain, turn)?;
    }
    let interrupts: u32 = script.turns.iter().map(|turn| turn.interrupts).sum();
    for _ in 0..interrupts + 4 {
        both(&mut machine, &mut plain, &Turn::free(vec![Op::ResumeReading]))?;
    }
    finished(&machine)?;
    for ops in [vec![Op::Close], vec![], vec![]] {
        both(&mut machine, &mut plain, &Turn::free(ops))?;
    }
    prop_assert_eq!(machine.side().log.last(), Some(&Told::Lost));
    prop_assert!(!machine.view().wants_to_read && !machine.view().wants_to_write);
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_machine_does_what_a_plain_connection_does(script in script::any()) {
        play(&script)?;
    }
}
