//! The context in which something runs once, later.
//!
//! As long as nobody looks at it, it is only the map of the context that it would be a copy of: no object is
//! made, none for the collector to walk. What runs in it enters a context that the loop keeps for this
//! purpose, and that becomes the loop's again if nobody has kept it: a token, a weak reference, whoever has
//! the handle.

use pyo3::ffi;
use pyo3::prelude::*;

use super::{Context, layout};
use crate::ffi::cell::LoopCell;
use crate::ffi::fields::Field;
use crate::ffi::{Arg, Object, Traverse, Visit, Visited};

/// A context, or the map of one that is still to be made.
///
/// From a map to the context that gets it ([`Scope::context`]), and back ([`Scope::give_back`]).
pub(crate) struct Scope(Field);

// SAFETY: looked at and changed by attached threads only. Where several are attached at once it is a context
// from the beginning, and is not changed.
unsafe impl Sync for Scope {}
// SAFETY: the same.
unsafe impl Send for Scope {}

impl Scope {
    /// A copy of the current context.
    #[inline]
    pub(crate) fn copy_current(py: Python<'_>) -> PyResult<Self> {
        match layout::current_variables(py) {
            Some(variables) => Ok(Self(Field::new(variables))),
            None => Context::copy_current(py).map(Self::from),
        }
    }

    /// The context that a user passed; `None` stands for a copy of the current one.
    #[inline]
    pub(crate) fn from_argument(py: Python<'_>, argument: Option<Arg<'_>>) -> PyResult<Self> {
        match argument.filter(|argument| !argument.is_none()) {
            None => Self::copy_current(py),
            given => Context::from_argument(py, given).map(Self::from),
        }
    }

    /// What it is from now on, for those who look at it, or run something there more than once.
    pub(crate) fn context(&self, py: Python<'_>) -> PyResult<Context> {
        match self.whole(py) {
            Some(context) => Ok(context),
            None => Context::new(py).map(|fresh| self.become_context(py, fresh)),
        }
    }

    /// The same for who runs something there now, on the thread of the loop that has the spare one.
    #[inline]
    pub(crate) fn context_to_run(&self, py: Python<'_>, spare: &Spare) -> PyResult<Context> {
        match self.whole(py) {
            Some(context) => Ok(context),
            None => spare.take(py).map(|fresh| self.become_context(py, fresh)),
        }
    }

    fn is_whole(&self) -> bool {
        // SAFETY: a live object, which the field has from the beginning to the end.
        unsafe { ffi::PyContext_CheckExact(self.0.as_ptr()) != 0 }
    }

    fn whole(&self, py: Python<'_>) -> Option<Context> {
        if self.is_whole() { self.0.get(py).map(Context) } else { None }
    }

    fn become_context(&self, py: Python<'_>, fresh: Context) -> Context {
        let variables = self.0.replace(py, Some(fresh.0.clone_ref(py)));
        drop(variables.and_then(|variables| layout::exchange_variables(py, &fresh, variables)));
        fresh
    }

    /// It has served, and nobody will look at it: if its context is nobody else's it is the loop's spare one
    /// again.
    #[inline]
    pub(crate) fn give_back(&self, py: Python<'_>, spare: &Spare) {
        if !self.is_whole() {
            return;
        }
        // Nothing is dropped here, which might run Python: the map goes with us.
        if let Some(context) = self.0.take(py).map(Context) {
            let left = spare.put(py, context).unwrap_or_else(|context| context.0);
            self.0.set(py, left);
        }
    }
}

impl From<Context> for Scope {
    fn from(context: Context) -> Self {
        Self(Field::new(context.0))
    }
}

impl Traverse for Scope {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        let mut visited = Ok(());
        self.0.lend(|object| visited = object.traverse(visit));
        visited
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        // SAFETY: like an `Object`, dropped by attached threads only.
        drop(self.0.take(unsafe { Python::assume_attached() }));
    }
}

/// The context that a loop keeps for what runs next: empty, and nobody else's. One is enough, as long as what
/// runs in it does not turn the loop.
#[derive(Default)]
pub(crate) struct Spare(LoopCell<Kept>);

#[derive(Default)]
struct Kept {
    context: Option<Context>,
    /// The map of a context in which nothing is set.
    empty: Option<Object>,
}

impl Spare {
    fn take(&self, py: Python<'_>) -> PyResult<Context> {
        // The collector shows it to whoever asks for all objects.
        if let Some(context) = self.0.with(|kept| kept.context.take()).filter(layout::is_unshared) {
            return Ok(context);
        }
        let fresh = Context::new(py)?;
        let empty = layout::variables(py, &fresh);
        drop(self.0.with(|kept| std::mem::replace(&mut kept.empty, empty)));
        Ok(fresh)
    }

    /// Keeps a context, and hands out its map; a context that is somebody's comes back.
    fn put(&self, py: Python<'_>, context: Context) -> Result<Object, Context> {
        if !layout::is_unshared(&context) {
            return Err(context);
        }
        let empty = self.0.with(|kept| match &kept.context {
            None => kept.empty.as_ref().map(|empty| empty.clone_ref(py)),
            Some(_) => None,
        });
        let Some(variables) = empty.and_then(|empty| layout::exchange_variables(py, &context, empty)) else {
            return Err(context);
        };
        self.0.with(|kept| kept.context = Some(context));
        Ok(variables)
    }
}
