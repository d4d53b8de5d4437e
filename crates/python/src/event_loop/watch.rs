//! A descriptor that the loop watches, and who waits for it on either side.

use std::collections::VecDeque;

use ironloop_driver::{Event, Interest, Trigger};
use pyo3::prelude::*;

use super::operations::Operation;
use crate::ffi::{Instance, Object};
use crate::handle::Handle;

/// Who waits on one side of a descriptor.
#[derive(Default)]
pub(super) enum Waiter {
    #[default]
    Nobody,
    /// A user's callback (`add_reader`, `add_writer`): runs as long as the descriptor is ready.
    Callback(Instance<Handle>),
    /// Operations on a socket (`sock_recv`…), each completed once, in order.
    Operations(VecDeque<Operation>),
}

/// The reading or the writing side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Reader,
    Writer,
}

/// What a side of a socket is known to be since the last edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Readiness {
    /// Try it.
    #[default]
    Unknown,
    /// Refused since; the kernel will report when that changes.
    Waiting,
    /// The peer has hung up: no further report will come, and trying never blocks.
    HungUp,
}

/// The socket that operations are for. A number alone will not do: the user may close it and open another.
pub(super) struct Identity {
    /// A weak reference; there is one for each living socket.
    pub(super) weak: Object,
    /// A stream, of which a short read means that nothing is left.
    pub(super) is_stream: bool,
}

#[derive(Default)]
pub(crate) struct Watch {
    pub(super) reader: Waiter,
    pub(super) writer: Waiter,
    pub(super) readable: Readiness,
    pub(super) writable: Readiness,
    pub(super) identity: Option<Identity>,
}

impl Watch {
    pub(super) fn side(&mut self, side: Side) -> &mut Waiter {
        match side {
            Side::Reader => &mut self.reader,
            Side::Writer => &mut self.writer,
        }
    }

    /// How the kernel should watch. A callback wants to hear of the level, and only of its own side. Sockets with
    /// operations alone stay registered for both edges from the first wait on, so an operation costs no registration.
    pub(super) fn wanted(&self) -> (Interest, Trigger) {
        let level = [&self.reader, &self.writer].iter().any(|waiter| matches!(waiter, Waiter::Callback(_)));
        if !level {
            return (Interest::BOTH, Trigger::Edge);
        }
        let waits = |waiter: &Waiter| !matches!(waiter, Waiter::Nobody);
        (Interest { readable: waits(&self.reader), writable: waits(&self.writer) }, Trigger::Level)
    }

    /// Nobody waits, and no socket with operations is known.
    pub(super) fn is_idle(&self) -> bool {
        matches!((&self.reader, &self.writer, &self.identity), (Waiter::Nobody, Waiter::Nobody, None))
    }

    /// Remembers what the kernel has reported.
    pub(super) fn note(&mut self, event: Event) {
        let known = if event.hung_up { Readiness::HungUp } else { Readiness::Unknown };
        if event.readable {
            self.readable = known;
        }
        if event.writable {
            self.writable = known;
        }
    }

    /// The callbacks that an event is for.
    pub(super) fn callbacks(&self, py: Python<'_>, event: Event) -> [Option<Instance<Handle>>; 2] {
        let one = |waiter: &Waiter, ready: bool| match waiter {
            Waiter::Callback(handle) if ready => Some(handle.clone_ref(py)),
            _ => None,
        };
        [one(&self.reader, event.readable), one(&self.writer, event.writable)]
    }

    /// Whether operations wait on either side.
    pub(super) fn has_operations(&self) -> bool {
        [&self.reader, &self.writer].iter().any(|waiter| matches!(waiter, Waiter::Operations(_)))
    }

    pub(super) fn objects(&self) -> impl Iterator<Item = &Object> {
        [&self.reader, &self.writer].into_iter().flat_map(|waiter| {
            let (callback, operations) = match waiter {
                Waiter::Nobody => (None, None),
                Waiter::Callback(handle) => (Some(handle.object()), None),
                Waiter::Operations(operations) => (None, Some(operations.iter().map(Operation::future))),
            };
            callback.into_iter().chain(operations.into_iter().flatten())
        })
    }
}
