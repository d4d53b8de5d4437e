//! What the kernel watches a transport's descriptor for.

use std::io;

use ironloop_driver::{Interest, Poller, RawFd, Trigger, socket};
use ironloop_engine::Slot;

use crate::sources::Sources;

/// A transport's place among the loop's sources, while it is watched.
///
/// The sources that these methods hand out must be dropped with nothing borrowed.
#[derive(Default)]
pub struct Registration(Option<Place>);

#[derive(Clone, Copy)]
struct Place {
    /// The number under which the kernel knows it; whether it is still ours, the slot tells.
    fd: RawFd,
    slot: Slot,
    watched: Interest,
    /// How often the process had forked when this began.
    forks: u32,
}

impl Registration {
    /// Whether it is watched at all.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the kernel watches for all that is wanted: then [`widen`](Self::widen) has nothing to do.
    #[inline]
    #[must_use]
    pub fn covers(&self, wanted: Interest) -> bool {
        let watched = self.0.map_or(Interest::default(), |place| place.watched);
        (watched.readable || !wanted.readable) && (watched.writable || !wanted.writable)
    }

    /// Has the kernel watch for what is wanted and it does not watch for yet. What is no longer wanted stays
    /// watched until it is reported: it may be wanted again before.
    ///
    /// `fd` is the socket's number now. An error if it was closed behind our back.
    pub fn widen<S>(
        &mut self,
        (poller, sources): (&Poller, &mut Sources<S>),
        fd: RawFd,
        wanted: Interest,
        source: impl FnOnce() -> S,
        bin: &mut Vec<S>,
    ) -> io::Result<()> {
        if self.covers(wanted) {
            return Ok(());
        }
        let Some(place) = &mut self.0 else {
            let slot = sources.insert(poller, fd, (wanted, Trigger::Level), source(), bin)?;
            self.0 = Some(Place { fd, slot, watched: wanted, forks: ironloop_driver::forks() });
            return Ok(());
        };
        place.change((poller, sources), fd, wanted)
    }

    /// Something was reported that is not wanted: now it is worth telling the kernel. `fd` and the error as
    /// above.
    pub fn narrow<S>(
        &mut self,
        (poller, sources): (&Poller, &mut Sources<S>),
        fd: RawFd,
        wanted: Interest,
    ) -> io::Result<Option<S>> {
        let Some(place) = &mut self.0 else { return Ok(None) };
        // A socket that is watched for nothing would still report its errors, again and again.
        if wanted.is_none() {
            return Ok(self.end((poller, sources)));
        }
        if fd == place.fd && wanted == place.watched {
            return Ok(None);
        }
        place.change((poller, sources), fd, wanted).map(|()| None)
    }

    /// Stops watching.
    pub fn end<S>(&mut self, (poller, sources): (&Poller, &mut Sources<S>)) -> Option<S> {
        let place = self.0.take()?;
        sources.remove_slot(poller, place.fd, place.slot)
    }

    /// Stops watching what its only owner closes next. The kernel lets go of it then by itself, unless a
    /// child has a copy. (One that we do not know of is met when it is reported: [`Sources::renew`].)
    pub fn end_closing<S>(&mut self, (poller, sources): (&Poller, &mut Sources<S>)) -> Option<S> {
        match self.0.take()? {
            Place { fd, slot, forks, .. } if forks == ironloop_driver::forks() => {
                sources.leave_slot(fd, slot)
            }
            Place { fd, slot, .. } => sources.remove_slot(poller, fd, slot),
        }
    }

    /// The loop is closed, and watches nothing any more.
    pub fn forget(&mut self) {
        self.0 = None;
    }
}

impl Place {
    fn change<S>(
        &mut self,
        (poller, sources): (&Poller, &mut Sources<S>),
        fd: RawFd,
        wanted: Interest,
    ) -> io::Result<()> {
        if fd != self.fd {
            return Err(socket::stale());
        }
        self.watched = wanted;
        sources.modify(poller, fd, self.slot, (wanted, Trigger::Level))
    }
}
