//! How long a loop has been in one item, or in one turn: when that is worth a word.
//!
//! Told of the loop's [`Beat`] again and again, it says what there is to report: pull, do not call. A stretch
//! begins with the first look that sees its item, so what it says is never too long; it is too short by the time
//! between two looks at most.

use crate::pulse::{Beat, Doing};

/// A stretch that goes on for so many times the threshold is reported again.
const AGAIN: i64 = 10;

/// What there is to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// One item takes long; a second time for one that goes on and on.
    Blocked { nanos: i64, again: bool },
    /// The loop woke up, and does not get the interpreter's lock.
    LockedOut { nanos: i64, again: bool },
    /// One turn takes long, by so many items of which none does.
    Crowded { nanos: i64, items: u64 },
    /// What was reported is over. It has taken so long, and up to so much longer as a look is from the next.
    Over { nanos: i64 },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Once,
    Twice,
}

/// What is known of a loop by looking at it.
pub struct Stretch {
    threshold: i64,
    last: Beat,
    /// Since when the item runs.
    since: i64,
    told: Told,
    turn_since: i64,
    /// The number of the first item that was seen in this turn.
    turn_from: u64,
    turn_told: Told,
}

impl Stretch {
    #[must_use]
    pub fn new(threshold: i64, beat: Beat, now: i64) -> Self {
        Self {
            threshold,
            last: beat,
            since: now,
            told: Told::Nothing,
            turn_since: now,
            turn_from: beat.performed,
            turn_told: Told::Nothing,
        }
    }

    /// Since when the loop is in what it is in.
    #[must_use]
    pub fn since(&self) -> i64 {
        self.since
    }

    /// Since when the loop is in its turn.
    #[must_use]
    pub fn turn_since(&self) -> i64 {
        self.turn_since
    }

    /// Nobody has looked for a while: what was seen before says nothing of now. What was reported stays so.
    pub fn forget(&mut self, now: i64) {
        if self.told == Told::Nothing {
            self.since = now;
        }
        if self.turn_told == Told::Nothing {
            self.turn_since = now;
            self.turn_from = self.last.performed;
        }
    }

    /// A look at the loop.
    pub fn look(&mut self, beat: Beat, now: i64) -> Option<Finding> {
        let before = std::mem::replace(&mut self.last, beat);
        let same = before.performed == beat.performed && before.doing == beat.doing;
        let busy = matches!(beat.doing, Doing::Awake | Doing::Returning);
        if !same || !busy {
            let over = (self.told != Told::Nothing).then_some(Finding::Over { nanos: now - self.since });
            self.told = Told::Nothing;
            self.since = now;
            if over.is_some() {
                // The turn was long because of that one item.
                self.turn_told = Told::Once;
            }
            let turn = self.look_at_turn(before, beat, now);
            return over.or(turn);
        }
        let nanos = now - self.since;
        let due = match self.told {
            Told::Nothing => self.threshold,
            Told::Once => self.threshold.saturating_mul(AGAIN),
            Told::Twice => return None,
        };
        if nanos < due {
            return self.look_at_turn(before, beat, now);
        }
        let again = self.told == Told::Once;
        self.told = if again { Told::Twice } else { Told::Once };
        Some(match beat.doing {
            Doing::Returning => Finding::LockedOut { nanos, again },
            _ => Finding::Blocked { nanos, again },
        })
    }

    /// Whether the loop moves, and yet does not come to its next turn.
    fn look_at_turn(&mut self, before: Beat, beat: Beat, now: i64) -> Option<Finding> {
        if before.turns != beat.turns || beat.doing != Doing::Awake {
            self.turn_since = now;
            self.turn_from = beat.performed;
            self.turn_told = Told::Nothing;
            return None;
        }
        let (nanos, items) = (now - self.turn_since, beat.performed.wrapping_sub(self.turn_from));
        if self.turn_told != Told::Nothing || nanos < self.threshold || items < 2 {
            return None;
        }
        self.turn_told = Told::Once;
        Some(Finding::Crowded { nanos, items })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Beat = Beat { performed: 10, turns: 3, doing: Doing::Awake, subject: 0 };
    const ITEM: Beat = Beat { performed: 11, ..BEGIN };

    fn looks(beats: &[(Beat, i64)]) -> Vec<Option<Finding>> {
        let mut stretch = Stretch::new(100, BEGIN, 0);
        beats.iter().map(|(beat, now)| stretch.look(*beat, *now)).collect()
    }

    #[test]
    fn an_item_is_reported_at_the_threshold_and_at_ten_times_that_and_when_it_is_over() {
        let next = Beat { performed: 12, ..ITEM };
        let found = looks(&[
            (ITEM, 10),
            (ITEM, 109),
            (ITEM, 110),
            (ITEM, 500),
            (ITEM, 1009),
            (ITEM, 1010),
            (ITEM, 99_999),
            (next, 100_010),
            (next, 100_020),
        ]);
        let expected = [
            None,
            None,
            Some(Finding::Blocked { nanos: 100, again: false }),
            None,
            None,
            Some(Finding::Blocked { nanos: 1000, again: true }),
            None,
            Some(Finding::Over { nanos: 100_000 }),
            None,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_loop_that_sleeps_or_is_away_is_not_blocked() {
        for doing in [Doing::Asleep, Doing::Away] {
            let beat = Beat { doing, ..ITEM };
            assert_eq!(looks(&[(beat, 10), (beat, 10_000), (beat, 20_000)]), [None; 3]);
        }
    }

    #[test]
    fn a_loop_that_woke_up_and_gets_no_lock_is_locked_out() {
        let beat = Beat { doing: Doing::Returning, ..ITEM };
        let found = looks(&[(beat, 10), (beat, 110), (ITEM, 150)]);
        let nanos = 100;
        let expected =
            [None, Some(Finding::LockedOut { nanos, again: false }), Some(Finding::Over { nanos: 140 })];
        assert_eq!(found, expected);
    }

    #[test]
    fn many_items_in_one_turn_are_the_other_warning_once_a_turn() {
        let beats: Vec<_> =
            (1..40).map(|step| (Beat { performed: 10 + step, ..BEGIN }, 10 * step as i64)).collect();
        let found: Vec<_> = looks(&beats).into_iter().flatten().collect();
        assert_eq!(found, [Finding::Crowded { nanos: 100, items: 10 }]);
        let turns: Vec<_> = (1..40)
            .map(|step| (Beat { performed: 10 + step, turns: 3 + step, ..BEGIN }, 10 * step as i64))
            .collect();
        assert!(looks(&turns).iter().all(Option::is_none));
    }

    #[test]
    fn a_turn_that_one_item_has_made_long_is_reported_once() {
        let more = |count: u64| Beat { performed: 11 + count, ..ITEM };
        let found = looks(&[(ITEM, 10), (ITEM, 110), (more(1), 120), (more(2), 130), (more(3), 260)]);
        assert_eq!(found.iter().flatten().count(), 2);
    }

    #[test]
    fn what_nobody_has_looked_at_is_not_held_against_it() {
        let mut stretch = Stretch::new(100, BEGIN, 0);
        assert_eq!(stretch.look(ITEM, 10), None);
        stretch.forget(5000);
        assert_eq!(stretch.look(ITEM, 5010), None);
        assert_eq!(stretch.look(ITEM, 5100), Some(Finding::Blocked { nanos: 100, again: false }));
        stretch.forget(9000);
        assert_eq!(stretch.look(BEGIN, 9010), Some(Finding::Over { nanos: 4010 }));
    }
}
