//! What a value owns, listed once: for the collector to see, and to let go of where it lies in a cycle.
//!
//! Three traits say it: [`Traverse`] shows the references, [`Clear`] lets go of them where they lie,
//! [`Release`] takes them out of a value that is borrowed, to be dropped when it is not. [`owned!`]
//! implements them from a list of fields that has to be complete.
//!
//! A traversal runs no Python and allocates nothing: it comes while the collector holds the world still. It
//! may come while a [`LoopCell`] is in use (whoever uses it has allocated a Python object); what lies in it
//! then is not shown, and so is taken for alive.

use std::collections::VecDeque;
use std::ffi::{c_int, c_void};
use std::num::NonZero;

use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::Object;
use super::cell::LoopCell;

/// The collector wants to see no more, and is to be told this number.
pub(crate) struct Stop(NonZero<c_int>);

pub(crate) type Visited = Result<(), Stop>;

/// The collector's visitor, which is shown references.
pub(crate) struct Visit<'a>(&'a mut dyn FnMut(&Object) -> Visited);

/// What owns references to Python objects.
pub(crate) trait Traverse {
    /// Shows the garbage collector every reference that it owns. Runs no Python, allocates nothing.
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited;
}

/// What the collector can have let go of references.
pub(crate) trait Clear {
    /// Drops the references that may be part of a cycle.
    fn clear(&self, py: Python<'_>);
}

/// The same of what lies in a cell.
pub(crate) trait Release {
    /// Takes the references out that may be part of a cycle. They are to be dropped when nothing is borrowed:
    /// that may run any Python code.
    fn release(&mut self, py: Python<'_>) -> impl Sized + use<Self>;
}

/// What the C function of a class does that is called `tp_traverse`.
///
/// # Safety
/// Called by the collector, with its visitor.
pub(super) unsafe fn traverse(owner: &impl Traverse, visit: ffi::visitproc, argument: *mut c_void) -> c_int {
    let mut show = |object: &Object| {
        // SAFETY: `tp_traverse` of `class` and `derived` hand on the visitor that the collector has given
        // them; a live object.
        match NonZero::new(unsafe { visit(object.as_ptr(), argument) }) {
            None => Ok(()),
            Some(stop) => Err(Stop(stop)),
        }
    };
    match owner.traverse(&mut Visit(&mut show)) {
        Ok(()) => 0,
        Err(Stop(stop)) => stop.get(),
    }
}

/// The `__traverse__` of a class that PyO3 has made.
pub(crate) fn traverse_class(owner: &impl Traverse, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
    let mut outcome = Ok(());
    let mut show = |object: &Object| {
        outcome = visit.call(object.as_py());
        // Which number it was, the error knows.
        if outcome.is_ok() { Ok(()) } else { Err(Stop(NonZero::<c_int>::MIN)) }
    };
    let _ = owner.traverse(&mut Visit(&mut show));
    outcome
}

impl Traverse for Object {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        (visit.0)(self)
    }
}

impl<T: Traverse> Traverse for &T {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        T::traverse(self, visit)
    }
}

impl<T: Traverse> Traverse for Box<T> {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        T::traverse(self, visit)
    }
}

impl<T: Traverse> Traverse for Option<T> {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.as_ref().map_or(Ok(()), |owner| owner.traverse(visit))
    }
}

impl<T: Traverse> Traverse for [T] {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.iter().try_for_each(|owner| owner.traverse(visit))
    }
}

impl<T: Traverse, const N: usize> Traverse for [T; N] {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.as_slice().traverse(visit)
    }
}

impl<T: Traverse> Traverse for Vec<T> {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.as_slice().traverse(visit)
    }
}

impl<T: Traverse> Traverse for VecDeque<T> {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.iter().try_for_each(|owner| owner.traverse(visit))
    }
}

impl<A: Traverse, B: Traverse> Traverse for (A, B) {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.0.traverse(visit)?;
        self.1.traverse(visit)
    }
}

/// What is in use is not shown.
impl<T: Traverse> Traverse for LoopCell<T> {
    fn traverse(&self, visit: &mut Visit<'_>) -> Visited {
        self.try_with(|owner| owner.traverse(visit)).unwrap_or(Ok(()))
    }
}

impl<T: Release> Clear for LoopCell<T> {
    fn clear(&self, py: Python<'_>) {
        drop(self.with(|owner| owner.release(py)));
    }
}

/// A container is left empty.
macro_rules! emptied {
    ($($container:ident),*) => {
        $(
            impl<T> Release for $container<T> {
                #[allow(refining_impl_trait, reason = "what comes back is what was there")]
                fn release(&mut self, _py: Python<'_>) -> Self {
                    std::mem::take(self)
                }
            }
        )*
    };
}
emptied!(Option, Vec, VecDeque);

