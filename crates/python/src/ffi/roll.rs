//! The roll of pending tasks, for `asyncio.all_tasks()`: it keeps none of them alive.
//!
//! The addresses in it are no references, and are never followed but to those whose memory is theirs still: a task leaves the roll in
//! its deallocator, at the latest, before its memory is given back. Used under Python's lock.
//!
//! From Python 3.14 on the interpreter has such a list itself, in the base's fields. Before, asyncio keeps a `WeakSet` in
//! Python, whose upkeep costs more than the rest of a short task.

use std::cell::Cell;

use pyo3::ffi;
use pyo3::prelude::*;

use super::Object;
use crate::ffi::cell::LoopCell;

/// A task's place in the roll; it leaves it by itself.
pub(crate) struct Place(Cell<u32>);

const NOWHERE: u32 = u32::MAX;

struct Roll {
    /// Addresses of live objects; 0 where nobody stands.
    places: Vec<usize>,
    free: Vec<u32>,
}

static ROLL: LoopCell<Roll> = LoopCell::new(Roll { places: Vec::new(), free: Vec::new() });

impl Place {
    pub(crate) const fn nowhere() -> Self {
        Self(Cell::new(NOWHERE))
    }

    #[cfg(not(Py_3_14))]
    pub(crate) fn enter(&self, object: &Object) {
        // `__init__` can be called twice.
        self.leave();
        let address = object.as_ptr() as usize;
        let place = ROLL.with(|roll| match roll.free.pop() {
            Some(place) => {
                roll.places[place as usize] = address;
                place
            }
            None => {
                roll.places.push(address);
                roll.places.len() as u32 - 1
            }
        });
        self.0.set(place);
    }

    pub(crate) fn leave(&self) {
        let place = self.0.replace(NOWHERE);
        if place != NOWHERE {
            ROLL.with(|roll| {
                roll.places[place as usize] = 0;
                roll.free.push(place);
            });
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

/// All that stand in the roll and live. Of a class below ours an instance's attributes go before our deallocator is called: their
/// last words may look here, and find one to which nobody refers any more.
pub(crate) fn list(py: Python<'_>) -> Vec<Object> {
    ROLL.with(|roll| {
        let objects = roll.places.iter().filter(|address| **address != 0).map(|address| *address as *mut _);
        // SAFETY: who stands in the roll leaves it before its memory is given back, and is given a reference only while there
        // is one.
        unsafe {
            objects
                .filter(|object| ffi::Py_REFCNT(*object) > 0)
                .map(|object| Object::from_owned(py, ffi::Py_NewRef(object)))
                .collect()
        }
    })
}
