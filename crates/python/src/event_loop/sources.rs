//! What a loop watches is of a kind, as what is ready: the loop knows none of them by name.

use ironloop_driver::Ready;
use ironloop_engine::Slot;
use pyo3::prelude::*;

use super::loop_core::LoopCore;
use crate::ffi::{Object, owned};

/// What a kind of source does. A static of the module whose sources they are.
pub(crate) struct SourceKind {
    /// The kernel has reported it.
    pub(crate) ready: fn(&Bound<'_, LoopCore>, &Object, Slot, Ready) -> PyResult<()>,
    /// Whom debug mode names when that was slow.
    pub(crate) culprit: fn(Python<'_>, &Object) -> Option<Object>,
    /// Whether it hears of it that its descriptor is nobody's any more: it is reported ready, and meets the
    /// error.
    pub(crate) hears_of_loss: fn(&Object) -> bool,
    /// Its loop is closed: nobody will be told any more.
    pub(crate) discard: fn(Python<'_>, &Object),
}

/// Who is told when a descriptor becomes ready.
pub(crate) struct Source {
    kind: &'static SourceKind,
    object: Object,
}

owned!(Source { visits: object; ignores: kind; });

pub(crate) type Sources = ironloop_reactor::Sources<Source>;

impl Source {
    pub(crate) fn new(kind: &'static SourceKind, object: Object) -> Self {
        Self { kind, object }
    }

    pub(crate) fn object(&self) -> &Object {
        &self.object
    }

    pub(crate) fn is_of(&self, kind: &'static SourceKind) -> bool {
        std::ptr::eq(self.kind, kind)
    }

    pub(super) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self { kind: self.kind, object: self.object.clone_ref(py) }
    }

    pub(super) fn ready(&self, slf: &Bound<'_, LoopCore>, slot: Slot, ready: Ready) -> PyResult<()> {
        (self.kind.ready)(slf, &self.object, slot, ready)
    }

    pub(super) fn culprit(&self, py: Python<'_>) -> Option<Object> {
        (self.kind.culprit)(py, &self.object)
    }

    pub(super) fn hears_of_loss(&self) -> bool {
        (self.kind.hears_of_loss)(&self.object)
    }

    pub(crate) fn discard(self, py: Python<'_>) {
        (self.kind.discard)(py, &self.object);
    }
}
