//! A transport's place among its loop's sources. Belongs to the loop's thread; once the loop is closed it
//! watches nothing.

use ironloop_driver::{Interest, RawFd};
use pyo3::prelude::*;

use crate::event_loop::{LoopCore, Source};

/// The reactor's registration, with Python's errors. What these methods hand out must be dropped with nothing
/// borrowed.
#[derive(Default)]
pub(crate) struct Registration(ironloop_reactor::Registration);

impl Registration {
    /// Has the kernel watch for what is wanted and it does not watch for yet. `fd` is the socket's number
    /// now; an error if it was closed behind our back, or the loop is closed.
    #[inline]
    pub(crate) fn widen(
        &mut self,
        core: &LoopCore,
        fd: RawFd,
        wanted: Interest,
        source: impl FnOnce() -> Source,
        bin: &mut Vec<Source>,
    ) -> PyResult<()> {
        if self.0.covers(wanted) {
            return Ok(());
        }
        core.with_poller(|poller, sources| self.0.widen((poller, sources), fd, wanted, source, bin))
    }

    /// Something was reported that is not wanted: now it is worth telling the kernel. `fd` and the error as
    /// above.
    pub(crate) fn narrow(
        &mut self,
        core: &LoopCore,
        fd: RawFd,
        wanted: Interest,
    ) -> PyResult<Option<Source>> {
        if wanted.is_none() || !self.0.is_watched() {
            return Ok(self.end(core));
        }
        core.with_poller(|poller, sources| self.0.narrow((poller, sources), fd, wanted))
    }

    /// Stops watching.
    pub(crate) fn end(&mut self, core: &LoopCore) -> Option<Source> {
        let ended = core.with_poller(|poller, sources| Ok(self.0.end((poller, sources))));
        ended.unwrap_or_else(|_| self.forget())
    }

    /// Stops watching what its only owner closes next.
    pub(crate) fn end_closing(&mut self, core: &LoopCore) -> Option<Source> {
        let ended = core.with_poller(|poller, sources| Ok(self.0.end_closing((poller, sources))));
        ended.unwrap_or_else(|_| self.forget())
    }

    fn forget(&mut self) -> Option<Source> {
        self.0.forget();
        None
    }
}
