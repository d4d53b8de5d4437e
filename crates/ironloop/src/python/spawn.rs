//! Futures that a loop of ironloop's polls beside its tasks: each wake is an item of a turn.
//!
//! Belongs to the loop's thread, which holds them by the table until they end, or it is closed.

use std::cell::RefCell;
use std::ffi::c_void;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ironloop_abi::what;
use pyo3::prelude::*;

use super::hosts;
use super::link::Shared;
use super::polling;
use super::table::table;
use crate::host::{Made, Spawnable};

struct Spawned {
    /// Empty while it is polled, and once it has ended.
    future: RefCell<Option<Spawnable>>,
    shared: Arc<Shared>,
    made: Made,
}

/// Polls it from the next turn on. Where no loop of ironloop's runs it is dropped: its host has gone.
pub(super) fn on_table(future: Spawnable, made: Made) {
    Python::attach(|py| {
        let Some(table) = table(py) else { return };
        let shared = Shared::new();
        let spawned =
            Rc::new(Spawned { future: RefCell::new(Some(future)), shared: Arc::clone(&shared), made });
        let data = Rc::into_raw(spawned);
        // SAFETY: attached, on the loop's thread; `run` takes what is handed over here.
        let cell = unsafe {
            let running = (table.loop_running)();
            if running.is_null() {
                std::ptr::null()
            } else {
                let facts = polling::facts_of_spawned(made);
                (table.cell_of_future)(running, run, data.cast_mut().cast(), &raw const facts)
            }
        };
        if cell.is_null() {
            // SAFETY: a refused one is ours still.
            drop(unsafe { Rc::from_raw(data) });
            return;
        }
        shared.link_to(table, cell);
        shared.state.queue();
        shared.tell();
    });
}

/// The loop's call.
unsafe extern "C" fn run(data: *mut c_void, bits: u32) {
    let data = data.cast_const().cast::<Spawned>();
    if bits & what::ENDED != 0 {
        // SAFETY: `on_table` has handed it over, and this is the last call.
        let spawned = unsafe { Rc::from_raw(data) };
        spawned.shared.state.end();
        return drop(spawned);
    }
    // SAFETY: `on_table` has handed it over, and it has not come back.
    let spawned = unsafe {
        Rc::increment_strong_count(data);
        Rc::from_raw(data)
    };
    let Some(mut future) = spawned.future.take() else { return };
    let shared = &spawned.shared;
    shared.state.begin();
    let waker = Waker::from(Arc::clone(shared));
    let poll = || hosts::enter(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
    let polled = Python::attach(|py| polling::attached(py, || polling::poll_spawned(spawned.made, poll)));
    match polled {
        Poll::Pending => {
            spawned.future.replace(Some(future));
            if !shared.state.wait() {
                shared.tell();
            }
        }
        Poll::Ready(ending) => {
            drop(future);
            if shared.let_go(ending) {
                // SAFETY: it has come back.
                drop(unsafe { Rc::from_raw(data) });
            }
        }
    }
}