/// Lists what a type owns; a field, or a variant, that is listed nowhere does not compile.
///
/// ```text
/// owned!(Transport {
///     visits: owner, context;       // shown to the collector
///     clears: state;                // shown, and let go of where it lies: cells, and what has cells
///     ignores: number, peer;        // owns nothing, or, for a reason that stands there, is not shown
/// });
/// ```
///
/// Each part may be left out; with `clears`, or `clears nothing;`, the type is [`Clear`]. For a value that
/// lies in a cell it is `owned!(in_cell State { … })`: what it `clears`, options and collections, is taken
/// out ([`Release`]).
///
/// ```text
/// owned!([R: Request] enum Stage<R> {
///     Asked { queue, request },
///     Timed { owner, result; slot },  // `slot` is not shown
///     Delegated(coroutine);
///     Over                            // [`Release`] leaves this
/// });
/// ```
macro_rules! owned {
    ([$($generic:tt)*] enum $name:ty { $($variants:tt)* }) => {
        $crate::ffi::visit::owned!(@enum [$($generic)*] $name, { $($variants)* });
    };
    (enum $name:ty { $($variants:tt)* }) => {
        $crate::ffi::visit::owned!(@enum [] $name, { $($variants)* });
    };
    (in_cell $name:ty { $($fields:tt)* }) => {
        $crate::ffi::visit::owned!(@traverse [] $name, { $($fields)* });
        $crate::ffi::visit::owned!(@release $name, { $($fields)* });
    };
    ([$($generic:tt)*] $name:ty { $($fields:tt)* }) => {
        $crate::ffi::visit::owned!(@traverse [$($generic)*] $name, { $($fields)* });
        $crate::ffi::visit::owned!(@clear [$($generic)*] $name, { $($fields)* });
    };

    (@traverse [$($generic:tt)*] $name:ty, {
        $(visits: $($visited:tt),+;)?
        $(clears: $($cleared:tt),+;)?
        $(clears nothing;)?
        $(ignores: $($ignored:tt),+;)?
        $(#[$condition:meta] ignores: $($sometimes:tt),+;)?
    }) => {
        impl<$($generic)*> $crate::ffi::visit::Traverse for $name {
            #[allow(unused_variables, reason = "some own nothing")]
            fn traverse(&self, visit: &mut $crate::ffi::visit::Visit<'_>) -> $crate::ffi::visit::Visited {
                let Self {
                    $($($visited: _,)+)?
                    $($($cleared: _,)+)?
                    $($($ignored: _,)+)?
                    $($(#[$condition] $sometimes: _,)+)?
                } = self;
                $($($crate::ffi::visit::Traverse::traverse(&self.$visited, visit)?;)+)?
                $($($crate::ffi::visit::Traverse::traverse(&self.$cleared, visit)?;)+)?
                Ok(())
            }
        }
    };

    (@clear [$($generic:tt)*] $name:ty, {
        $(visits: $($visited:tt),+;)? clears: $($cleared:tt),+; $($rest:tt)*
    }) => {
        impl<$($generic)*> $crate::ffi::visit::Clear for $name {
            fn clear(&self, py: pyo3::Python<'_>) {
                $($crate::ffi::visit::Clear::clear(&self.$cleared, py);)+
            }
        }
    };
    (@clear [$($generic:tt)*] $name:ty, { $(visits: $($visited:tt),+;)? clears nothing; $($rest:tt)* }) => {
        impl<$($generic)*> $crate::ffi::visit::Clear for $name {
            fn clear(&self, _py: pyo3::Python<'_>) {}
        }
    };
    (@clear $generic:tt $name:ty, $fields:tt) => {};

    (@release $name:ty, { $(visits: $($visited:tt),+;)? clears: $($cleared:tt),+; $($rest:tt)* }) => {
        impl $crate::ffi::visit::Release for $name {
            fn release(&mut self, py: pyo3::Python<'_>) -> impl Sized + use<> {
                ($($crate::ffi::visit::Release::release(&mut self.$cleared, py),)+)
            }
        }
    };
    (@release $name:ty, $fields:tt) => {};

    (@enum [$($generic:tt)*] $name:ty, {
        $(
            $variant:ident
            $({ $($field:ident),+ $(; $($ignored:ident),+)? })?
            $(( $($item:ident),+ ))?
        ),*
        $(,)?
        $(; $($end:ident)?)?
    }) => {
        impl<$($generic)*> $crate::ffi::visit::Traverse for $name {
            fn traverse(&self, visit: &mut $crate::ffi::visit::Visit<'_>) -> $crate::ffi::visit::Visited {
                match self {
                    $(
                        Self::$variant
                        $({ $($field,)+ $($($ignored: _,)+)? })?
                        $(( $($item),+ ))?
                        => {
                            $($($crate::ffi::visit::Traverse::traverse($field, visit)?;)+)?
                            $($($crate::ffi::visit::Traverse::traverse($item, visit)?;)+)?
                        }
                    )*
                    $($(Self::$end => {})?)?
                }
                Ok(())
            }
        }
        $crate::ffi::visit::owned!(@end [$($generic)*] $name, $($($end)?)?);
    };
    (@end [$($generic:tt)*] $name:ty, $end:ident) => {
        impl<$($generic)*> $crate::ffi::visit::Release for $name {
            #[allow(refining_impl_trait, reason = "what comes back is what was there")]
            fn release(&mut self, _py: pyo3::Python<'_>) -> Self {
                std::mem::replace(self, Self::$end)
            }
        }
    };
    (@end $generic:tt $name:ty,) => {};

    ($name:ty { $($fields:tt)* }) => {
        $crate::ffi::visit::owned!([] $name { $($fields)* });
    };
}
pub(crate) use owned;
