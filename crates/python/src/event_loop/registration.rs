//! What the kernel watches a transport's descriptor for.

use ironloop_driver::{Interest, RawFd, Token, Trigger};
use ironloop_engine::Slot;
use pyo3::prelude::*;

use super::{LoopCore, Source};

/// A transport's place among the loop's sources, while it is watched.
///
/// The sources that these methods hand out must be dropped with nothing borrowed.
#[derive(Default)]
pub(crate) struct Registration(Option<(Slot, Interest)>);

impl Registration {
    /// Has the kernel watch for what is wanted and it does not watch for yet. What is no longer wanted stays watched until
    /// it is reported: it may be wanted again before.
    pub(crate) fn widen(
        &mut self,
        core: &LoopCore,
        fd: RawFd,
        wanted: Interest,
        source: impl FnOnce() -> Source,
        bin: &mut Vec<Source>,
    ) -> PyResult<()> {
        match self.0 {
            None if wanted.is_none() => Ok(()),
            None => core.with_poller(|poller, sources| {
                let slot = sources.insert(poller, fd, (wanted, Trigger::Level), source(), bin)?;
                self.0 = Some((slot, wanted));
                Ok(())
            }),
            Some((slot, watched)) => {
                if (watched.readable || !wanted.readable) && (watched.writable || !wanted.writable) {
                    return Ok(());
                }
                self.0 = Some((slot, wanted));
                modify(core, fd, slot, wanted)
            }
        }
    }

    /// Something was reported that is not wanted: now it is worth telling the kernel.
    pub(crate) fn narrow(&mut self, core: &LoopCore, fd: RawFd, wanted: Interest) -> Option<Source> {
        let (slot, watched) = self.0?;
        if wanted == watched {
            return None;
        }
        // A socket that is watched for nothing would still report its errors, again and again.
        if wanted.is_none() {
            return self.end(core, fd);
        }
        self.0 = Some((slot, wanted));
        let _ = modify(core, fd, slot, wanted);
        None
    }

    /// Stops watching.
    pub(crate) fn end(&mut self, core: &LoopCore, fd: RawFd) -> Option<Source> {
        let (slot, _) = self.0.take()?;
        core.with_poller(|poller, sources| {
            Ok(if sources.slot(fd) == Some(slot) { sources.remove(poller, fd) } else { None })
        })
        .ok()
        .flatten()
    }
}

/// The number may have another owner by now, if the socket was closed behind our back: that one is left alone.
fn modify(core: &LoopCore, fd: RawFd, slot: Slot, wanted: Interest) -> PyResult<()> {
    core.with_poller(|poller, sources| {
        if sources.slot(fd) != Some(slot) {
            return Ok(());
        }
        poller.modify(fd, Token(slot.pack()), wanted, Trigger::Level)
    })
}
