//! Two plain lists.

use std::collections::BTreeMap;

use ironloop_engine::{Deadline, Plan};

pub(crate) type Name = usize;

#[derive(Default)]
pub(crate) struct Model {
    ready: Vec<Name>,
    /// Names are numbers that rise with arrival.
    timers: BTreeMap<Name, Deadline>,
}

impl Model {
    pub(crate) fn push(&mut self, name: Name) {
        self.ready.push(name);
    }

    pub(crate) fn schedule(&mut self, deadline: Deadline, name: Name) {
        self.timers.insert(name, deadline);
    }

    pub(crate) fn is_scheduled(&self, name: Name) -> bool {
        self.timers.contains_key(&name)
    }

    /// Whether there was anything to cancel.
    pub(crate) fn cancel(&mut self, name: Name) -> bool {
        self.timers.remove(&name).is_some()
    }

    pub(crate) fn expire(&mut self, now: Deadline) {
        let due = self.timers.iter().filter(|(_, deadline)| **deadline <= now);
        let mut due: Vec<(Deadline, Name)> = due.map(|(name, deadline)| (*deadline, *name)).collect();
        due.sort_unstable();
        self.ready.extend(due.iter().map(|(_, name)| name));
        self.timers.retain(|_, deadline| *deadline > now);
    }

    pub(crate) fn begin(&self) -> Vec<Name> {
        self.ready.clone()
    }

    /// The first that was ready has run.
    pub(crate) fn ran(&mut self) {
        self.ready.remove(0);
    }

    pub(crate) fn ready(&self) -> impl Iterator<Item = &Name> {
        self.ready.iter()
    }

    pub(crate) fn scheduled(&self) -> Vec<Name> {
        self.timers.keys().copied().collect()
    }

    pub(crate) fn next_deadline(&self) -> Option<Deadline> {
        self.timers.values().copied().min()
    }

    pub(crate) fn plan(&self) -> Plan {
        if self.ready.is_empty() {
            self.next_deadline().map_or(Plan::Wait, Plan::WaitUntil)
        } else {
            Plan::Run
        }
    }
}
