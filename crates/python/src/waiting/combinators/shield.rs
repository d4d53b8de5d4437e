//! `shield`.

use pyo3::prelude::*;

use super::awaiter::Awaiter;
use super::children::{Completion, completion, has_other_tasks, unwatch, watch};
use super::tasks::Futures;
use crate::event_loop::future::{self, Future};
use crate::event_loop::{LoopCore, Parts, recorder};
use crate::ffi::call::call_method;
use crate::ffi::coroutine::{ClassKind, is_coroutine};
use crate::ffi::derived::Own;
use crate::ffi::intern::intern;
use crate::ffi::observer::{Observe, Observer};
use crate::ffi::view::View;
use crate::ffi::{Arguments, Instance, Object, imports, owned};
use crate::waiting::waiter::{future_is_cancelled, future_is_done};

/// What the observer of both futures knows.
pub(crate) struct Shield {
    inner: Object,
    outer: Own<Future>,
    awaiter: Awaiter,
}

// The futures that refer to it are cleared.
owned!(Shield { visits: inner, outer, awaiter; clears nothing; });

impl Observe for Shield {
    const QUALIFIED_NAME: &'static str = "shield.<locals>._inner_done_callback";

    fn kind() -> &'static ClassKind {
        static KIND: ClassKind = ClassKind::new();
        &KIND
    }

    fn told(observer: &Instance<Observer<Self>>, py: Python<'_>, future: &Object) -> PyResult<()> {
        let shield = &observer.watcher;
        if future.as_ptr() == shield.inner.as_ptr() {
            shield.inner_done(py)
        } else {
            shield.outer_done(py, observer)
        }
    }
}

impl Shield {
    /// What is shielded has ended, and so does the shield.
    fn inner_done(&self, py: Python<'_>) -> PyResult<()> {
        self.awaiter.awaits_no_more(py, &self.inner)?;
        let outer = View::of_own(&self.outer);
        if outer.state() == crate::ffi::fields::State::Cancelled {
            // Until Python 3.13 its error counts as retrieved then.
            let retrieve = cfg!(not(Py_3_14)) && !future_is_cancelled(py, &self.inner)?;
            return if retrieve { completion(py, &self.inner).map(drop) } else { Ok(()) };
        }
        match completion(py, &self.inner)? {
            Completion::Cancelled => outer.cancel(py, None).map(drop),
            Completion::Result(result) => outer.set_result(py, result),
            Completion::Error(error) if outer.is_pending() => outer.fail(py, error.bind(py).clone()),
            Completion::Error(_) => Err(imports::invalid_state(py, "invalid state")),
        }
    }

    /// The shield is done, or was cancelled: what is shielded goes on without it.
    fn outer_done(&self, py: Python<'_>, observer: &Instance<Observer<Self>>) -> PyResult<()> {
        if future_is_done(py, &self.inner)? {
            return Ok(());
        }
        unwatch(py, &self.inner, observer)?;
        self.awaiter.awaits_no_more(py, &self.inner)?;
        let Some(report) = imports::log_on_exception(py)? else { return Ok(()) };
        for method in [intern!(py, "remove_done_callback"), intern!(py, "add_done_callback")] {
            call_method(py, &self.inner, method, &[report])?;
        }
        Ok(())
    }
}

/// `shield(arg)`, while a loop of ours runs.
pub(super) fn shield(owner: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = owner.py();
    let (&[only], None) = (arguments.positional(), arguments.raw_parts().2) else {
        return arguments.pass_on(py, imports::stock_shield(py)?);
    };
    let given = only.to_object(py);
    let here = match View::of(&given) {
        Some(view) => view.owner.as_ptr() == owner.as_ptr(),
        None => is_coroutine(&given),
    };
    if !here || has_other_tasks(py)? || !LoopCore::keeps(owner, Parts::CREATE_FUTURE) {
        return arguments.pass_on(py, imports::stock_shield(py)?);
    }
    let (inner, _) = Futures::new(owner)?.of(given)?;
    if future_is_done(py, &inner)? {
        return Ok(inner);
    }
    let outer = future::create(owner)?;
    recorder::shields(owner, &outer, &inner);
    let awaiter = Awaiter::current(owner)?;
    awaiter.awaits(py, &inner)?;
    let shield = Shield { inner: inner.clone_ref(py), outer: outer.clone_ref(py), awaiter };
    let observer = Observer::make(py, shield)?;
    watch(py, &inner, &observer)?;
    watch(py, outer.object(), &observer)?;
    Ok(outer.into_object())
}
