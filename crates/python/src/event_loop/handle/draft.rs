//! A callback of which that is made which may fail; the rest is made where the handle is, and not moved there:
//! to copy what was just written costs more than to write it.

use pyo3::prelude::*;

use super::callback::Rest;
use super::work::{Kept, Slots};
use crate::event_loop::LoopCore;
use crate::ffi::arguments::tuple;
use crate::ffi::{Arg, Object, Scope};

pub(crate) struct Draft<'a> {
    function: Arg<'a>,
    arguments: &'a [Arg<'a>],
    /// The arguments that are too many to be kept one by one.
    many: Option<Object>,
    scope: Scope,
    source: Option<Object>,
}

impl<'a> Draft<'a> {
    #[inline(always)]
    pub(crate) fn new(
        py: Python<'_>,
        function: Arg<'a>,
        arguments: &'a [Arg<'a>],
        context: Option<Arg<'_>>,
        source: Option<Object>,
    ) -> PyResult<Self> {
        let scope = Scope::from_argument(py, context)?;
        let many = if arguments.len() > 3 { Some(tuple(py, arguments)?) } else { None };
        Ok(Self { function, arguments, many, scope, source })
    }

    #[inline(always)]
    pub(super) fn finish(self, owner: &Bound<'_, LoopCore>) -> (Slots, Rest) {
        let py = owner.py();
        let keep = |argument: &Arg<'_>| Some(argument.to_object(py));
        let (kept, [a, b, c]) = match (self.arguments, self.many) {
            (_, Some(many)) => (Kept::Together, [Some(many), None, None]),
            ([a], _) => (Kept::Apart, [keep(a), None, None]),
            ([a, b], _) => (Kept::Apart, [keep(a), keep(b), None]),
            ([a, b, c], _) => (Kept::Apart, [keep(a), keep(b), keep(c)]),
            _ => (Kept::Apart, [None, None, None]),
        };
        let slots = Slots::new(self.function.to_object(py), [a, b, c, self.source]);
        (slots, Rest::new(kept, self.scope, owner))
    }
}

/// `function()`
pub(super) fn of_function(owner: &Bound<'_, LoopCore>, function: &Object, scope: Scope) -> (Slots, Rest) {
    let slots = Slots::new(function.clone_ref(owner.py()), [None, None, None, None]);
    (slots, Rest::new(Kept::Apart, scope, owner))
}

/// What a done future tells to one who has asked.
pub(super) fn of_done(
    owner: &Bound<'_, LoopCore>,
    function: &Object,
    future: &Object,
    scope: Scope,
) -> (Slots, Rest) {
    let py = owner.py();
    let slots = Slots::new(function.clone_ref(py), [Some(future.clone_ref(py)), None, None, None]);
    (slots, Rest::new(Kept::Apart, scope, owner))
}
