//! The table itself: C functions over homes and cells. The only unsafe of this wing: it turns the other
//! side's addresses into what they are of.

use std::ffi::{c_int, c_void};
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::AtomicPtr;

use ironloop_abi as abi;
use ironloop_engine::Slot;
use ironloop_trace::Outcome;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::cell::Cell;
use super::{sources, timers};
use crate::event_loop::home::{Home, core_here, here};
use crate::event_loop::recorder::{self, watch::RustFuture};
use crate::event_loop::{Item, LoopCore, polled_here};
use crate::ffi::callback::Callback;
use crate::ffi::{Object, adopted, stop};

static TABLE: abi::Table = abi::Table {
    size: size_of::<abi::Table>(),
    major: abi::MAJOR,
    minor: abi::MINOR,
    loop_running,
    loop_retain,
    loop_release,
    loop_is_closed,
    cell_new,
    cell_retain,
    cell_release,
    cell_wait,
    cell_wake,
    cell_end,
    now,
    timer_set,
    timer_cancel,
    source_add,
    source_remove,
    send_home,
    stop: stop_with,
    adopt,
    polled,
    cell_of_future,
    cell_end_of_future,
};

/// Puts the capsule into the module.
pub(super) fn export(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // SAFETY: an attached thread; the table and the name are statics, and nobody writes to the table.
    let capsule = unsafe {
        let table = (&raw const TABLE).cast_mut().cast();
        Object::from_result(module.py(), ffi::PyCapsule_New(table, abi::CAPSULE.as_ptr(), None))?
    };
    module.add("door_v1", capsule.as_py())
}

/// Lends a loop that the caller keeps.
///
/// # Safety
/// The address is of a loop that `loop_running` has given, and that the caller keeps.
unsafe fn with_home<R>(of: *const abi::Loop, body: impl FnOnce(&Arc<Home>) -> R) -> R {
    // SAFETY: the address is that of an `Arc`'s value; the count is not given back below.
    let home = ManuallyDrop::new(unsafe { Arc::from_raw(of.cast::<Home>()) });
    body(&home)
}

/// Lends a cell that the caller keeps.
///
/// # Safety
/// `cell_new` has made it, and the caller keeps it.
unsafe fn with_cell<R>(of: *const abi::Cell, body: impl FnOnce(&Cell) -> R) -> R {
    // SAFETY: as above: the address of an `Arc`'s value.
    body(unsafe { &*of.cast::<Cell>() })
}

/// The loop, if it runs here and this thread is attached.
fn if_here<R>(home: &Home, body: impl FnOnce(&Bound<'_, LoopCore>) -> R) -> Option<R> {
    // SAFETY: it may be asked by any thread; where it says so, the thread is attached.
    let py = unsafe {
        if ffi::PyGILState_Check() == 0 {
            return None;
        }
        Python::assume_attached()
    };
    core_here(py, home).map(|core| body(&core))
}

// SAFETY (of all below): called by the contract of `ironloop_abi`: addresses are of what the caller keeps,
// data and function of a call stay good until it is given back, and who has to be attached is.

unsafe extern "C" fn loop_running() -> *const abi::Loop {
    here().map_or(ptr::null(), <*const Home>::cast)
}

unsafe extern "C" fn loop_retain(of: *const abi::Loop) {
    // SAFETY: see above.
    unsafe { Arc::increment_strong_count(of.cast::<Home>()) };
}

unsafe extern "C" fn loop_release(of: *const abi::Loop) {
    // SAFETY: see above.
    unsafe { Arc::decrement_strong_count(of.cast::<Home>()) };
}

unsafe extern "C" fn loop_is_closed(of: *const abi::Loop) -> bool {
    // SAFETY: see above.
    unsafe { with_home(of, |home| home.is_closed()) }
}

unsafe extern "C" fn cell_new(
    of: *const abi::Loop,
    call: Option<abi::Call>,
    data: *mut c_void,
) -> *const abi::Cell {
    // SAFETY: see above.
    let cell = unsafe {
        with_home(of, |home| match call {
            None => Some(Cell::new(Arc::clone(home))),
            Some(call) => that_calls(home, Callback::new(call, data), None),
        })
    };
    address_of(cell)
}

fn that_calls(home: &Arc<Home>, callback: Callback, future: Option<RustFuture>) -> Option<Cell> {
    let make = |core: &Bound<'_, LoopCore>| {
        let open = !core.get().is_closed();
        open.then(|| Cell::that_calls(Arc::clone(home), core.get(), callback, future))
    };
    if_here(home, make).flatten()
}

