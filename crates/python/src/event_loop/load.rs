//! What the transports of a loop have come to: how many there are, and what waits in them for the kernel. Kept
//! always, since it changes once a connection, and where the kernel refuses something.
//!
//! Written by the loop's thread, and by whoever drops a transport that nobody has closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ironloop_trace::Load;

#[derive(Default)]
pub(crate) struct Transports {
    open: AtomicU64,
    ever: AtomicU64,
    unsent: AtomicU64,
}

impl Transports {
    pub(super) fn load(&self) -> Load {
        let [transports, connections, unsent] =
            [&self.open, &self.ever, &self.unsent].map(|number| number.load(Ordering::Relaxed));
        Load { transports, connections, unsent }
    }

    /// One more is open, as long as what comes back lives. One on top of another shares its socket, and counts by its
    /// bytes alone.
    pub(crate) fn open(self: &Arc<Self>, has_socket: bool) -> Open {
        let own = u64::from(has_socket);
        self.open.fetch_add(own, Ordering::Relaxed);
        self.ever.fetch_add(own, Ordering::Relaxed);
        Open { all: Arc::clone(self), own, unsent: 0 }
    }
}

/// What one transport has in it.
pub(crate) struct Open {
    all: Arc<Transports>,
    own: u64,
    unsent: u64,
}

impl Open {
    /// So many bytes wait in it now.
    pub(crate) fn holds(&mut self, unsent: usize) {
        let unsent = unsent as u64;
        if unsent == self.unsent {
            return;
        }
        self.all.unsent.fetch_add(unsent.wrapping_sub(self.unsent), Ordering::Relaxed);
        self.unsent = unsent;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.holds(0);
        self.all.open.fetch_sub(self.own, Ordering::Relaxed);
    }
}
