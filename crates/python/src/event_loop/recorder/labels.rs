//! What items are called, by numbers of the file's strings. A callback's name is a string object of Python's, the same
//! each time, and so is that of a file: the last ones are kept, each with a reference, and one that comes again costs no
//! text.

use ironloop_trace::StringId;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::super::item::Item;
use super::super::loop_core::LoopCore;
use super::facts;
use crate::event_loop::handle::AnyHandle;
use crate::ffi::Object;
use crate::ffi::caller::caller;
use crate::ffi::intern::intern;

/// Of an item that is no task's step. Asking for it may run Python; what goes wrong has no name.
pub(super) fn of(slf: &Bound<'_, LoopCore>, item: &Item) -> StringId {
    let py = slf.py();
    match item {
        Item::Other(_, object) => return label(slf, object.bind(py).get_type().qualname().ok().as_ref()),
        Item::Event(..) => return descriptor(slf.get()),
        Item::Run(_) | Item::Home(_) => return number(slf.get(), "Rust"),
        _ => {}
    }
    let Some(function) = function_of(py, item) else { return StringId::NONE };
    of_object(slf, &function)
}

/// The same in words, for those who keep no file; each item has some.
pub(super) fn in_words(py: Python<'_>, item: &Item) -> String {
    match item {
        Item::Event(..) => "descriptor".to_owned(),
        Item::Wake(_) => "the end of a sleep".to_owned(),
        Item::Run(_) | Item::Home(_) => "Rust".to_owned(),
        Item::Notify(observer, _) => facts::name_of(py, observer.object()),
        Item::Other(_, object) => facts::name_of(py, object),
        _ => function_of(py, item)
            .map_or_else(|| "a callback".to_owned(), |function| facts::name_of(py, &function)),
    }
}

fn function_of(py: Python<'_>, item: &Item) -> Option<Object> {
    match item {
        Item::Call(handle) => handle.callback().known_function(py),
        Item::CallFromThread(handle) => handle.callback().known_function(py),
        Item::Timer(handle) => handle.callback().known_function(py),
        Item::Foreign(handle) => handle.bind(py).getattr(intern!(py, "_callback")).ok().map(Object::from),
        Item::Step(_)
        | Item::Throw(..)
        | Item::Wake(_)
        | Item::Notify(..)
        | Item::Other(..)
        | Item::Event(..)
        | Item::Run(_)
        | Item::End(_)
        | Item::Unwatch(..)
        | Item::Home(_)
        | Item::Blocked => None,
    }
}

/// Of whatever has a qualified name.
pub(super) fn of_object(slf: &Bound<'_, LoopCore>, object: &Object) -> StringId {
    let py = slf.py();
    match object.bind(py).getattr_opt(intern!(py, "__qualname__")) {
        Ok(Some(name)) if name.is_exact_instance_of::<PyString>() => label(slf, name.cast().ok()),
        _ => number(slf.get(), &facts::name_of(py, object)),
    }
}

/// Where the program's own code is now: file and line.
pub(super) fn here(slf: &Bound<'_, LoopCore>) -> StringId {
    caller(slf.py()).map_or(StringId::NONE, |(file, line)| at(slf, file, line))
}

/// A place in the program.
pub(super) fn at(slf: &Bound<'_, LoopCore>, file: Object, line: i32) -> StringId {
    if let Some(label) = slf.get().watch.with(|watch| watch.labels.place(&file, line)) {
        return label;
    }
    let Ok(text) = file.bind(slf.py()).cast::<PyString>() else { return StringId::NONE };
    let label = number(slf.get(), &format!("{}:{line}", text.to_string_lossy()));
    let other = slf.get().watch.with(|watch| watch.labels.keep_place(file, line, label));
    drop(other);
    label
}

/// A limit of so many seconds that the program sets now: what kind, how long, and where.
pub(crate) fn name_of_limit(slf: &Bound<'_, LoopCore>, kind: &str, seconds: f64) -> StringId {
    let seconds = format!("{seconds:.3}");
    let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
    let at = caller(slf.py()).and_then(|(file, line)| {
        Some(format!(" at {}:{line}", file.bind(slf.py()).cast::<PyString>().ok()?.to_string_lossy()))
    });
    number(slf.get(), &format!("{kind}({seconds}){}", at.unwrap_or_default()))
}

fn label(slf: &Bound<'_, LoopCore>, name: Option<&Bound<'_, PyString>>) -> StringId {
    let Some(name) = name else { return StringId::NONE };
    let object = Object::from(name.as_any());
    if let Some(label) = slf.get().watch.with(|watch| watch.labels.known(&object)) {
        return label;
    }
    let label = number(slf.get(), &name.to_string_lossy());
    let other = slf.get().watch.with(|watch| watch.labels.keep(object, label));
    drop(other);
    label
}

pub(super) fn number(core: &LoopCore, text: &str) -> StringId {
    core.watch.with(|watch| watch.area().map_or(StringId::NONE, |area| area.string(text)))
}

fn descriptor(core: &LoopCore) -> StringId {
    core.watch.with(|watch| {
        if let Some(label) = watch.labels.descriptor {
            return label;
        }
        let label = watch.area().map_or(StringId::NONE, |area| area.string("descriptor"));
        watch.labels.descriptor = Some(label);
        label
    })
}
