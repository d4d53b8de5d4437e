//! What wakes a future of our own loop: from its thread and from others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use ironloop_engine::Slot;

use crate::host;
use crate::runtime::core::{Door, Item};

/// Makes a future ready once, however often it is woken before it is polled.
///
/// Idle, until it is woken; queued, until its poll begins; idle again. So a wake during the poll counts.
pub(crate) struct RunWaker {
    door: Arc<Door>,
    /// `None` for the future that `block_on` waits for.
    slot: Option<Slot>,
    queued: AtomicBool,
}

impl RunWaker {
    /// Queued already, as whoever spawns a future makes it ready.
    pub(crate) fn new(door: Arc<Door>, slot: Slot) -> Arc<Self> {
        Arc::new(Self { door, slot: Some(slot), queued: AtomicBool::new(true) })
    }

    pub(crate) fn main(door: Arc<Door>) -> Arc<Self> {
        Arc::new(Self { door, slot: None, queued: AtomicBool::new(true) })
    }

    /// Its poll begins, and sees what those have done who have woken it.
    pub(crate) fn begin(&self) {
        self.queued.swap(false, Ordering::AcqRel);
    }
}

impl Wake for RunWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            host::push_or_deliver(&self.door, self.slot.map_or(Item::Main, Item::Run));
        }
    }
}
