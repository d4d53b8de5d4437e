//! Descriptors that other extension modules have watched, by edges.

use ironloop_abi::what;
use ironloop_driver::{Driver, Family, Interest, RawFd, Ready, Trigger};
use ironloop_engine::Slot;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use crate::event_loop::{LoopCore, Source, SourceKind};
use crate::ffi::Object;
use crate::ffi::callback::Callback;

/// ENETUNREACH: what the Rust side makes its error of.
const NETWORK_UNREACHABLE: i32 = 101;

/// Who is told of a descriptor.
#[pyclass(frozen, module = "ironloop._ironloop")]
struct Watched(Callback);

static KIND: SourceKind = SourceKind {
    ready,
    culprit: |_, _| None,
    hears_of_loss: |_| true,
    discard: |py, object| tell(py, object, what::ENDED),
};

fn ready(core: &Bound<'_, LoopCore>, object: &Object, _: Slot, ready: Ready) -> PyResult<()> {
    let bit = |set, bit| if set { bit } else { 0 };
    let bits = bit(ready.readable, what::READABLE)
        | bit(ready.writable, what::WRITABLE)
        | bit(ready.hung_up, what::HUNG_UP);
    tell(core.py(), object, bits);
    Ok(())
}

fn tell(py: Python<'_>, object: &Object, bits: u32) {
    if let Ok(watched) = object.bind(py).cast_exact::<Watched>() {
        watched.get().0.call(bits);
    }
}

/// Watches it from now on; a real socket of the internet is refused where the world is a simulation's.
pub(super) fn add(core: &Bound<'_, LoopCore>, fd: RawFd, callback: Callback) -> PyResult<Slot> {
    let py = core.py();
    if core.get().driver.world().is_some_and(|world| world.order().is_some()) && is_of_internet(fd) {
        return Err(PyOSError::new_err((NETWORK_UNREACHABLE, "a real socket is outside of the simulation")));
    }
    let object = Object::from(Bound::new(py, Watched(callback))?);
    let mut bin = Vec::new();
    let slot = core.get().with_poller(|poller, sources| {
        let source = Source::new(&KIND, object);
        sources.insert(poller, fd, (Interest::BOTH, Trigger::Edge), source, &mut bin)
    });
    // Where it was refused, the data stays with who has asked.
    if slot.is_ok() {
        let ours = bin.into_iter().filter(|other| other.is_of(&KIND));
        ours.for_each(|other| other.discard(py));
    }
    slot
}

/// By the kernel: a simulation's sockets are UNIX sockets there.
fn is_of_internet(fd: RawFd) -> bool {
    matches!(Driver::Kernel.family(fd), Ok(Some(Family::V4 | Family::V6)))
}

/// Watches it no more; `closing`: its only owner closes it next, and no child has a copy. True if it was this
/// one's still: then it is told nothing more.
pub(super) fn remove(core: &LoopCore, fd: RawFd, slot: Slot, closing: bool) -> bool {
    let removed = core.with_poller(|poller, sources| {
        Ok(if closing { sources.leave_slot(fd, slot) } else { sources.remove_slot(poller, fd, slot) })
    });
    removed.is_ok_and(|source| source.is_some())
}
