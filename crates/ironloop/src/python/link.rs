//! What a future's wakers hold: its state, and the way to its loop.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::task::{Wake, Waker};

use ironloop_abi::{self as abi, Table, ending};
use pyo3::ffi;
use pyo3::prelude::*;

use super::guest::{self, Mailbox};
use super::state::State;
use super::table::table;
use crate::host::Ending;

/// Shared by a future and its wakers, on whatever thread.
pub(super) struct Shared {
    pub(super) state: State,
    /// Set when it waits for the first time: a coroutine is made before a loop runs.
    link: OnceLock<Link>,
}

/// The way to the loop.
enum Link {
    Table(TableCell),
    Guest(guest::Place),
}

/// A cell of ironloop's.
struct TableCell {
    table: &'static Table,
    cell: *const abi::Cell,
}

// SAFETY: what the table says of cells: any thread may wake, retain and release them.
unsafe impl Send for TableCell {}
// SAFETY: as above; `cell_wait` and `cell_end` ask for an attached thread, which `Shared`'s callers have.
unsafe impl Sync for TableCell {}

impl Drop for TableCell {
    fn drop(&mut self) {
        // SAFETY: `cell_new` has retained it for us.
        unsafe { (self.table.cell_release)(self.cell) };
    }
}

impl Shared {
    /// Of a future that is being polled.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { state: State::polling(), link: OnceLock::new() })
    }

    /// The task that awaits it shall wait: what it has to yield.
    pub(super) fn wait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let link = match self.link.get() {
            Some(link) => link,
            None => {
                let link = Link::here(py)?;
                self.link.get_or_init(|| link)
            }
        };
        let yielded = match link {
            Link::Table(cell) => cell.wait(py)?,
            Link::Guest(place) => place.wait(py)?,
        };
        if !self.state.wait() {
            link.tell();
        }
        Ok(yielded)
    }

    /// Whether somebody keeps a waker, or has used one in this poll.
    pub(super) fn is_kept(self: &Arc<Self>) -> bool {
        if Arc::strong_count(self) > 1 {
            return true;
        }
        // What was done before the last one was let go of is seen.
        fence(Ordering::Acquire);
        self.state.is_woken()
    }

    /// Of what a loop of ironloop's polls by itself.
    pub(super) fn link_to(&self, table: &'static Table, cell: *const abi::Cell) {
        let _ = self.link.set(Link::Table(TableCell { table, cell }));
    }

    /// It is queued: its loop shall know.
    pub(super) fn tell(&self) {
        if let Some(link) = self.link.get() {
            link.tell();
        }
    }

    /// What a loop polls has ended. True if the loop has given back what it held of it.
    pub(super) fn let_go(&self, ending: Ending) -> bool {
        self.state.end();
        let ending = match ending {
            Ending::Ready => ending::READY,
            Ending::Panicked => ending::PANICKED,
            Ending::Cancelled => ending::CANCELLED,
        };
        match self.link.get() {
            // SAFETY: a cell of our own, on its loop's thread.
            Some(Link::Table(cell)) => unsafe { (cell.table.cell_end_of_future)(cell.cell, ending) },
            Some(Link::Guest(_)) | None => false,
        }
    }

    /// Nothing waits any more.
    pub(super) fn end(&self, py: Python<'_>) {
        self.state.end();
        match self.link.get() {
            // SAFETY: attached, a cell of our own.
            Some(Link::Table(cell)) => unsafe {
                let _ = (cell.table.cell_end)(cell.cell);
            },
            Some(Link::Guest(place)) => place.end(py),
            None => {}
        }
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.wake() {
            self.tell();
        }
    }
}

impl Link {
    /// To the loop that runs in this thread.
    fn here(py: Python<'_>) -> PyResult<Self> {
        if let Some(table) = table(py) {
            // SAFETY: attached; the loop is there while it runs, and the cell is retained.
            unsafe {
                let running = (table.loop_running)();
                if !running.is_null() {
                    let cell = (table.cell_new)(running, None, std::ptr::null_mut());
                    return Ok(Self::Table(TableCell { table, cell }));
                }
            }
        }
        Mailbox::here(py).map(|mailbox| Self::Guest(guest::Place::new(mailbox)))
    }

    /// It was woken. A loop that is closed is told nothing.
    fn tell(&self) {
        match self {
            // SAFETY: a cell of our own, and any thread may.
            Self::Table(cell) => unsafe {
                let _ = (cell.table.cell_wake)(cell.cell);
            },
            Self::Guest(place) => place.wake(),
        }
    }
}

impl TableCell {
    fn wait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        // SAFETY: attached; a new reference, or an exception is set.
        unsafe {
            let yielded = (self.table.cell_wait)(self.cell).cast::<ffi::PyObject>();
            Bound::from_owned_ptr_or_err(py, yielded).map(Bound::unbind)
        }
    }
}

/// The waker of a first poll: most futures are ready by then, and have no use for more. What is
/// [`Shared`] is made when somebody keeps it.
pub(super) struct First {
    shared: OnceLock<Arc<Shared>>,
    woken: AtomicBool,
}

mod first {
    use std::mem::ManuallyDrop;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::task::{RawWaker, RawWakerVTable, Waker};

    use super::{First, Shared};

    static LENT: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, drop);

    /// A waker may be lent to other threads, which borrow it until the poll is over.
    const _: () = {
        const fn is_shared<T: Sync>() {}
        is_shared::<First>();
    };

    // SAFETY (of all below): the data is a `First`, which any thread may use; `poll_first` keeps it where it
    // is until the poll is over, and only lends the waker: who keeps it has to clone it, and gets another.
    pub(super) fn waker(first: &First) -> ManuallyDrop<Waker> {
        let raw = RawWaker::new((&raw const *first).cast(), &LENT);
        // SAFETY: see above.
        ManuallyDrop::new(unsafe { Waker::from_raw(raw) })
    }

    unsafe fn clone(data: *const ()) -> RawWaker {
        // SAFETY: see above.
        let first = unsafe { &*data.cast::<First>() };
        let shared = Arc::clone(first.shared.get_or_init(Shared::new));
        let waker = ManuallyDrop::new(Waker::from(shared));
        RawWaker::new(waker.data(), waker.vtable())
    }

    unsafe fn wake(data: *const ()) {
        // SAFETY: see above.
        let first = unsafe { &*data.cast::<First>() };
        // The end of the borrow is what the polling thread sees it by.
        first.woken.store(true, Ordering::Relaxed);
    }

    unsafe fn drop(_: *const ()) {}
}

impl First {
    pub(super) fn new() -> Self {
        Self { shared: OnceLock::new(), woken: AtomicBool::new(false) }
    }

    pub(super) fn waker(&self) -> std::mem::ManuallyDrop<Waker> {
        first::waker(self)
    }

    /// It is over: what was cloned of it wakes nobody.
    pub(super) fn end(&self) {
        if let Some(shared) = self.shared.get() {
            shared.state.end();
        }
    }

    /// It was pending: what is waited by from now on.
    pub(super) fn into_shared(self) -> Arc<Shared> {
        let shared = self.shared.into_inner().unwrap_or_else(Shared::new);
        if self.woken.into_inner() {
            // It is being polled: nobody has to be told.
            let _ = shared.state.wake();
        }
        shared
    }
}
