//! A user's descriptor: who waits on either side of it, and what is known of it since the last edge.

use std::collections::VecDeque;

use ironloop_driver::{Interest, Ready, Trigger};

use crate::sources::Wanted;

/// Who waits on one side of a descriptor. `C` is a callback, `O` an operation on a socket.
#[derive(Default)]
pub enum Watcher<C, O> {
    #[default]
    Nobody,
    /// Runs as long as the descriptor is ready (`add_reader`, `add_writer`).
    Callback(C),
    /// Completed once each, in order (`sock_recv`…).
    Operations(Line<O>),
}

/// At least one who waits. Mostly it is one: then there is nothing to allocate.
pub struct Line<O> {
    first: O,
    others: VecDeque<O>,
}

impl<O> Line<O> {
    fn of(first: O) -> Self {
        Self { first, others: VecDeque::new() }
    }

    fn push_front(&mut self, operation: O) {
        self.others.push_front(std::mem::replace(&mut self.first, operation));
    }

    pub fn iter(&self) -> impl Iterator<Item = &O> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl<O> IntoIterator for Line<O> {
    type Item = O;
    type IntoIter = std::iter::Chain<std::iter::Once<O>, std::collections::vec_deque::IntoIter<O>>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self.first).chain(self.others)
    }
}

/// The reading or the writing side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Reader,
    Writer,
}

/// What a side of a socket is known to be since the last edge.
///
/// Unknown → Waiting when it refuses or is drained; Waiting → Unknown with the next report; either → HungUp
/// when the report says so. From HungUp it becomes Waiting only if it would block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Readiness {
    /// Try it.
    #[default]
    Unknown,
    /// Refused since; the kernel will report when that changes.
    Waiting,
    /// The peer has hung up: no further report will come, and trying never blocks.
    HungUp,
}

/// What is known of a socket before an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    Nothing,
    /// The kernel watches it.
    Registered,
    /// The kernel watches it, and nothing has come since it refused; or others wait, and come first.
    Refuses,
}

/// Why a side is not worth a try until the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    WouldBlock,
    /// A read took all that there was. `certain`: a short read means that nothing is left.
    Drained {
        certain: bool,
    },
}

struct End<C, O> {
    watcher: Watcher<C, O>,
    readiness: Readiness,
}

impl<C, O> Default for End<C, O> {
    fn default() -> Self {
        Self { watcher: Watcher::Nobody, readiness: Readiness::Unknown }
    }
}

/// Both sides of a watched descriptor.
pub struct Watch<C, O> {
    reader: End<C, O>,
    writer: End<C, O>,
}

impl<C, O> Default for Watch<C, O> {
    fn default() -> Self {
        Self { reader: End::default(), writer: End::default() }
    }
}

impl<C, O> Watch<C, O> {
    fn end(&self, side: Side) -> &End<C, O> {
        match side {
            Side::Reader => &self.reader,
            Side::Writer => &self.writer,
        }
    }

    fn end_mut(&mut self, side: Side) -> &mut End<C, O> {
        match side {
            Side::Reader => &mut self.reader,
            Side::Writer => &mut self.writer,
        }
    }

    #[must_use]
    pub fn watcher(&self, side: Side) -> &Watcher<C, O> {
        &self.end(side).watcher
    }

    pub fn watcher_mut(&mut self, side: Side) -> &mut Watcher<C, O> {
        &mut self.end_mut(side).watcher
    }

    /// Of the reading side, and of the writing side.
    #[must_use]
    pub fn watchers(&self) -> [&Watcher<C, O>; 2] {
        [&self.reader.watcher, &self.writer.watcher]
    }

    /// Both sides' watchers, when nothing is watched any more.
    #[must_use]
    pub fn into_watchers(self) -> [Watcher<C, O>; 2] {
        [self.reader.watcher, self.writer.watcher]
    }

