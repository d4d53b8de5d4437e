//! What a wait has reported to somebody who may give it back or not: how tools that wait in the loop's place
//! see it.
//!
//! To them descriptors are level-triggered: what was reported is reported again until it comes back.

use ironloop_driver::{RawFd, Ready};
use ironloop_engine::Slot;

use crate::sources::Sources;

/// Events that were reported, and have not come back.
#[derive(Default)]
pub struct Reported(Vec<(Slot, Ready)>);

impl Reported {
    pub(crate) fn add(&mut self, slot: Slot, ready: Ready) {
        match self.0.iter_mut().find(|(known, _)| *known == slot) {
            Some((_, known)) => {
                known.readable |= ready.readable;
                known.writable |= ready.writable;
                known.hung_up |= ready.hung_up;
            }
            None => self.0.push((slot, ready)),
        }
    }

    /// The descriptors that are still watched, and for what they are ready.
    pub(crate) fn list<S>(&mut self, sources: &Sources<S>) -> Vec<(RawFd, Ready)> {
        self.0.retain(|(slot, _)| sources.get(*slot).is_some());
        self.0.iter().filter_map(|(slot, ready)| Some((sources.fd(*slot)?, *ready))).collect()
    }

    /// A source comes back; whether its peer had hung up.
    pub(crate) fn take(&mut self, slot: Slot) -> bool {
        let known = self.0.iter().position(|(known, _)| *known == slot);
        known.is_some_and(|index| self.0.swap_remove(index).1.hung_up)
    }

    #[inline]
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (Slot, Ready)> {
        self.0.drain(..)
    }
}
