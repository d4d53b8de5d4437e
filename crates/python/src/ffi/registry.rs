//! The registry of pending tasks, for `asyncio.all_tasks()`: it keeps none of them alive.
//!
//! The addresses in it are no references, and are never followed but to those whose memory is theirs still: a
//! task leaves the registry in its deallocator, at the latest, before its memory is given back. Used under
//! Python's lock.
//!
//! From Python 3.14 on the interpreter has such a list itself, in the base's fields. Before, asyncio keeps a
//! `WeakSet` in Python, whose upkeep costs more than the rest of a short task.

use std::cell::Cell;

use pyo3::ffi;
use pyo3::prelude::*;

use super::Object;
use crate::ffi::cell::LoopCell;

/// A task's place in the registry; it leaves it by itself.
pub(crate) struct Place(Cell<u32>);

const NOWHERE: u32 = u32::MAX;

struct Registry {
    /// Addresses of live objects; 0 where nobody stands.
    places: Vec<usize>,
    free: Vec<u32>,
}

static REGISTRY: LoopCell<Registry> = LoopCell::new(Registry { places: Vec::new(), free: Vec::new() });

impl Place {
    pub(crate) const fn nowhere() -> Self {
        Self(Cell::new(NOWHERE))
    }

    #[cfg(not(Py_3_14))]
    pub(crate) fn enter(&self, object: &Object) {
        // `__init__` can be called twice.
        self.leave();
        let address = object.as_ptr() as usize;
        let place = REGISTRY.with(|registry| match registry.free.pop() {
            Some(place) => {
                registry.places[place as usize] = address;
                place
            }
            None => {
                registry.places.push(address);
                registry.places.len() as u32 - 1
            }
        });
        self.0.set(place);
    }

    pub(crate) fn leave(&self) {
        let place = self.0.replace(NOWHERE);
        if place != NOWHERE {
            REGISTRY.with(|registry| {
                registry.places[place as usize] = 0;
                registry.free.push(place);
            });
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

/// All that stand in the registry and live. Of a class below ours an instance's attributes go before our
/// deallocator is called: their last words may look here, and find one to which nobody refers any more.
pub(crate) fn list(py: Python<'_>) -> Vec<Object> {
    REGISTRY.with(|registry| {
        let objects =
            registry.places.iter().filter(|address| **address != 0).map(|address| *address as *mut _);
        // SAFETY: who stands in the registry leaves it before its memory is given back, and is given a
        // reference only while there is one.
        unsafe {
            objects
                .filter(|object| ffi::Py_REFCNT(*object) > 0)
                .map(|object| Object::from_owned(py, ffi::Py_NewRef(object)))
                .collect()
        }
    })
}
