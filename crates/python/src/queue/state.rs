//! What a queue knows.

use pyo3::prelude::*;
use pyo3::types::PyInt;

use crate::ffi::Object;

/// How many items there may be.
#[derive(Clone, Copy, Default)]
pub(super) enum Limit {
    #[default]
    None,
    Items(usize),
    /// Something that is no small whole number: Python compares.
    Odd,
}

impl Limit {
    pub(super) fn of(maxsize: &Bound<'_, PyAny>) -> Self {
        match maxsize.cast_exact::<PyInt>().map(|maxsize| maxsize.extract::<i64>()) {
            Ok(Ok(size)) if size <= 0 => Self::None,
            Ok(Ok(size)) => Self::Items(size as usize),
            _ => Self::Odd,
        }
    }
}

pub(super) struct State {
    /// `_queue`, made by `_init`.
    pub(super) items: Option<Object>,
    pub(super) maxsize: Option<Object>,
    pub(super) limit: Limit,
    /// Deques of futures, made when first somebody waits or looks.
    pub(super) getters: Option<Object>,
    pub(super) putters: Option<Object>,
    pub(super) unfinished: i64,
    /// Whether `event` is set, or would be.
    pub(super) finished: bool,
    /// `_finished`, made when first somebody joins or looks.
    pub(super) event: Option<Object>,
    #[cfg(Py_3_13)]
    pub(super) shut_down: bool,
    /// The loop: the first on which anybody had to wait.
    pub(super) owner: Option<Object>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            items: None,
            maxsize: None,
            limit: Limit::None,
            getters: None,
            putters: None,
            unfinished: 0,
            finished: true,
            event: None,
            #[cfg(Py_3_13)]
            shut_down: false,
            owner: None,
        }
    }
}

impl State {
    /// For the garbage collector.
    pub(super) fn objects(&self) -> [Option<&Object>; 6] {
        [&self.items, &self.maxsize, &self.getters, &self.putters, &self.event, &self.owner]
            .map(Option::as_ref)
    }
}