fn address_of(cell: Option<Cell>) -> *const abi::Cell {
    cell.map_or(ptr::null(), |cell| Arc::into_raw(Arc::new(cell)).cast())
}

unsafe extern "C" fn cell_of_future(
    of: *const abi::Loop,
    call: abi::Call,
    data: *mut c_void,
    facts: *const abi::Facts,
) -> *const abi::Cell {
    // SAFETY: see above; texts are never freed.
    let cell = unsafe {
        let facts = *facts;
        let future = RustFuture::new(text(facts.path), text(facts.file), facts.line);
        with_home(of, |home| that_calls(home, Callback::new(call, data), Some(future)))
    };
    address_of(cell)
}

/// # Safety
/// It is as the contract says of it: never freed.
unsafe fn text(text: abi::Text) -> &'static str {
    // SAFETY: as the caller says.
    let bytes = unsafe { std::slice::from_raw_parts(text.at, text.length) };
    std::str::from_utf8(bytes).unwrap_or_default()
}

unsafe extern "C" fn cell_retain(of: *const abi::Cell) {
    // SAFETY: see above.
    unsafe { Arc::increment_strong_count(of.cast::<Cell>()) };
}

unsafe extern "C" fn cell_release(of: *const abi::Cell) {
    // SAFETY: see above.
    unsafe { Arc::decrement_strong_count(of.cast::<Cell>()) };
}

unsafe extern "C" fn cell_wait(of: *const abi::Cell) -> *mut abi::Object {
    // SAFETY: see above; the thread is attached.
    unsafe {
        let py = Python::assume_attached();
        match with_cell(of, |cell| cell.wait(py)) {
            Ok(yielded) => yielded.into_ptr().cast(),
            Err(error) => {
                error.restore(py);
                ptr::null_mut()
            }
        }
    }
}

unsafe extern "C" fn cell_wake(of: *const abi::Cell) -> bool {
    // SAFETY: see above.
    unsafe {
        with_cell(of, |cell| {
            if recorder::is_anywhere()
                && let Some(future) = cell.future()
            {
                if_here(cell.home(), |core| recorder::rust::woken(core.get(), future));
            }
            cell.wake()
        })
    }
}

unsafe extern "C" fn cell_end(of: *const abi::Cell) -> bool {
    // SAFETY: see above.
    unsafe { with_cell(of, |cell| end(cell, abi::ending::READY)) }
}

unsafe extern "C" fn cell_end_of_future(of: *const abi::Cell, ending: u32) -> bool {
    // SAFETY: see above.
    unsafe { with_cell(of, |cell| end(cell, ending)) }
}

fn end(cell: &Cell, ending: u32) -> bool {
    if let Some(future) = cell.future() {
        future.ends(match ending {
            abi::ending::PANICKED => Outcome::Error,
            abi::ending::CANCELLED => Outcome::Cancelled,
            _ => Outcome::Result,
        });
    }
    match if_here(cell.home(), |core| cell.end(core.get())) {
        // Dropped here, with nothing borrowed.
        Some(tenant) => tenant.is_some(),
        None => {
            cell.end_elsewhere();
            false
        }
    }
}

unsafe extern "C" fn now(of: *const abi::Loop) -> i64 {
    // SAFETY: see above.
    unsafe { with_home(of, |home| home.driver.now()) }
}

