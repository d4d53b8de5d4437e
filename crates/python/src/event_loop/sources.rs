//! What the loop watches, by descriptor.

use std::io;

use ironloop_driver::{Interest, Poller, RawFd, Token, Trigger, Watched};
use ironloop_engine::{Slot, Slots};
use pyo3::ffi::PyObject;

use crate::ffi::{Instance, Traverse, Visit, Visited, owned};
use crate::io::Listener;
use crate::io::datagram::DatagramTransport;
use crate::io::stream::Transport;
use crate::io::watch::Watch;

/// Who is told when a descriptor becomes ready.
pub(crate) enum Source {
    Watch(Watch),
    Stream(Instance<Transport>),
    Datagram(Instance<DatagramTransport>),
    Listener(Listener),
}

owned!(enum Source { Watch(watch), Stream(transport), Datagram(transport), Listener(listener); });

impl Source {
    /// Its loop is closed: nobody will be told any more.
    pub(crate) fn discard(self) {
        if let Self::Watch(watch) = self {
            watch.discard();
        }
    }
}

/// All sources of a loop. A descriptor has one source at most.
#[derive(Default)]
pub(crate) struct Sources {
    slots: Slots<Source>,
    by_fd: Vec<Option<Place>>,
}

/// Whose a number is, and what the kernel was told to watch it for.
struct Place {
    slot: Slot,
    wanted: (Interest, Trigger),
}

impl Sources {
    pub(crate) fn slot(&self, fd: RawFd) -> Option<Slot> {
        self.by_fd.get(usize::try_from(fd).ok()?)?.as_ref().map(|place| place.slot)
    }

    /// The descriptor of a source.
    pub(crate) fn fd(&self, slot: Slot) -> Option<RawFd> {
        let fd =
            self.by_fd.iter().position(|place| place.as_ref().is_some_and(|place| place.slot == slot))?;
        RawFd::try_from(fd).ok()
    }

    pub(crate) fn at(&self, fd: RawFd) -> Option<&Source> {
        self.slots.get(self.slot(fd)?)
    }

    pub(crate) fn at_mut(&mut self, fd: RawFd) -> Option<&mut Source> {
        self.slots.get_mut(self.slot(fd)?)
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut Source> {
        self.slots.get_mut(slot)
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&Source> {
        self.slots.get(slot)
    }

    /// The descriptor that was watched by way of a file object.
    pub(crate) fn fd_of(&self, file: *mut PyObject) -> Option<RawFd> {
        let is_for = |place: &Place| match self.slots.get(place.slot) {
            Some(Source::Watch(watch)) => watch.file.as_ref().is_some_and(|known| known.as_ptr() == file),
            Some(Source::Listener(listener)) => listener.socket().as_ptr() == file,
            _ => false,
        };
        let fd = self.by_fd.iter().position(|place| place.as_ref().is_some_and(is_for))?;
        RawFd::try_from(fd).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Starts to watch a descriptor.
    ///
    /// What must be dropped with nothing borrowed goes into the bin: on an error `source` itself, and a source whose
    /// owner closed the same descriptor behind our back.
    pub(crate) fn insert(
        &mut self,
        poller: &Poller,
        fd: RawFd,
        wanted: (Interest, Trigger),
        source: Source,
        bin: &mut Vec<Source>,
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
    pub(crate) fn rewatch(
        &mut self,
        poller: &Poller,
        fd: RawFd,
        wanted: (Interest, Trigger),
    ) -> io::Result<()> {
        match self.by_fd.get_mut(usize::try_from(fd).unwrap_or(usize::MAX)) {
            Some(Some(place)) => {
                watch(poller, fd, place.slot, wanted)?;
                place.wanted = wanted;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The same of what is known to the kernel already. A number that has another owner by now is left alone.
    pub(crate) fn modify(
        &mut self,
        poller: &Poller,
        fd: RawFd,
        slot: Slot,
        wanted: (Interest, Trigger),
    ) -> io::Result<()> {
        match self.by_fd.get_mut(usize::try_from(fd).unwrap_or(usize::MAX)) {
            Some(Some(place)) if place.slot == slot => place.wanted = wanted,
            _ => return Ok(()),
        }
        poller.modify(fd, Token(slot.pack()), wanted.0, wanted.1)
    }

    /// Tells the kernel what a watch wants by now.
    pub(crate) fn rewatch_slot(&mut self, poller: &Poller, slot: Slot) -> io::Result<()> {
        let wanted = match self.slots.get(slot) {
            Some(Source::Watch(watch)) => Some(watch.wanted()),
            _ => None,
        };
        match (self.fd(slot), wanted) {
            (Some(fd), Some(wanted)) => self.modify(poller, fd, slot, wanted),
            _ => Ok(()),
        }
    }

    /// Stops watching a descriptor; hands over its source.
    pub(crate) fn remove(&mut self, poller: &Poller, fd: RawFd) -> Option<Source> {
        let source = self.forget(fd)?;
        // Where the descriptor was closed already, the kernel has forgotten it by itself.
        let _ = poller.remove(fd);
        Some(source)
    }

    /// The same, if the number is still this source's.
    pub(crate) fn remove_slot(&mut self, poller: &Poller, fd: RawFd, slot: Slot) -> Option<Source> {
        if self.slot(fd) == Some(slot) { self.remove(poller, fd) } else { None }
    }

    /// Has the kernel watch what is here, and nothing else: some descriptor was closed while a copy of it lived, so what it
    /// was watched for could not be taken back. `others` are watched beside the sources, unless they are sources by now.
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
        // A user's callback is for a number, whoever has it.
        let is_told = |slot: &Slot| match self.slots.get(*slot) {
            Some(Source::Watch(watch)) => watch.has_operations(),
            Some(_) => true,
            None => false,
        };
        Ok(gone.into_iter().map(|token| Slot::unpack(token.0)).filter(is_told).collect())
    }

    fn forget(&mut self, fd: RawFd) -> Option<Source> {
        let place = self.by_fd.get_mut(usize::try_from(fd).ok()?)?.take()?;
        self.slots.remove(place.slot)
    }

    pub(crate) fn listens(&self, slot: Slot) -> bool {
        matches!(self.slots.get(slot), Some(Source::Listener(_)))
    }

    /// The descriptors of all watches.
    pub(crate) fn watched(&self) -> Vec<RawFd> {
        let fds = (0..self.by_fd.len()).filter_map(|fd| RawFd::try_from(fd).ok());
        fds.filter(|fd| matches!(self.at(*fd), Some(Source::Watch(_)))).collect()
    }

    pub(crate) fn watches(&mut self) -> impl Iterator<Item = &mut Watch> {
        self.slots.iter_mut().filter_map(|source| match source {
            Source::Watch(watch) => Some(watch),
            _ => None,
        })
    }

    pub(crate) fn take(&mut self) -> Vec<Source> {
        self.by_fd.clear();
        self.slots.take()
    }
}

impl Traverse for Sources {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.slots.iter().try_for_each(|source| source.traverse(visit))
    }
}

/// Sets what a descriptor is watched for, whether or not the kernel knows it already: it may have been closed, and its
/// number given to another, without our being told.
fn watch(poller: &Poller, fd: RawFd, slot: Slot, (interest, trigger): (Interest, Trigger)) -> io::Result<()> {
    let token = Token(slot.pack());
    match poller.add(fd, token, interest, trigger) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            poller.modify(fd, token, interest, trigger)
        }
        result => result,
    }
}
