//! What a loop watches, by descriptor.

use std::io;

use ironloop_driver::{Interest, Poller, RawFd, Token, Trigger, Watched};
use ironloop_engine::{Slot, Slots};

/// For what the kernel watches a descriptor, and how it reports.
pub type Wanted = (Interest, Trigger);

/// All sources of a loop: `S` is who is told when a descriptor becomes ready. A descriptor has one source at
/// most, and an event carries the source's slot, so it cannot reach the next owner of the same number.
pub struct Sources<S> {
    slots: Slots<S>,
    by_fd: Vec<Option<Place>>,
}

/// Whose a number is, and what the kernel was told to watch it for.
struct Place {
    slot: Slot,
    wanted: Wanted,
}

impl<S> Default for Sources<S> {
    fn default() -> Self {
        Self { slots: Slots::default(), by_fd: Vec::new() }
    }
}

impl<S> Sources<S> {
    #[must_use]
    pub fn slot(&self, fd: RawFd) -> Option<Slot> {
        self.by_fd.get(usize::try_from(fd).ok()?)?.as_ref().map(|place| place.slot)
    }

    /// The descriptor of a source.
    #[must_use]
    pub fn fd(&self, slot: Slot) -> Option<RawFd> {
        let has = |place: &Option<Place>| place.as_ref().is_some_and(|place| place.slot == slot);
        self.by_fd.iter().position(has).and_then(|fd| RawFd::try_from(fd).ok())
    }

    #[must_use]
    pub fn at(&self, fd: RawFd) -> Option<&S> {
        self.slots.get(self.slot(fd)?)
    }

    #[inline]
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&S> {
        self.slots.get(slot)
    }

    /// All sources, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &S> {
        self.slots.iter()
    }

    /// The descriptors of the sources of which this is true.
    pub fn fds(&self, mut is: impl FnMut(&S) -> bool) -> impl Iterator<Item = RawFd> {
        self.by_fd.iter().enumerate().filter_map(move |(fd, place)| {
            let source = self.slots.get(place.as_ref()?.slot)?;
            is(source).then_some(RawFd::try_from(fd).ok()?)
        })
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Starts to watch a descriptor.
    ///
    /// What must be dropped with nothing borrowed goes into the bin: on an error `source` itself, and a
    /// source whose owner closed the same descriptor behind our back.
    pub fn insert(
        &mut self,
        poller: &Poller,
        fd: RawFd,
        wanted: Wanted,
        source: S,
        bin: &mut Vec<S>,
    ) -> io::Result<Slot> {
        bin.extend(self.forget(fd));
        let slot = self.slots.insert(source);
        if let Err(error) = watch(poller, fd, slot, wanted) {
            bin.extend(self.slots.remove(slot));
            return Err(error);
        }
        // The kernel has taken it, so it is a number of the kernel's.
        let index = fd as usize;
        if self.by_fd.len() <= index {
            self.by_fd.resize_with(index + 1, || None);
        }
        self.by_fd[index] = Some(Place { slot, wanted });
        Ok(slot)
    }

    /// Changes what a descriptor is watched for, also if it was opened anew since.
    pub fn rewatch(&mut self, poller: &Poller, fd: RawFd, wanted: Wanted) -> io::Result<()> {
        match self.place_mut(fd) {
            Some(place) => {
                watch(poller, fd, place.slot, wanted)?;
                place.wanted = wanted;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The same of what is known to the kernel already. A number that has another owner by now is left alone.
    pub fn modify(&mut self, poller: &Poller, fd: RawFd, slot: Slot, wanted: Wanted) -> io::Result<()> {
        match self.place_mut(fd) {
            Some(place) if place.slot == slot => place.wanted = wanted,
            _ => return Ok(()),
        }
        poller.modify(fd, Token(slot.pack()), wanted.0, wanted.1)
    }

    /// Stops watching a descriptor; hands over its source.
    pub fn remove(&mut self, poller: &Poller, fd: RawFd) -> Option<S> {
        let source = self.forget(fd)?;
        // Where the descriptor was closed already, the kernel has forgotten it by itself.
        let _ = poller.remove(fd);
        Some(source)
    }

    /// The same, if the number is still this source's.
    pub fn remove_slot(&mut self, poller: &Poller, fd: RawFd, slot: Slot) -> Option<S> {
        if self.slot(fd) == Some(slot) { self.remove(poller, fd) } else { None }
    }

    /// The same of a descriptor that is closed next and has no copy: the kernel need not be told.
    pub fn leave_slot(&mut self, fd: RawFd, slot: Slot) -> Option<S> {
        if self.slot(fd) == Some(slot) { self.forget(fd) } else { None }
    }

    /// Has the kernel watch what is here, and nothing else: some descriptor was closed while a copy of it
    /// lived, so what it was watched for could not be taken back. `others` are watched beside the sources,
    /// unless they are sources by now.
    ///
    /// Hands over the slots of those who have lost their descriptors in the same way and do not know yet.
    pub(crate) fn renew(
        &self,
        poller: &Poller,
        others: impl IntoIterator<Item = Watched>,
    ) -> io::Result<Vec<Slot>> {
        let own = self.by_fd.iter().enumerate().filter_map(|(fd, place)| {
            let Place { slot, wanted: (interest, trigger) } = place.as_ref()?;
            Some(Watched {
                fd: fd as RawFd,
                token: Token(slot.pack()),
                interest: *interest,
                trigger: *trigger,
            })
        });
        let others = others.into_iter().filter(|other| self.slot(other.fd).is_none());
        let gone = poller.renew(own.chain(others))?;
        let gone = gone.into_iter().map(|token| Slot::unpack(token.0));
        Ok(gone.filter(|slot| self.slots.get(*slot).is_some()).collect())
    }

    fn place_mut(&mut self, fd: RawFd) -> Option<&mut Place> {
        self.by_fd.get_mut(usize::try_from(fd).ok()?)?.as_mut()
    }

    fn forget(&mut self, fd: RawFd) -> Option<S> {
        let place = self.by_fd.get_mut(usize::try_from(fd).ok()?)?.take()?;
        self.slots.remove(place.slot)
    }

    pub(crate) fn take(&mut self) -> Vec<S> {
        self.by_fd.clear();
        self.slots.take()
    }
}

/// Sets what a descriptor is watched for, whether or not the kernel knows it already: it may have been
/// closed, and its number given to another, without our being told.
fn watch(poller: &Poller, fd: RawFd, slot: Slot, (interest, trigger): Wanted) -> io::Result<()> {
    let token = Token(slot.pack());
    match poller.add(fd, token, interest, trigger) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            poller.modify(fd, token, interest, trigger)
        }
        result => result,
    }
}
