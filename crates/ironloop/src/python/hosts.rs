//! The host of a poll for Python: what `time`, `net` and `spawn_local` find while it runs.
//!
//! Where ironloop runs it is that loop, by the table. Elsewhere our own reactor is a guest of the loop: its
//! descriptor is one that the loop reads. Belongs to the loop's thread.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use ironloop_abi::Loop;
use pyo3::prelude::*;
use pyo3::types::PyCFunction;

use super::guest::Mailbox;
use super::polling;
use super::spawn;
use super::table::table;
use crate::host::table::{Calls, TableLoop};
use crate::host::{self, Finds, Host};
use crate::runtime::guest::Guest;
use crate::runtime::{Core, Door};

/// By the mailboxes of their loops, whose addresses they keep.
type Guests = Vec<(Weak<Mailbox>, Rc<Guest>)>;

thread_local! {
    /// The loop of ironloop's that ran last in this thread. It is kept, so the address stays its own.
    static LAST: RefCell<Option<(*const Loop, Host)>> = const { RefCell::new(None) };
    /// Those of a loop that is open still when its thread ends are left to themselves, as the loop is.
    static GUESTS: RefCell<ManuallyDrop<Guests>> = const { RefCell::new(ManuallyDrop::new(Vec::new())) };
}

/// What the loops of ironloop's are asked by.
const CALLS: Calls = Calls {
    spawn: spawn::on_table,
    attached: |call| {
        if polling::is_attached() { call() } else { Python::attach(|_| call()) }
    },
};

/// Polls on the loop that runs here, which is looked for when somebody asks: most polls ask for nothing.
/// Where none runs, a future finds no time and no sockets.
pub(super) fn enter<R>(poll: impl FnOnce() -> R) -> R {
    static FINDS: Finds = Finds { host: || Python::attach(here), own };
    host::enter_later(&FINDS, poll)
}

/// A guest's loop. Also of another loop that this thread runs by turns: it is the thread's all the same.
fn own(door: &Arc<Door>) -> Option<Rc<Core>> {
    let look =
        |guests: &RefCell<ManuallyDrop<Guests>>| guests.borrow().iter().find_map(|(_, guest)| guest.of(door));
    GUESTS.try_with(look).ok().flatten()
}

fn here(py: Python<'_>) -> Option<Host> {
    if let Some(table) = table(py) {
        // SAFETY: any thread may ask.
        let running = unsafe { (table.loop_running)() };
        if !running.is_null() {
            let known = LAST.with_borrow(|last| {
                last.as_ref().filter(|(at, _)| *at == running).map(|(_, host)| host.clone())
            });
            return known.or_else(|| {
                let host = Host::Table(TableLoop::running(table, CALLS)?);
                let before = LAST.replace(Some((running, host.clone())));
                drop(before);
                Some(host)
            });
        }
    }
    let mailbox = Mailbox::here(py).ok()?;
    let guest = known(&mailbox).or_else(|| open(py, &mailbox).ok())?;
    Some(guest.host())
}

fn known(of: &Arc<Mailbox>) -> Option<Rc<Guest>> {
    GUESTS.with_borrow(|guests| {
        let mut guests = guests.iter();
        guests
            .find(|(mailbox, _)| std::ptr::eq(mailbox.as_ptr(), &raw const **of))
            .map(|(_, guest)| Rc::clone(guest))
    })
}

/// A new guest of the mailbox's loop.
fn open(py: Python<'_>, mailbox: &Arc<Mailbox>) -> PyResult<Rc<Guest>> {
    let guest = Rc::new(Guest::new()?);
    let fd = guest.fd();
    GUESTS.with_borrow_mut(|guests| guests.push((Arc::downgrade(mailbox), guest.clone())));
    let of = Arc::downgrade(mailbox);
    let turn =
        PyCFunction::new_closure(py, Some(c"ironloop_turn"), None, move |arguments, _| -> PyResult<()> {
            let Some(mailbox) = of.upgrade() else { return Ok(()) };
            let Some(guest) = known(&mailbox) else { return Ok(()) };
            polling::looks_afterwards(arguments.py(), || guest.turn())?;
            mailbox.deliver(arguments.py())
        })?;
    mailbox.event_loop().bind(py).call_method1("add_reader", (fd, turn))?;
    Ok(guest)
}

/// The mailbox's loop is closed: what the guest runs is dropped.
pub(super) fn close(of: &Arc<Mailbox>) {
    let gone = GUESTS.try_with(|guests| {
        let mut guests = guests.borrow_mut();
        let at = guests.iter().position(|(mailbox, _)| std::ptr::eq(mailbox.as_ptr(), &raw const **of))?;
        Some(guests.swap_remove(at))
    });
    drop(gone);
}
