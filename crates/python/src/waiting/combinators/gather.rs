//! `gather`.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use super::awaiter::Awaiter;
use super::children::{Completion, cancelled_error, completion, has_other_tasks, watch};
use super::gathering::{self, Gather, Gathering, State};
use super::tasks::Futures;
use crate::event_loop::task::Task;
use crate::event_loop::{LoopCore, recorder};
use crate::ffi::cell::LoopCell;
use crate::ffi::coroutine::{ClassKind, is_coroutine};
use crate::ffi::derived::Own;
use crate::ffi::intern::intern;
use crate::ffi::observer::{Observe, Observer};
use crate::ffi::view::View;
use crate::ffi::{Arg, Arguments, Instance, Object, imports};
use crate::waiting::waiter::{future_is_cancelled, future_is_done};

impl Observe for Gather {
    const QUALIFIED_NAME: &'static str = "gather.<locals>._done_callback";

    fn kind() -> &'static ClassKind {
        static KIND: ClassKind = ClassKind::new();
        &KIND
    }

    fn told(observer: &Instance<Observer<Self>>, py: Python<'_>, child: &Object) -> PyResult<()> {
        observer.watcher.child_done(py, child)
    }
}

impl Gather {
    fn child_done(&self, py: Python<'_>, child: &Object) -> PyResult<()> {
        let (outer, left) = self.state.with(|state| {
            state.left = state.left.saturating_sub(1);
            (state.outer.as_ref().map(|outer| outer.clone_ref(py)), state.left)
        });
        self.awaiter.awaits_no_more(py, child)?;
        let Some(outer) = outer.filter(|outer| View::of_own(outer).is_pending()) else {
            self.let_go();
            // Nobody asks for its error any more.
            return if future_is_cancelled(py, child)? { Ok(()) } else { completion(py, child).map(drop) };
        };
        if !self.return_exceptions {
            let error = match unless_result(py, child)? {
                None => None,
                Some(Completion::Error(error)) => Some(error),
                Some(_) => Some(cancelled_error(py, child)?),
            };
            if let Some(error) = error {
                self.leave_children(py)?;
                return self.fail(py, &outer, &error);
            }
        }
        if left > 0 {
            return Ok(());
        }
        let results = self.results(py)?;
        if outer.payload().is_cancel_requested() {
            // Whatever becomes of the children's errors, who has cancelled must see it.
            let last = self.state.with(|state| state.children.last().map(|last| last.clone_ref(py)));
            let error = cancelled_error(py, last.as_ref().unwrap_or(child))?;
            return self.fail(py, &outer, &error);
        }
        self.let_go();
        View::of_own(&outer).set_result(py, results)
    }

    fn fail(&self, py: Python<'_>, outer: &Own<Gathering>, error: &Object) -> PyResult<()> {
        self.let_go();
        View::of_own(outer).fail(py, error.bind(py).clone())
    }

    /// The outer future is done: it refers to this, and shall not do so in a circle.
    fn let_go(&self) {
        drop(self.state.with(|state| state.outer.take()));
    }

    /// Children that go on are not awaited any more. (Not every Python of a series does this.)
    fn leave_children(&self, py: Python<'_>) -> PyResult<()> {
        if !imports::gather_leaves_children(py)? {
            return Ok(());
        }
        let mut index = 0;
        while let Some(child) = self.child(py, index) {
            self.awaiter.awaits_no_more(py, &child)?;
            index += 1;
        }
        Ok(())
    }

    /// All children are done.
    fn results(&self, py: Python<'_>) -> PyResult<Object> {
        let count = self.state.with(|state| state.children.len());
        let mut results = Vec::with_capacity(count);
        for index in 0..count {
            let Some(child) = self.child(py, index) else { break };
            results.push(match completion(py, &child)? {
                Completion::Result(value) | Completion::Error(value) => value,
                Completion::Cancelled => cancellation(py, &child)?,
            });
        }
        Ok(PyList::new(py, results.iter().map(|result| result.bind(py)))?.into())
    }
}

/// How the child has ended, if not by a result.
fn unless_result(py: Python<'_>, child: &Object) -> PyResult<Option<Completion>> {
    Ok(Some(completion(py, child)?).filter(|ended| !matches!(ended, Completion::Result(_))))
}