unsafe extern "C" fn timer_set(
    of: *const abi::Loop,
    deadline: i64,
    call: abi::Call,
    data: *mut c_void,
) -> u64 {
    // SAFETY: see above.
    let slot = unsafe {
        let callback = Callback::new(call, data);
        with_home(of, |home| if_here(home, |core| timers::set(core, deadline, callback)))
    };
    // No timer is 0.
    slot.flatten().map_or(0, |slot| slot.pack().wrapping_add(1))
}

unsafe extern "C" fn timer_cancel(of: *const abi::Loop, timer: u64) -> bool {
    let slot = Slot::unpack(timer.wrapping_sub(1));
    // SAFETY: see above.
    unsafe {
        with_home(of, |home| match if_here(home, |core| core.get().evict(slot)) {
            Some(tenant) => tenant.is_some(),
            None => {
                // A loop that is closed has given the data back.
                home.deliver(Item::End(slot));
                false
            }
        })
    }
}

unsafe extern "C" fn source_add(
    of: *const abi::Loop,
    descriptor: c_int,
    call: abi::Call,
    data: *mut c_void,
    source: *mut u64,
) -> c_int {
    // SAFETY: see above; `source` is the caller's place for the number.
    unsafe {
        let callback = Callback::new(call, data);
        let added = with_home(of, |home| {
            if_here(home, |core| {
                let py = core.py();
                sources::add(core, descriptor, callback).map_err(|error| errno_of(py, &error))
            })
        });
        match added {
            Some(Ok(slot)) => {
                source.write(slot.pack());
                0
            }
            Some(Err(errno)) => errno,
            None => libc::ENOTCONN,
        }
    }
}

/// The number of an `OSError`; a loop that is closed has none.
fn errno_of(py: Python<'_>, error: &PyErr) -> c_int {
    let errno = error.value(py).getattr("errno").and_then(|errno| errno.extract::<c_int>());
    errno.ok().filter(|errno| *errno > 0).unwrap_or(libc::ENOTCONN)
}

unsafe extern "C" fn source_remove(
    of: *const abi::Loop,
    descriptor: c_int,
    source: u64,
    closing: bool,
) -> bool {
    let slot = Slot::unpack(source);
    // SAFETY: see above.
    unsafe {
        with_home(of, |home| {
            let removed = if_here(home, |core| sources::remove(core.get(), descriptor, slot, closing));
            removed.unwrap_or_else(|| {
                // A loop that is closed has given the data back.
                home.deliver(Item::Unwatch(descriptor, slot));
                false
            })
        })
    }
}

unsafe extern "C" fn send_home(of: *const abi::Loop, call: abi::Call, data: *mut c_void) -> bool {
    // SAFETY: see above.
    unsafe {
        let callback = Callback::new(call, data);
        with_home(of, |home| home.deliver(Item::Home(callback)))
    }
}

unsafe extern "C" fn stop_with(value: *mut abi::Object) {
    // SAFETY: see above; the reference is given away, and the thread is attached.
    unsafe {
        let py = Python::assume_attached();
        stop::stop_with(py, Object::from_owned(py, value.cast()));
    }
}

unsafe extern "C" fn adopt(class: *mut abi::Object) -> c_int {
    // SAFETY: see above; the thread is attached, and a new reference of our own is taken.
    unsafe {
        let py = Python::assume_attached();
        let class = Object::from_owned(py, ffi::Py_NewRef(class.cast()));
        match class.bind(py).cast::<PyType>() {
            Ok(class) => {
                adopted::adopt(class);
                0
            }
            Err(_) => {
                pyo3::exceptions::PyTypeError::new_err("adopt takes a class").restore(py);
                -1
            }
        }
    }
}

unsafe extern "C" fn polled() -> *const AtomicPtr<abi::Facts> {
    polled_here()
}
