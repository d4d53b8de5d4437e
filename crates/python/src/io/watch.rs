//! A descriptor that the user has the loop watch: by callbacks (`readers`), or by operations on a socket of
//! his own (`operations`).
//!
//! Who waits on which side, and what is known of the socket, the reactor's `Watch` knows; here is what of it
//! is Python's. Belongs to the loop's thread.

use std::ffi::CStr;

use ironloop_driver::{RawFd, Ready};
use ironloop_reactor::{Wanted, Watch, Watcher};
use pyo3::prelude::*;

use super::socket_work::Operation;
use crate::event_loop::handle::Handle;
use crate::event_loop::{Source, Sources};
use crate::ffi::cell::LoopCell;
use crate::ffi::visit::Release;
use crate::ffi::{Class, Instance, Native, Object, Traverse, Visit, Visited, owned};

/// Who waits on one side.
pub(super) type Waiting = Watcher<Instance<Handle>, Operation>;

/// The socket that operations are for. A number alone will not do: the user may close it and open another.
pub(super) struct Identity {
    /// A weak reference; there is one for each living socket.
    pub(super) weak: Object,
    /// A short read means that nothing is left: so it is for streams of the Internet families. A UNIX socket
    /// also stops at a message that carries descriptors, and each datagram is a read of its own.
    pub(super) reads_whole: bool,
}

owned!(Identity { visits: weak; ignores: reads_whole; });

#[derive(Default)]
pub(super) struct State {
    pub(super) watch: Watch<Instance<Handle>, Operation>,
    pub(super) identity: Option<Identity>,
    /// What the user passed where it is no number: by then it may have lost its number.
    pub(super) file: Option<Object>,
}

owned!(State { visits: watch, identity, file; });

impl Release for State {
    fn release(&mut self, _py: Python<'_>) -> impl Sized + use<> {
        std::mem::take(self)
    }
}

impl Traverse for Watch<Instance<Handle>, Operation> {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.watchers().iter().try_for_each(|waiting| match waiting {
            Watcher::Nobody => Ok(()),
            Watcher::Callback(handle) => handle.traverse(visit),
            Watcher::Operations(line) => line.iter().try_for_each(|operation| operation.traverse(visit)),
        })
    }
}

impl State {
    pub(super) fn wanted(&self) -> Wanted {
        self.watch.wanted()
    }

    /// Nobody waits, and no socket with operations is known.
    pub(super) fn is_idle(&self) -> bool {
        self.watch.is_idle() && self.identity.is_none()
    }
}

/// The watch of one descriptor.
pub(super) struct UserWatch {
    pub(super) state: LoopCell<State>,
}

static CLASS: Class = Class::new();

impl Native for UserWatch {
    const NAME: &'static CStr = c"ironloop.Watch";
    const DOC: &'static CStr = c"A descriptor that is watched.";
    const OPEN: bool = false;
    const TRACKED: bool = true;
    const FINALIZES: bool = false;

    fn class() -> &'static Class {
        &CLASS
    }
}

owned!(UserWatch { clears: state; });

impl UserWatch {
    pub(super) fn make(py: Python<'_>, state: State) -> PyResult<Instance<Self>> {
        CLASS.instantiate(py, Self { state: LoopCell::new(state) })
    }

    pub(super) fn of(object: &Object) -> Option<&Instance<Self>> {
        Instance::of(object)
    }

    /// A source, if it is a user's descriptor.
    pub(super) fn of_source(source: &Source) -> Option<&Instance<Self>> {
        Self::of(source.object())
    }

    /// The watch of a descriptor, if it is a user's.
    pub(super) fn at(sources: &Sources, fd: RawFd) -> Option<&Instance<Self>> {
        sources.at(fd).and_then(Self::of_source)
    }

    /// The callbacks that an event is for.
    pub(super) fn callbacks(&self, py: Python<'_>, ready: Ready) -> [Option<Instance<Handle>>; 2] {
        self.state.with(|state| {
            let callbacks = state.watch.callbacks(ready);
            callbacks.map(|callback| callback.map(|handle| handle.clone_ref(py)))
        })
    }
}

pub(super) fn add_class(py: Python<'_>) -> PyResult<()> {
    CLASS.create_hidden::<UserWatch>(py, &[], &[], &[])
}
