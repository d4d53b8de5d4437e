//! A descriptor that the loop watches, and who waits for it on either side.

use std::collections::VecDeque;

use ironloop_driver::{Interest, Ready, Trigger};
use pyo3::prelude::*;

use super::operations::Operation;
use crate::event_loop::handle::Handle;
use crate::ffi::{Instance, Object, owned};

/// Who waits on one side of a descriptor.
#[derive(Default)]
pub(crate) enum Waiter {
    #[default]
    Nobody,
    /// A user's callback (`add_reader`, `add_writer`): runs as long as the descriptor is ready.
    Callback(Instance<Handle>),
    /// Operations on a socket (`sock_recv`…), each completed once, in order.
    Operations(VecDeque<Operation>),
}

owned!(enum Waiter { Nobody, Callback(handle), Operations(operations); });

/// The reading or the writing side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Reader,
    Writer,
}

/// What a side of a socket is known to be since the last edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// Try it.
    #[default]
    Unknown,
    /// Refused since; the kernel will report when that changes.
    Waiting,
    /// The peer has hung up: no further report will come, and trying never blocks.
    HungUp,
}

/// The socket that operations are for. A number alone will not do: the user may close it and open another.
pub(crate) struct Identity {
    /// A weak reference; there is one for each living socket.
    pub(crate) weak: Object,
    /// A short read means that nothing is left: so it is for streams of the Internet families. A UNIX socket also stops at
    /// a message that carries descriptors, and each datagram is a read of its own.
    pub(crate) reads_whole: bool,
}

owned!(Identity { visits: weak; ignores: reads_whole; });

#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) reader: Waiter,
    pub(crate) writer: Waiter,
    pub(crate) readable: Readiness,
    pub(crate) writable: Readiness,
    pub(crate) identity: Option<Identity>,
    /// What the user passed where it is no number: by then it may have lost its number.
    pub(crate) file: Option<Object>,
}

owned!(Watch { visits: reader, writer, identity, file; ignores: readable, writable; });

impl Watch {
    pub(crate) fn side(&mut self, side: Side) -> &mut Waiter {
        match side {
            Side::Reader => &mut self.reader,
            Side::Writer => &mut self.writer,
        }
    }

    /// How the kernel should watch. A callback wants to hear of the level, and only of its own side. Sockets with
    /// operations alone stay registered for both edges from the first wait on, so an operation costs no registration.
    pub(crate) fn wanted(&self) -> (Interest, Trigger) {
        let level = [&self.reader, &self.writer].iter().any(|waiter| matches!(waiter, Waiter::Callback(_)));
        if !level {
            return (Interest::BOTH, Trigger::Edge);
        }
        let waits = |waiter: &Waiter| !matches!(waiter, Waiter::Nobody);
        (Interest { readable: waits(&self.reader), writable: waits(&self.writer) }, Trigger::Level)
    }

    /// Nobody waits, and no socket with operations is known.
    pub(crate) fn is_idle(&self) -> bool {
        matches!((&self.reader, &self.writer, &self.identity), (Waiter::Nobody, Waiter::Nobody, None))
    }

    /// Remembers what the kernel has reported.
    pub(crate) fn note(&mut self, ready: Ready) {
        let known = if ready.hung_up { Readiness::HungUp } else { Readiness::Unknown };
        if ready.readable {
            self.readable = known;
        }
        if ready.writable {
            self.writable = known;
        }
    }

    /// The callbacks that an event is for.
    pub(crate) fn callbacks(&self, py: Python<'_>, ready: Ready) -> [Option<Instance<Handle>>; 2] {
        let one = |waiter: &Waiter, ready: bool| match waiter {
            Waiter::Callback(handle) if ready => Some(handle.clone_ref(py)),
            _ => None,
        };
        [one(&self.reader, ready.readable), one(&self.writer, ready.writable)]
    }

    /// Whether operations wait on either side.
    pub(crate) fn has_operations(&self) -> bool {
        [&self.reader, &self.writer].iter().any(|waiter| matches!(waiter, Waiter::Operations(_)))
    }

    /// Its loop is closed.
    pub(crate) fn discard(self) {
        for waiter in [self.reader, self.writer] {
            if let Waiter::Callback(handle) = waiter {
                handle.0.spend();
            }
        }
    }

    /// A callback, to name the watch by.
    pub(crate) fn callback(&self) -> Option<&Instance<Handle>> {
        [&self.reader, &self.writer].into_iter().find_map(|waiter| match waiter {
            Waiter::Callback(handle) => Some(handle),
            _ => None,
        })
    }
}
