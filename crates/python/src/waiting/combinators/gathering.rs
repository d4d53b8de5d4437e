//! What `gather` returns, a future that passes its cancellation on to the children; and what it shares with
//! their observer.

use std::cell::Cell;
use std::ffi::CStr;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyList, PyType};

use super::awaiter::Awaiter;
use crate::event_loop::recorder::ObjectMark;
use crate::event_loop::{LoopCore, future};
use crate::ffi::call::call_named;
use crate::ffi::cell::LoopCell;
use crate::ffi::derived::{Derived, DerivedClass, Own, track};
use crate::ffi::fields::FutureFields;
use crate::ffi::intern::intern;
use crate::ffi::method::{getter, method};
use crate::ffi::observer::Observer;
use crate::ffi::view::{GATHERING, IsFuture, View};
use crate::ffi::{Arg, Arguments, Instance, Object, depth, imports, owned};

/// What the children's observer knows.
pub(crate) struct Gather {
    pub(super) state: LoopCell<State>,
    pub(super) return_exceptions: bool,
    pub(super) awaiter: Awaiter,
    pub(super) mark: ObjectMark,
}

owned!(Gather { visits: awaiter; clears: state; ignores: return_exceptions, mark; });

pub(super) struct State {
    /// In the order of the arguments; one that was passed twice stands here twice.
    pub(super) children: Vec<Object>,
    /// Different children that are not known to be done.
    pub(super) left: usize,
    /// None before it is made, and once it is done.
    pub(super) outer: Option<Own<Gathering>>,
}

owned!(in_cell State { clears: children, outer; ignores: left; });

impl Gather {
    pub(super) fn child(&self, py: Python<'_>, index: usize) -> Option<Object> {
        self.state.with(|state| state.children.get(index).map(|child| child.clone_ref(py)))
    }

    pub(super) fn children(&self, py: Python<'_>) -> PyResult<Object> {
        let all: Vec<Object> =
            self.state.with(|state| state.children.iter().map(|child| child.clone_ref(py)).collect());
        Ok(PyList::new(py, all.iter().map(|child| child.bind(py)))?.into())
    }

    pub(super) fn add(&self, py: Python<'_>, child: &Object) {
        self.state.with(|state| state.children.push(child.clone_ref(py)));
    }
}

/// What stands behind the fields of the future.
pub(crate) struct Gathering {
    observer: LoopCell<Option<Instance<Observer<Gather>>>>,
    cancel_requested: Cell<bool>,
}

owned!(Gathering { clears: observer; ignores: cancel_requested; });

impl Derived for Gathering {
    const NAME: &'static CStr = c"ironloop._GatheringFuture";
    const DOC: &'static CStr = c"The results of several awaitables. (asyncio: gather)";
    type Fields = FutureFields;

    fn class() -> &'static DerivedClass {
        &GATHERING
    }

    fn begin(_: &FutureFields) -> Self {
        Self { observer: LoopCell::new(None), cancel_requested: Cell::new(false) }
    }

    fn has_last_words(fields: &FutureFields) -> bool {
        fields.logs_traceback()
    }

    fn end(&self, _: &FutureFields) {}
}

impl IsFuture for Own<Gathering> {}

impl Gathering {
    pub(super) fn is_cancel_requested(&self) -> bool {
        self.cancel_requested.get()
    }

    /// Lends what is known of the children.
    fn with_gather<R>(
        &self,
        py: Python<'_>,
        body: impl FnOnce(&Gather) -> PyResult<R>,
    ) -> PyResult<Option<R>> {
        let observer =
            self.observer.with(|observer| observer.as_ref().map(|observer| observer.clone_ref(py)));
        observer.map(|observer| body(&observer.watcher)).transpose()
    }
}

/// The future of a gather whose children are known.
pub(super) fn create(
    owner: &Bound<'_, LoopCore>,
    observer: &Instance<Observer<Gather>>,
) -> PyResult<Own<Gathering>> {
    let py = owner.py();
    let outer = GATHERING.instantiate::<Gathering>(py)?;
    future::own(owner, View::of_own(&outer))?;
    drop(outer.payload().observer.with(|place| place.replace(observer.clone_ref(py))));
    track(outer.object());
    Ok(outer)
}

/// Cancels the children that are not done: once all are, the future fails as cancelled. False if there is
/// none.
fn cancel(py: Python<'_>, outer: &Own<Gathering>, arguments: Arguments<'_>) -> PyResult<Object> {
    let [message] = arguments.bind(py, "cancel", ["msg"], 0)?;
    let message = message.map_or_else(|| Object::none(py), |message| message.to_object(py));
    if !View::of_own(outer).is_pending() {
        return Ok(truth(py, false));
    }
    // A child may wait for this very future, and cancel it in its turn.
    let _level = depth::enter()?;
    let names = imports::only_message(py)?.as_any();
    let cancelled = outer.payload().with_gather(py, |gather| {
        let (mut any, mut index) = (false, 0);
        while let Some(child) = gather.child(py, index) {
            let method = child.bind(py).getattr(intern!(py, "cancel"))?;
            any |= call_named(&method, &[Arg::of(message.bind(py))], 0, Some(names))?.bind(py).is_truthy()?;
            index += 1;
        }
        Ok(any)
    })?;
    let cancelled = cancelled.unwrap_or(false);
    if cancelled {
        outer.payload().cancel_requested.set(true);
    }
    Ok(truth(py, cancelled))
}

fn truth(py: Python<'_>, value: bool) -> Object {
    PyBool::new(py, value).to_owned().into()
}

fn children(py: Python<'_>, outer: &Own<Gathering>) -> PyResult<Object> {
    let children = outer.payload().with_gather(py, |gather| gather.children(py))?;
    Ok(children.unwrap_or_else(|| PyList::empty(py).into()))
}

#[expect(clippy::unnecessary_wraps, reason = "as all attributes")]
fn cancel_requested(py: Python<'_>, outer: &Own<Gathering>) -> PyResult<Object> {
    Ok(truth(py, outer.payload().is_cancel_requested()))
}

pub(super) fn add_class(py: Python<'_>, base: &Bound<'_, PyType>) -> PyResult<()> {
    let hidden = PyModule::new(py, "ironloop._ironloop")?;
    let [add, remove] = future::shared_methods();
    let [set_result, set_exception] = future::setters();
    let cancel = method!(
            Own<Gathering>,
        c"cancel",
        c"cancel($self, msg=None)\n--\n\nCancels the children that are not done; False if there is none. (asyncio: gather)",
        cancel
    );
    let [callbacks] = future::shared_getters();
    let getters = [
        callbacks,
        getter!(Own<Gathering>, c"_children", children),
        getter!(Own<Gathering>, c"_cancel_requested", cancel_requested),
    ];
    let methods = [add, remove, set_result, set_exception, cancel];
    GATHERING.create::<Gathering>(&hidden, base, &methods, &getters, &future::shared_slots())
}
