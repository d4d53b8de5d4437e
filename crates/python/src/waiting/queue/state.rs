//! What a queue knows.

use std::collections::VecDeque;

use pyo3::prelude::*;
use pyo3::types::PyInt;

use crate::ffi::{Object, Release, owned};

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

/// The items.
#[derive(Default)]
pub(super) enum Items {
    /// `_init` has not run yet.
    #[default]
    None,
    /// First in, first out; nobody has looked yet.
    Own(VecDeque<Object>),
    /// `_queue`, whatever it is.
    Exposed(Object),
}

owned!(enum Items { None, Own(items), Exposed(container); });

impl Items {
    /// Where nobody has to be asked.
    pub(super) fn known_length(&self) -> Option<usize> {
        match self {
            Self::None => Some(0),
            Self::Own(items) => Some(items.len()),
            Self::Exposed(_) => None,
        }
    }

    pub(super) fn exposed(&self) -> Option<&Object> {
        match self {
            Self::Exposed(items) => Some(items),
            Self::None | Self::Own(_) => None,
        }
    }
}

pub(super) struct State {
    pub(super) items: Items,
    pub(super) maxsize: Option<Object>,
    pub(super) limit: Limit,
    pub(super) unfinished: i64,
    /// Whether `event` is set, or would be.
    pub(super) finished: bool,
    /// `_finished`, made when first somebody joins or looks.
    pub(super) event: Option<Object>,
    #[cfg(Py_3_13)]
    pub(super) shut_down: bool,
}

owned!(State {
    visits: items, maxsize, event;
    ignores: limit, unfinished, finished;
    #[cfg(Py_3_13)] ignores: shut_down;
});

/// All of it goes, as it began.
impl Release for State {
    fn release(&mut self, _: Python<'_>) -> impl Sized + use<> {
        std::mem::take(self)
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            items: Items::None,
            maxsize: None,
            limit: Limit::None,
            unfinished: 0,
            finished: true,
            event: None,
            #[cfg(Py_3_13)]
            shut_down: false,
        }
    }
}
