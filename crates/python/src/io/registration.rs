//! What the kernel watches a transport's descriptor for.

use ironloop_driver::{Interest, RawFd, Trigger};
use ironloop_engine::Slot;
use pyo3::prelude::*;

use crate::event_loop::{LoopCore, Source};
use crate::ffi::error::stale_descriptor;

/// A transport's place among the loop's sources, while it is watched.
///
/// The sources that these methods hand out must be dropped with nothing borrowed.
#[derive(Default)]
pub(crate) struct Registration(Option<Place>);

#[derive(Clone, Copy)]
struct Place {
    /// The number under which the kernel knows it; whether it is still ours, the slot tells.
    fd: RawFd,
    slot: Slot,
    watched: Interest,
}

impl Registration {
    /// Has the kernel watch for what is wanted and it does not watch for yet. What is no longer wanted stays watched until
    /// it is reported: it may be wanted again before.
    ///
    /// `fd` is the socket's number now. An error if it was closed behind our back.
    pub(crate) fn widen(
        &mut self,
        core: &LoopCore,
        fd: RawFd,
        wanted: Interest,
        source: impl FnOnce() -> Source,
        bin: &mut Vec<Source>,
    ) -> PyResult<()> {
        let Some(place) = &mut self.0 else {
            if wanted.is_none() {
                return Ok(());
            }
            return core.with_poller(|poller, sources| {
                let slot = sources.insert(poller, fd, (wanted, Trigger::Level), source(), bin)?;
                self.0 = Some(Place { fd, slot, watched: wanted });
                Ok(())
            });
        };
        let watched = place.watched;
        if (watched.readable || !wanted.readable) && (watched.writable || !wanted.writable) {
            return Ok(());
        }
        if fd != place.fd {
            return Err(stale_descriptor());
        }
        place.watched = wanted;
        let place = *place;
        core.with_poller(|poller, sources| {
            sources.modify(poller, place.fd, place.slot, (wanted, Trigger::Level))
        })
    }

    /// Something was reported that is not wanted: now it is worth telling the kernel. `fd` and the error as above.
    pub(crate) fn narrow(
        &mut self,
        core: &LoopCore,
        fd: RawFd,
        wanted: Interest,
    ) -> PyResult<Option<Source>> {
        let Some(place) = &mut self.0 else { return Ok(None) };
        // A socket that is watched for nothing would still report its errors, again and again.
        if wanted.is_none() {
            return Ok(self.end(core));
        }
        if fd != place.fd {
            return Err(stale_descriptor());
        }
        if wanted == place.watched {
            return Ok(None);
        }
        place.watched = wanted;
        let place = *place;
        core.with_poller(|poller, sources| {
            sources.modify(poller, place.fd, place.slot, (wanted, Trigger::Level)).map(|()| None)
        })
    }

    /// Stops watching.
    pub(crate) fn end(&mut self, core: &LoopCore) -> Option<Source> {
        let place = self.0.take()?;
        core.with_poller(|poller, sources| Ok(sources.remove_slot(poller, place.fd, place.slot)))
            .ok()
            .flatten()
    }
}
