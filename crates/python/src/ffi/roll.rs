//! The roll of pending tasks, for `asyncio.all_tasks()`: it keeps none of them alive.
//!
//! From Python 3.14 on the interpreter has such a list itself, in the base's fields. Before, asyncio keeps a `WeakSet` in
//! Python, whose upkeep costs more than the rest of a short task.

use std::cell::Cell;

use pyo3::ffi;
use pyo3::prelude::*;

use super::Object;
use crate::cell::LoopCell;

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

/// All that stand in the roll.
pub(crate) fn list(py: Python<'_>) -> Vec<Object> {
    ROLL.with(|roll| {
        let addresses = roll.places.iter().filter(|address| **address != 0);
        // SAFETY: who stands in the roll leaves it before its memory is given back.
        addresses
            .map(|address| unsafe { Object::from_owned(py, ffi::Py_NewRef(*address as *mut _)) })
            .collect()
    })
}
