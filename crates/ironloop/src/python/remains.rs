//! What is left of a coroutine that may not leave its thread, and was let go of on another: sent home, to be
//! dropped there. Where its loop has gone it is leaked, with a warning.

use std::ffi::CString;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::thread;

use pyo3::exceptions::PyRuntimeWarning;
use pyo3::prelude::*;

use super::coroutine::Facts;
use super::frame::{self, Head, Lodged};
use super::home::Home;
use super::resume::lose;

pub(super) struct Remains {
    facts: Facts,
    body: ManuallyDrop<Lodged>,
    frame: NonNull<Head>,
}

// SAFETY: on another thread than its own it is only carried: see `drop`.
unsafe impl Send for Remains {}

impl Remains {
    /// # Safety
    /// The future is the frame's, and nobody else touches the frame any more.
    pub(super) unsafe fn new(facts: Facts, body: Lodged, frame: NonNull<Head>) -> Self {
        Self { facts, body: ManuallyDrop::new(body), frame }
    }

    /// To the loop of its thread, if there was one.
    pub(super) fn go(self, home: Option<Home>) {
        match home {
            // One that is closed drops the call, and this with it.
            Some(home) => home.send(move |_| drop(self)),
            None => drop(self),
        }
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        if self.facts.home == Some(thread::current().id()) {
            // SAFETY: it is on its thread; what was promised to `new`, and once.
            unsafe {
                lose(ManuallyDrop::take(&mut self.body));
                frame::end(self.frame);
                frame::free_all(self.frame);
            }
            return;
        }
        let (name, place) = (self.facts.name, self.facts.place);
        let text = format!("{name} ({place}) was dropped on another thread than its own, and is leaked");
        let _ = Python::try_attach(|py| {
            let text = CString::new(text).unwrap_or_default();
            let category = py.get_type::<PyRuntimeWarning>();
            if let Err(error) = PyErr::warn(py, &category, &text, 1) {
                error.write_unraisable(py, None);
            }
        });
    }
}
