//! The items: a deque or a list, unless a subclass has other ideas.
//!
//! Python's deque is made when first somebody looks; until then the items are in one of ours, which no call
//! is needed to reach.

use std::collections::VecDeque;

use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::core::QueueCore;
use super::hooks::{Hook, Hooks, Init, Place, Take};
use super::state::{Items, Limit};
use crate::ffi::Object;
use crate::ffi::call::{call, call_method};
use crate::ffi::imports;
use crate::ffi::intern::intern;

fn is_deque(py: Python<'_>, object: &Object) -> PyResult<bool> {
    Ok(object.bind(py).is_exact_instance(imports::deque(py)?))
}

fn is_list(py: Python<'_>, object: &Object) -> bool {
    object.bind(py).is_exact_instance_of::<PyList>()
}

impl QueueCore {
    /// `self._init(maxsize)`
    pub(super) fn init_items(slf: &Bound<'_, Self>, maxsize: &Object) -> PyResult<()> {
        let py = slf.py();
        let items = match Hooks::of(slf).init() {
            Init::Deque => Items::Own(VecDeque::new()),
            Init::List => Items::Exposed(PyList::empty(py).into()),
            Init::Replaced => {
                return call_method(py, &slf.into(), intern!(py, "_init"), &[maxsize]).map(drop);
            }
        };
        drop(slf.get().state.with(|state| std::mem::replace(&mut state.items, items)));
        Ok(())
    }

    /// What is done to the items, if nobody has looked at them yet.
    fn own<R>(
        slf: &Bound<'_, Self>,
        hooks: Hooks,
        body: impl FnOnce(&mut VecDeque<Object>) -> R,
    ) -> Option<R> {
        if !hooks.has(Hook::Items) {
            return None;
        }
        slf.get().state.with(|state| match &mut state.items {
            Items::Own(items) => Some(body(items)),
            Items::None | Items::Exposed(_) => None,
        })
    }

    /// The container that everybody sees from now on, if there is any.
    pub(super) fn expose_items(slf: &Bound<'_, Self>) -> PyResult<Option<Object>> {
        let py = slf.py();
        let core = slf.get();
        if core.state.with(|state| matches!(state.items, Items::Own(_))) {
            let empty: Object = imports::deque(py)?.call0()?.into();
            let shown = Items::Exposed(empty.clone_ref(py));
            let own = core.state.with(|state| std::mem::replace(&mut state.items, shown));
            if let Items::Own(items) = own {
                for item in &items {
                    call(py, imports::deque_append(py)?, &[&empty, item])?;
                }
            }
        }
        Ok(core.state.with(|state| state.items.exposed().map(|items| items.clone_ref(py))))
    }

    /// `self._queue`
    fn items(slf: &Bound<'_, Self>, hooks: Hooks) -> PyResult<Object> {
        let py = slf.py();
        let items = slf.get().state.with(|state| state.items.exposed().map(|items| items.clone_ref(py)));
        match items {
            Some(items) if hooks.has(Hook::Items) => Ok(items),
            _ => slf.getattr(intern!(py, "_queue")).map(Object::from),
        }
    }

    /// `self._get()`
    pub(super) fn take(slf: &Bound<'_, Self>, hooks: Hooks) -> PyResult<Object> {
        let py = slf.py();
        let take = hooks.take();
        if matches!(take, Take::First)
            && let Some(first) = Self::own(slf, hooks, VecDeque::pop_front)
        {
            return first.ok_or_else(|| PyIndexError::new_err("pop from an empty deque"));
        }
        if !matches!(take, Take::Replaced) {
            let items = Self::items(slf, hooks)?;
            match take {
                Take::First if is_deque(py, &items)? => {
                    return call(py, imports::deque_popleft(py)?, &[&items]);
                }
                Take::Last if is_list(py, &items) => return call(py, imports::list_pop(py)?, &[&items]),
                Take::Least => return call(py, imports::heap_pop(py)?, &[&items]),
                _ => {}
            }
        }
        call_method(py, &slf.into(), intern!(py, "_get"), &[])
    }

    /// `self._put(item)`
    pub(super) fn place(slf: &Bound<'_, Self>, hooks: Hooks, item: &Object) -> PyResult<()> {
        let py = slf.py();
        let place = hooks.place();
        if matches!(place, Place::Behind)
            && Self::own(slf, hooks, |items| items.push_back(item.clone_ref(py))).is_some()
        {
            return Ok(());
        }
        if !matches!(place, Place::Replaced) {
            let items = Self::items(slf, hooks)?;
            match place {
                Place::Behind if is_deque(py, &items)? => {
                    return call(py, imports::deque_append(py)?, &[&items, item]).map(drop);
                }
                Place::OnTop => {
                    if let Ok(list) = items.bind(py).cast_exact::<PyList>() {
                        return list.append(item.bind(py));
                    }
                }
                Place::InOrder => return call(py, imports::heap_push(py)?, &[&items, item]).map(drop),
                _ => {}
            }
        }
        call_method(py, &slf.into(), intern!(py, "_put"), &[item]).map(drop)
    }

    /// `len(self._queue)`, in its own words.
    pub(super) fn count(slf: &Bound<'_, Self>, hooks: Hooks) -> PyResult<usize> {
        match Self::own(slf, hooks, |items| items.len()) {
            Some(count) => Ok(count),
            None => Self::items(slf, hooks)?.bind(slf.py()).len(),
        }
    }

    /// `not self._queue`
    pub(super) fn has_none(slf: &Bound<'_, Self>, hooks: Hooks) -> PyResult<bool> {
        match Self::own(slf, hooks, |items| items.is_empty()) {
            Some(empty) => Ok(empty),
            None => Ok(!Self::items(slf, hooks)?.bind(slf.py()).is_truthy()?),
        }
    }

    /// Whether there are as many as there may be.
    pub(super) fn has_all(slf: &Bound<'_, Self>, hooks: Hooks) -> PyResult<bool> {
        let py = slf.py();
        let limit = slf.get().state.with(|state| state.limit);
        match limit {
            Limit::None => Ok(false),
            Limit::Items(most) if hooks.has(Hook::QSize) => Ok(Self::count(slf, hooks)? >= most),
            _ => {
                let maxsize = slf.getattr(intern!(py, "_maxsize"))?;
                if maxsize.le(0)? {
                    return Ok(false);
                }
                slf.call_method0(intern!(py, "qsize"))?.ge(maxsize)
            }
        }
    }

    /// `self.empty()`
    pub(super) fn is_empty(slf: &Bound<'_, Self>, hooks: Hooks) -> PyResult<bool> {
        if hooks.has(Hook::Empty) {
            return Self::has_none(slf, hooks);
        }
        slf.call_method0(intern!(slf.py(), "empty"))?.is_truthy()
    }

    /// `self.full()`
    pub(super) fn is_full(slf: &Bound<'_, Self>, hooks: Hooks) -> PyResult<bool> {
        if hooks.has(Hook::Full) {
            return Self::has_all(slf, hooks);
        }
        slf.call_method0(intern!(slf.py(), "full"))?.is_truthy()
    }
}
