//! The engine's ready queue and timers against two plain lists, of which one is sorted anew for every turn.
//!
//! `PROPTEST_CASES=100000 cargo test -p ironloop-engine --test schedule` for a long run.

mod model;

use std::env;

use ironloop_engine::{Deadline, Engine, Slot};
use model::{Model, Name};
use proptest::collection::vec;
use proptest::prelude::*;

/// What a program does with its loop, in a callback or between two.
#[derive(Clone, Debug)]
enum Op {
    CallSoon,
    /// So many timers, with deadlines from `from` on, each `step` after the one before, and starting anew
    /// after `wraps`.
    CallAt {
        count: usize,
        from: Deadline,
        step: Deadline,
        wraps: Deadline,
    },
    /// Every `stride`th timer of all there ever were, dead ones too: an old slot must find nobody.
    Cancel {
        start: usize,
        stride: usize,
    },
}

/// What happens to a loop.
#[derive(Clone, Debug)]
enum Event {
    Do(Op),
    /// A turn: so much time goes by, a batch is cut, and `left` of it are left to the next turn, as after
    /// `stop`.
    Turn {
        passes: Deadline,
        left: usize,
    },
    /// The loop is closed, and hands over what it held.
    Take,
}

fn op() -> impl Strategy<Value = Op> {
    let few = (1..5_usize, -50..200_i64, 0..3_i64, 1..20_i64);
    // More than half of these dead is reason to compact, more than one in 64 due is reason to sort.
    let many = (100..400_usize, 0..200_i64, 0..90_i64, 1..300_i64);
    prop_oneof![
        4 => Just(Op::CallSoon),
        4 => prop_oneof![6 => few, 1 => many]
            .prop_map(|(count, from, step, wraps)| Op::CallAt { count, from, step, wraps }),
        2 => (0..1000_usize, 1..40_usize).prop_map(|(start, stride)| Op::Cancel { start, stride }),
        1 => (0..3_usize, 1..3_usize).prop_map(|(start, stride)| Op::Cancel { start, stride }),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        40 => op().prop_map(Event::Do),
        30 => (0..60_i64, prop_oneof![4 => Just(0), 1 => 1..5_usize])
            .prop_map(|(passes, left)| Event::Turn { passes, left }),
        1 => Just(Event::Take),
    ]
}

/// Both, side by side; each timer and each callback has a number for a name.
#[derive(Default)]
struct Both {
    engine: Engine<Name, Name>,
    model: Model,
    slots: Vec<(Slot, Name)>,
    names: Name,
    now: Deadline,
    /// What each callback in its order does.
    reactions: std::vec::IntoIter<Vec<Op>>,
}

impl Both {
    fn name(&mut self) -> Name {
        self.names += 1;
        self.names
    }

    fn perform(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match *op {
            Op::CallSoon => {
                let name = self.name();
                self.engine.push(name);
                self.model.push(name);
            }
            Op::CallAt { count, from, step, wraps } => {
                for n in 0..count as Deadline {
                    let name = self.name();
                    let deadline = self.now + from + n * step % wraps;
                    let slot = self.engine.schedule(deadline, name);
                    self.slots.push((slot, name));
                    self.model.schedule(deadline, name);
                }
            }
            Op::Cancel { start, stride } => {
                for (slot, name) in self.slots.iter().skip(start).step_by(stride) {
                    prop_assert_eq!(self.engine.timer(*slot).is_some(), self.model.is_scheduled(*name));
                    let expected = self.model.cancel(*name).then_some(*name);
                    prop_assert_eq!(self.engine.cancel(*slot), expected);
                    prop_assert!(self.engine.timer(*slot).is_none());
                }
            }
        }
        Ok(())
    }

    fn turn(&mut self, passes: Deadline, left: usize) -> Result<(), TestCaseError> {
        self.now += passes;
        self.engine.expire(self.now);
        self.model.expire(self.now);
        self.engine.begin();
        let batch = self.model.begin();
        let runs = batch.len().saturating_sub(left);
        for name in &batch[..runs] {
            prop_assert_eq!(self.engine.pop(), Some(*name), "the order of the batch");
            self.model.ran();
            for op in self.reactions.next().iter().flatten() {
                self.perform(op)?;
            }
        }
        if left == 0 {
            prop_assert_eq!(self.engine.pop(), None, "what a batch makes ready is not part of it");
        }
        Ok(())
    }

    fn same(&mut self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.engine.plan(), self.model.plan());
        prop_assert_eq!(self.engine.has_timers(), self.model.next_deadline().is_some());
        prop_assert!(self.engine.ready().eq(self.model.ready()));
        let mut scheduled: Vec<Name> = self.engine.scheduled().copied().collect();
        scheduled.sort_unstable();
        prop_assert_eq!(scheduled, self.model.scheduled());
        Ok(())
    }

    fn take(&mut self) -> Result<(), TestCaseError> {
        let mut held = self.engine.take();
        let ready: Vec<Name> = self.model.ready().copied().collect();
        prop_assert!(held.starts_with(&ready));
        held.drain(..ready.len());
        held.sort_unstable();
        prop_assert_eq!(held, self.model.scheduled());
        self.model = Model::default();
        // Their slots meant places in a list that is gone.
        self.slots.clear();
        Ok(())
    }
}

fn play(events: &[Event], reactions: Vec<Vec<Op>>) -> Result<(), TestCaseError> {
    let mut both = Both { reactions: reactions.into_iter(), ..Both::default() };
    for event in events {
        match event {
            Event::Do(op) => both.perform(op)?,
            Event::Turn { passes, left } => both.turn(*passes, *left)?,
            Event::Take => both.take()?,
        }
        both.same()?;
    }
    both.reactions = Vec::new().into_iter();
    // All that is left comes, in order.
    both.turn(Deadline::from(i32::MAX), 0)?;
    prop_assert!(!both.engine.has_timers());
    both.same()
}

fn config() -> ProptestConfig {
    // A failure is printed with the least events that show it: that becomes a test of its own, not a file of
    // seeds.
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if env::var_os("PROPTEST_CASES").is_some() { config } else { ProptestConfig { cases: 512, ..config } }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_engine_keeps_the_order_of_two_sorted_lists(
        events in vec(event(), 1..60),
        reactions in vec(vec(op(), 0..3), 0..40),
    ) {
        play(&events, reactions)?;
    }
}