/// The result of a child that was cancelled.
fn cancellation(py: Python<'_>, child: &Object) -> PyResult<Object> {
    let message = child.bind(py).getattr(intern!(py, "_cancel_message"))?;
    let class = imports::cancelled_error(py)?;
    let error = if message.is_none() { class.call1(("",)) } else { class.call1((message,)) };
    error.map(Object::from)
}

/// Finds the future of an argument that was passed before. Only few calls need it: an object to which nothing
/// else is equal and that stands there once is new.
fn table_of_known<'py>(py: Python<'py>, arguments: &[Arg<'_>]) -> Option<Bound<'py, PyDict>> {
    let plain = arguments.iter().all(|argument| {
        let argument = argument.to_object(py);
        is_coroutine(&argument) || View::of(&argument).is_some()
    });
    let mut addresses: Vec<_> = arguments.iter().map(|argument| argument.as_ptr() as usize).collect();
    addresses.sort_unstable();
    let repeated = addresses.windows(2).any(|pair| pair[0] == pair[1]);
    (repeated || !plain).then(|| PyDict::new(py))
}

/// Whether the first argument, which decides on the loop, is a future of another loop than this.
fn is_elsewhere(owner: &Bound<'_, LoopCore>, first: Arg<'_>) -> PyResult<bool> {
    let py = owner.py();
    let first = first.to_object(py);
    if let Some(view) = View::of(&first) {
        return Ok(view.owner.as_ptr() != owner.as_ptr());
    }
    if is_coroutine(&first) || !imports::is_future(py)?.bind(py).call1((first.bind(py),))?.is_truthy()? {
        return Ok(false);
    }
    Ok(!imports::loop_of(py)?.bind(py).call1((first.bind(py),))?.is(owner))
}

/// `gather(*coros_or_futures, return_exceptions=False)`, while a loop of ours runs.
pub(super) fn gather(owner: &Bound<'_, LoopCore>, arguments: Arguments<'_>) -> PyResult<Object> {
    let py = owner.py();
    let awaitables = arguments.positional();
    let option = arguments.only_keyword(intern!(py, "return_exceptions"));
    let (Some(option), Some(first)) = (option, awaitables.first()) else {
        return arguments.pass_on(py, imports::stock_gather(py)?);
    };
    if has_other_tasks(py)? || is_elsewhere(owner, *first)? {
        return arguments.pass_on(py, imports::stock_gather(py)?);
    }
    let return_exceptions = option.map_or(Ok(false), |option| option.bind(py).is_truthy())?;
    let known = table_of_known(py, awaitables);
    let futures = Futures::new(owner)?;
    let state = State { children: Vec::with_capacity(awaitables.len()), left: 0, outer: None };
    let watcher = Gather {
        state: LoopCell::new(state),
        return_exceptions,
        awaiter: Awaiter::current(owner)?,
        mark: recorder::ObjectMark::default(),
    };
    let observer = Observer::make(py, watcher)?;
    let gather = &observer.watcher;
    let mut done = Vec::new();
    for awaitable in awaitables {
        if let Some(twin) = known.as_ref().map_or(Ok(None), |known| known.get_item(&*awaitable.bind(py)))? {
            gather.add(py, &twin.into());
            continue;
        }
        let (child, made) = futures.of(awaitable.to_object(py))?;
        if made {
            // Nobody else can see to it that it ends.
            match Own::<Task>::of(&child) {
                Some(task) => task.set_log_destroy_pending(false),
                None => child.bind(py).setattr(intern!(py, "_log_destroy_pending"), false)?,
            }
        }
        if let Some(known) = &known {
            known.set_item(&*awaitable.bind(py), child.bind(py))?;
        }
        gather.state.with(|state| state.left += 1);
        gather.add(py, &child);
        // From Python 3.12 on those that are done already may complete it here.
        if cfg!(Py_3_12) && future_is_done(py, &child)? {
            done.push(child);
        } else {
            gather.awaiter.awaits(py, &child)?;
            watch(py, &child, &observer)?;
        }
    }
    let outer = gathering::create(owner, &observer)?;
    gather.state.with(|state| state.outer = Some(outer.clone_ref(py)));
    if owner.get().is_watched() {
        let children =
            gather.state.with(|state| state.children.iter().map(|child| child.clone_ref(py)).collect());
        recorder::gathered(owner, &gather.mark, outer.object(), children);
    }
    done.iter().try_for_each(|child| gather.child_done(py, child))?;
    Ok(outer.into_object())
}