    /// How the kernel should watch. A callback wants to hear of the level, and only of its own side. Sockets
    /// with operations alone stay registered for both edges from the first wait on, so an operation costs no
    /// registration.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        if self.callback().is_none() {
            return (Interest::BOTH, Trigger::Edge);
        }
        let [readable, writable] = self.watchers().map(|watcher| !matches!(watcher, Watcher::Nobody));
        (Interest { readable, writable }, Trigger::Level)
    }

    /// Nobody waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.watchers().iter().all(|watcher| matches!(watcher, Watcher::Nobody))
    }

    /// A callback, to name the watch by.
    #[must_use]
    pub fn callback(&self) -> Option<&C> {
        self.watchers().into_iter().find_map(|watcher| match watcher {
            Watcher::Callback(callback) => Some(callback),
            Watcher::Nobody | Watcher::Operations(_) => None,
        })
    }

    /// The callbacks that an event is for.
    #[must_use]
    pub fn callbacks(&self, ready: Ready) -> [Option<&C>; 2] {
        fn one<C, O>(watcher: &Watcher<C, O>, ready: bool) -> Option<&C> {
            match watcher {
                Watcher::Callback(callback) if ready => Some(callback),
                Watcher::Callback(_) | Watcher::Nobody | Watcher::Operations(_) => None,
            }
        }
        [one(&self.reader.watcher, ready.readable), one(&self.writer.watcher, ready.writable)]
    }

    /// Whether operations wait on either side.
    #[must_use]
    pub fn has_operations(&self) -> bool {
        self.watchers().iter().any(|watcher| matches!(watcher, Watcher::Operations(_)))
    }

    /// Remembers what the kernel has reported.
    pub fn note(&mut self, ready: Ready) {
        let known = if ready.hung_up { Readiness::HungUp } else { Readiness::Unknown };
        if ready.readable {
            self.reader.readiness = known;
        }
        if ready.writable {
            self.writer.readiness = known;
        }
    }

    /// What was known is of another socket.
    pub fn forget_readiness(&mut self) {
        (self.reader.readiness, self.writer.readiness) = (Readiness::Unknown, Readiness::Unknown);
    }

    /// What is known of a side before an operation is tried.
    #[must_use]
    pub fn known(&self, side: Side) -> Known {
        // With a callback on either side the kernel reports levels, and only of sides where somebody waits.
        if self.callback().is_some() {
            return Known::Nothing;
        }
        let end = self.end(side);
        match (end.readiness, &end.watcher) {
            // Those who wait come first.
            (_, Watcher::Operations(_)) | (Readiness::Waiting, _) => Known::Refuses,
            _ => Known::Registered,
        }
    }

    /// A side is not worth a try until the kernel reports it.
    pub fn refused(&mut self, side: Side, why: Refusal) {
        let readiness = &mut self.end_mut(side).readiness;
        // What would block is always reported when it no longer would. A short read is a guess, and after a
        // hang-up there may be no further edge to correct it.
        let waits = match why {
            Refusal::WouldBlock => true,
            Refusal::Drained { certain } => certain && *readiness == Readiness::Unknown,
        };
        if waits {
            *readiness = Readiness::Waiting;
        }
    }

    /// Puts an operation behind those that wait; hands over a callback that stood there instead.
    pub fn enlist(&mut self, side: Side, operation: O) -> Watcher<C, O> {
        let watcher = self.watcher_mut(side);
        if let Watcher::Operations(operations) = watcher {
            operations.others.push_back(operation);
            return Watcher::Nobody;
        }
        std::mem::replace(watcher, Watcher::Operations(Line::of(operation)))
    }

    /// Puts an operation that was refused before those that wait. A callback that has taken the side
    /// meanwhile is handed over.
    pub fn put_back(&mut self, side: Side, operation: O) -> Watcher<C, O> {
        let watcher = self.watcher_mut(side);
        if let Watcher::Operations(operations) = watcher {
            operations.push_front(operation);
            return Watcher::Nobody;
        }
        std::mem::replace(watcher, Watcher::Operations(Line::of(operation)))
    }

    /// The next operation of a side that may be tried.
    pub fn next(&mut self, side: Side) -> Option<O> {
        let End { watcher, readiness } = self.end_mut(side);
        let Watcher::Operations(operations) = watcher else { return None };
        if *readiness == Readiness::Waiting {
            return None;
        }
        if let Some(next) = operations.others.pop_front() {
            return Some(std::mem::replace(&mut operations.first, next));
        }
        match std::mem::take(watcher) {
            Watcher::Operations(last) => Some(last.first),
            Watcher::Nobody | Watcher::Callback(_) => None,
        }
    }

    /// A watch with the callbacks of this one, and without its operations.
    #[must_use]
    pub fn take_callbacks(&mut self) -> Self {
        let take = |end: &mut End<C, O>| match end.watcher {
            Watcher::Callback(_) => End { watcher: std::mem::take(&mut end.watcher), ..End::default() },
            Watcher::Nobody | Watcher::Operations(_) => End::default(),
        };
        Self { reader: take(&mut self.reader), writer: take(&mut self.writer) }
    }

    /// Takes out the operations of which this is true.
    pub fn take_operations(&mut self, is_taken: impl Fn(&O) -> bool) -> Vec<O> {
        let mut taken = Vec::new();
        for side in [Side::Reader, Side::Writer] {
            let watcher = self.watcher_mut(side);
            if !matches!(watcher, Watcher::Operations(_)) {
                continue;
            }
            let Watcher::Operations(operations) = std::mem::take(watcher) else { continue };
            let (out, mut others): (VecDeque<_>, VecDeque<_>) = operations.into_iter().partition(&is_taken);
            taken.extend(out);
            if let Some(first) = others.pop_front() {
                *watcher = Watcher::Operations(Line { first, others });
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READABLE: Ready = Ready { readable: true, writable: false, hung_up: false };
    const HUNG_UP: Ready = Ready { readable: true, writable: false, hung_up: true };
    const DRAINED: Refusal = Refusal::Drained { certain: true };

    type Words = Watch<&'static str, u32>;

    #[test]
    fn a_socket_that_has_refused_is_tried_again_when_it_is_reported() {
        let mut watch = Words::default();
        assert_eq!(watch.known(Side::Reader), Known::Registered);
        watch.refused(Side::Reader, Refusal::WouldBlock);
        assert_eq!(watch.known(Side::Reader), Known::Refuses);
        assert_eq!(watch.known(Side::Writer), Known::Registered);
        watch.note(READABLE);
        assert_eq!(watch.known(Side::Reader), Known::Registered);
    }

    #[test]
    fn a_short_read_tells_nothing_after_a_hang_up_nor_where_more_may_be_left() {
        let mut watch = Words::default();
        watch.refused(Side::Reader, Refusal::Drained { certain: false });
        assert_eq!(watch.known(Side::Reader), Known::Registered);
        watch.refused(Side::Reader, DRAINED);
        assert_eq!(watch.known(Side::Reader), Known::Refuses);
        watch.note(HUNG_UP);
        watch.refused(Side::Reader, DRAINED);
        assert_eq!(watch.known(Side::Reader), Known::Registered);
        watch.refused(Side::Reader, Refusal::WouldBlock);
        assert_eq!(watch.known(Side::Reader), Known::Refuses);
    }

    #[test]
    fn operations_come_one_by_one_and_one_that_is_refused_stays_the_first() {
        let mut watch = Words::default();
        for number in [1, 2] {
            assert!(matches!(watch.enlist(Side::Reader, number), Watcher::Nobody));
        }
        assert!(watch.has_operations());
        assert_eq!(watch.known(Side::Reader), Known::Refuses);
        assert_eq!(watch.next(Side::Reader), Some(1));
        watch.refused(Side::Reader, Refusal::WouldBlock);
        assert!(matches!(watch.put_back(Side::Reader, 1), Watcher::Nobody));
        assert_eq!(watch.next(Side::Reader), None);
        watch.note(READABLE);
        assert_eq!(watch.next(Side::Reader), Some(1));
        assert_eq!(watch.next(Side::Reader), Some(2));
        assert_eq!(watch.next(Side::Reader), None);
        assert!(watch.is_idle());
    }

    #[test]
    fn a_callback_asks_for_the_level_of_its_side_and_operations_for_both_edges() {
        let mut watch = Words::default();
        let _ = watch.enlist(Side::Writer, 1);
        assert_eq!(watch.wanted(), (Interest::BOTH, Trigger::Edge));
        *watch.watcher_mut(Side::Reader) = Watcher::Callback("reader");
        assert_eq!(watch.wanted(), (Interest::BOTH, Trigger::Level));
        assert_eq!(watch.known(Side::Writer), Known::Nothing);
        assert_eq!(watch.take_operations(|_| true), [1]);
        assert_eq!(watch.wanted(), (Interest::READABLE, Trigger::Level));
        assert_eq!(watch.callbacks(READABLE), [Some(&"reader"), None]);
        assert_eq!(watch.callbacks(Ready { readable: false, ..READABLE }), [None, None]);
    }

    #[test]
    fn an_operation_displaces_a_callback_and_another_socket_keeps_callbacks_alone() {
        let mut watch = Words::default();
        *watch.watcher_mut(Side::Reader) = Watcher::Callback("reader");
        let _ = watch.enlist(Side::Writer, 1);
        let mut other = watch.take_callbacks();
        assert_eq!(other.callback(), Some(&"reader"));
        assert!(!other.has_operations());
        assert!(matches!(other.enlist(Side::Reader, 2), Watcher::Callback("reader")));
        assert_eq!(watch.take_operations(|number| *number == 2), []);
        assert_eq!(watch.take_operations(|number| *number == 1), [1]);
    }
}
